/**
 * What members of the type "consumer" say to each other through the coordinator, which itself only
 * passes it on: subscriptions and assignments.
 *
 * Both start with their version and with the fields of version 0, whatever follows in later ones, so
 * that these alone are read (ConsumerProtocolSubscription.json, ConsumerProtocolAssignment.json).
 *
 * @module
 */
import type { Buffer } from "node:buffer";

/** The protocol type of consumers. */
export const CONSUMER = "consumer";

/**
 * The topics that a member subscribes to.
 *
 * @param bytes Its metadata in a JoinGroup request.
 * @returns The topics' names, or null if these bytes are something else.
 */
export function parseSubscription(bytes: Buffer): string[] | null {
  const cursor = new Cursor(bytes);
  cursor.int16();
  const topics = cursor.array(() => cursor.string());
  return cursor.isBroken ? null : topics;
}

/**
 * The partitions that a member has been assigned.
 *
 * @param bytes Its assignment in a SyncGroup response.
 * @returns The partitions by topic, or null if these bytes are something else.
 */
export function parseAssignment(bytes: Buffer): Record<string, number[]> | null {
  const cursor = new Cursor(bytes);
  cursor.int16();
  const topics = cursor.array(() => {
    const topic = cursor.string();
    return [topic, cursor.array(() => cursor.int32())] as const;
  });
  return cursor.isBroken ? null : Object.fromEntries(topics);
}

/**
 * Reads forward. Once something reaches beyond the bytes it is broken, and what it reads means nothing:
 * that is nothing unusual, for a member without an assignment has no bytes at all.
 */
class Cursor {
  isBroken = false;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int16(): number {
    const at = this.#take(2);
    return this.isBroken ? 0 : this.#bytes.readInt16BE(at);
  }

  int32(): number {
    const at = this.#take(4);
    return this.isBroken ? 0 : this.#bytes.readInt32BE(at);
  }

  string(): string {
    const at = this.#take(this.int16());
    return this.isBroken ? "" : this.#bytes.toString("utf8", at, this.#at);
  }

  array<T>(read: () => T): T[] {
    const length = this.int32();
    if (length < 0) this.isBroken = true;
    const items: T[] = [];
    while (items.length < length && !this.isBroken) items.push(read());
    return items;
  }

  /** Goes on by so many bytes, and tells where they start. */
  #take(count: number): number {
    const start = this.#at;
    if (count < 0 || start + count > this.#bytes.length) this.isBroken = true;
    else this.#at += count;
    return start;
  }
}
