/** What the poller knows of one assigned partition: what waits, what is under way, what is finished. */

import type { TopicPartition } from "../driver.ts";
import { BOUNDS_PER_RECORD, KEY_START, recordBytes, type RecordTable } from "../threads/records.ts";
import type { CommitPoint, Ledger } from "./ledger.ts";

/** Bytes a record takes beside its body: offset, timestamp and bounds. */
const BYTES_PER_ENTRY = 36;

/** A run of records to hand over. */
export interface Run {
  /** The table they are in. */
  table: RecordTable;
  /** The first. */
  from: number;
  /** The one behind the last. */
  to: number;
  /** Bytes they take in memory. */
  bytes: number;
}

/** A run that has been handed over. */
interface Batch {
  id: number;
  count: number;
  finished: number;
}

/**
 * The ledger of one partition under one assignment.
 *
 * Records arrive by {@linkcode add}, leave by {@linkcode take} in offset order, and are finished in
 * that order too. Offsets are never assumed to be contiguous: where everything that arrived is
 * finished, the position of the next fetch may be committed, which lies beyond gaps and transaction
 * markers; else the offset behind the last finished message.
 */
export class PartitionLedger implements Ledger {
  readonly topic: string;
  readonly partition: number;
  /** Epoch of the assignment. */
  readonly epoch: number;
  /** Offset from which the next fetch reads, or null before the first batch of a vague source. */
  position: number | null;
  /** Offset the group has committed, or null. */
  committed: number | null;
  /** End of the log as last seen, or null. */
  endOffset: number | null = null;
  /** Whether the client has been told not to fetch it. */
  paused = false;

  #queue: { table: RecordTable; from: number }[] = [];
  #queuedMessages = 0;
  #queuedBytes = 0;
  #underWay: Batch[] = [];
  #finishedTo: number | null = null;
  readonly #start: number | null;
  /** Whether nothing more is taken in. */
  #closed = false;
  /** Whether something that was taken in will never be handed over. */
  #dropped = false;

  constructor(
    { topic, partition }: TopicPartition,
    epoch: number,
    start: { position?: number | undefined; committed?: number | null | undefined } = {},
  ) {
    this.topic = topic;
    this.partition = partition;
    this.epoch = epoch;
    this.position = this.#start = start.position ?? null;
    this.committed = start.committed ?? null;
  }

  /** Messages that wait to be handed over. */
  get queuedMessages(): number {
    return this.#queuedMessages;
  }

  /** Bytes of memory they take. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Messages handed over and not finished. */
  get inFlight(): number {
    return this.#underWay.reduce((sum, { count, finished }) => sum + count - finished, 0);
  }

  /** Takes in what was fetched. */
  add(table: RecordTable, nextOffset?: number, endOffset?: number): void {
    if (endOffset !== undefined) this.endOffset = endOffset;
    if (this.#closed) return;
    if (table.count > 0) {
      // Gaps and markers behind the last message were done with; they stay so when more arrives.
      if (this.#idle && this.position !== this.#start) this.#finishedTo = this.position;
      this.#queue.push({ table, from: 0 });
      this.#queuedMessages += table.count;
      this.#queuedBytes += memoryOf(table, 0, table.count);
      this.position = table.offsets[table.count - 1]! + 1;
    }
    if (nextOffset !== undefined) this.position = Math.max(nextOffset, this.position ?? 0);
  }

  /**
   * Takes the next run out of the queue and counts it as under way.
   *
   * @param id Names the run when it is finished.
   * @param maxMessages Most messages, at least 1.
   * @param maxBytes Most bytes; one message is taken even if it alone has more.
   * @returns The run, or null if nothing waits.
   */
  take(id: number, maxMessages: number, maxBytes: number): Run | null {
    const head = this.#queue[0];
    if (head === undefined) return null;
    const { table, from } = head;
    const to = fit(table, from, Math.min(table.count, from + maxMessages), maxBytes);
    const bytes = memoryOf(table, from, to);
    this.#queuedMessages -= to - from;
    this.#queuedBytes -= bytes;
    if (to === table.count) this.#queue.shift();
    else head.from = to;
    this.#underWay.push({ id, count: to - from, finished: 0 });
    return { table, from, to, bytes };
  }

  /**
   * Notes that the first `count` messages of a run are finished.
   *
   * @param offset That of the last of them.
   * @returns Whether the whole run is finished now.
   */
  finish(id: number, count: number, offset: number): boolean {
    const index = this.#underWay.findIndex((batch) => batch.id === id);
    const batch = this.#underWay[index];
    if (batch === undefined) return false;
    batch.finished = Math.max(batch.finished, Math.min(count, batch.count));
    // Runs are handled in the order in which they were handed over, so the first is the one that
    // counts; a later one that reports before it would be a message lost at the next commit.
    if (index === 0 && batch.finished > 0) this.#finishedTo = offset + 1;
    if (batch.finished < batch.count) return false;
    this.#underWay.splice(index, 1);
    return true;
  }

  /** Drops what waits and takes in nothing more: the partition is going, or gone. */
  discard(): void {
    this.#closed = true;
    this.#dropped ||= this.#queue.length > 0;
    this.#queue = [];
    this.#queuedMessages = 0;
    this.#queuedBytes = 0;
  }

  /** Where this consumer stands: the offset behind all that is finished, or where it began. */
  get finishedTo(): number | null {
    return this.#idle ? this.position : this.#finishedTo ?? this.#start;
  }

  /** Where the group would go on if it committed now, or null if nothing new can be committed. */
  commitable(): number | null {
    const offset = this.#idle ? this.position : this.#finishedTo;
    return offset !== null && this.isNews(offset) ? offset : null;
  }

  isNews(offset: number): boolean {
    return offset > (this.committed ?? -1);
  }

  commitPoint(offset: number): CommitPoint {
    return { offset };
  }

  wasCommitted({ offset }: CommitPoint): void {
    this.committed = offset;
  }

  /** Whether finished messages are not committed yet: they would be handled again. */
  get uncommitted(): boolean {
    return this.#finishedTo !== null && this.#finishedTo > (this.committed ?? -1);
  }

  get #idle(): boolean {
    return !this.#dropped && this.#queue.length === 0 && this.#underWay.length === 0;
  }
}

function memoryOf(table: RecordTable, from: number, to: number): number {
  return recordBytes(table, from, to) + (to - from) * BYTES_PER_ENTRY;
}

/** The largest end at or below `to` with which a run from `from` stays within `maxBytes`. */
function fit(table: RecordTable, from: number, to: number, maxBytes: number): number {
  if (memoryOf(table, from, to) <= maxBytes) return to;
  const start = table.bounds[from * BOUNDS_PER_RECORD + KEY_START]!;
  let low = from + 1;
  let high = to;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const end = middle < table.count
      ? table.bounds[middle * BOUNDS_PER_RECORD + KEY_START]!
      : table.end;
    if (end - start + (middle - from) * BYTES_PER_ENTRY <= maxBytes) low = middle;
    else high = middle - 1;
  }
  return low;
}
