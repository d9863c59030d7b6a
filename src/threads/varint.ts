/**
 * Zigzag varints of 32 bits, as Kafka's record format v2 has them.
 *
 * Source: Kafka protocol guide, "Record" and the Protocol Buffers encoding it refers to.
 */

/** Where the next read begins; reading moves it on. */
export interface Cursor {
  /** Index into the bytes. */
  position: number;
}

/** Reads a varint at the cursor and moves the cursor behind it. */
export function readVarint(bytes: Uint8Array, cursor: Cursor): number {
  let result = 0;
  let shift = 0;
  let byte: number;
  do {
    byte = bytes[cursor.position++]!;
    result |= (byte & 0x7f) << shift;
    shift += 7;
  } while (byte >= 0x80 && shift < 35);
  return (result >>> 1) ^ -(result & 1);
}

/** Writes a varint at `position` and returns the position behind it. */
export function writeVarint(bytes: Uint8Array, position: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  while (rest >= 0x80) {
    bytes[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[position++] = rest;
  return position;
}

/** How many bytes {@linkcode writeVarint} would take. */
export function varintSize(value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let size = 1;
  while (rest >= 0x80) {
    rest >>>= 7;
    size++;
  }
  return size;
}
