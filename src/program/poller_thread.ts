/** The poller, seen from the program's thread: started, watched, ended. */

import { ThreadError } from "../errors.ts";
import { type Channel, channelPair } from "../threads/channel.ts";
import type { FromPoller, PollerSnapshot, ToPoller } from "../threads/messages.ts";
import { nextTurn } from "../threads/turns.ts";
import { withPatience } from "./patience.ts";
import { siblingModule, startWorker, unrefTimer } from "./runtime.ts";

/** How often the thread is asked whether it is there. */
const PING_INTERVAL_MS = 1_000;
/** How old an answer may be for one to do where a newer one is not there soon. */
const FRESH_MS = 1.5 * PING_INTERVAL_MS;
/** How soon that is. */
const SOON_MS = 20;
/** How many questions in a row may stay open. Counted, not timed: while the program's own thread is
 * blocked no question is asked and no answer is read. */
const MISSED_PINGS = 10;

/** Where the poller runs. */
export interface PollerThreadOptions {
  /** Name of the thread. */
  name: string;
  /** A thread of its own, or the caller's. */
  thread: "worker" | "inline";
  /** Where the worker's module is, or who makes it; the library's own by default. */
  worker: URL | (() => unknown) | undefined;
  /** Whether the program may end while it runs. */
  daemon: boolean;
  /** Longest wait until the thread says that it listens. */
  handshakeTimeoutMs: number;
}

/** What is called with what the thread says. */
export interface PollerThreadEvents {
  /** A message has arrived. */
  message(message: FromPoller): void;
  /** The thread has answered a ping. */
  snapshot(snapshot: PollerSnapshot): void;
  /** A second has passed; called whether or not the thread answers. */
  tick(): void;
  /** The thread is gone, or does not answer. Nothing follows. */
  death(error: ThreadError): void;
}

/** A poller that has said that it listens. */
export class PollerThread {
  readonly #options: PollerThreadOptions;
  readonly #events: PollerThreadEvents;
  readonly #ready = Promise.withResolvers<void>();
  #channel: Channel<FromPoller, ToPoller> | null = null;
  #terminate: () => void = () => {};
  #ticks: ReturnType<typeof setInterval> | undefined;
  #pings = 0;
  /** When the last answer was read. */
  #answeredAt = -Infinity;
  #answered = 0;
  /** What was answered at the last tick, and how many ticks nothing more has been. */
  #answeredAtTick = 0;
  #missed = 0;
  #listening = false;
  #ended = false;
  /** The question that somebody waits for the answer to, and that others may share. */
  #question: { id: number; answer: (answered: boolean) => void } | null = null;
  #asking: Promise<boolean> | null = null;

  constructor(options: PollerThreadOptions, events: PollerThreadEvents) {
    this.#options = options;
    this.#events = events;
    // It may be ended before anybody waits for this.
    this.#ready.promise.catch(() => {});
  }

