/** What the poller knows of one assigned partition whose messages are handled out of order. */

import type { AssignedPartition } from "../../driver.ts";
import {
  BOUNDS_PER_RECORD,
  KEY_LENGTH,
  KEY_START,
  recordBytes,
  type RecordTable,
  unpackRecords,
} from "../../threads/records.ts";
import type { CommitPoint, Ledger } from "../ledger.ts";
import { gatherRecords } from "./gather.ts";
import { hashKey } from "./key_hash.ts";
import { createLane, type Lane } from "./lane.ts";
import { encodeOffsetMap, type OffsetRange } from "./offset_map.ts";
import { Task } from "./task.ts";
import { Tracker } from "./tracker.ts";

/** Bytes a message takes here beside its record: a task, and its part of a table. */
const BYTES_PER_TASK = 160;
/** From this many messages on from the lowest unfinished one, nothing new is started. */
const MAX_SPAN = 1_000_000;

/** Which messages wait for each other. */
export type Order = "key" | "partition" | "none";

/** Records that were fetched together, as long as one of them is not finished. */
interface Hold {
  readonly bytes: number;
  live: number;
  tasks: Task[] | null;
}

/** One partition under one assignment. Times come in as arguments. */
export class WorkPartition implements Ledger {
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
  /** Number of the assignment, by which executors know it. */
  readonly assignment: number;
  /** Bytes of metadata that may go with a commit; 0: none. */
  readonly #metadataBytes: number;
  /** Whether a message is as good as finished, to commits, once it is handed over. */
  readonly countsHanded: boolean;
  readonly #order: Order;
  /** Messages without an order. */
  readonly free: Lane = createLane(null, false);
  readonly #whole: Lane = createLane(null, true);
  readonly #lanes = new Map<number, Lane>();
  readonly #tracker = new Tracker<Task>();
  readonly #holds = new Map<RecordTable, Hold>();
  readonly #start: number | null;
  /** The assignment before this one, as long as it has something under way. */
  #predecessor: WorkPartition | null;
  #closed = false;
  #handed = 0;
  #queuedMessages = 0;
  #queuedBytes = 0;
  #handedBytes = 0;
  #progress = 0;
  #committedProgress = 0;
  #sentProgress = 0;
  #mapIsFull = false;
  #parked = false;
  /** Metadata of the group's commit that has not been looked at, or null. */
  metadata: string | null = null;
  position: number | null;
  committed: number | null;
  endOffset: number | null = null;
  paused = false;

  constructor(
    { topic, partition, position, committed }: AssignedPartition,
    { epoch, assignment, order, metadataBytes, countsHanded, predecessor }: {
      epoch: number;
      assignment: number;
      order: Order;
      metadataBytes: number;
      countsHanded: boolean;
      predecessor: WorkPartition | null;
    },
  ) {
    this.topic = topic;
    this.partition = partition;
    this.epoch = epoch;
    this.assignment = assignment;
    this.position = this.#start = position ?? null;
    this.committed = committed ?? null;
    this.#order = order;
    this.#metadataBytes = metadataBytes;
    this.countsHanded = countsHanded;
    this.#predecessor = predecessor;
  }

  /** Messages that have not been handed over. */
  get queuedMessages(): number {
    return this.#queuedMessages;
  }

  /** Their bytes. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Messages handed over and not settled. */
  get inFlight(): number {
    return this.#handed;
  }

  /** This assignment, or the last one before it, if it has something under way. */
  get lastUnderWay(): WorkPartition | null {
    return this.#handed > 0 ? this : this.#before();
  }

  /** Messages that are in memory, and their bytes. */
  get held(): { messages: number; bytes: number } {
    return {
      messages: this.#queuedMessages + this.#handed,
      bytes: this.#queuedBytes + this.#handedBytes,
    };
  }

  /** The lowest message that is not finished, or null. */
  get lowest(): Task | null {
    return this.#tracker.lowest;
  }

  /** Whether the assignment is over, or about to be. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether nothing beyond the lowest unfinished message may start, as it could not be remembered. */
  get full(): boolean {
    return this.#mapIsFull || this.#tracker.span >= MAX_SPAN;
  }

