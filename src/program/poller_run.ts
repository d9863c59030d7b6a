/** One run of a poller, seen from the program's thread: from start to the end of its thread. */

import { HandlerError, StartTimeoutError, StateError, StopTimeoutError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { decodeError, encodeError } from "../threads/error_wire.ts";
import { errorFields } from "../threads/log_fields.ts";
import type { HandlingTimes } from "../threads/handling_times.ts";
import type {
  Ending,
  FromPoller,
  PollerOptions,
  PollerSnapshot,
  ToPoller,
} from "../threads/messages.ts";
import { isInside } from "./inside.ts";
import { PollerThread } from "./poller_thread.ts";
import { Rates } from "./rates.ts";

/** The most the thread may take to close when nothing is under way any more. */
const CLOSE_LIMIT_MS = 15_000;
/** How long a thread that has not closed in time may still take, once nothing is waited for. */
const LAST_CHANCE_MS = 1_000;
/** Longest wait for the thread to say that it listens. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** What a run is made of. */
export interface PollerRunOptions {
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
  /** A logger that does not throw. */
  logger: Logger;
}

/** Where a run is. */
export type RunState = "starting" | "running" | "stopping" | "stopped" | "failed";

/** How a run ended. */
export type RunEnding = "stopped" | "lifetime";

/** Messages of one topic that are being handled. */
export interface ActiveMessages {
  /** Name of the topic. */
  topic: string;
  /** How many. */
  count: number;
}

/** A run: started once, stopped once. What becomes of messages is for those that extend it. */
export abstract class PollerRun {
  protected readonly options: PollerRunOptions;
  readonly #thread: PollerThread;
  readonly #ended = Promise.withResolvers<RunEnding>();
  readonly #begun = Promise.withResolvers<void>();
  #stopTimer: ReturnType<typeof setTimeout> | undefined;
  #hasStarted = false;
  #failure: Error | null = null;
  #answeredAt: number | null = null;
  /** How fast it goes. */
  readonly rates: Rates = new Rates();
  /** Where it is. */
  state: RunState = "starting";
  /** What the thread has said last of where it stands, or null. */
  snapshot: PollerSnapshot | null = null;
  /** Why it failed, or null. */
  error: Error | null = null;

  constructor(options: PollerRunOptions) {
    this.options = options;
    this.#thread = new PollerThread({
      name: options.poller.name,
      thread: options.thread,
      worker: options.worker,
      daemon: options.daemon,
      handshakeTimeoutMs: Math.min(HANDSHAKE_TIMEOUT_MS, options.poller.startTimeoutMs),
    }, {
      message: (message) => this.#receive(message),
      snapshot: (snapshot) => {
        this.#answeredAt = Date.now();
        this.snapshot = snapshot;
        this.looked(snapshot);
      },
      tick: () => this.tick(),
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

  /** For how many milliseconds the thread has not answered although it was asked. */
  get unansweredMs(): number {
    return this.#thread.unansweredMs;
  }

  /** Whether it has polled. */
  get hasStarted(): boolean {
    return this.#hasStarted;
  }

  /** Epoch of the last assignment that was seen. */
  abstract get epoch(): number;
  /** Messages finished. */
  abstract get messages(): number;
  /** Their bytes. */
  abstract get bytes(): number;
  /** Messages handed over and not finished. */
  abstract get inFlight(): number;
  /** How long messages took to handle. */
  abstract get times(): HandlingTimes[];
  /** Messages that are being handled, by topic; no topic is there twice. */
  abstract get active(): ActiveMessages[];
  /** For how many whole seconds, about, the message under way has been. */
  abstract get underWaySeconds(): number;

  /** Starts the thread; resolves when it polls, rejects with what prevents it. */
  async start(): Promise<void> {
    const { poller, startTimeoutMs } = { ...this.options, ...this.options.poller };
    try {
      await this.prepare();
      if (this.state === "starting") await this.#thread.start();
    } catch (error) {
      this.#finish({ reason: "failed", error: encodeError(error) }, error as Error);
      // Rejects with that, or with what has ended the run before.
      return await this.#begun.promise;
    }
    if (this.state !== "starting") return await this.#begun.promise;
    this.#answeredAt = Date.now();
    this.#thread.post({ type: "start", options: poller });
    this.posted();
    // The thread keeps this limit itself; this is for one that is too busy to.
    const timer = setTimeout(() => {
      this.finishLate(
        new StartTimeoutError(`Cannot start polling: no word of it after ${startTimeoutMs} ms`),
      );
    }, startTimeoutMs + CLOSE_LIMIT_MS);
    try {
      await this.#begun.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Has the thread look whether it could poll, as `checkOnly` says, and rejects with what is in the way. */
  async check(): Promise<void> {
    // It never begins to poll: how it ends is the answer.
    this.start().catch(() => {});
    await this.ended;
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
    this.#limit(this.options.stopTimeoutMs);
    // The code that handles a message must not wait for that message to be finished.
    if (isInside(this.options.owner) && this.isHandling) return;
    await this.#ended.promise.then(() => {}, () => {});
  }

  /** Stops because of an error; `ended` rejects with that. */
  fail(error: Error): void {
    this.#failure ??= error;
    void this.stop();
  }

  /**
   * Asks the thread where it stands. Those who ask while it is being asked share the answer. The time for
   * which this thread was blocked does not count: the answer may have come meanwhile.
   *
   * @returns Whether it has answered in time.
   */
  ping(timeoutMs: number): Promise<boolean> {
    return this.#thread.ping(timeoutMs);
  }

  /** The same, but an answer of the last second does where a newer one takes its time. */
  pingSoon(timeoutMs: number): Promise<boolean> {
    return this.#thread.pingSoon(timeoutMs);
  }

  /** Posts a message to the thread. */
  protected post(message: ToPoller, transfer: MessagePort[] = []): void {
    this.#thread.post(message, transfer);
  }

  /** Whether the run is over. */
  protected get isOver(): boolean {
    return this.state === "stopped" || this.state === "failed";
  }

  /** Whether a message is being handled on this thread. */
  protected abstract get isHandling(): boolean;

  /** Is awaited before the thread starts. */
  protected prepare(): Promise<void> {
    return Promise.resolve();
  }

  /** The thread has been told to start; what it needs beside that is posted now. */
  protected posted(): void {}

  /** It polls. */
  protected abstract begin(): void;

  /** A message has arrived that is none of this class's business. */
  protected abstract receive(message: FromPoller): void;

  /** A second has passed. */
  protected abstract tick(): void;

  /** The thread has said where it stands. */
  protected looked(_snapshot: PollerSnapshot): void {}

  /** Nothing more is to be begun. */
  protected abstract stopTaking(): void;

  /** What is under way is given up, as its time is over. */
  protected abstract abandon(): string;

  /** The thread is gone. Resolves when all else is; may call `fail` no more. */
  protected abstract release(error: Error): Promise<void> | void;

  #receive(message: FromPoller): void {
    this.#answeredAt = Date.now();
    switch (message.type) {
      case "started":
        return this.#started(message.snapshot);
      case "log":
        return void this.#log(message);
      case "token-wanted":
        return void this.#giveToken(message.id);
      case "stopping": {
        const { ending } = message;
        this.#stopping();
        // What comes of the stop does not hide why there is one.
        if (ending.reason === "failed") this.#failure ??= decodeError(ending.error);
        // A lifetime never cuts a callback short; everything else is bounded.
        if (ending.reason !== "lifetime") this.#limit(this.options.stopTimeoutMs);
        return;
      }
      case "ended":
        this.snapshot = message.snapshot;
        return this.#finish(message.ending);
      case "ready":
      case "pong":
        return;
      default:
        return this.receive(message);
    }
  }

  #started(snapshot: PollerSnapshot): void {
    if (this.state !== "starting") return;
    this.#hasStarted = true;
    this.snapshot = snapshot;
    this.state = "running";
    this.#begun.resolve();
    const { poller, logger } = this.options;
    logger.info(`Kafka consumer started consuming in thread '${poller.name}'`);
    this.begin();
  }

  #stopping(): void {
    if (this.state === "starting" || this.state === "running") this.state = "stopping";
    this.stopTaking();
  }

  #limit(ms: number): void {
    if (this.#stopTimer !== undefined || this.isOver) return;
    this.#stopTimer = setTimeout(() => {
      // The thread hears that nothing is under way: it commits what is finished and leaves the group,
      // which would else wait for this member until its session is over.
      const what = this.abandon();
      const late = new StopTimeoutError(
        `Cannot stop cleanly within ${ms} ms: ${what}; it is abandoned`,
      );
      if (this.#failure !== null) this.options.logger.error(late.message);
      else this.#failure = late;
      this.#stopTimer = setTimeout(() => this.#finish({ reason: "stopped" }), LAST_CHANCE_MS);
    }, ms);
  }

  /** Ends the run at once because of an error. */
  protected finishLate(error: Error): void {
    this.#failure ??= error;
    this.#finish({ reason: "stopped" });
  }

  #finish(ending: Ending, error?: Error): void {
    if (this.isOver) return;
    const { logger } = this.options;
    clearTimeout(this.#stopTimer);
    this.#thread.terminate();
    this.error = this.#failure ??
      (ending.reason === "failed" ? error ?? decodeError(ending.error) : null);
    this.state = this.error === null ? "stopped" : "failed";
    const closed = this.error ?? new StateError("Cannot go on: the consumer has been stopped");
    this.#begun.reject(closed);
    // A handler's error has been logged where it happened.
    if (this.error !== null && !HandlerError.is(this.error)) {
      const what = this.#hasStarted ? "has failed" : "cannot start";
      logger.error(`Kafka consumer ${what}: ${this.error.message}`, errorFields(this.error));
    }
    const released = this.release(closed);
    const settle = () => {
      if (this.error !== null) this.#ended.reject(this.error);
      else this.#ended.resolve(ending.reason === "lifetime" ? "lifetime" : "stopped");
      logger.info("Kafka consumer thread stopped.");
    };
    if (released === undefined) settle();
    else released.then(settle, settle);
  }

  #log({ level, message, fields }: Extract<FromPoller, { type: "log" }>): void {
    if (level === "silent") return;
    this.options.logger[level](message, { thread: "poller", ...fields });
  }

  async #giveToken(id: number): Promise<void> {
    try {
      const token = await this.options.token?.();
      if (typeof token !== "string") {
        throw new TypeError(`sasl.token must resolve to a string, it is "${typeof token}"`);
      }
      this.#thread.post({ type: "token", id, token });
    } catch (error) {
      this.#thread.post({ type: "token-failed", id, error: encodeError(error) });
    }
  }
}
