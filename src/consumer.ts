/** Consumers for services: messages are given to handlers in order, or many at a time. */

import type { ConsumerEvents } from "./consumer_events.ts";
import { StateError } from "./errors.ts";
import { type Logger, safeLogger, withFields, withoutLife } from "./logger.ts";
import type {
  BatchHandlerOptions,
  MessageHandlerOptions,
  OrderedConsumerOptions,
  ParallelConsumerOptions,
  ResolvedConsumerOptions,
} from "./options/consumer_options.ts";
import {
  parseOrderedConsumerOptions,
  parseParallelConsumerOptions,
} from "./options/parse_consumer_options.ts";
import { ConsumerRun } from "./program/consumer_run.ts";
import { consumerStatsOf, type WorkerStats } from "./program/consumer_stats.ts";
import { HandlerThreads } from "./program/handler_threads.ts";
import { consumerHealthOf, type Health, type HealthProbe } from "./program/health.ts";
import { provideMonitor, RunMonitor } from "./program/monitor.ts";
import { OwnCheck } from "./program/own_check.ts";
import { consumerRunOptions } from "./program/run_options.ts";
import { decodeError } from "./threads/error_wire.ts";
import type { WireEvent } from "./threads/messages.ts";

/** Where a consumer is in its life. `start()` leads out of "idle", "stopped" and "failed". */
export type ConsumerState = "idle" | "starting" | "running" | "stopping" | "stopped" | "failed";

/**
 * A consumer whose messages are given to a handler; made by {@linkcode createOrderedConsumer} or
 * {@linkcode createParallelConsumer}.
 *
 * It is an `EventTarget`: `consumer.addEventListener("dead-letter", ({ detail }) => …)`; the events are
 * those of `ConsumerEvents`.
 */
