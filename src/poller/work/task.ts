/** One message in the poller thread, from the time it is fetched until it is finished. */

import type { RecordTable } from "../../threads/records.ts";
import type { Lane } from "./lane.ts";
import type { WorkPartition } from "./work_partition.ts";

/** Where a message is: it waits for its turn, has been handed to an executor, or is done with. */
export type TaskState = "waiting" | "handed" | "finished";

/** One message. */
export class Task {
  readonly partition: WorkPartition;
  readonly lane: Lane;
  readonly offset: number;
  /** The records it is one of; null once it is finished, so that their memory can go. */
  table: RecordTable | null;
  /** Its place among them. */
  index: number;
  /** Bytes it takes. */
  readonly bytes: number;
  /** Which attempt is next, or under way: from 1. */
  attempt = 1;
  state: TaskState;
  /** Whether a thread went down with it among others: it is tried again alone, to see which it was. */
  suspect = false;
  /** When its executor has said that it is about to begin it; null: it has not. */
  begunAt: number | null = null;
  /** When its wait began, while it waits to be one of a batch. */
  since = 0;

  constructor(
    partition: WorkPartition,
    lane: Lane,
    offset: number,
    table: RecordTable | null,
    index: number,
    bytes: number,
  ) {
    this.partition = partition;
    this.lane = lane;
    this.offset = offset;
    this.table = table;
    this.index = index;
    this.bytes = bytes;
    this.state = table === null ? "finished" : "waiting";
  }

  /** Whether it is done with, as far as commits are concerned. */
  get finished(): boolean {
    return this.state === "finished" || (this.state === "handed" && this.partition.countsHanded);
  }
}
