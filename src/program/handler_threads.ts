/** The threads that a handler module runs in: started, watched, replaced, ended. */

import { ThreadError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { Backoff } from "../threads/backoff.ts";
import type { ExecutorOptions } from "../threads/work.ts";
import { HandlerThread } from "./handler_thread.ts";
import { isDeno, unrefTimer } from "./runtime.ts";

/** How often each thread is asked whether it is there. */
const PING_INTERVAL_MS = 1_000;
/** How long a thread may stay silent beyond what a handler may take. */
const SILENCE_MS = 10_000;
/** How long to wait for a word of a thread that is to be ended because it hangs. */
const LAST_WORD_MS = 500;
/** Before a thread is replaced; longer each time. */
const BACKOFF = { initialMs: 100, maxMs: 10_000, budgetMs: null };

/** What handler threads are started with. */
export interface HandlerThreadsOptions {
  /** Name of the consumer. Threads are called `{name}.handler.{number}`. */
  name: string;
  /** How many there are; no more than handlers may be under way. */
  count: number;
  /** The handler's module. */
  module: URL;
  /** Where the worker's module is, or who makes it; the library's own by default. */
  worker: URL | (() => unknown) | undefined;
  /** How handlers are run; `concurrency` is that of all threads together. */
  executor: ExecutorOptions;
  /** How many threads may be replaced in any span of so many milliseconds. */
  restarts: { max: number; withinMs: number };
  /** Longest wait until a thread has loaded the module and set it up. */
  startTimeoutMs: number;
  /** The consumer's logger; also what handlers log goes there. */
  logger: Logger;
}

/** What is called with what happens to the threads. */
export interface HandlerThreadsEvents {
  /** A thread runs; the port leads to its executor, and belongs to who is called. */
  up(thread: number, port: MessagePort): void;
  /** A thread is gone; what it had is not handled any further. */
  down(thread: number, error: ThreadError): void;
  /** A thread that has been replaced cannot be ended and takes a core. */
  abandoned(thread: number): void;
  /** The threads die too often. None is replaced any more. */
  giveUp(error: ThreadError): void;
}

/** What a thread is at. */
export type HandlerThreadState = "starting" | "running" | "restarting" | "stopped";

/** One thread, for statistics. */
export interface HandlerThreadStats {
  /** Its number, from 0; one that replaces another has the same. */
  readonly thread: number;
  /** What it is at. */
  readonly state: HandlerThreadState;
  /** How often it has been replaced. */
  readonly restarts: number;
  /** How many of its predecessors could not be ended and go on. */
  readonly abandoned: number;
}

interface Place {
  readonly thread: number;
  readonly backoff: Backoff;
  current: HandlerThread | null;
  state: HandlerThreadState;
  restarts: number;
  abandoned: number;
  /** What it had said when that was looked at last, and how many looks that was the same. */
  heard: number;
  silentTicks: number;
}

/** Handler threads of one consumer. */
export class HandlerThreads {
  readonly #options: HandlerThreadsOptions;
  readonly #events: HandlerThreadsEvents;
  readonly #places: Place[];
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  /** When threads have been replaced lately. */
  #replacedAt: number[] = [];
  #ticks: ReturnType<typeof setInterval> | undefined;
  #ending = false;

  /**
   * Makes threads that are not started.
   *
   * @param options How to start them.
   * @param events Called with what happens to them.
   */
  constructor(options: HandlerThreadsOptions, events: HandlerThreadsEvents) {
    this.#options = options;
    this.#events = events;
    const count = Math.max(1, Math.min(options.count, options.executor.concurrency));
    this.#places = Array.from({ length: count }, (_, thread) => ({
      thread,
      backoff: new Backoff(BACKOFF, Math.random),
      current: null,
      state: "starting",
      restarts: 0,
      abandoned: 0,
      heard: 0,
      silentTicks: 0,
    }));
  }

  /** How many threads there are. */
  get count(): number {
    return this.#places.length;
  }

  /** How many threads that were replaced could not be ended and go on. */
  get abandoned(): number {
    return this.#places.reduce((sum, { abandoned }) => sum + abandoned, 0);
  }

  /** The threads. */
  stats(): HandlerThreadStats[] {
    return this.#places.map(({ thread, state, restarts, abandoned }) => ({
      thread,
      state,
      restarts,
      abandoned,
    }));
  }

  /**
   * Starts all of them and waits until each has loaded the module and set it up. `up` is called for each.
   *
   * @throws {KafkaThreadsError} What is wrong with the module or a thread; all are ended then.
   */
  async start(): Promise<void> {
    try {
      await Promise.all(this.#places.map((place) => this.#begin(place)));
    } catch (error) {
      this.terminate();
      throw error;
    }
    if (this.#ending) return;
    this.#ticks = setInterval(() => this.#tick(), PING_INTERVAL_MS);
    unrefTimer(this.#ticks);
  }

  /**
   * Ends a thread that hangs, and starts another one in its place. `down` is called.
   *
   * @param thread Its number.
   * @param reason Why: `it hangs`.
   */
  replace(thread: number, reason: string): void {
    const place = this.#places[thread];
    const current = place?.current;
    if (place === undefined || current == null || !current.running || this.#ending) return;
    const error = new ThreadError(`The thread "${this.#nameOf(thread)}" is ended: ${reason}`, {
      code: "THREAD_UNRESPONSIVE",
    });
    void this.#endHanging(place, current);
    this.#lost(place, current, error);
  }

  /**
   * Has all of them tear down, and ends them.
   *
   * @param timeoutMs Longest wait for the teardown.
   */
  async stop(timeoutMs: number): Promise<void> {
    this.#quit();
    await Promise.all(this.#places.map(async (place) => {
      const inTime = await place.current?.stop(timeoutMs) ?? true;
      place.state = "stopped";
      if (inTime) return;
      this.#options.logger.warn(
        `The thread "${this.#nameOf(place.thread)}" has not torn down within ${timeoutMs} ms`,
        { thread: `handler ${place.thread}` },
      );
    }));
  }

  /** Ends all of them at once. */
  terminate(): void {
    this.#quit();
    for (const place of this.#places) {
      place.current?.terminate();
      place.state = "stopped";
    }
  }

  #quit(): void {
    this.#ending = true;
    clearInterval(this.#ticks);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #nameOf(thread: number): string {
    return `${this.#options.name}.handler.${thread}`;
  }

  async #begin(place: Place): Promise<void> {
    const { module, worker, startTimeoutMs, logger, executor } = this.#options;
    const { thread } = place;
    const current = new HandlerThread({
      name: this.#nameOf(thread),
      thread,
      worker,
      module,
      executor: { ...executor, concurrency: share(executor.concurrency, this.count, thread) },
      startTimeoutMs,
      logger,
    }, (error) => this.#lost(place, current, error));
    place.current = current;
    const port = await current.start();
    if (this.#ending) return port.close();
    place.state = "running";
    place.heard = place.silentTicks = 0;
    this.#events.up(thread, port);
  }

  /** A thread that ran is gone, or as good as gone. */
  #lost(place: Place, thread: HandlerThread, error: ThreadError): void {
    // One that hung may still die after another one has taken its place.
    if (this.#ending || place.current !== thread) return;
    place.current = null;
    this.#events.down(place.thread, error);
    this.#restart(place, error);
  }

  #restart(place: Place, error: ThreadError): void {
    const { restarts: { max, withinMs }, logger } = this.#options;
    const now = performance.now();
    this.#replacedAt = this.#replacedAt.filter((at) => now - at < withinMs);
    if (this.#replacedAt.length >= max) {
      this.#ending = true;
      this.terminate();
      const spent = max === 0
        ? "threads are not replaced"
        : `${max} replaced within ${withinMs} ms are enough`;
      this.#events.giveUp(
        new ThreadError(`${error.message}, and ${spent}`, { cause: error, code: error.code }),
      );
      return;
    }
    // One that has been well for as long as restarts are counted begins anew.
    if (this.#replacedAt.length === 0) place.backoff.succeeded();
    this.#replacedAt.push(now);
    place.state = "restarting";
    const waitMs = place.backoff.failed(now)!;
    logger.error(`${error.message}; another one takes its place in ${Math.ceil(waitMs)} ms`, {
      thread: `handler ${place.thread}`,
      error,
    });
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      place.restarts++;
      this.#begin(place).catch((error) => this.#notRestarted(place, error));
    }, waitMs);
    this.#timers.add(timer);
  }

  #notRestarted(place: Place, cause: Error): void {
    place.current = null;
    if (this.#ending) return;
    const message = `The thread "${
      this.#nameOf(place.thread)
    }" cannot be replaced: ${cause.message}`;
    this.#restart(place, new ThreadError(message, { cause }));
  }

  async #endHanging(place: Place, thread: HandlerThread): Promise<void> {
    // Only a thread whose event loop stands still is beyond Deno's reach (denoland/deno#35657).
    const beyondReach = isDeno() && !await thread.answers(LAST_WORD_MS);
    thread.terminate();
    if (!beyondReach) return;
    place.abandoned++;
    this.#events.abandoned(place.thread);
  }

  #tick(): void {
    const { handlerTimeoutMs } = this.#options.executor;
    // Counted, not timed: while the program's own thread is blocked no answer is read.
    const most = Math.ceil((handlerTimeoutMs + SILENCE_MS) / PING_INTERVAL_MS);
    for (const place of this.#places) {
      const { current } = place;
      if (current === null || !current.running) continue;
      place.silentTicks = current.heard === place.heard ? place.silentTicks + 1 : 0;
      place.heard = current.heard;
      if (place.silentTicks <= most) current.ping();
      else {
        const seconds = most * PING_INTERVAL_MS / 1_000;
        this.replace(place.thread, `it has not answered for ${seconds} seconds`);
      }
    }
  }
}

/** What one of `count` threads may have under way of what all may. */
function share(concurrency: number, count: number, thread: number): number {
  return Math.floor(concurrency / count) + (thread < concurrency % count ? 1 : 0);
}