export class Consumer extends EventTarget implements AsyncDisposable {
  readonly #options: ResolvedConsumerOptions;
  readonly #logger: Logger;
  #run: ConsumerRun | null = null;
  #starting: Promise<this> | null = null;
  readonly #monitor = new RunMonitor<ConsumerRun>((run) => ({
    ...consumerStatsOf(this.name, this.state, run),
    active: run?.active ?? [],
  }));
  #stops = 0;
  #paused = false;
  #closed = settlement();
  readonly #ownCheck: OwnCheck | null;

  /** Made by the library. */
  constructor(options: ResolvedConsumerOptions) {
    super();
    this.#options = options;
    const { healthCheck } = options;
    this.#ownCheck = healthCheck === undefined ? null : new OwnCheck(healthCheck);
    this.#logger = withFields(safeLogger(options.logger, options.logLevel), {
      consumer: options.name,
    });
    provideMonitor(this, this.#monitor);
  }

  /** Name of the consumer, in logs, stats and health. */
  get name(): string {
    return this.#options.name;
  }

  /** Where the consumer is in its life. */
  get state(): ConsumerState {
    return this.#run?.state ?? "idle";
  }

  /**
   * Resolves with "stopped" when the present run has ended; rejects with what ended it otherwise. Before
   * the first start it waits for the first run; after a restart it is a new promise. A rejection that
   * nobody listens to does not end the program: it is logged.
   */
  get closed(): Promise<"stopped"> {
    return this.#closed.promise;
  }

  /**
   * Starts: loads the handler, checks that the topics exist, joins the group. On a consumer that runs,
   * or is starting, it changes nothing; after a stop it begins afresh.
   *
   * @returns The consumer, when it has joined: what is produced from now on arrives.
   * @throws {TopicNotFoundError} If a topic does not exist.
   * @throws {ThreadError} If a thread cannot be started.
   * @throws {KafkaThreadsError} If the handler's module cannot be used; its code says how.
   * @throws {StartTimeoutError} If the broker cannot be reached, or the group not be joined, in time.
   * @throws {AuthenticationError} If the broker refuses the credentials.
   * @throws {StateError} If it is stopped meanwhile.
   */
  start(): Promise<this> {
    if (this.#starting === null) {
      // Over before it settles: whoever waits for it may stop, and start again, at once.
      const starting = this.#start().finally(() => this.#starting = null);
      this.#starting = starting;
      // A floating start() is answered by `closed`, the state and the log.
      starting.catch(() => {});
    }
    return this.#starting;
  }

  /**
   * Looks whether it could start, without joining the group or reading anything: loads the handler, and
   * runs its `setup` and teardown; connects, logs in, and makes sure that the topics exist. It tries once,
   * for at most `startTimeoutMs`, and has no effect on a run of this consumer.
   *
   * @throws {KafkaThreadsError} What is in the way, as `start()` does.
   */
  async check(): Promise<void> {
    await this.#makeRun(0, withoutLife(this.#logger), true).check();
  }

  /**
   * Stops: takes no more messages, lets handlers finish, commits, leaves the group. From any state, and
   * as often as you like; it never rejects. A handler that still runs 3 seconds before `stopTimeoutMs` is
   * over (less, where that is short) has its signal aborted; what is under way a second later is
   * abandoned, so that the rest can be committed, and `closed` rejects with a `StopTimeoutError`.
   *
   * Within a handler function it resolves at once, as it would otherwise wait for its own caller.
   *
   * @returns Resolves when nothing is left.
   */
  async stop(): Promise<void> {
    this.#stops++;
    await this.#run?.stop();
  }

  /**
   * Has nothing more fetched or started until `resume()`; what is under way goes on, and so does the
   * membership in the group. It lasts through rebalances and restarts.
   */
  pause(): void {
    this.#paused = true;
    this.#run?.setPaused(true);
  }

  /** Goes on after a `pause()`. */
  resume(): void {
    this.#paused = false;
    this.#run?.setPaused(false);
  }

  /**
   * What the consumer is doing, as its threads reported within the last second.
   *
   * @returns A copy; it does not change.
   */
  stats(): WorkerStats {
    return consumerStatsOf(this.name, this.state, this.#run);
  }

  /**
   * Whether the consumer does what it is there for, from what its threads do. It asks the poller thread
   * and waits at most a second for the answer; the time for which a handler blocks this thread does not
   * count. `healthCheck` is asked as well, for at most 5 seconds. Calls at the same time share the answers.
   *
   * @param probe Who asks: "health" (the default) and "ready" want to know whether it does its work, "live"
   * whether a restart of the process would help, "started" whether it has begun.
   * @returns The verdict, and each check behind it.
   * @throws {OptionsError} If there is no such probe; else it never rejects.
   */
  health(probe: HealthProbe = "health"): Promise<Health> {
    const { kafka: { sessionTimeoutMs }, handlerTimeoutMs } = this.#options;
    return consumerHealthOf(probe, this.state, this.#run, {
      sessionTimeoutMs,
      handlerTimeoutMs,
      ownCheck: this.#ownCheck,
    });
  }

  /**
   * Listens to an event of `ConsumerEvents`; its `detail` tells more.
   *
   * @param type Name of the event.
   * @param listener Called with it.
   * @param options As for every `EventTarget`.
   */
  override addEventListener<Name extends keyof ConsumerEvents>(
    type: Name,
    listener: ((event: CustomEvent<ConsumerEvents[Name]>) => void) | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  /** The same, for any other event. */
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | ((event: never) => void) | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener as EventListener, options);
  }

  /** Stops the consumer, at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(): Promise<this> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    if (this.#run?.state === "running") return this;
    if (this.#run !== null) {
      const stops = this.#stops;
      await this.#run.stop();
      if (stops !== this.#stops) throw new StateError("Cannot start: it was stopped meanwhile");
      if (this.state === "stopping") {
        throw new StateError("Cannot start: it stops when this message has been handled");
      }
      this.#closed = settlement();
    }
    // Epochs go on where the last run's ended.
    const epoch = this.#run?.epoch ?? 0;
    const run = this.#run = this.#makeRun(epoch, this.#logger, false);
    this.#monitor.begin(run);
    run.setPaused(this.#paused);
    const abort = () => void run.stop();
    signal?.addEventListener("abort", abort, { once: true });
    const { resolve, reject } = this.#closed;
    run.ended.then(() => resolve("stopped"), reject)
      .finally(() => signal?.removeEventListener("abort", abort));
    await run.start();
    return this;
  }

  #makeRun(epoch: number, logger: Logger, checkOnly: boolean): ConsumerRun {
    const { kafka, restarts, startTimeoutMs, threads, name, handler } = this.#options;
    const options = consumerRunOptions(this.#options, logger, epoch);
    return new ConsumerRun({
      ...options,
      poller: { ...options.poller, checkOnly },
      owner: this,
      notify: (event) => this.#notify(event),
      handlerThreads: handler.kind === "function" ? undefined : (events) =>
        new HandlerThreads({
          name,
          // One tells as much as many.
          count: checkOnly ? 1 : threads ?? defaultThreads(this.#options.maxConcurrency),
          module: new URL(handler.module),
          worker: kafka.workers.handler,
          executor: options.executor,
          restarts,
          startTimeoutMs,
          logger,
        }, events),
    });
  }

  #notify(event: WireEvent): void {
    const { name, ...rest } = event;
    const detail = "error" in rest ? { ...rest, error: decodeError(rest.error) } : rest;
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/**
 * Makes a consumer that handles one message at a time, each partition in offset order.
 *
 * @typeParam Decoded What `decode` returns.
 * @typeParam Data What the handler gets: what `schema` makes of it.
 * @param options What to consume, and how.
 * @returns The consumer; `start()` starts it.
 * @throws {OptionsError} If options are wrong; it names all of them.
 *
 * @example
 * ```ts no-eval
 * import { createOrderedConsumer } from "@kafka-threads/kafka-threads";
 *
 * const consumer = createOrderedConsumer({
 *   bootstrapServers: "localhost:9092",
 *   groupId: "shop.orders",
 *   topics: ["orders"],
 *   handler: (context, order: { id: number }) => context.logger.info(`Order ${order.id}`),
 * });
 * await consumer.start();
 * ```
 */
