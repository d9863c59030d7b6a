/**
 * The poller thread's work: polls the driver, hands batches over within the room that is granted,
 * commits what is finished, and answers for it all. It never runs a user's handler.
 */

import type {
  AssignedPartition,
  ConsumerDriver,
  DriverBatch,
  DriverContext,
  OffsetCommit,
  TopicPartition,
} from "../driver.ts";
import {
  CommitError,
  DriverError,
  isKafkaThreadsError,
  type KafkaThreadsError,
  LostPartitionError,
  RetryBudgetError,
  StartTimeoutError,
  StopTimeoutError,
} from "../errors.ts";
import { atLeast, type Logger, type LogLevel } from "../logger.ts";
import type { Channel } from "../threads/channel.ts";
import { errorText } from "../threads/error_text.ts";
import { decodeError, encodeError } from "../threads/error_wire.ts";
import { Instrumentation, SHUTDOWN_TIMEOUT_MS } from "../telemetry/instrumentation.ts";
import { PollerTelemetry } from "../telemetry/poller_telemetry.ts";
import type {
  Ending,
  FromPoller,
  PollerOptions,
  PollerSnapshot,
  ToPoller,
} from "../threads/messages.ts";
import { yieldToLoop } from "../threads/turns.ts";
import { Backoff } from "../threads/backoff.ts";
import { Commits } from "./commits.ts";
import { BatchDelivery } from "./batch_delivery.ts";
import type { Delivery, DeliveryContext } from "./delivery.ts";
import type { Ledger } from "./ledger.ts";
import { loadDriver } from "./load_driver.ts";
import { PollSizes } from "./poll_sizes.ts";
import { Questions } from "./questions.ts";
import { Timers } from "./timers.ts";
import { WorkDelivery } from "./work/work_delivery.ts";

/** Longest wait of one poll; a stop does not wait for it. */
const POLL_TIMEOUT_MS = 1_000;
/** Longest wait for the driver to close. */
const CLOSE_TIMEOUT_MS = 5_000;
/** How often the ends of the logs of paused partitions are asked for, as no fetch tells them. */
const END_OFFSETS_INTERVAL_MS = 5_000;
const STOPPED: unique symbol = Symbol("stopped");

/** What the poller takes from its surroundings, so that tests can give their own. */
export interface PollerSurroundings {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Numbers from 0 to 1. */
  random(): number;
}

/** Runs once, from `start` to `ended`. */
export class Poller {
  readonly #channel: Channel<ToPoller, FromPoller>;
  readonly #options: PollerOptions;
  readonly #surroundings: PollerSurroundings;
  readonly #delivery: Delivery;
  readonly #tokens = new Questions<string>();
  readonly #commits: Commits;
  readonly #logger: Logger;
  readonly #timers = new Timers();
  readonly #stop = new AbortController();
  readonly #stopListeners = new Set<() => void>();
  #driver: ConsumerDriver | null = null;
  #ending: Ending | null = null;
  #started = false;
  #polledAt: number | null = null;
  #error: Error | null = null;
  #pollErrors = 0;
  #rebalances = 0;
  #metadataRefused = false;
  readonly #polled = new PollSizes();
  readonly #telemetry: PollerTelemetry;
  #instrumentation: Instrumentation = Instrumentation.none;
  #endingSince: number | null = null;

