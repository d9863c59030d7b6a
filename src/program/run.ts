/** One run of a manager: what arrives waits in an inbox, for a callback or an iterator. */

import { type HandlerError, StateError } from "../errors.ts";
import type { Message } from "../message.ts";
import { observedCallback } from "../telemetry/callback_telemetry.ts";
import { decodeError } from "../threads/error_wire.ts";
import { errorFields } from "../threads/log_fields.ts";
import type { HandlingTimes } from "../threads/handling_times.ts";
import type { FromPoller } from "../threads/messages.ts";
import { deliver, MessageIterator, type OnMessage } from "./deliver.ts";
import { Inbox } from "./inbox.ts";
import { runInside } from "./inside.ts";
import { type ActiveMessages, PollerRun, type PollerRunOptions } from "./poller_run.ts";

/** What a manager's run is made of. */
export interface RunOptions extends PollerRunOptions {
  /** What messages are given to; without it they wait for an iterator. */
  onMessage: OnMessage | undefined;
}

/** A run of a manager. */
export class Run extends PollerRun {
  readonly #onMessage: OnMessage | undefined;
  readonly #commits = new Map<number, PromiseWithResolvers<void>>();
  #nextCommit = 0;
  #tickedUnderWay: number | null = null;
  #underWayTicks = 0;
  /** What has arrived and is not finished. */
  readonly inbox: Inbox;

  constructor(options: RunOptions) {
    super(options);
    this.#onMessage = options.onMessage;
    this.inbox = new Inbox((message) => this.post(message), options.poller.epoch);
  }

  get epoch(): number {
    return this.inbox.epoch;
  }

  get messages(): number {
    return this.inbox.messages;
  }

  get bytes(): number {
    return this.inbox.bytes;
  }

  get inFlight(): number {
    return this.inbox.waiting;
  }

  get times(): HandlingTimes[] {
    return this.inbox.times.list();
  }

  get active(): ActiveMessages[] {
    const batch = this.inbox.head();
    return batch === null || this.inbox.underWay === null ? [] : [{ topic: batch.topic, count: 1 }];
  }

  get underWaySeconds(): number {
    return this.inbox.underWay === null ? 0 : this.#underWayTicks;
  }

  protected get isHandling(): boolean {
    return this.inbox.underWay !== null;
  }

  /** Hands the messages out one at a time. */
  iterate(): MessageIterator {
    return new MessageIterator(this.inbox);
  }

  /** Commits everything up to this message; see `ThreadManager.commit`. */
  async commit({ topic, partition, epoch, offset }: Message): Promise<void> {
    if (this.state !== "running" && this.state !== "stopping") {
      throw new StateError(`Cannot commit: the consumer is ${this.state}`);
    }
    const id = this.#nextCommit++;
    const commit = Promise.withResolvers<void>();
    this.#commits.set(id, commit);
    this.post({ type: "commit", id, topic, partition, epoch, offset });
    try {
      await commit.promise;
    } finally {
      this.#commits.delete(id);
    }
  }

  override ping(timeoutMs: number): Promise<boolean> {
    this.inbox.report();
    return super.ping(timeoutMs);
  }

  protected receive(message: FromPoller): void {
    switch (message.type) {
      case "batch":
        return this.inbox.push(message);
      case "drain":
        return this.inbox.drain(message);
      case "committed":
        return this.#commits.get(message.id)?.resolve();
      case "commit-failed":
        return this.#commits.get(message.id)?.reject(decodeError(message.error));
    }
  }

  protected begin(): void {
    const onMessage = this.#onMessage;
    if (onMessage === undefined) return;
    const { owner, poller, logger } = this.options;
    const chosen = observedCallback(onMessage, poller, logger);
    runInside(owner, () => deliver(this.inbox, onMessage, chosen)).catch((error) => {
      logger.error((error as Error).message, errorFields(error));
      this.fail(error as HandlerError);
    });
  }

  protected tick(): void {
    // What is finished before a message that takes long is committed without waiting for that one.
    this.inbox.report();
    this.rates.sample(performance.now(), this.inbox.messages, this.inbox.bytes);
    const { underWay } = this.inbox;
    this.#underWayTicks = underWay !== null && underWay === this.#tickedUnderWay
      ? this.#underWayTicks + 1
      : 0;
    this.#tickedUnderWay = underWay;
  }

  protected stopTaking(): void {
    this.inbox.stop();
  }

  protected abandon(): string {
    const what = this.inbox.underWay === null
      ? "the thread has not closed"
      : "a message is still being handled";
    this.inbox.abandon();
    return what;
  }

  protected release(error: Error): void {
    this.inbox.end();
    for (const commit of this.#commits.values()) commit.reject(error);
  }
}
