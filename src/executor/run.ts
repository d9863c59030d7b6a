/** Messages on their way through an executor. */

import type { MessageBatch } from "../message.ts";
import type { TopicTimes } from "../threads/handling_times.ts";
import { type ReadableTable, unpackRecords } from "../threads/records.ts";
import type { WorkBatch } from "../threads/work.ts";

/** A {@linkcode WorkBatch} that can be read. */
export class WorkMessages implements MessageBatch {
  /** Names the batch. */
  readonly batch: number;
  readonly assignment: number;
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
  readonly records: ReadableTable;
  readonly solo: boolean;
  /** Where it is counted how long they take. */
  readonly times: TopicTimes;
  readonly #attempts: Int32Array | null;

  constructor(work: WorkBatch, times: TopicTimes) {
    this.batch = work.batch;
    this.assignment = work.assignment;
    this.topic = work.topic;
    this.partition = work.partition;
    this.epoch = work.epoch;
    this.records = unpackRecords(work.records);
    this.solo = work.solo;
    this.times = times;
    this.#attempts = work.attempts;
  }

  /** Which attempt a message is at, from 1. */
  attempt(index: number): number {
    return this.#attempts === null ? 1 : this.#attempts[index]!;
  }
}

/** A run that has been taken from the queue: messages `next` to `end` have not begun. */
export class Run {
  readonly messages: WorkMessages;
  /** The message to begin next. */
  next: number;
  /** Behind the last message. */
  end: number;
  /** Behind the last message that the other side knows to be about to begin. */
  announced: number;

  constructor(messages: WorkMessages, next: number, end: number) {
    this.messages = messages;
    this.next = next;
    this.end = end;
    this.announced = next;
  }
}