export function createOrderedConsumer<Decoded = unknown, Data = Decoded>(
  options: OrderedConsumerOptions<Data, Decoded> & BatchHandlerOptions<Data>,
): Consumer;
/** The same, with a handler of single messages. */
export function createOrderedConsumer<Decoded = unknown, Data = Decoded>(
  options: OrderedConsumerOptions<Data, Decoded> & MessageHandlerOptions<Data>,
): Consumer;
/** The same, with options made elsewhere. */
export function createOrderedConsumer<Decoded = unknown, Data = Decoded>(
  options: OrderedConsumerOptions<Data, Decoded>,
): Consumer;
export function createOrderedConsumer(options: unknown): Consumer {
  return new Consumer(parseOrderedConsumerOptions(options));
}

/**
 * Makes a consumer that handles many messages at once: in order by key, by partition, or in none.
 *
 * @typeParam Decoded What `decode` returns.
 * @typeParam Data What the handler gets: what `schema` makes of it.
 * @param options What to consume, and how.
 * @returns The consumer; `start()` starts it.
 * @throws {OptionsError} If options are wrong; it names all of them.
 *
 * @example Handler threads, in order by key
 * ```ts no-eval
 * import { createParallelConsumer } from "@kafka-threads/kafka-threads";
 *
 * const consumer = createParallelConsumer({
 *   bootstrapServers: "localhost:9092",
 *   groupId: "shop.invoices",
 *   topics: ["orders"],
 *   handler: new URL("./handler.ts", import.meta.url),
 *   onError: { retries: 3, then: "dead-letter" },
 * });
 * await consumer.start();
 * ```
 */
export function createParallelConsumer<Decoded = unknown, Data = Decoded>(
  options: ParallelConsumerOptions<Data, Decoded> & BatchHandlerOptions<Data>,
): Consumer;
/** The same, with a handler of single messages. */
export function createParallelConsumer<Decoded = unknown, Data = Decoded>(
  options: ParallelConsumerOptions<Data, Decoded> & MessageHandlerOptions<Data>,
): Consumer;
/** The same, with options made elsewhere. */
export function createParallelConsumer<Decoded = unknown, Data = Decoded>(
  options: ParallelConsumerOptions<Data, Decoded>,
): Consumer;
export function createParallelConsumer(options: unknown): Consumer {
  return new Consumer(parseParallelConsumerOptions(options));
}

/** As many threads as there are cores, but no more than calls that may be under way. */
function defaultThreads(maxConcurrency: number): number {
  const { navigator } = globalThis as { navigator?: { hardwareConcurrency?: number } };
  return Math.min(maxConcurrency, navigator?.hardwareConcurrency ?? 4);
}

/** A promise whose rejection may go unheard. */
function settlement(): PromiseWithResolvers<"stopped"> {
  const settlement = Promise.withResolvers<"stopped">();
  settlement.promise.catch(() => {});
  return settlement;
}
