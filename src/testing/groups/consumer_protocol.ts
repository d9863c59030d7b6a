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
  try {
    const cursor = new Cursor(bytes);
    cursor.int16();
    return cursor.array(() => cursor.string());
  } catch {
    return null;
  }
}

/**
 * The partitions that a member has been assigned.
 *
 * @param bytes Its assignment in a SyncGroup response.
 * @returns The partitions by topic, or null if these bytes are something else.
 */
export function parseAssignment(bytes: Buffer): Record<string, number[]> | null {
  try {
    const cursor = new Cursor(bytes);
    cursor.int16();
    return Object.fromEntries(cursor.array(() => {
      const topic = cursor.string();
      return [topic, cursor.array(() => cursor.int32())] as const;
    }));
  } catch {
    return null;
  }
}

/** Reads forward; what lies beyond the end is a RangeError, as a Buffer's own methods have it. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int16(): number {
    const value = this.#bytes.readInt16BE(this.#at);
    this.#at += 2;
    return value;
  }

  int32(): number {
    const value = this.#bytes.readInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  string(): string {
    const length = this.int16();
    if (length < 0 || length > this.#left) throw new RangeError(`A string of ${length} bytes`);
    return this.#bytes.toString("utf8", this.#at, this.#at += length);
  }

  array<T>(read: () => T): T[] {
    const length = this.int32();
    // Each item takes two bytes at least, so that no length makes this loop longer than the bytes.
    if (length < 0 || length > this.#left / 2) throw new RangeError(`An array of ${length} items`);
    return Array.from({ length }, read);
  }

  get #left(): number {
    return this.#bytes.length - this.#at;
  }
}
