/** One run of a consumer, seen from the program's thread: from start to the end of its thread. */

import { HandlerError, StartTimeoutError, StateError, StopTimeoutError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Message } from "../message.ts";
import { decodeError, encodeError } from "../threads/error_wire.ts";
import type { Ending, FromPoller, PollerOptions, PollerSnapshot } from "../threads/messages.ts";
import { deliver, MessageIterator, type OnMessage } from "./deliver.ts";
import { isInside, runInside } from "./inside.ts";
import { Inbox } from "./inbox.ts";
import { PollerThread } from "./poller_thread.ts";
import { Rates } from "./rates.ts";

/** The most the thread may take to close when nothing is under way any more. */
const CLOSE_LIMIT_MS = 15_000;
/** How long a thread that has not closed in time may still take, once nothing is waited for. */
const LAST_CHANCE_MS = 1_000;
/** Longest wait for the thread to say that it listens. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** What a run is made of. */
export interface RunOptions {
  /** What the poller is told. */
  poller: PollerOptions;
  /** Where it runs. */
  thread: "worker" | "inline";
  /** Where its worker comes from; the library's own by default. */
  worker: URL | (() => unknown) | undefined;
  /** Whether the program may end meanwhile. */
  daemon: boolean;
  /** Longest wait for what is under way when it is to stop. */
  stopTimeoutMs: number;
  /** Asks the program for a token, where SASL needs one. */
  token: (() => Promise<string>) | undefined;
  /** Whose messages they are, to the code that handles them; see `inside.ts`. */
  owner: object;
  /** What messages are given to; without it they wait for an iterator. */
  onMessage: OnMessage | undefined;
  /** A logger that does not throw. */
  logger: Logger;
}

/** Where a run is. */
export type RunState = "starting" | "running" | "stopping" | "stopped" | "failed";

/** How a run ended. */
export type RunEnding = "stopped" | "lifetime";

/** A run: started once, stopped once. */
export class Run {
  readonly #options: RunOptions;
  readonly #thread: PollerThread;
  readonly #ended = Promise.withResolvers<RunEnding>();
  readonly #begun = Promise.withResolvers<void>();
  readonly #commits = new Map<number, PromiseWithResolvers<void>>();
  #stopTimer: ReturnType<typeof setTimeout> | undefined;
  #nextCommit = 0;
  #hasStarted = false;
  #failure: Error | null = null;
  #answeredAt: number | null = null;
  #tickedUnderWay: number | null = null;
  #underWayTicks = 0;
  /** What has arrived and is not finished. */
  readonly inbox: Inbox;
  /** How fast it goes. */
  readonly rates = new Rates();
  /** Where it is. */
  state: RunState = "starting";
  /** What the thread has said last of where it stands, or null. */
  snapshot: PollerSnapshot | null = null;
  /** Why it failed, or null. */
  error: Error | null = null;

