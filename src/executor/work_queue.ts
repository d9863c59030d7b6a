/** Runs that have not begun, in the order in which they came. */

import { Deque } from "../threads/deque.ts";
import type { TopicTimes } from "../threads/handling_times.ts";
import type { WorkBatch } from "../threads/work.ts";
import { Run, WorkMessages } from "./run.ts";

interface Queued {
  readonly messages: WorkMessages;
  /** Lengths of all runs. */
  readonly runs: Int32Array;
  /** The run to take next, and its first message. */
  run: number;
  next: number;
}

/** A queue of runs. */
export class WorkQueue {
  readonly #batches = new Deque<Queued>();
  #count = 0;

  /** How many messages wait. */
  get count(): number {
    return this.#count;
  }

  /** Whether the next run is to begin with nothing else. */
  get soloFirst(): boolean {
    return this.#batches.at(0)?.messages.solo ?? false;
  }

  /** Adds the runs of a batch, whose times are counted there. */
  push(work: WorkBatch, times: TopicTimes): void {
    if (work.runs.length === 0) return;
    this.#count += work.records.count;
    const messages = new WorkMessages(work, times);
    this.#batches.push({ messages, runs: work.runs, run: 0, next: 0 });
  }

  /** Takes the next run; undefined if there is none. */
  shift(): Run | undefined {
    const batch = this.#batches.at(0);
    if (batch === undefined) return undefined;
    const length = batch.runs[batch.run++]!;
    const run = new Run(batch.messages, batch.next, batch.next += length);
    if (batch.run === batch.runs.length) this.#batches.shift();
    this.#count -= length;
    return run;
  }

  /**
   * Drops what is of these assignments.
   *
   * @param dropped Called with each message.
   */
  release(
    ours: (messages: WorkMessages) => boolean,
    dropped: (messages: WorkMessages, index: number) => void,
  ): void {
    for (const { messages, next } of this.#batches.remove(({ messages }) => ours(messages))) {
      const { count } = messages.records;
      this.#count -= count - next;
      for (let index = next; index < count; index++) dropped(messages, index);
    }
  }
}
