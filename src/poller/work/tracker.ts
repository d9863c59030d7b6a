/** Which offsets of a partition are finished: the lowest that is not, and what is beyond it. */

import type { OffsetRange } from "./offset_map.ts";

/** What is tracked: a message by its offset, finished or not. */
export interface Tracked {
  readonly offset: number;
  readonly finished: boolean;
}

/**
 * Messages of one partition in offset order. They are added in that order, and finish in any.
 *
 * Offsets are never taken to be contiguous. Those that no message was seen at (compaction, transaction
 * markers) belong to nobody: they count as finished where what is around them is.
 */
export class Tracker<Item extends Tracked> {
  #items: Item[] = [];
  #head = 0;
  /** Ranges known as finished from the commit's metadata whose messages have not been read again. */
  #restored: OffsetRange[] = [];

  /** The lowest message that is not finished, or null if all are. */
  get lowest(): Item | null {
    return this.#items[this.#head] ?? null;
  }

  /** How many messages there are from the lowest unfinished one on. */
  get span(): number {
    return this.#items.length - this.#head;
  }

  /** Takes over what the commit's metadata says. */
  restore(ranges: readonly OffsetRange[]): void {
    this.#restored = [...ranges];
  }

  /** Whether an offset was finished before this assignment. To be asked in rising order. */
  wasFinished(offset: number): boolean {
    while (this.#restored.length > 0 && this.#restored[0]![1] <= offset) this.#restored.shift();
    const [range] = this.#restored;
    return range !== undefined && range[0] <= offset;
  }

  /** The offset behind those from this one on that were finished before this assignment. */
  endOfFinished(offset: number): number {
    return this.wasFinished(offset) ? this.#restored[0]![1] : offset;
  }

  /** Adds a message behind all others. */
  add(item: Item): void {
    this.#items.push(item);
  }

  /** To be called when messages have become finished. */
  advance(): void {
    while (this.#items[this.#head]?.finished) this.#head++;
    if (this.#head >= 1_024 && this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
  }

  /**
   * What is finished beyond the lowest unfinished message, as rising ranges that do not touch.
   *
   * @param next The offset that is read next: what was restored and lies beyond it still counts.
   */
  *finishedBeyond(next: number): Generator<OffsetRange> {
    let from = -1;
    let to = -1;
    for (let index = this.#head; index < this.#items.length; index++) {
      const { offset, finished } = this.#items[index]!;
      if (finished) {
        if (from < 0) from = offset;
        to = offset + 1;
      } else if (from >= 0) {
        yield [from, to];
        from = -1;
      }
    }
    for (const [start, end] of this.#restored) {
      const begin = Math.max(start, next);
      if (begin >= end) continue;
      if (from >= 0 && begin <= to) {
        to = Math.max(to, end);
        continue;
      }
      if (from >= 0) yield [from, to];
      from = begin;
      to = end;
    }
    if (from >= 0) yield [from, to];
  }
}