  /**
   * Starts the thread and waits until it listens.
   *
   * @throws {ThreadError} If it cannot be made, dies, or says nothing in time.
   */
  async start(): Promise<void> {
    const { name, thread, worker, daemon, handshakeTimeoutMs } = this.#options;
    const timer = setTimeout(() => {
      const hint = worker === undefined
        ? "; where the program is bundled or compiled, say where its module is with workers.poller"
        : "";
      this.#ready.reject(startError(name, `no answer within ${handshakeTimeoutMs} ms${hint}`));
    }, handshakeTimeoutMs);
    try {
      if (thread === "inline") {
        const [ours, theirs] = channelPair<FromPoller, ToPoller>(nextTurn);
        this.#listen(ours);
        // Not a literal, so that neither bundlers nor JSR take the Kafka client, and with it Node's
        // modules, into the graph of the library's entry.
        const { href } = siblingModule("../poller/main", import.meta.url);
        const { servePoller } = await import(href) as typeof import("../poller/main.ts");
        servePoller(theirs);
      } else {
        const source = worker ?? siblingModule("../../workers/poller", import.meta.url);
        const handle = startWorker<FromPoller, ToPoller>(source, { name, daemon });
        this.#terminate = handle.terminate;
        handle.onDeath = (reason) => {
          if (this.#listening) {
            this.#die(new ThreadError(`The thread "${name}" has died: ${reason}`));
          } else this.#ready.reject(startError(name, reason));
        };
        this.#listen(handle);
      }
      await this.#ready.promise;
    } catch (error) {
      this.terminate();
      throw error instanceof ThreadError
        ? error
        : startError(name, (error as Error)?.message, error);
    } finally {
      clearTimeout(timer);
    }
    if (this.#ended) return;
    this.#ticks = setInterval(() => this.#tick(), PING_INTERVAL_MS);
    // The thread keeps the program alive where it should; this timer has no say in it.
    unrefTimer(this.#ticks);
  }

  /** Posts a message; one to a thread that is gone is dropped. */
  post(message: ToPoller, transfer: MessagePort[] = []): void {
    if (!this.#ended) this.#channel?.post(message, transfer);
  }

  /**
   * Asks the thread for a snapshot and waits for the answer; while it is waited for, others share it.
   *
   * @param timeoutMs Longest wait; the time for which this thread was blocked does not count.
   * @returns Whether it came in time.
   */
  ping(timeoutMs: number): Promise<boolean> {
    if (this.#ended || this.#channel === null) return Promise.resolve(false);
    return this.#asking ??= this.#ask(timeoutMs).finally(() => this.#asking = null);
  }

  /**
   * The same for those who cannot wait: a thread that takes in thousands of messages answers between two
   * turns of its loop. As it is asked every second anyway, its last answer does where it is that fresh.
   */
  async pingSoon(timeoutMs: number): Promise<boolean> {
    const answer = this.ping(timeoutMs);
    if (performance.now() - this.#answeredAt >= FRESH_MS) return await answer;
    let timer: ReturnType<typeof setTimeout>;
    const soon = new Promise<boolean>((resolve) => timer = setTimeout(resolve, SOON_MS, true));
    try {
      return await Promise.race([answer, soon]);
    } finally {
      clearTimeout(timer!);
    }
  }

  /** For how many milliseconds it has not answered although it was asked; see `MISSED_PINGS`. */
  get unansweredMs(): number {
    return this.#missed * PING_INTERVAL_MS;
  }

  /** Ends the thread, whatever it does. */
  terminate(): void {
    this.#ended = true;
    this.#question?.answer(false);
    clearInterval(this.#ticks);
    this.#terminate();
    // Nothing that it says is heard any more: who waits for its first word would wait in vain.
    this.#ready.reject(startError(this.#options.name, "it was ended before it listened"));
    if (this.#channel !== null) this.#channel.onMessage = null;
  }

  #listen(channel: Channel<FromPoller, ToPoller>): void {
    this.#channel = channel;
    channel.onMessage = (message) => {
      if (this.#ended) return;
      if (message.type === "ready") {
        this.#listening = true;
        return this.#ready.resolve();
      }
      if (message.type !== "pong") return this.#events.message(message);
      this.#answered = message.id;
      this.#answeredAt = performance.now();
      this.#events.snapshot(message.snapshot);
      // An answer to an earlier question would tell of an earlier time.
      if (this.#question !== null && message.id >= this.#question.id) this.#question.answer(true);
    };
  }

  #ping(): number {
    const id = ++this.#pings;
    this.post({ type: "ping", id });
    return id;
  }

  async #ask(timeoutMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#question = { id: this.#ping(), answer: resolve };
    const answered = await withPatience(promise, timeoutMs);
    this.#question = null;
    return answered === true;
  }

  #tick(): void {
    this.#events.tick();
    const silent = this.#answered < this.#pings && this.#answered === this.#answeredAtTick;
    this.#missed = silent ? this.#missed + 1 : 0;
    this.#answeredAtTick = this.#answered;
    if (this.#missed >= MISSED_PINGS) {
      const { name } = this.#options;
      const seconds = MISSED_PINGS * PING_INTERVAL_MS / 1_000;
      return this.#die(
        new ThreadError(`The thread "${name}" has not answered for ${seconds} seconds`, {
          code: "THREAD_UNRESPONSIVE",
        }),
      );
    }
    this.#ping();
  }

  #die(error: ThreadError): void {
    if (this.#ended) return;
    this.terminate();
    this.#events.death(error);
  }
}

function startError(name: string, reason: string, cause?: unknown): ThreadError {
  return new ThreadError(`Cannot start the thread "${name}": ${reason}`, {
    code: "THREAD_START_FAILED",
    ...(cause === undefined ? {} : { cause }),
  });
}
