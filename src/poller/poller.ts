/**
 * The poller thread's work: polls the driver, hands batches over within the room that is granted,
 * commits what is finished, and answers for it all. It never runs a user's handler.
 */

import type {
  AssignedPartition,
  ConsumerDriver,
  DriverBatch,
  DriverContext,
  TopicPartition,
} from "../driver.ts";
import {
  CommitError,
  DriverError,
  type KafkaThreadsError,
  LostPartitionError,
  RetryBudgetError,
  StartTimeoutError,
} from "../errors.ts";
import { atLeast, type Logger, type LogLevel } from "../logger.ts";
import type { Channel } from "../threads/channel.ts";
import { decodeError, encodeError } from "../threads/error_wire.ts";
import type {
  Ending,
  FromPoller,
  PollerOptions,
  PollerSnapshot,
  ToPoller,
} from "../threads/messages.ts";
import { isRecordTable, packRecords, tableOfRecords } from "../threads/records.ts";
import { Backoff } from "./backoff.ts";
import { Committer } from "./committer.ts";
import { loadDriver } from "./load_driver.ts";
import { PartitionLedger } from "./partition_ledger.ts";
import { Window } from "./window.ts";

/** Longest wait of one poll; a stop does not wait for it. */
const POLL_TIMEOUT_MS = 1_000;
/** Most messages handed over at once: large enough to hide the cost of a post, small to the eye. */
const BATCH_MESSAGES = 1_000;
/** Most bytes handed over at once. */
const BATCH_BYTES = 256 * 1024;
/** Longest wait for the last commit and for the driver to close. */
const CLOSE_TIMEOUT_MS = 5_000;
/** Wait between tries of a last commit. */
const COMMIT_RETRY_MS = 200;
/** How often the ends of the logs of paused partitions are asked for, as no fetch tells them. */
const END_OFFSETS_INTERVAL_MS = 5_000;

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
  readonly #window: Window;
  readonly #ledgers = new Map<string, PartitionLedger>();
  /** Keys of partitions that were assigned once. */
  readonly #formerly = new Set<string>();
  readonly #batches = new Map<number, PartitionLedger>();
  readonly #drains = new Map<number, () => void>();
  readonly #tokens = new Map<number, PromiseWithResolvers<string>>();
  readonly #committer: Committer;
  readonly #stop = new AbortController();
  readonly #stopListeners = new Set<() => void>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #driver: ConsumerDriver | null = null;
  #ending: Ending | null = null;
  #epoch = 0;
  #nextId = 0;
  #turn = 0;
  #started = false;
  #polledAt: number | null = null;
  #error: Error | null = null;
  #commitFailure: Error | null = null;
  #pollErrors = 0;
  #commits = 0;
  #commitErrors = 0;
  #rebalances = 0;

  constructor(
    channel: Channel<ToPoller, FromPoller>,
    options: PollerOptions,
    surroundings: PollerSurroundings,
  ) {
    this.#channel = channel;
    this.#options = options;
    this.#surroundings = surroundings;
    this.#window = new Window(options.maxInFlight);
    this.#committer = new Committer(async (offsets) => {
      if (this.#driver === null) throw new CommitError("Cannot commit: the driver is not there");
      await this.#driver.commit(offsets);
      this.#commits++;
      this.#commitFailure = null;
    });
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
      case "finished":
        return this.#finished(message.batch, message.count, message.offset);
      case "drained":
        return this.#drains.get(message.id)?.();
      case "commit":
        return void this.#commitOnRequest(message);
      case "token":
        return this.#tokens.get(message.id)?.resolve(message.token);
      case "token-failed":
        return this.#tokens.get(message.id)?.reject(decodeError(message.error));
      case "ping":
        return this.#channel.post({ type: "pong", id: message.id, snapshot: this.#snapshot() });
      case "stop":
        return this.#end({ reason: "stopped" });
    }
  }

  /** The first ending is the one that counts. */
  #end(ending: Ending): void {
    this.#ending ??= ending;
    this.#stop.abort();
    for (const listener of this.#stopListeners) listener();
  }

  async #poll(): Promise<void> {
    const { retry, startTimeoutMs } = this.#options;
    const backoff = new Backoff(retry, this.#surroundings.random);
    let startFailure: unknown;
    const startDeadline = this.#after(startTimeoutMs, () => {
      const reason = startFailure instanceof Error ? `: ${startFailure.message}` : "";
      const error = new StartTimeoutError(
        `Cannot start polling within ${startTimeoutMs} ms${reason}`,
        startFailure === undefined ? {} : { cause: startFailure },
      );
      this.#end({ reason: "failed", error: encodeError(error) });
    });
    const loading = loadDriver(this.#options, this.#driverContext());
    this.#driver = await this.#race(loading);
    // Told to stop while the driver was made: it is closed as soon as there is one.
    if (this.#driver === null) loading.then((driver) => driver.close()).catch(() => {});
    while (this.#driver !== null && !this.#stop.signal.aborted) {
      try {
        const timeoutMs = this.#started ? POLL_TIMEOUT_MS : 0;
        const batches = await this.#race(this.#driver.poll(timeoutMs));
        if (batches === null) return;
        backoff.succeeded();
        this.#error = null;
        this.#polledAt = this.#surroundings.now();
        if (!this.#started) {
          this.#cancel(startDeadline);
          this.#begin();
        }
        this.#takeIn(batches);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#pollErrors++;
        this.#error = error as Error;
        if ((error as KafkaThreadsError | null)?.retriable === false) throw error;
        const delayMs = backoff.failed(this.#surroundings.now());
        if (delayMs === null) {
          throw new RetryBudgetError(
            `Cannot poll: no success within ${retry.budgetMs} ms, the last error was: ${
              (error as Error)?.message
            }`,
            { cause: error },
          );
        }
        if (!this.#started) startFailure = error;
        this.#log("warn", `Cannot poll, trying again: ${(error as Error)?.message}`, {
          attempt: backoff.failures,
          delayMs: Math.round(delayMs),
          code: (error as KafkaThreadsError)?.code,
        });
        await this.#sleep(delayMs);
      }
    }
  }

  /** Null as soon as the poller is to stop; what was waited for may then reject unheard. */
  async #race<T>(promise: Promise<T>): Promise<T | null> {
    const first = Promise.withResolvers<T | null>();
    // Not Promise.race() against a promise of the stop: each poll would leave a reaction on that one.
    const stopped = () => first.resolve(null);
    this.#stopListeners.add(stopped);
    if (this.#stop.signal.aborted) stopped();
    promise.then(first.resolve, first.reject);
    try {
      return await first.promise;
    } finally {
      this.#stopListeners.delete(stopped);
    }
  }

  #begin(): void {
    this.#started = true;
    const { lifetimeMs, commitIntervalMs } = this.#options;
    if (lifetimeMs !== null) this.#after(lifetimeMs, () => this.#end({ reason: "lifetime" }));
    if (commitIntervalMs !== null) this.#every(commitIntervalMs, () => this.#commitFinished());
    this.#every(END_OFFSETS_INTERVAL_MS, () => this.#refreshEndOffsets());
    this.#channel.post({ type: "started", snapshot: this.#snapshot() });
  }

  #takeIn(batches: readonly DriverBatch[]): void {
    for (const batch of batches) {
      const ledger = this.#ledgers.get(keyOf(batch));
      if (ledger === undefined) {
        // A driver that fetches ahead may return what was fetched before the partition went.
        if (this.#formerly.has(keyOf(batch))) continue;
        throw new DriverError(
          `Cannot take in records of "${batch.topic}" partition ${batch.partition}: the driver has not assigned it`,
          { code: "DRIVER_INVALID", topic: batch.topic, partition: batch.partition },
        );
      }
      const { records } = batch;
      const table = isRecordTable(records)
        ? records
        : tableOfRecords(records, this.#surroundings.now());
      ledger.add(table, batch.nextOffset, batch.endOffset);
    }
    this.#handOver();
  }

  /**
   * Hands over what there is room for, a batch of each partition in turn, so that a partition with a
   * backlog does not starve the others. Then pauses the partitions whose queues are full.
   */
  #handOver(): void {
    const ledgers = [...this.#ledgers.values()];
    let idle = 0;
    while (!this.#stop.signal.aborted && this.#window.open && idle < ledgers.length) {
      const ledger = ledgers[this.#turn++ % ledgers.length]!;
      const { left } = this.#window;
      const id = this.#nextId;
      const run = ledger.take(
        id,
        Math.min(BATCH_MESSAGES, left.messages),
        Math.min(BATCH_BYTES, left.bytes),
      );
      if (run === null) {
        idle++;
        continue;
      }
      idle = 0;
      this.#nextId++;
      this.#batches.set(id, ledger);
      this.#window.add(id, { messages: run.to - run.from, bytes: run.bytes });
      const records = packRecords(run.table, run.from, run.to);
      const { topic, partition, epoch } = ledger;
      this.#channel.post({ type: "batch", batch: id, epoch, topic, partition, records }, [
        records.buffer,
      ]);
    }
    this.#turn %= Math.max(1, ledgers.length);
    this.#pauseAndResume(ledgers);
  }

  /** Half of the room in bytes may wait here as well, shared evenly by the partitions. */
  #pauseAndResume(ledgers: readonly PartitionLedger[]): void {
    const high = this.#options.maxInFlight.bytes / 2 / Math.max(1, ledgers.length);
    const pause: PartitionLedger[] = [];
    const resume: PartitionLedger[] = [];
    for (const ledger of ledgers) {
      if (!ledger.paused && ledger.queuedBytes >= high) pause.push(ledger);
      else if (ledger.paused && ledger.queuedBytes <= high / 2) resume.push(ledger);
    }
    for (const ledger of pause) ledger.paused = true;
    for (const ledger of resume) ledger.paused = false;
    if (pause.length > 0) this.#driver?.pause(pause.map(topicPartition));
    if (resume.length > 0) this.#driver?.resume(resume.map(topicPartition));
  }

  #finished(batch: number, count: number, offset: number): void {
    const ledger = this.#batches.get(batch);
    // An assignment that is gone has taken its batches with it: their late results count for nothing.
    if (ledger === undefined || !ledger.finish(batch, count, offset)) return;
    this.#batches.delete(batch);
    this.#window.remove(batch);
    this.#handOver();
  }

  #driverContext(): DriverContext {
    const { sasl, ...options } = this.#options;
    const log = (level: LogLevel) => (message: string, fields?: Record<string, unknown>) =>
      this.#log(level, message, fields);
    const logger: Logger = {
      debug: log("debug"),
      info: log("info"),
      warn: log("warn"),
      error: log("error"),
    };
    return {
      bootstrapServers: options.bootstrapServers,
      groupId: options.groupId,
      topics: options.topics,
      startFrom: options.startFrom,
      clientId: options.clientId,
      ssl: options.ssl,
      ...(sasl === undefined ? {} : {
        sasl: sasl.mechanism === "oauthbearer"
          ? { mechanism: "oauthbearer", token: () => this.#askForToken() }
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
      logger,
      signal: this.#stop.signal,
    };
  }

  #assigned(partitions: readonly AssignedPartition[]): void {
    const epoch = ++this.#epoch;
    for (const partition of partitions) {
      const ledger = new PartitionLedger(partition, epoch, partition);
      this.#ledgers.set(keyOf(partition), ledger);
      // A group without a commit that begins at the latest offset has no memory of where that was: a
      // rebalance or a restart before the first commit would begin later and skip what came between.
      if (
        ledger.committed === null && ledger.position !== null &&
        this.#options.startFrom === "latest"
      ) {
        this.#committer.submit(ledger, ledger.position).catch((error) =>
          this.#log("debug", `Cannot commit where the group begins: ${error.message}`)
        );
      }
    }
    this.#log("info", `Assigned ${describe(partitions)}`, { epoch });
  }

  async #revoked(partitions: readonly TopicPartition[]): Promise<void> {
    this.#rebalances++;
    const ledgers = this.#known(partitions);
    for (const ledger of ledgers) ledger.discard();
    const { revokeTimeoutMs } = this.#options;
    const inTime = await this.#drain(ledgers, revokeTimeoutMs);
    if (!inTime) {
      this.#log(
        "warn",
        `What was under way has not finished within ${revokeTimeoutMs} ms: it will be handled again by the next owner`,
        { partitions: ledgers.map(topicPartition) },
      );
    }
    await this.#commitForGood(ledgers);
    this.#forget(ledgers);
    this.#log("info", `Revoked ${describe(partitions)}`);
  }

  #lost(partitions: readonly TopicPartition[]): void {
    this.#rebalances++;
    const ledgers = this.#known(partitions);
    for (const ledger of ledgers) ledger.discard();
    this.#forget(ledgers);
    // Nobody waits for the answer; the other thread only has to drop what it still holds.
    void this.#drain(ledgers, 0);
    this.#log("warn", `Lost ${describe(partitions)}`);
  }

  #known(partitions: readonly TopicPartition[]): PartitionLedger[] {
    return partitions.flatMap((partition) => this.#ledgers.get(keyOf(partition)) ?? []);
  }

  #forget(ledgers: readonly PartitionLedger[]): void {
    const gone = new Set(ledgers);
    for (const ledger of gone) {
      if (this.#ledgers.get(keyOf(ledger)) === ledger) this.#ledgers.delete(keyOf(ledger));
      this.#formerly.add(keyOf(ledger));
      this.#committer.drop(ledger);
    }
    for (const [id, ledger] of this.#batches) {
      if (!gone.has(ledger)) continue;
      this.#batches.delete(id);
      this.#window.remove(id);
    }
  }

  /**
   * Has the other thread give up these partitions, or everything.
   *
   * @returns Whether it was done in time.
   */
  async #drain(
    ledgers: readonly PartitionLedger[] | null,
    timeoutMs: number | null,
  ): Promise<boolean> {
    if (ledgers?.length === 0) return true;
    const id = this.#nextId++;
    const drained = new Promise<void>((resolve) => this.#drains.set(id, resolve));
    this.#channel.post({
      type: "drain",
      id,
      partitions: ledgers?.map(({ topic, partition, epoch }) => ({ topic, partition, epoch })) ??
        null,
    });
    const inTime = await this.#within(timeoutMs, drained);
    this.#drains.delete(id);
    return inTime;
  }

  /** Commits what is finished and not committed; failures are counted and logged, never thrown. */
  async #commitFinished(
    ledgers: Iterable<PartitionLedger> = this.#ledgers.values(),
  ): Promise<void> {
    const commits = Array.from(ledgers).flatMap((ledger) => {
      const offset = ledger.commitable();
      return offset === null ? [] : [this.#committer.submit(ledger, offset)];
    });
    const [failure] = (await Promise.allSettled(commits)).filter((result) =>
      result.status === "rejected"
    );
    if (failure !== undefined && !LostPartitionError.is(failure.reason)) {
      this.#noteCommitFailure(failure.reason);
    }
  }

  /** Commits before partitions go, or the consumer closes: tries again as long as there is time. */
  async #commitForGood(ledgers: readonly PartitionLedger[]): Promise<void> {
    if (this.#options.commitIntervalMs === null) return;
    const open = () => ledgers.filter((ledger) => ledger.commitable() !== null);
    const deadline = this.#surroundings.now() + CLOSE_TIMEOUT_MS;
    for (;;) {
      const left = deadline - this.#surroundings.now();
      if (open().length === 0) return;
      if (left <= 0) break;
      await this.#within(left, this.#commitFinished(ledgers));
      if (open().length > 0) await this.#wait(COMMIT_RETRY_MS);
    }
    this.#log(
      "error",
      `Cannot commit ${describe(open())}: what is finished will be handled again`,
      {
        error: this.#commitFailure?.message,
      },
    );
  }

  #noteCommitFailure(error: Error): void {
    this.#commitErrors++;
    this.#commitFailure = error;
    this.#log("warn", `Cannot commit, trying again with the next one: ${error.message}`);
  }

  async #commitOnRequest(
    { id, epoch, offset, ...partition }: Extract<ToPoller, { type: "commit" }>,
  ): Promise<void> {
    try {
      const ledger = this.#ledgers.get(keyOf(partition));
      if (ledger === undefined || ledger.epoch !== epoch) {
        throw new LostPartitionError(
          `Cannot commit "${partition.topic}" partition ${partition.partition} offset ${offset}: the partition is no longer assigned`,
          { topic: partition.topic, partition: partition.partition, offset },
        );
      }
      await this.#committer.submit(ledger, offset + 1);
      this.#channel.post({ type: "committed", id });
    } catch (error) {
      if (!LostPartitionError.is(error)) this.#commitErrors++;
      this.#channel.post({ type: "commit-failed", id, error: encodeError(error) });
    }
  }

  async #refreshEndOffsets(): Promise<void> {
    const paused = [...this.#ledgers.values()].filter((ledger) => ledger.paused);
    if (paused.length === 0) return;
    try {
      const ends = await this.#driver?.endOffsets?.(paused.map(topicPartition));
      paused.forEach((ledger, index) => ledger.endOffset = ends?.[index] ?? ledger.endOffset);
    } catch (error) {
      this.#log("debug", `Cannot ask for the ends of the logs: ${(error as Error).message}`);
    }
  }

  async #askForToken(): Promise<string> {
    const id = this.#nextId++;
    const token = Promise.withResolvers<string>();
    this.#tokens.set(id, token);
    this.#channel.post({ type: "token-wanted", id });
    try {
      return await token.promise;
    } finally {
      this.#tokens.delete(id);
    }
  }

  async #shutDown(): Promise<void> {
    const ending = this.#ending ?? { reason: "stopped" };
    this.#channel.post({ type: "stopping", reason: ending.reason });
    for (const ledger of this.#ledgers.values()) ledger.discard();
    // However long it takes: a lifetime does not cut a callback short, and a stop's limit is kept by
    // the program's thread, which can end this one.
    await this.#drain(null, null);
    await this.#commitForGood([...this.#ledgers.values()]);
    const snapshot = this.#snapshot();
    if (this.#driver !== null) {
      const closed = await this.#within(
        CLOSE_TIMEOUT_MS,
        this.#driver.close().catch((error) =>
          this.#log("warn", `Cannot close the driver cleanly: ${error?.message}`)
        ),
      );
      if (!closed) this.#log("warn", `The driver has not closed within ${CLOSE_TIMEOUT_MS} ms`);
    }
    for (const timer of this.#timers) this.#cancel(timer);
    this.#channel.post({ type: "ended", ending, snapshot });
  }

  #snapshot(): PollerSnapshot {
    const status = this.#driver?.status?.();
    const error = this.#error ?? this.#commitFailure;
    return {
      group: status?.group ?? "none",
      heartbeatAt: status?.heartbeatAt ?? null,
      memberId: status?.memberId ?? null,
      polledAt: this.#polledAt,
      error: error === null ? null : encodeError(error),
      partitions: Array.from(this.#ledgers.values(), (ledger) => ({
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
      commits: this.#commits,
      commitErrors: this.#commitErrors,
      rebalances: this.#rebalances,
    };
  }

  #log(level: LogLevel, message: string, fields?: Record<string, unknown>): void {
    if (!atLeast(level, this.#options.logLevel)) return;
    this.#channel.post({
      type: "log",
      level,
      message,
      ...(fields === undefined ? {} : { fields }),
    });
  }

  #after(ms: number, task: () => void): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      task();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  /** Repeats a task, each time a while after the last has settled. */
  #every(ms: number, task: () => Promise<void>): void {
    this.#after(ms, async () => {
      await task();
      if (!this.#stop.signal.aborted) this.#every(ms, task);
    });
  }

  #cancel(timer: ReturnType<typeof setTimeout>): void {
    clearTimeout(timer);
    this.#timers.delete(timer);
  }

  /** Whether the promise settles in time; null is no limit. */
  async #within(ms: number | null, promise: Promise<unknown>): Promise<boolean> {
    const settled = promise.then(() => true, () => true);
    if (ms === null) return await settled;
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const timer = this.#after(ms, () => resolve(false));
    const inTime = await Promise.race([settled, late]);
    this.#cancel(timer);
    return inTime;
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#after(ms, resolve));
  }

  /** Waits, but not beyond a stop. */
  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#after(ms, resolve);
    await this.#race(promise);
    this.#cancel(timer);
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
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
