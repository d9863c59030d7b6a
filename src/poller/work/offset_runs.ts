/**
 * Ranges as run lengths: short for few ranges, however long they are.
 *
 * For each range two varints: the offsets between it and the range before (the first: and the base)
 * less one, and its own offsets less one. Neither can be 0 before that, as ranges do not touch.
 */

import type { Cursor } from "../../threads/varint.ts";
import type { OffsetRange, RangeWriter } from "./offset_range.ts";
import { readUnsigned, unsignedSize, writeUnsigned } from "./unsigned_varint.ts";

/** Writes ranges as run lengths. */
export class RunsWriter implements RangeWriter {
  taken = 0;
  readonly #memory: Uint8Array;
  #size = 0;
  #end: number;
  #full = false;

  /**
   * @param base Offset that the first range is behind.
   * @param room Most bytes.
   */
  constructor(base: number, room: number) {
    this.#memory = new Uint8Array(room);
    this.#end = base;
  }

  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.#size);
  }

  add(from: number, to: number): boolean {
    const gap = from - this.#end - 1;
    const length = to - from - 1;
    this.#full ||= this.#size + unsignedSize(gap) + unsignedSize(length) > this.#memory.length;
    if (this.#full) return false;
    this.#size = writeUnsigned(this.#memory, this.#size, gap);
    this.#size = writeUnsigned(this.#memory, this.#size, length);
    this.#end = to;
    this.taken++;
    return true;
  }
}

/**
 * Reads what {@linkcode RunsWriter} wrote.
 *
 * @returns The ranges, or null if the bytes are not such ranges.
 */
export function readRuns(bytes: Uint8Array, base: number): OffsetRange[] | null {
  const ranges: OffsetRange[] = [];
  const cursor: Cursor = { position: 0 };
  let end = base;
  while (cursor.position < bytes.length) {
    const gap = readUnsigned(bytes, cursor);
    const length = readUnsigned(bytes, cursor);
    if (gap === null || length === null) return null;
    const from = end + gap + 1;
    end = from + length + 1;
    // Each sum beyond the bound may be rounded, but never to below it.
    if (end > Number.MAX_SAFE_INTEGER) return null;
    ranges.push([from, end]);
  }
  return ranges;
}