  constructor(
    channel: Channel<ToPoller, FromPoller>,
    options: PollerOptions,
    surroundings: PollerSurroundings,
  ) {
    this.#channel = channel;
    this.#options = options;
    this.#surroundings = surroundings;
    this.#logger = channelLogger(channel, options.logLevel);
    this.#telemetry = new PollerTelemetry(options, this.#logger);
    this.#commits = new Commits({
      commit: async (offsets) => {
        if (this.#driver === null) throw new CommitError("Cannot commit: there is no driver yet");
        const driver = this.#driver;
        await this.#telemetry.committing(offsets, () => this.#commit(driver, offsets));
      },
      automatic: options.commitIntervalMs !== null,
      budgetMs: options.retry.budgetMs,
      now: surroundings.now,
      giveUp: (error) => this.#end({ reason: "failed", error: encodeError(error) }),
      timers: this.#timers,
      logger: this.#logger,
    });
    const context = this.#deliveryContext();
    this.#delivery = options.work === undefined
      ? new BatchDelivery(context, options.maxInFlight, options.epoch)
      : new WorkDelivery(context, options.work, options);
  }

  /** Polls until told to stop, until the lifetime is over, or until it cannot go on. */
  async run(): Promise<void> {
    try {
      await this.#poll();
    } catch (error) {
      this.#end({ reason: "failed", error: encodeError(error) });
    }
    await this.#shutDown();
  }

  /** Takes a message from the program's thread. */
  receive(message: ToPoller): void {
    switch (message.type) {
      case "start":
        return;
      case "commit":
        return void this.#commitOnRequest(message);
      case "token":
        return this.#tokens.answer(message.id, message.token);
      case "token-failed":
        return this.#tokens.fail(message.id, decodeError(message.error));
      case "ping":
        return this.#channel.post({ type: "pong", id: message.id, snapshot: this.#snapshot() });
      case "stop":
        return this.#end({ reason: "stopped" });
      default:
        return this.#delivery.receive(message);
    }
  }

  /** The first ending is the one that counts. */
  #end(ending: Ending): void {
    // What fails while it stops is not hidden by that.
    if (this.#ending === null || (this.#ending.reason !== "failed" && ending.reason === "failed")) {
      this.#ending = ending;
    }
    this.#endingSince ??= this.#surroundings.now();
    this.#stop.abort();
    for (const listener of this.#stopListeners) listener();
  }

  async #poll(): Promise<void> {
    const { retry, startTimeoutMs } = this.#options;
    const backoff = new Backoff(retry, this.#surroundings.random);
    let startFailure: unknown;
    const startDeadline = this.#timers.after(startTimeoutMs, () => {
      const reason = startFailure === undefined ? "" : `: ${errorText(startFailure)}`;
      const error = new StartTimeoutError(
        `Cannot start polling within ${startTimeoutMs} ms${reason}`,
        startFailure === undefined ? {} : { cause: startFailure },
      );
      this.#end({ reason: "failed", error: encodeError(error) });
    });
    const loading = this.#load();
    const driver = await this.#race(loading);
    if (driver === STOPPED) {
      // Told to stop while the driver was made: it is closed as soon as there is one.
      loading.then((driver) => driver.close()).catch(() => {});
      return;
    }
    this.#driver = driver;
    this.#delivery.check(driver);
    if (this.#options.checkOnly) {
      await this.#race(driver.check?.() ?? Promise.resolve());
      return;
    }
    while (!this.#stop.signal.aborted) {
      const beganAt = performance.now();
      try {
        const timeoutMs = this.#started ? POLL_TIMEOUT_MS : 0;
        const batches = await this.#race(driver.poll(timeoutMs));
        if (batches === STOPPED) return;
        const polledAt = performance.now();
        this.#takeIn(batches);
        this.#polled.add(batches);
        backoff.succeeded();
        this.#error = null;
        this.#polledAt = this.#surroundings.now();
        if (!this.#started) {
          this.#timers.cancel(startDeadline);
          this.#begin();
        }
        this.#handOver();
        this.#telemetry.polled(batches, { beganAt, polledAt });
        // A driver that always has something at once would keep the loop from everything else: from
        // what is finished, and from a stop.
        await yieldToLoop();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#pollErrors++;
        this.#error = error as Error;
        this.#telemetry.pollFailed(error, beganAt);
        if ((error as KafkaThreadsError | null)?.retriable === false) {
          throw isKafkaThreadsError(error)
            ? error
            : new DriverError(`Cannot poll: ${errorText(error)}`, { cause: error });
        }
        const delayMs = backoff.failed(this.#surroundings.now());
        if (delayMs === null) {
          throw new RetryBudgetError(
            `Cannot poll: no success within ${retry.budgetMs} ms, the last error was: ${
              errorText(error)
            }`,
            { cause: error },
          );
        }
        if (!this.#started) startFailure = error;
        this.#logger.warn(`Cannot poll, trying again: ${errorText(error)}`, {
          attempt: backoff.failures,
          delayMs: Math.round(delayMs),
          code: (error as KafkaThreadsError)?.code,
        });
        await this.#sleep(delayMs);
      }
    }
  }

  async #load(): Promise<ConsumerDriver> {
    // First of all: what it instruments may be what the driver imports.
    this.#instrumentation = await Instrumentation.load(this.#options.instrumentation?.module);
    return await loadDriver(this.#options, this.#driverContext());
  }

  #takeIn(batches: readonly DriverBatch[]): void {
    try {
      this.#delivery.takeIn(batches, this.#surroundings.now());
    } catch (cause) {
      if (isKafkaThreadsError(cause)) throw cause;
      // Polling again would go on behind what cannot be read: it would be lost.
      throw new DriverError(`Cannot take in what the driver has polled: ${errorText(cause)}`, {
        code: "DRIVER_INVALID",
        cause,
      });
    }
  }

  /** `STOPPED` as soon as the poller is to stop; what was waited for may then reject unheard. */
  async #race<T>(promise: Promise<T>): Promise<T | typeof STOPPED> {
    const first = Promise.withResolvers<T | typeof STOPPED>();
    // Not Promise.race() against a promise of the stop: each poll would leave a reaction on that one.
    const stopped = () => first.resolve(STOPPED);
    this.#stopListeners.add(stopped);
    if (this.#stop.signal.aborted) stopped();
    // A driver without types may return no promise.
    Promise.resolve(promise).then(first.resolve, first.reject);
    try {
      return await first.promise;
    } finally {
      this.#stopListeners.delete(stopped);
    }
  }

  #begin(): void {
    this.#started = true;
    const { lifetimeMs, commitIntervalMs } = this.#options;
    if (lifetimeMs !== null) {
      this.#timers.after(lifetimeMs, () => this.#end({ reason: "lifetime" }));
    }
    const repeat = (ms: number, task: () => Promise<unknown>) =>
      this.#timers.every(ms, async () => {
        await task();
        return !this.#stop.signal.aborted;
      });
    if (commitIntervalMs !== null) {
      repeat(commitIntervalMs, () => this.#commits.finished(this.#delivery.ledgers));
    }
    repeat(END_OFFSETS_INTERVAL_MS, () => this.#refreshEndOffsets());
    this.#channel.post({ type: "started", snapshot: this.#snapshot() });
  }

  #handOver(): void {
    if (!this.#stop.signal.aborted) this.#delivery.handOver();
    const { pause, resume } = this.#delivery.balance();
    if (pause.length > 0) this.#call("pause", (driver) => driver.pause(pause));
    if (resume.length > 0) this.#call("resume", (driver) => driver.resume(resume));
  }

  /** Calls what never throws, by the contract: with a driver that throws there is no going on. */
  #call<T>(method: string, call: (driver: ConsumerDriver) => T): T | undefined {
    try {
      return this.#driver === null ? undefined : call(this.#driver);
    } catch (cause) {
      const message = `The driver has failed at ${method}(): ${errorText(cause)}`;
      this.#end({ reason: "failed", error: encodeError(new DriverError(message, { cause })) });
      return undefined;
    }
  }

  #driverContext(): DriverContext {
    const { sasl, ...options } = this.#options;
    return {
      bootstrapServers: options.bootstrapServers,
      groupId: options.groupId,
      topics: options.topics,
      startFrom: options.startFrom,
      clientId: options.clientId,
      ssl: options.ssl,
      ...(sasl === undefined ? {} : {
        sasl: sasl.mechanism === "oauthbearer"
          ? {
            mechanism: "oauthbearer",
            token: () => this.#tokens.ask((id) => this.#channel.post({ type: "token-wanted", id })),
          }
          : sasl,
      }),
      driverOptions: options.driverOptions,
      sessionTimeoutMs: options.sessionTimeoutMs,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      maxBytes: options.maxInFlight.bytes,
      hooks: {
        assigned: (partitions) => this.#assigned(partitions),
        revoked: (partitions) => this.#revoked(partitions),
        lost: (partitions) => this.#lost(partitions),
      },
      logger: this.#logger,
      signal: this.#stop.signal,
    };
  }

  #assigned(partitions: readonly AssignedPartition[]): void {
    for (const ledger of this.#delivery.assign(partitions)) {
      if (this.#options.startFrom === "latest") this.#commits.pin(ledger);
    }
    this.#tell("assigned", partitions);
    this.#logger.info(`Assigned ${describe(partitions)}`);
  }

  async #revoked(partitions: readonly TopicPartition[]): Promise<void> {
    this.#rebalances++;
    const ledgers = this.#known(partitions);
    for (const ledger of ledgers) ledger.discard();
    const { revokeTimeoutMs } = this.#options;
    const inTime = await this.#delivery.drain(ledgers, revokeTimeoutMs);
    if (!inTime) {
      this.#logger.warn(
        `What was under way has not finished within ${revokeTimeoutMs} ms: it will be handled again by the next owner`,
        { partitions: ledgers.map(topicPartition) },
      );
    }
    const uncommitted = await this.#commits.last(ledgers);
    if (uncommitted !== null) this.#logger.error(uncommitted.message);
    this.#forget(ledgers);
    this.#tell("revoked", partitions);
    this.#logger.info(`Revoked ${describe(partitions)}`);
  }

  #lost(partitions: readonly TopicPartition[]): void {
    this.#rebalances++;
    const ledgers = this.#known(partitions);
    for (const ledger of ledgers) ledger.discard();
    this.#forget(ledgers);
    // Nobody waits for the answer; the other thread only has to drop what it still holds.
    void this.#delivery.drain(ledgers, 0);
    this.#tell("lost", partitions);
    this.#logger.warn(`Lost ${describe(partitions)}`);
  }

  /** A broker may be set to take less metadata than we store: what it describes is run again then. */
  async #commit(driver: ConsumerDriver, offsets: readonly OffsetCommit[]): Promise<void> {
    const bare = () => driver.commit(offsets.map(({ metadata: _, ...offset }) => offset));
    if (this.#metadataRefused) return await bare();
    try {
      await driver.commit(offsets);
    } catch (error) {
      if (!isMetadataTooLarge(error) || offsets.every(({ metadata }) => !metadata)) throw error;
      this.#metadataRefused = true;
      this.#logger.warn(
        "The broker refuses the metadata of commits (offset.metadata.max.bytes): what finished beyond a committed offset will be handled again after a crash",
      );
      await bare();
    }
  }

  #tell(name: "assigned" | "revoked" | "lost", partitions: readonly TopicPartition[]): void {
    if (this.#options.work === undefined) return;
    this.#channel.post({
      type: "event",
      event: { name, partitions: partitions.map(topicPartition) },
    });
  }

  #forget(ledgers: readonly Ledger[]): void {
    this.#delivery.forget(ledgers);
    for (const ledger of ledgers) this.#commits.drop(ledger);
  }

  /** Those of these partitions that are assigned. */
  #known(partitions: readonly TopicPartition[]): Ledger[] {
    return partitions.flatMap((partition) => this.#delivery.find(partition) ?? []);
  }

  #deliveryContext(): DeliveryContext {
    return {
      channel: this.#channel,
      logger: this.#logger,
      timers: this.#timers,
      now: this.#surroundings.now,
      random: this.#surroundings.random,
      changed: () => this.#handOver(),
      commit: (ledgers) => this.#commits.finished(ledgers),
      fail: (error) => this.#end({ reason: "failed", error: encodeError(error) }),
      driver: () => this.#driver,
    };
  }

  async #commitOnRequest(
    { id, epoch, offset, ...partition }: Extract<ToPoller, { type: "commit" }>,
  ): Promise<void> {
    try {
      const ledger = this.#delivery.find(partition);
      if (ledger === undefined || ledger.epoch !== epoch) {
        throw new LostPartitionError(
          `Cannot commit "${partition.topic}" partition ${partition.partition} offset ${offset}: the partition is no longer assigned`,
          { topic: partition.topic, partition: partition.partition, offset },
        );
      }
      await this.#commits.upTo(ledger, offset);
      this.#channel.post({ type: "committed", id });
    } catch (error) {
      this.#channel.post({ type: "commit-failed", id, error: encodeError(error) });
    }
  }

  async #refreshEndOffsets(): Promise<void> {
    const paused = this.#delivery.ledgers.filter((ledger) => ledger.paused);
    if (paused.length === 0) return;
    try {
      const ends = await this.#driver?.endOffsets?.(paused.map(topicPartition));
      paused.forEach((ledger, index) => ledger.endOffset = ends?.[index] ?? ledger.endOffset);
    } catch (error) {
      this.#logger.debug(`Cannot ask for the ends of the logs: ${(error as Error).message}`);
    }
  }

  async #shutDown(): Promise<void> {
    let ending: Ending = this.#ending ?? { reason: "stopped" };
    this.#channel.post({ type: "stopping", ending });
    const { ledgers } = this.#delivery;
    for (const ledger of ledgers) ledger.discard();
    // However long it takes: a lifetime does not cut a callback short, and a stop's limit is kept by
    // the program's thread, which can end this one.
    const drained = await this.#delivery.drain(null, null);
    ending = this.#ending ?? ending;
    const uncommitted = await this.#commits.last(ledgers);
    // A stop that leaves finished messages uncommitted is not a clean one: they will be handled again.
    if (uncommitted !== null) {
      if (ending.reason === "failed") this.#logger.error(uncommitted.message);
      else ending = { reason: "failed", error: encodeError(uncommitted) };
    }
    if (!drained && ending.reason !== "failed") {
      const error = new StopTimeoutError(
        "Cannot stop cleanly: messages are still being handled; they are abandoned",
      );
      ending = { reason: "failed", error: encodeError(error) };
    }
    const snapshot = this.#snapshot();
    this.#delivery.close();
    if (this.#driver !== null) {
      const closed = await this.#timers.within(CLOSE_TIMEOUT_MS, this.#close(this.#driver));
      if (!closed) this.#logger.warn(`The driver has not closed within ${CLOSE_TIMEOUT_MS} ms`);
    }
    await this.#shutDownInstrumentation();
    this.#timers.clear();
    this.#channel.post({ type: "ended", ending, snapshot });
  }

  /** Within the time of the stop: what is late counts as a stop that has failed. */
  async #shutDownInstrumentation(): Promise<void> {
    const { stopTimeoutMs = 0 } = this.#options.instrumentation ?? {};
    const now = this.#surroundings.now();
    const spentMs = now - (this.#endingSince ?? now);
    const leftMs = Math.max(stopTimeoutMs / 10, stopTimeoutMs * 0.9 - spentMs);
    const error = await this.#instrumentation.shutdown(Math.min(SHUTDOWN_TIMEOUT_MS, leftMs));
    if (error !== null) {
      this.#logger.warn(`Cannot shut the instrumentation down: ${error.message}`);
    }
  }

  async #close(driver: ConsumerDriver): Promise<void> {
    try {
      await driver.close();
    } catch (error) {
      this.#logger.warn(`Cannot close the driver cleanly: ${(error as Error)?.message}`);
    }
  }

  #snapshot(): PollerSnapshot {
    const status = this.#call("status", (driver) => driver.status?.());
    const wire = (error: Error | null) => error === null ? null : encodeError(error);
    return {
      at: this.#surroundings.now(),
      group: status?.group ?? "none",
      heartbeatAt: status?.heartbeatAt ?? null,
      heartbeats: status?.heartbeats ?? 0,
      memberId: status?.memberId ?? null,
      polledAt: this.#polledAt,
      error: wire(this.#error),
      commitError: wire(this.#commits.failure),
      partitions: this.#delivery.ledgers.map((ledger) => ({
        topic: ledger.topic,
        partition: ledger.partition,
        epoch: ledger.epoch,
        position: ledger.finishedTo,
        fetched: ledger.position,
        committed: ledger.committed,
        endOffset: ledger.endOffset,
        queuedMessages: ledger.queuedMessages,
        queuedBytes: ledger.queuedBytes,
        inFlight: ledger.inFlight,
        paused: ledger.paused,
      })),
      pollErrors: this.#pollErrors,
      commits: this.#commits.count,
      commitErrors: this.#commits.failures,
      rebalances: this.#rebalances,
      polled: this.#polled.counts(),
      work: this.#delivery.snapshot(),
    };
  }

  /** Waits, but not beyond a stop. */
  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#timers.after(ms, resolve);
    await this.#race(promise);
    this.#timers.cancel(timer);
  }
}

