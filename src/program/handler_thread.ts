/** One handler thread, seen from the program's thread: started, asked, ended. */

import { ThreadError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { decodeError } from "../threads/error_wire.ts";
import { decodeFields } from "../threads/log_fields.ts";
import type { ExecutorOptions, FromHandlerThread, ToHandlerThread } from "../threads/work.ts";
import { siblingModule, startWorker, type WorkerHandle } from "./runtime.ts";

/** What a handler thread is started with. */
export interface HandlerThreadOptions {
  /** Name of the thread. */
  name: string;
  /** Its number, from 0. */
  thread: number;
  /** Where the worker's module is, or who makes it; the library's own by default. */
  worker: URL | (() => unknown) | undefined;
  /** The handler's module. */
  module: URL;
  /** How it runs handlers. */
  executor: ExecutorOptions;
  /** Longest wait until the module is loaded and set up. */
  startTimeoutMs: number;
  /** The consumer's logger. */
  logger: Logger;
}

/** A handler thread. */
export class HandlerThread {
  readonly #options: HandlerThreadOptions;
  readonly #died: (error: ThreadError) => void;
  readonly #loaded = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<void>();
  #handle: WorkerHandle<FromHandlerThread, ToHandlerThread> | null = null;
  #ours: MessagePort | null = null;
  #listens = false;
  #running = false;
  #ended = false;
  #heard = 0;
  #pings = 0;
  readonly #pongs = new Map<number, () => void>();

  /**
   * Makes a thread that is not started.
   *
   * @param options How to start it.
   * @param died Called once if it ends by itself after it has started; nothing follows.
   */
  constructor(options: HandlerThreadOptions, died: (error: ThreadError) => void) {
    this.#options = options;
    this.#died = died;
    // It may be ended before anybody waits for this.
    this.#loaded.promise.catch(() => {});
  }

  /** Whether it has started and has not ended. */
  get running(): boolean {
    return this.#running && !this.#ended;
  }

  /**
   * Starts it and waits until the module is loaded and set up.
   *
   * @returns The port to its executor.
   * @throws {KafkaThreadsError} What is wrong with the module, or with the thread.
   */
  async start(): Promise<MessagePort> {
    const { name, worker, startTimeoutMs } = this.#options;
    const { port1, port2 } = new MessageChannel();
    this.#ours = port1;
    const timer = setTimeout(() => this.#loaded.reject(this.#tooSlow()), startTimeoutMs);
    try {
      const source = worker ?? siblingModule("../../workers/handler", import.meta.url);
      // The poller's thread keeps the program alive. This one must not: on Deno one that hangs could
      // then only be ended by whoever ends the program.
      const handle = startWorker<FromHandlerThread, ToHandlerThread>(source, {
        name,
        daemon: true,
      });
      this.#handle = handle;
      handle.onMessage = (message) => this.#receive(message, port2);
      handle.onDeath = (reason) => this.#die(reason);
      await this.#loaded.promise;
      this.#running = true;
      this.#ours = null;
      return port1;
    } catch (error) {
      this.terminate();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** How much it has said. */
  get heard(): number {
    return this.#heard;
  }

  /** Asks it for a word. */
  ping(): void {
    if (!this.#ended) this.#handle?.post({ type: "ping", id: ++this.#pings });
  }

  /**
   * Asks whether its event loop turns.
   *
   * @param timeoutMs How long to wait for the answer.
   * @returns Whether it does.
   */
  async answers(timeoutMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), timeoutMs);
    this.ping();
    this.#pongs.set(this.#pings, () => resolve(true));
    const answer = await promise;
    clearTimeout(timer);
    this.#pongs.clear();
    return answer;
  }

  /**
   * Has it tear down, and ends it.
   *
   * @param timeoutMs Longest wait for it.
   * @returns Whether it has torn down.
   */
  async stop(timeoutMs: number): Promise<boolean> {
    if (!this.running) {
      this.terminate();
      return true;
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), timeoutMs);
    void this.#stopped.promise.then(() => resolve(true));
    this.#handle?.post({ type: "stop" });
    const inTime = await promise;
    clearTimeout(timer);
    this.terminate();
    return inTime;
  }

  /** Ends it, whatever it does. On Deno a synchronous endless loop goes on until the process ends. */
  terminate(): void {
    this.#ended = true;
    this.#handle?.terminate();
    this.#ours?.close();
    this.#ours = null;
    this.#loaded.reject(new ThreadError(`The thread "${this.#options.name}" was ended`));
    this.#stopped.resolve();
  }

  #receive(message: FromHandlerThread, port: MessagePort): void {
    if (this.#ended) return;
    this.#heard++;
    const { thread, module, executor, logger } = this.#options;
    switch (message.type) {
      case "ready": {
        if (this.#listens) return;
        this.#listens = true;
        const start = { type: "start", thread, module: module.href, options: executor } as const;
        this.#handle!.post({ ...start, port }, [port]);
        return;
      }
      case "loaded":
        return this.#loaded.resolve();
      case "failed":
        return this.#loaded.reject(decodeError(message.error));
      case "log": {
        const { level, fields } = message;
        if (level === "silent") return;
        logger[level](message.message, {
          thread: `handler ${thread}`,
          ...(fields === undefined ? {} : decodeFields(fields)),
        });
        return;
      }
      case "pong":
        this.#pongs.get(message.id)?.();
        return;
      case "crashed": {
        const cause = decodeError(message.error);
        return this.#die(cause.message, cause);
      }
      case "stopped":
        return this.#stopped.resolve();
    }
  }

  #die(reason: string, cause?: Error): void {
    if (this.#ended) return;
    const { name } = this.#options;
    const died = this.#running;
    const error = new ThreadError(
      died
        ? `The thread "${name}" has died: ${reason}`
        : `Cannot start the thread "${name}": ${reason}`,
      { code: died ? "THREAD_DIED" : "THREAD_START_FAILED", ...(cause && { cause }) },
    );
    // What has to hear it first is whoever waits.
    this.#loaded.reject(error);
    this.terminate();
    if (died) this.#died(error);
  }

  #tooSlow(): ThreadError {
    const { name, worker, module, startTimeoutMs } = this.#options;
    const reason = this.#listens
      ? `the handler module "${module}" was not loaded and set up`
      : `no answer${
        worker === undefined
          ? "; where the program is bundled or compiled, say where its module is with workers.handler;"
          : ""
      }`;
    return new ThreadError(
      `Cannot start the thread "${name}": ${reason} within ${startTimeoutMs} ms`,
      { code: "THREAD_START_FAILED" },
    );
  }
}