  /** Whether lanes were not let start because it was full, and it is not any more; asking forgets it. */
  hasRoomAgain(): boolean {
    if (!this.#parked || this.full) return false;
    this.#parked = false;
    return true;
  }

  /** Takes over what the commit's metadata says is finished. */
  restore(ranges: readonly OffsetRange[]): void {
    this.#tracker.restore(ranges);
  }

  /**
   * Takes in what was fetched.
   *
   * @returns The lanes that have got something, and how many messages were left out because they were
   * finished before this assignment.
   */
  add(
    table: RecordTable,
    now: number,
    nextOffset?: number,
    endOffset?: number,
  ): { lanes: Set<Lane>; leftOut: number } {
    const lanes = new Set<Lane>();
    let leftOut = 0;
    if (endOffset !== undefined) this.endOffset = endOffset;
    if (this.#closed) return { lanes, leftOut };
    let hold: Hold | null = null;
    for (let index = 0; index < table.count; index++) {
      const offset = table.offsets[index]!;
      if (this.#tracker.wasFinished(offset)) {
        // Not dropped from the record of what is finished: only this commit's metadata knew it.
        this.#tracker.add(new Task(this, this.free, offset, null, 0, 0));
        leftOut++;
        continue;
      }
      const lane = this.#laneOf(table, index);
      const bytes = recordBytes(table, index, index + 1) + BYTES_PER_TASK;
      const task = new Task(this, lane, offset, table, index, bytes);
      task.since = now;
      hold ??= { bytes: table.end - table.base, live: 0, tasks: [] };
      hold.live += bytes - BYTES_PER_TASK;
      hold.tasks!.push(task);
      this.#tracker.add(task);
      lane.waiting.push(task);
      this.#queuedMessages++;
      this.#queuedBytes += bytes;
      lanes.add(lane);
    }
    if (hold !== null) this.#holds.set(table, hold);
    if (table.count > 0) this.position = table.offsets[table.count - 1]! + 1;
    if (nextOffset !== undefined) this.position = Math.max(nextOffset, this.position ?? 0);
    this.#tracker.advance();
    return { lanes, leftOut };
  }

  /** Whether a message of this lane may start, its time apart. */
  mayStart(lane: Lane): boolean {
    if (this.#closed || lane.waiting.length === 0) return false;
    if (lane.serial && (lane.handed > 0 || this.#before()?.isUnderWay(lane))) return false;
    if (!this.full || lane.waiting.at(0) === this.#tracker.lowest) return true;
    this.#parked = true;
    return false;
  }

  /** Whether something of the same lane was handed over under this assignment and is not settled. */
  isUnderWay({ key, serial }: Pick<Lane, "key" | "serial">): boolean {
    if (!serial) return false;
    const lane = key === null ? this.#whole : this.#lanes.get(key);
    return (lane !== undefined && lane.handed > 0) ||
      (this.#before()?.isUnderWay({ key, serial }) ?? false);
  }

  /** The lane of this assignment that has the same order as one of another assignment's. */
  counterpart({ key, serial }: Lane): Lane | undefined {
    return serial ? (key === null ? this.#whole : this.#lanes.get(key)) : undefined;
  }

  /** Lanes with something in them. */
  *lanes(): Generator<Lane> {
    for (const lane of [this.free, this.#whole]) if (lane.waiting.length > 0) yield lane;
    for (const lane of this.#lanes.values()) if (lane.waiting.length > 0) yield lane;
  }

  /** Takes the next message of a lane, to hand it over. */
  take(lane: Lane): Task {
    const task = lane.waiting.shift()!;
    task.state = "handed";
    if (this.countsHanded) this.#tracker.advance();
    lane.handed++;
    this.#handed++;
    this.#queuedMessages--;
    this.#queuedBytes -= task.bytes;
    this.#handedBytes += task.bytes;
    return task;
  }

  /** A message is done with. */
  finish(task: Task): void {
    this.#settle(task);
    task.state = "finished";
    this.#progress++;
    this.#tracker.advance();
    this.#release(task);
    const { lane } = task;
    if (lane.key !== null && lane.handed === 0 && lane.waiting.length === 0) {
      this.#lanes.delete(lane.key);
    }
  }

  /** Takes a message back that was handed over: it waits again, before all that is behind it. */
  giveBack(task: Task): void {
    this.putAside(task);
    this.takeUp(task);
  }

  /** Ends what is handed over without a word on whether it was handled. */
  abandon(task: Task): void {
    this.#settle(task);
  }

  /** Takes a message back whose next attempt has to wait, beside those of its lane that need not. */
  putAside(task: Task): void {
    this.#settle(task);
    if (this.#closed) return;
    task.state = "waiting";
    this.#queuedMessages++;
    this.#queuedBytes += task.bytes;
  }

  /** Its wait is over. */
  takeUp(task: Task): void {
    // What failed comes back before what was behind it in its run, or after that, and the lowest of a
    // free lane must be its first.
    if (!this.#closed) task.lane.waiting.insert(task, ({ offset }) => offset < task.offset);
  }

  discard(): void {
    this.#closed = true;
    for (const lane of this.lanes()) lane.waiting.clear();
    this.#queuedMessages = this.#queuedBytes = 0;
    this.#holds.clear();
  }

  get finishedTo(): number | null {
    return this.#base() ?? this.#start;
  }

  get uncommitted(): boolean {
    const base = this.#base();
    return this.#progress > 0 && base !== null && this.isNews(base);
  }

  commitable(): number | null {
    const base = this.#base();
    return base !== null && this.isNews(base) ? base : null;
  }

  isNews(offset: number): boolean {
    const committed = this.committed ?? -1;
    if (offset > committed) return true;
    // The same offset, and more finished beyond it.
    return this.#metadataBytes > 0 && offset === committed &&
      this.#progress > this.#committedProgress;
  }

  commitPoint(asked: number): CommitPoint {
    this.#sentProgress = this.#progress;
    const base = this.#base() ?? asked;
    // A commit that the program asks for may be behind; what the group has goes only forward.
    if (base < asked) return { offset: asked };
    if (this.#metadataBytes === 0) return { offset: base };
    const { metadata, complete } = encodeOffsetMap(
      base,
      this.#tracker.finishedBeyond(Math.max(base, this.position ?? 0)),
      this.#metadataBytes,
    );
    this.#mapIsFull = !complete;
    return metadata === "" ? { offset: base } : { offset: base, metadata };
  }

  wasCommitted({ offset }: CommitPoint): void {
    this.committed = offset;
    this.#committedProgress = this.#sentProgress;
  }

  /** The offset behind all that is finished; null before anything is known. */
  #base(): number | null {
    // What was dropped, or given up, still stands among the tracked: it is the lowest unfinished then.
    const { lowest } = this.#tracker;
    if (lowest !== null) return lowest.offset;
    return this.position === null ? null : this.#tracker.endOfFinished(this.position);
  }

  #laneOf(table: RecordTable, index: number): Lane {
    if (this.#order === "partition") return this.#whole;
    if (this.#order === "none") return this.free;
    const bound = index * BOUNDS_PER_RECORD;
    const length = table.bounds[bound + KEY_LENGTH]!;
    if (length < 0) return this.free;
    const start = table.bounds[bound + KEY_START]! - table.base;
    const key = hashKey(table.bytes, start, start + length);
    let lane = this.#lanes.get(key);
    if (lane === undefined) this.#lanes.set(key, lane = createLane(key, true));
    return lane;
  }

  #before(): WorkPartition | null {
    return this.#predecessor = this.#predecessor?.lastUnderWay ?? null;
  }

  #settle(task: Task): void {
    task.lane.handed--;
    this.#handed--;
    this.#handedBytes -= task.bytes;
  }

  /** Lets go of a finished message's record, and copies the last few of a table out of it. */
  #release(task: Task): void {
    const { table, bytes } = task;
    task.table = null;
    const hold = table === null ? undefined : this.#holds.get(table);
    if (table === null || hold === undefined) return;
    hold.live -= bytes - BYTES_PER_TASK;
    if (hold.live > 0 && hold.live * 4 > hold.bytes) return;
    this.#holds.delete(table);
    // One slow message must not keep a whole fetch in memory.
    const left = hold.tasks!.filter((other) => other.table === table);
    if (left.length === 0) return;
    const copy = unpackRecords(gatherRecords(left));
    left.forEach((other, index) => {
      other.table = copy;
      other.index = index;
    });
    this.#holds.set(copy, { bytes: hold.live, live: hold.live, tasks: left });
  }
}