/** A logger on the other side; what its level leaves out does not cross. */
function channelLogger(channel: Channel<ToPoller, FromPoller>, threshold: LogLevel): Logger {
  const at = (level: LogLevel) => (message: string, fields?: Record<string, unknown>) => {
    if (!atLeast(level, threshold)) return;
    channel.post({ type: "log", level, message, ...(fields === undefined ? {} : { fields }) });
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Whether this, or what has caused it, is Kafka's OFFSET_METADATA_TOO_LARGE (error code 12). */
function isMetadataTooLarge(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { type, apiId, errors = [] } = cause as {
      type?: unknown;
      apiId?: unknown;
      errors?: unknown[];
    };
    const name = "OFFSET_METADATA_TOO_LARGE";
    if (type === name || apiId === name || cause.message.includes(name)) return true;
    if (errors.some(isMetadataTooLarge)) return true;
  }
  return false;
}

function topicPartition({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition };
}

function describe(partitions: readonly TopicPartition[]): string {
  if (partitions.length === 0) return "no partitions";
  const byTopic = Map.groupBy(partitions, ({ topic }) => topic);
  return Array.from(
    byTopic,
    ([topic, list]) =>
      `"${topic}" partitions ${
        list.map(({ partition }) => partition).sort((a, b) => a - b).join(", ")
      }`,
  )
    .join(" and ");
}
