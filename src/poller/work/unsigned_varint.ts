/**
 * Varints of whole numbers from 0 to 2**53 - 1: seven bits a byte, the lowest first, the top bit of
 * a byte tells that more follow (LEB128).
 *
 * Bitwise operators of JavaScript end at 32 bits, hence the arithmetic.
 */

import type { Cursor } from "../../threads/varint.ts";

/** How many bytes {@linkcode writeUnsigned} takes for this value. */
export function unsignedSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Writes a value at `position` and returns the position behind it. */
export function writeUnsigned(bytes: Uint8Array, position: number, value: number): number {
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[position++] = rest % 0x80 + 0x80;
  bytes[position++] = rest;
  return position;
}

/**
 * Reads the value at the cursor and moves the cursor behind it.
 *
 * @returns The value, or null if the bytes end within it, it is larger than 2**53 - 1, or it has
 * more bytes than it needs.
 */
export function readUnsigned(bytes: Uint8Array, cursor: Cursor): number | null {
  let value = 0;
  // Eight bytes have 56 bits, so that no value of theirs is rounded below the bound.
  for (let unit = 1; unit < 2 ** 56; unit *= 0x80) {
    const byte = bytes[cursor.position++];
    if (byte === undefined) return null;
    value += (byte & 0x7f) * unit;
    if (byte >= 0x80) continue;
    return value > Number.MAX_SAFE_INTEGER || byte === 0 && unit > 1 ? null : value;
  }
  return null;
}
