/** A background thread that polls Kafka, and a callback that gets the messages. */

import { StateError } from "./errors.ts";
import { type Logger, safeLogger, withFields, withoutLife } from "./logger.ts";
import type { Message } from "./message.ts";
import type { ThreadManagerOptions } from "./options/thread_manager_options.ts";
import {
  parseThreadManagerOptions,
  type ResolvedThreadManagerOptions,
} from "./options/thread_manager_options.ts";
import type { MessageIterator } from "./program/deliver.ts";
import { type Health, type HealthProbe, managerHealthOf } from "./program/health.ts";
import { enterInside } from "./program/inside.ts";
import { provideMonitor, RunMonitor } from "./program/monitor.ts";
import { Run } from "./program/run.ts";
import { runOptions } from "./program/run_options.ts";
import { statsOf } from "./program/stats.ts";
import type { ConsumerStats } from "./program/stats.ts";

/** Where a manager is in its life. `start()` leads out of "idle", "stopped" and "failed". */
export type ManagerState = "idle" | "starting" | "running" | "stopping" | "stopped" | "failed";

/** Why a manager's run ended: it was stopped, or its lifetime was over. */
export type ClosedReason = "stopped" | "lifetime";

/**
 * Consumes topics in a background thread and gives each message to a callback on the program's
 * thread, in partition order, one at a time.
 *
 * The thread polls Kafka and keeps the membership in the group alive whatever the callback does. When
 * the callback is slow, no more is fetched than `maxInFlight` allows.
 *
 * @example A callback, for 40 seconds
 * ```ts no-eval
 * import { ThreadManager } from "@kafka-threads/kafka-threads";
 *
 * const manager = new ThreadManager({
 *   consumer: { bootstrapServers: "localhost:9092", groupId: "shop.orders", topics: ["orders"] },
 *   onMessage: (message) => console.log(message.offset, message.text()),
 * });
 * await manager.start();
 * await manager.closed; // "lifetime"
 * ```
 *
 * @example Iteration, until it is left
 * ```ts no-eval
 * import { ThreadManager } from "@kafka-threads/kafka-threads";
 *
 * await using manager = await new ThreadManager({
 *   consumer: { bootstrapServers: "localhost:9092", groupId: "shop.orders", topics: ["orders"] },
 *   lifetimeMs: null,
 * }).start();
 * for await (const message of manager) console.log(message.json());
 * ```
 */
