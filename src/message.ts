/** The message a handler gets. */

import { MessageError } from "./errors.ts";
import type { DriverRecord, MessageHeader, TopicPartition } from "./driver.ts";
import {
  headersAt,
  keyAt,
  readable,
  type ReadableTable,
  tableOfRecords,
  textAt,
  valueAt,
} from "./threads/records.ts";

/** A run of messages of one partition and one assignment, unpacked lazily. */
export interface MessageBatch extends TopicPartition {
  /** Epoch of the assignment under which the messages were read. */
  epoch: number;
  /** The records. */
  records: ReadableTable;
}

/**
 * One Kafka message. Its fields are read from the batch it came in when they are asked for.
 *
 * `key`, `value` and header values are views of that batch's memory: keeping one keeps the batch.
 * Copy (`value.slice()`) what is to be kept for long.
 */
export class Message {
  readonly #batch: MessageBatch;
  readonly #index: number;
  #value: Uint8Array | null | undefined;
  #key: Uint8Array | null | undefined;
  #headers: readonly MessageHeader[] | undefined;
  /** Offset in its partition. */
  readonly offset: number;

  /** Made by the library; use {@linkcode Message.from} in tests of a handler. */
  constructor(batch: MessageBatch, index: number) {
    this.#batch = batch;
    this.#index = index;
    this.#value = undefined;
    this.#key = undefined;
    this.#headers = undefined;
    this.offset = batch.records.offsets[index]!;
  }

  /**
   * Makes a message by hand, to call a handler with in a test.
   *
   * @param source Where the message says it is from, and what is in it.
   * @returns The message.
   *
   * @example
   * ```ts
   * import { Message } from "@kafka-threads/kafka-threads";
   *
   * const message = Message.from({ topic: "orders", partition: 0, offset: 7, value: '{"id":1}' });
   * console.assert(message.json<{ id: number }>()?.id === 1);
   * ```
   */
  static from(source: TopicPartition & DriverRecord): Message {
    const { topic, partition } = source;
    const records = readable(tableOfRecords([source], Date.now()));
    return new Message({ topic, partition, epoch: 0, records }, 0);
  }

  /** Name of the topic. */
  get topic(): string {
    return this.#batch.topic;
  }

  /** Number of the partition. */
  get partition(): number {
    return this.#batch.partition;
  }

  /** Epoch of the assignment under which the message was read. */
  get epoch(): number {
    return this.#batch.epoch;
  }

  /** Milliseconds since the epoch: when it was produced, or appended, as the topic is configured. */
  get timestamp(): number {
    return this.#batch.records.timestamps[this.#index]!;
  }

  /** The key's bytes, or null. */
  get key(): Uint8Array | null {
    return this.#key === undefined
      ? this.#key = keyAt(this.#batch.records, this.#index)
      : this.#key;
  }

  /** The value's bytes, or null for a tombstone. */
  get value(): Uint8Array | null {
    return this.#value === undefined
      ? this.#value = valueAt(this.#batch.records, this.#index)
      : this.#value;
  }

  /** The headers in their order; names may repeat, values may be null. */
  get headers(): readonly MessageHeader[] {
    return this.#headers ??= headersAt(this.#batch.records, this.#index);
  }

  /**
   * The value of the last header of that name, as Kafka's own clients read it.
   *
   * @param name Name of the header.
   * @returns Its bytes, null if its value is null, undefined if there is no such header.
   */
  header(name: string): Uint8Array | null | undefined {
    return this.headers.findLast((header) => header.key === name)?.value;
  }

  /**
   * The value as UTF-8 text.
   *
   * @returns The text, or null for a tombstone.
   */
  text(): string | null {
    return textAt(this.#batch.records, this.#index);
  }

  /**
   * The value as JSON.
   *
   * @typeParam T What the caller takes the value to be; it is not checked.
   * @returns The parsed value, or null for a tombstone.
   * @throws {MessageError} If the value is not JSON.
   */
  json<T = unknown>(): T | null {
    const text = this.text();
    if (text === null) return null;
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      const { topic, partition, offset } = this;
      throw new MessageError(
        `Cannot parse the value at "${topic}" partition ${partition} offset ${offset} as JSON: ${
          (cause as Error).message
        }`,
        { cause, topic, partition, offset },
      );
    }
  }

  /** What `JSON.stringify` and loggers show of it. */
  toJSON(): Record<string, unknown> {
    const { topic, partition, offset, timestamp } = this;
    const key = this.key;
    return {
      topic,
      partition,
      offset,
      timestamp,
      key: key === null ? null : new TextDecoder().decode(key),
      value: this.text(),
      headers: this.headers.map(({ key, value }) => ({
        key,
        value: value === null ? null : new TextDecoder().decode(value),
      })),
    };
  }
}
