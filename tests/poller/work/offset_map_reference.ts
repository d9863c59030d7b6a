// The format of docs/offset_map.md a second time, as plainly as it can be said: one offset or bit at
// a time, in arithmetic of any size, sharing nothing with src.

import type { OffsetRange } from "../../../src/poller/work/offset_map.ts";

function crcOf(bytes: readonly number[]): number {
  let rest = 0xffff_ffff;
  for (const byte of bytes) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb8_8320 : rest >>> 1;
  }
  return (rest ^ 0xffff_ffff) >>> 0;
}

/** Puts version and checksum around an encoding and its ranges, well-formed or not. */
export function seal(base: number, content: readonly number[], prefix = "kt1:"): string {
  const head = Array.from(prefix, (character) => character.charCodeAt(0));
  const offset = Array.from({ length: 8 }, (_, index) => {
    return Number(BigInt(base) >> BigInt(8 * (7 - index)) & 0xffn);
  });
  const crc = crcOf([...head, ...offset, ...content]);
  const checksum = [0, 8, 16, 24].map((shift) => crc >>> shift & 0xff);
  return prefix + btoa(String.fromCharCode(...content, ...checksum)).replaceAll("=", "");
}

/** A whole number as a varint. */
export function varint(value: number | bigint): number[] {
  const rest = BigInt(value);
  return rest < 0x80n ? [Number(rest)] : [Number(rest & 0x7fn) + 0x80, ...varint(rest >> 7n)];
}

/** Encoding 1. */
export function runsOf(base: number, ranges: readonly OffsetRange[]): number[] {
  return [
    1,
    ...ranges.flatMap(([from, to], index) => {
      const before = index === 0 ? base : ranges[index - 1]![1];
      return [...varint(from - before - 1), ...varint(to - from - 1)];
    }),
  ];
}

/** Encoding 2; only for ranges that lie close to each other. */
export function bitmapOf(base: number, ranges: readonly OffsetRange[]): number[] {
  const first = ranges[0]![0];
  const bits = Array.from({ length: Math.ceil((ranges.at(-1)![1] - first) / 8) }, () => 0);
  for (const [from, to] of ranges) {
    for (let offset = from; offset < to; offset++) {
      bits[Math.floor((offset - first) / 8)]! += 2 ** ((offset - first) % 8);
    }
  }
  return [2, ...varint(first - base - 1), ...bits];
}

/** Reads a map that is known to be sound. */
export function read(metadata: string, base: number): OffsetRange[] {
  const bytes = Array.from(atob(metadata.slice(4)), (character) => character.charCodeAt(0));
  const content = bytes.slice(0, -4);
  if (seal(base, content) !== metadata) throw new Error("The checksum is wrong");
  let position = 1;
  const next = (): bigint => {
    const byte = BigInt(content[position++]!);
    return byte < 0x80n ? byte : byte - 0x80n + (next() << 7n);
  };
  const ranges: OffsetRange[] = [];
  if (content[0] === 1) {
    let end = BigInt(base);
    while (position < content.length) {
      const from = end + 1n + next();
      end = from + 1n + next();
      ranges.push([Number(from), Number(end)]);
    }
    return ranges;
  }
  const first = base + 1 + Number(next());
  for (let bit = 0; bit < (content.length - position) * 8; bit++) {
    if ((content[position + Math.floor(bit / 8)]! >> bit % 8 & 1) === 0) continue;
    if (ranges.at(-1)?.[1] === first + bit) {
      ranges[ranges.length - 1] = [ranges.at(-1)![0], first + bit + 1];
    } else ranges.push([first + bit, first + bit + 1]);
  }
  return ranges;
}