  constructor(options: RunOptions) {
    this.#options = options;
    this.inbox = new Inbox((message) => this.#thread.post(message), options.poller.epoch);
    this.#thread = new PollerThread({
      name: options.poller.name,
      thread: options.thread,
      worker: options.worker,
      daemon: options.daemon,
      handshakeTimeoutMs: Math.min(HANDSHAKE_TIMEOUT_MS, options.poller.startTimeoutMs),
    }, {
      message: (message) => this.#receive(message),
      snapshot: (snapshot) => this.#noteSnapshot(snapshot),
      tick: () => this.#tick(),
      death: (error) => this.#finish({ reason: "failed", error: encodeError(error) }, error),
    });
    // Whoever wants to know asks; that nobody does must not end the program.
    this.#ended.promise.catch(() => {});
    this.#begun.promise.catch(() => {});
  }

  /** How the run ended. Rejects with what made it fail. */
  get ended(): Promise<RunEnding> {
    return this.#ended.promise;
  }

  /** Milliseconds since the epoch of the thread's last sign of life, or null. */
  get answeredAt(): number | null {
    return this.#answeredAt;
  }

  /** For how many whole seconds, about, the message under way has been. */
  get underWaySeconds(): number {
    return this.inbox.underWay === null ? 0 : this.#underWayTicks;
  }

  /** Starts the thread; resolves when it polls, rejects with what prevents it. */
  async start(): Promise<void> {
    const { poller, startTimeoutMs } = { ...this.#options, ...this.#options.poller };
    try {
      await this.#thread.start();
    } catch (error) {
      this.#finish({ reason: "failed", error: encodeError(error) }, error as Error);
      // Rejects with that, or with what has ended the run before.
      return await this.#begun.promise;
    }
    this.#answeredAt = Date.now();
    if (this.state !== "starting") return await this.#begun.promise;
    this.#thread.post({ type: "start", options: poller });
    // The thread keeps this limit itself; this is for one that is too busy to.
    const timer = setTimeout(() => {
      this.#finishLate(
        new StartTimeoutError(`Cannot start polling: no word of it after ${startTimeoutMs} ms`),
      );
    }, startTimeoutMs + CLOSE_LIMIT_MS);
    try {
      await this.#begun.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Hands the messages out one at a time. */
  iterate(): MessageIterator {
    return new MessageIterator(this.inbox);
  }

  /**
   * Stops: what is under way is finished and committed. Resolves when nothing is left, or at once if
   * it is called by the code that handles the message under way.
   */
  async stop(): Promise<void> {
    if (this.state === "starting" || this.state === "running") {
      const listens = this.#answeredAt !== null;
      this.#stopping();
      if (listens) this.#thread.post({ type: "stop" });
      // Nothing has been asked of the thread yet.
      else this.#finish({ reason: "stopped" });
    }
    // Also where its lifetime has ended it before, which by itself waits as long as it takes.
    this.#limit(this.#options.stopTimeoutMs);
    // The code that handles a message must not wait for that message to be finished.
    if (isInside(this.#options.owner) && this.inbox.underWay !== null) return;
    await this.#ended.promise.then(() => {}, () => {});
  }

  /** Stops because a handler has failed; `ended` rejects with that. */
  fail(error: Error): void {
    this.#failure ??= error;
    void this.stop();
  }

  /** Commits everything up to this message; see `ThreadManager.commit`. */
  async commit({ topic, partition, epoch, offset }: Message): Promise<void> {
    if (this.state !== "running" && this.state !== "stopping") {
      throw new StateError(`Cannot commit: the consumer is ${this.state}`);
    }
    const id = this.#nextCommit++;
    const commit = Promise.withResolvers<void>();
    this.#commits.set(id, commit);
    this.#thread.post({ type: "commit", id, topic, partition, epoch, offset });
    try {
      await commit.promise;
    } finally {
      this.#commits.delete(id);
    }
  }

  /** Asks the thread where it stands. */
  ping(timeoutMs: number): Promise<boolean> {
    this.inbox.report();
    return this.#thread.ping(timeoutMs);
  }

  #receive(message: FromPoller): void {
    this.#answeredAt = Date.now();
    switch (message.type) {
      case "batch":
        return this.inbox.push(message);
      case "drain":
        return this.inbox.drain(message);
      case "started":
        return this.#started(message.snapshot);
      case "log":
        return void this.#log(message);
      case "committed":
        return this.#commits.get(message.id)?.resolve();
      case "commit-failed":
        return this.#commits.get(message.id)?.reject(decodeError(message.error));
      case "token-wanted":
        return void this.#giveToken(message.id);
      case "stopping":
        this.#stopping();
        // A lifetime never cuts a callback short; everything else is bounded.
        if (message.reason !== "lifetime") this.#limit(this.#options.stopTimeoutMs);
        return;
      case "ended":
        this.snapshot = message.snapshot;
        return this.#finish(message.ending);
      case "ready":
      case "pong":
        return;
    }
  }

  #started(snapshot: PollerSnapshot): void {
    if (this.state !== "starting") return;
    this.#hasStarted = true;
    this.snapshot = snapshot;
    this.state = "running";
    this.#begun.resolve();
    const { poller, onMessage, logger } = this.#options;
    logger.info(`Kafka consumer started consuming in thread '${poller.name}'`);
    if (onMessage !== undefined) {
      runInside(this.#options.owner, () => deliver(this.inbox, onMessage)).catch((error) => {
        logger.error((error as Error).message, { error });
        this.fail(error as HandlerError);
      });
    }
  }

  #stopping(): void {
    if (this.state === "starting" || this.state === "running") this.state = "stopping";
    this.inbox.stop();
  }

  #limit(ms: number): void {
    if (this.#stopTimer !== undefined || this.#isOver()) return;
    this.#stopTimer = setTimeout(() => {
      const what = this.inbox.underWay === null
        ? "the thread has not closed"
        : "a message is still being handled";
      this.#failure ??= new StopTimeoutError(
        `Cannot stop cleanly within ${ms} ms: ${what}; it is abandoned`,
      );
      // The thread hears that nothing is under way: it commits what is finished and leaves the group,
      // which would else wait for this member until its session is over.
      this.inbox.abandon();
      this.#stopTimer = setTimeout(() => this.#finish({ reason: "stopped" }), LAST_CHANCE_MS);
    }, ms);
  }

  #finishLate(error: Error): void {
    this.#failure ??= error;
    this.#finish({ reason: "stopped" });
  }

  #finish(ending: Ending, error?: Error): void {
    if (this.#isOver()) return;
    const { logger } = this.#options;
    clearTimeout(this.#stopTimer);
    this.#thread.terminate();
    this.inbox.end();
    this.error = this.#failure ??
      (ending.reason === "failed" ? error ?? decodeError(ending.error) : null);
    this.state = this.error === null ? "stopped" : "failed";
    const closed = this.error ?? new StateError("Cannot go on: the consumer has been stopped");
    this.#begun.reject(closed);
    for (const commit of this.#commits.values()) commit.reject(closed);
    if (this.error === null) {
      this.#ended.resolve(ending.reason === "lifetime" ? "lifetime" : "stopped");
    } else {
      // A handler's error has been logged where it happened.
      if (!HandlerError.is(this.error)) {
        const what = this.#hasStarted ? "has failed" : "cannot start";
        logger.error(`Kafka consumer ${what}: ${this.error.message}`, { error: this.error });
      }
      this.#ended.reject(this.error);
    }
    logger.info("Kafka consumer thread stopped.");
  }

  #isOver(): boolean {
    return this.state === "stopped" || this.state === "failed";
  }

  #noteSnapshot(snapshot: PollerSnapshot): void {
    this.#answeredAt = Date.now();
    this.snapshot = snapshot;
  }

  #tick(): void {
    // What is finished before a message that takes long is committed without waiting for that one.
    this.inbox.report();
    this.rates.sample(performance.now(), this.inbox.messages, this.inbox.bytes);
    const { underWay } = this.inbox;
    this.#underWayTicks = underWay !== null && underWay === this.#tickedUnderWay
      ? this.#underWayTicks + 1
      : 0;
    this.#tickedUnderWay = underWay;
  }

  #log({ level, message, fields }: Extract<FromPoller, { type: "log" }>): void {
    if (level === "silent") return;
    this.#options.logger[level](message, { consumer: this.#options.poller.name, ...fields });
  }

  async #giveToken(id: number): Promise<void> {
    try {
      const token = await this.#options.token?.();
      if (typeof token !== "string") {
        throw new TypeError(`sasl.token must resolve to a string, it is "${typeof token}"`);
      }
      this.#thread.post({ type: "token", id, token });
    } catch (error) {
      this.#thread.post({ type: "token-failed", id, error: encodeError(error) });
    }
  }
}
