// Subscriptions and assignments as consumers write them, in version 0.

import { Buffer } from "node:buffer";

const int16 = (value: number) => Buffer.from([value >> 8, value]);
const int32 = (value: number) => Buffer.from([value >> 24, value >> 16, value >> 8, value]);
const string = (text: string) => Buffer.concat([int16(Buffer.byteLength(text)), Buffer.from(text)]);
const array = <T>(items: readonly T[], write: (item: T) => Buffer) =>
  Buffer.concat([int32(items.length), ...items.map(write)]);
const NO_USER_DATA = int32(-1);

/** A member's metadata: the topics it subscribes to. */
export function subscription(...topics: string[]): Buffer {
  return Buffer.concat([int16(0), array(topics, string), NO_USER_DATA]);
}

/** A member's assignment. */
export function assignment(topics: Record<string, number[]>): Buffer {
  const entry = ([topic, partitions]: [string, number[]]) =>
    Buffer.concat([string(topic), array(partitions, int32)]);
  return Buffer.concat([int16(0), array(Object.entries(topics), entry), NO_USER_DATA]);
}
