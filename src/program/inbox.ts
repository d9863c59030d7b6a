/** Batches that have arrived on the program's thread, and how far they are finished. */

import type { MessageBatch } from "../message.ts";
import type { FromPoller, ToPoller } from "../threads/messages.ts";
import { TimesByTopic, type TopicTimes } from "../threads/handling_times.ts";
import { recordBytes, unpackRecords } from "../threads/records.ts";

/** A batch on its way through the handler. */
export interface InboxBatch extends MessageBatch {
  /** Names it to the poller. */
  readonly id: number;
  /** Messages finished, from the first on; also the index of the next one. */
  finished: number;
  /** How many of these the poller has been told. */
  acknowledged: number;
  /** Where it is counted how long its messages take. */
  readonly times: TopicTimes;
  /** Whether its assignment is over: the next message is not to be begun. */
  revoked: boolean;
}

interface Drain {
  id: number;
}

/**
 * What the poller has handed over, in the order in which it is to be handled.
 *
 * One message at a time: {@linkcode begin} before it is handled, {@linkcode finish} after. While one is
 * under way, a drain that concerns it waits; else it is answered at once.
 */
export class Inbox {
  readonly #post: (message: ToPoller) => void;
  #queue: InboxBatch[] = [];
  #drains: Drain[] = [];
  #busy = false;
  #closed = false;
  #arrival: PromiseWithResolvers<void> | null = null;
  /** Messages finished. */
  messages = 0;
  /** Bytes of the messages finished. */
  bytes = 0;
  #begun = 0;
  /** How long messages have taken to handle. */
  readonly times: TimesByTopic = new TimesByTopic();
  /** Epoch of the newest assignment that messages have come of. */
  epoch: number;

  constructor(post: (message: ToPoller) => void, epoch = 0) {
    this.#post = post;
    this.epoch = epoch;
  }

  /** Whether nothing more is to be begun. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Messages that wait or are under way. */
  get waiting(): number {
    return this.#queue.reduce((sum, { records, finished }) => sum + records.count - finished, 0);
  }

  /** Takes a batch in. */
  push({ batch, topic, partition, epoch, records }: Extract<FromPoller, { type: "batch" }>): void {
    if (this.#closed) return;
    this.epoch = epoch;
    this.#queue.push({
      id: batch,
      topic,
      partition,
      epoch,
      records: unpackRecords(records),
      finished: 0,
      acknowledged: 0,
      revoked: false,
      times: this.times.of(topic),
    });
    this.#wakeUp();
  }

  /** The batch whose messages come next, or null. */
  head(): InboxBatch | null {
    return this.#queue[0] ?? null;
  }

  /** Resolves when there is a batch, or when there will be none. */
  async arrival(): Promise<void> {
    if (this.#queue.length > 0 || this.#closed) return;
    this.#arrival ??= Promise.withResolvers();
    await this.#arrival.promise;
  }

  /** The next message of this batch is being handled. */
  begin(): void {
    this.#busy = true;
    this.#begun++;
  }

  /** The running number of the message under way, or null: asked twice, it tells a slow one. */
  get underWay(): number | null {
    return this.#busy ? this.#begun : null;
  }

  /** The message that was begun is finished. */
  finish(batch: InboxBatch): void {
    this.#busy = false;
    batch.finished++;
  }

  /** The message that was begun has failed, or is given up: nothing more is begun. */
  abandon(): void {
    this.#busy = false;
    this.#close();
    this.settle();
  }

  /** Tells the poller how far it is, although a message may be under way. */
  report(): void {
    const batch = this.#queue[0];
    if (batch !== undefined) this.#acknowledge(batch);
  }

  /** Tells the poller how far it is, gives finished batches up, and answers what waits for that. */
  settle(): void {
    const batch = this.#queue[0];
    if (batch !== undefined) {
      this.#acknowledge(batch);
      if (batch.finished === batch.records.count || (batch.revoked && !this.#busy)) {
        this.#queue.shift();
      }
    }
    if (this.#busy) return;
    for (const { id } of this.#drains.splice(0)) this.#post({ type: "drained", id });
  }

  /** Begins nothing more. What the poller still has to be told goes with the drain that follows. */
  stop(): void {
    this.#close();
  }

  /** Gives up partitions, or everything; see the poller's `drain`. */
  drain({ id, partitions }: Extract<FromPoller, { type: "drain" }>): void {
    const head = this.#queue[0];
    const concerned = (batch: InboxBatch) =>
      partitions?.some(({ topic, partition, epoch }) =>
        batch.topic === topic && batch.partition === partition && batch.epoch === epoch
      ) ?? true;
    const headConcerned = head !== undefined && concerned(head);
    if (headConcerned) head.revoked = true;
    // The one that is under way stays until its message is finished.
    this.#queue = this.#queue.filter((batch) =>
      (batch === head && this.#busy) || !concerned(batch)
    );
    if (head !== undefined) this.#acknowledge(head);
    if (partitions === null) this.#close();
    if (this.#busy && headConcerned) this.#drains.push({ id });
    else this.#post({ type: "drained", id });
  }

  /** Nothing more will come: the thread is gone. */
  end(): void {
    this.#queue = this.#busy ? this.#queue.slice(0, 1) : [];
    for (const batch of this.#queue) batch.revoked = true;
    this.#close();
  }

  #acknowledge(batch: InboxBatch): void {
    const { id, finished, acknowledged, records } = batch;
    if (finished === acknowledged) return;
    batch.acknowledged = finished;
    this.messages += finished - acknowledged;
    this.bytes += recordBytes(records, acknowledged, finished);
    const offset = records.offsets[finished - 1]!;
    this.#post({ type: "finished", batch: id, count: finished, offset });
  }

  #close(): void {
    this.#closed = true;
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#arrival?.resolve();
    this.#arrival = null;
  }
}