export class ThreadManager implements AsyncDisposable, AsyncIterable<Message> {
  readonly #options: ResolvedThreadManagerOptions;
  readonly #logger: Logger;
  #run: Run | null = null;
  #starting: Promise<this> | null = null;
  #iterator: object | null = null;
  readonly #monitor = new RunMonitor<Run>((run) => ({
    ...statsOf(this.name, this.state, run),
    active: run?.active ?? [],
  }));
  #stops = 0;
  #closed = settlement();

  /**
   * Checks the options; nothing starts.
   *
   * @param options What to consume, and how.
   * @throws {OptionsError} If options are wrong; it names all of them.
   */
  constructor(options: ThreadManagerOptions) {
    this.#options = parseThreadManagerOptions(options);
    const { logger, logLevel, name } = this.#options;
    this.#logger = withFields(safeLogger(logger, logLevel), { consumer: name });
    provideMonitor(this, this.#monitor);
  }

  /** Name of the manager, in logs, stats and health. */
  get name(): string {
    return this.#options.name;
  }

  /** Where the manager is in its life. */
  get state(): ManagerState {
    return this.#run?.state ?? "idle";
  }

  /**
   * Resolves when the present run has ended, with the reason; rejects with what killed it. Before the
   * first start it waits for the first run; after a restart it is a new promise. A rejection that
   * nobody listens to does not end the program: it is logged.
   */
  get closed(): Promise<ClosedReason> {
    return this.#closed.promise;
  }

  /**
   * Starts the thread. On a manager that runs, or is starting, it changes nothing; after a stop it
   * begins afresh, with a new consumer.
   *
   * @returns The manager, when the thread is polling: it has joined the group, and what is produced
   * from now on arrives.
   * @throws {TopicNotFoundError} If a topic does not exist.
   * @throws {StartTimeoutError} If the broker cannot be reached, or the group not be joined, within
   * `startTimeoutMs`; the cause says why.
   * @throws {AuthenticationError} If the broker refuses the credentials.
   * @throws {ThreadError} If the thread cannot be started.
   * @throws {DriverError} If the driver cannot be loaded.
   * @throws {StateError} If it is stopped meanwhile.
   */
  start(): Promise<this> {
    if (this.#starting === null) {
      const starting = this.#start();
      this.#starting = starting;
      // A floating start() is answered by `closed`, the state and the log.
      starting.catch(() => {}).finally(() => {
        if (this.#starting === starting) this.#starting = null;
      });
    }
    return this.#starting;
  }

  /**
   * Looks whether it could start, without joining the group or reading anything: connects, logs in, and
   * makes sure that the topics exist. It tries once, for at most `startTimeoutMs`, and has no effect on a
   * run of this manager.
   *
   * @throws {KafkaThreadsError} What is in the way, as `start()` does.
   */
  async check(): Promise<void> {
    const options = runOptions(this.#options, withoutLife(this.#logger), 0);
    const poller = { ...options.poller, checkOnly: true };
    await new Run({ ...options, poller, owner: this }).check();
  }

  /**
   * Stops polling, waits for the message under way, commits what is finished and closes the consumer.
   * From any state, and as often as you like; it never rejects. What is still under way after
   * `stopTimeoutMs` is abandoned, and `closed` rejects with a `StopTimeoutError`.
   *
   * Within the callback, or the body of a `for await`, it resolves at once, as it would otherwise wait
   * for its own caller; `closed` tells when all is done.
   *
   * @returns Resolves when nothing is left.
   */
  async stop(): Promise<void> {
    this.#stops++;
    await this.#run?.stop();
  }

  /**
   * Commits a message and all before it in its partition, at once; for `commit: "manual"`, though it
   * also works beside "auto". Calls made while a commit is under way share the next one.
   *
   * @param message The message to commit.
   * @returns Resolves when the broker has acknowledged it.
   * @throws {LostPartitionError} If the partition is no longer assigned to this consumer.
   * @throws {CommitError} If the broker refuses, or cannot be reached; calling again is right.
   * @throws {StateError} If the manager does not run.
   */
  async commit(message: Message): Promise<void> {
    if (this.#run === null) throw new StateError("Cannot commit: the consumer is idle");
    await this.#run.commit(message);
  }

  /**
   * What the manager is doing, as its thread reported within the last second.
   *
   * @returns A copy; it does not change.
   */
  stats(): ConsumerStats {
    return statsOf(this.#options.name, this.state, this.#run);
  }

  /**
   * Whether the manager does what it is there for, from what its thread does. It asks the thread and
   * waits at most a second for the answer; the time for which a callback blocks this thread does not
   * count. Calls at the same time share the answer.
   *
   * @param probe Who asks: "health" (the default) and "ready" want to know whether it does its work, "live"
   * whether a restart of the process would help, "started" whether it has begun.
   * @returns The verdict, and each check behind it.
   * @throws {OptionsError} If there is no such probe; else it never rejects.
   */
  health(probe: HealthProbe = "health"): Promise<Health> {
    const { sessionTimeoutMs } = this.#options.consumer;
    return managerHealthOf(probe, this.state, this.#run, { sessionTimeoutMs });
  }

  /**
   * Hands the messages out one at a time, instead of `onMessage`. Starts the manager if it is idle.
   *
   * Asking for the next message finishes the last one. Leaving the loop, by `break` or by an error,
   * stops the manager and leaves the message in hand unfinished, so that it comes again. The loop ends
   * when the manager is stopped or its lifetime is over, and throws what the manager fails with.
   *
   * @returns An iterator; there can be one at a time.
   * @throws {StateError} If there is an `onMessage`, or another iterator.
   */
  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    if (this.#options.onMessage !== undefined) {
      throw new StateError("Cannot iterate: the messages go to onMessage");
    }
    if (this.#iterator !== null) throw new StateError("Cannot iterate: somebody does so already");
    // Holds the place of the one iterator until its run is over, be it left or forgotten.
    const place = this.#iterator = {};
    const release = () => {
      if (this.#iterator === place) this.#iterator = null;
    };
    let run: Run | null = null;
    let messages: MessageIterator | null = null;
    let beginning: Promise<MessageIterator> | null = null;
    const begin = async () => {
      try {
        await this.start();
      } catch (error) {
        release();
        throw error;
      }
      run = this.#run!;
      run.ended.then(release, release);
      return messages = run.iterate();
    };
    const next = async (messages: MessageIterator) => {
      const result = await messages.next();
      if (result.done) await run?.ended;
      return result;
    };
    return {
      // Not async itself: what it calls at once marks the code of the loop that has called it.
      next: () => {
        enterInside(this);
        return messages === null ? (beginning ??= begin()).then(next) : next(messages);
      },
      return: async () => {
        release();
        await messages?.return();
        await this.stop();
        return { done: true, value: undefined };
      },
    };
  }

  /** Stops the manager, at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(): Promise<this> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    if (this.#run?.state === "running") return this;
    if (this.#run?.state === "stopping") {
      const stops = this.#stops;
      await this.#run.stop();
      // The code that handles the message under way has been answered early.
      if (this.state === "stopping") {
        throw new StateError("Cannot start: it stops when this message has been handled");
      }
      if (stops !== this.#stops) throw new StateError("Cannot start: it was stopped meanwhile");
    }
    if (this.#run !== null) this.#closed = settlement();
    // Epochs go on where the last run's ended: a message of that one cannot be committed in this one.
    const epoch = this.#run?.epoch ?? 0;
    const run = this.#run = new Run({
      ...runOptions(this.#options, this.#logger, epoch),
      owner: this,
    });
    this.#monitor.begin(run);
    const abort = () => void run.stop();
    signal?.addEventListener("abort", abort, { once: true });
    const { resolve, reject } = this.#closed;
    run.ended.then(resolve, reject).finally(() => signal?.removeEventListener("abort", abort));
    await run.start();
    return this;
  }
}

/** A promise whose rejection may go unheard. */
function settlement(): PromiseWithResolvers<ClosedReason> {
  const settlement = Promise.withResolvers<ClosedReason>();
  settlement.promise.catch(() => {});
  return settlement;
}
