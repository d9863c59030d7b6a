/**
 * Ranges as a bitmap: short for many ranges close to each other.
 *
 * A varint, the offsets between the base and the first range less one, then a bit for each offset
 * from the first range on, the lowest bit of a byte first: 1 if it belongs to a range. The first bit
 * is 1 therefore, and the last byte is not 0.
 */

import type { OffsetRange, RangeWriter } from "./offset_range.ts";
import { readUnsigned, unsignedSize, writeUnsigned } from "./unsigned_varint.ts";

/** Writes ranges as a bitmap. */
export class BitmapWriter implements RangeWriter {
  taken = 0;
  readonly #memory: Uint8Array;
  readonly #base: number;
  #first = 0;
  #bits = 0;
  #size = 0;
  #full = false;

  /**
   * @param base Offset that the first range is behind.
   * @param room Most bytes.
   */
  constructor(base: number, room: number) {
    this.#memory = new Uint8Array(room);
    this.#base = base;
  }

  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.#size);
  }

  add(from: number, to: number): boolean {
    if (this.#full) return false;
    if (this.taken === 0) {
      this.#first = from;
      this.#bits = unsignedSize(from - this.#base - 1) * 8;
    }
    // Differences first: a sum with an offset could be beyond 2**53 and be rounded.
    const end = this.#bits + (to - this.#first);
    if (end > this.#memory.length * 8) {
      this.#full = true;
      return false;
    }
    if (this.taken === 0) writeUnsigned(this.#memory, 0, from - this.#base - 1);
    for (let bit = this.#bits + (from - this.#first); bit < end; bit++) {
      this.#memory[bit >>> 3]! |= 1 << (bit & 7);
    }
    this.#size = (end + 7) >>> 3;
    this.taken++;
    return true;
  }
}

/**
 * Reads what {@linkcode BitmapWriter} wrote.
 *
 * @returns The ranges, or null if the bytes are not such ranges.
 */
export function readBitmap(bytes: Uint8Array, base: number): OffsetRange[] | null {
  const cursor = { position: 0 };
  const gap = readUnsigned(bytes, cursor);
  const start = cursor.position * 8;
  if (gap === null || start >= bytes.length * 8) return null;
  if ((bytes[cursor.position]! & 1) === 0 || bytes.at(-1) === 0) return null;
  const last = bytes.length * 8 - Math.clz32(bytes.at(-1)!) + 24;
  const first = base + gap + 1;
  if (first + (last - start) > Number.MAX_SAFE_INTEGER) return null;
  const ranges: OffsetRange[] = [];
  let bit = start;
  while (bit < last) {
    const from = bit;
    while (bit < last && bytes[bit >>> 3]! >>> (bit & 7) & 1) bit++;
    ranges.push([first + (from - start), first + (bit - start)]);
    while (bit < last && !(bytes[bit >>> 3]! >>> (bit & 7) & 1)) bit++;
  }
  return ranges;
}
