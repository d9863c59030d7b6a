/**
 * The driver on @platformatic/kafka.
 *
 * It takes that client's connections, log-in and protocol codec, and not its `Consumer`, which rejoins a
 * group by itself: nothing there waits for what is under way, a commit rejoins, commits carry no
 * metadata, and records of an aborted transaction get through where its marker is in a later fetch.
 *
 * Two activities run side by side. The membership (`#live`) joins, sends heartbeats and calls the hooks,
 * whether or not anybody polls. Fetches start within `poll` only. What fails in the membership is kept
 * for the next poll to throw, and is tried again at the poll after that, so that the poller alone
 * decides how often.
 *
 * @module
 */

import type {
  ConsumerDriver,
  CreateDriver,
  DriverBatch,
  DriverContext,
  DriverStatus,
  OffsetCommit,
  ProducedRecord,
  TopicPartition,
} from "../../../driver.ts";
import {
  ConnectionError,
  DriverError,
  KafkaThreadsError,
  LostPartitionError,
} from "../../../errors.ts";
import { Clock } from "../shared/clock.ts";
import { ANSWER_TIMEOUT_MS, Producer } from "../shared/producer.ts";
import { Cluster } from "./cluster.ts";
import { Fetcher } from "./fetcher.ts";
import { Group, type Standing } from "./group.ts";
import { type PlatformaticOptions, readOptions } from "./options.ts";
import { LATEST, Positions } from "./positions.ts";
import { PlatformaticProducerConnections } from "./producer_connections.ts";

/** Longest wait for the coordinator when leaving; the sockets are destroyed then. */
const LEAVE_TIMEOUT_MS = 1_500;
/** Longest rest after a heartbeat that was not answered. */
const HEARTBEAT_RETRY_MS = 500;

/** Why an assignment is over if not by a rebalance. */
const LOST = "lost";

/** One assignment, from the join to its end. */
interface Assignment {
  /** Aborts when nothing of it may be read any more. */
  ended: AbortController;
  /** Aborts when nothing of it may be committed any more: its heartbeats stop. */
  over: AbortController;
}

const createDriver: CreateDriver = (context) => new PlatformaticDriver(context);

export default createDriver;

class PlatformaticDriver implements ConsumerDriver {
  readonly #context: DriverContext;
  readonly #options: PlatformaticOptions;
  readonly #clock = new Clock();
  readonly #closed = Promise.withResolvers<void>();
  readonly #cluster: Cluster;
  readonly #group: Group;
  readonly #positions: Positions;
  readonly #fetcher: Fetcher;
  /** Made when something is produced. */
  #producer: Producer | null = null;
  /** How many partitions each topic had when this driver began. */
  readonly #counts = new Map<string, number>();
  /** Written by the membership; read by commits, which are refused for everything else. */
  readonly #assigned = new Set<string>();
  #assignment: Assignment | null = null;
  #living: Promise<void> | null = null;
  #state: DriverStatus["group"] = "none";
  #heartbeatAt: number | null = null;
  #heartbeats = 0;
  #everAssigned = false;
  #watching = false;
  /** Set by the membership, taken by the next poll. */
  #failure: KafkaThreadsError | null = null;
  /** Lets the membership try again; set while it waits for that. */
  #tryAgain: (() => void) | null = null;
  /** Wakes the poll that waits. */
  #wake: (() => void) | null = null;

  constructor(context: DriverContext) {
    this.#context = context;
    this.#options = readOptions(context.driverOptions, context.maxBytes);
    const { topics, logger, startFrom } = context;
    const { isolationLevel, requestTimeout, autocreateTopics } = this.#options;
    this.#cluster = this.#createCluster(requestTimeout, autocreateTopics);
    this.#group = new Group(this.#cluster, this.#clock, {
      groupId: context.groupId,
      topics,
      sessionTimeoutMs: context.sessionTimeoutMs,
      rebalanceTimeoutMs: this.#options.rebalanceTimeout,
      groupInstanceId: this.#options.groupInstanceId,
      requireStable: isolationLevel !== 0,
    }, (standing) => this.#stands(standing));
    this.#positions = new Positions(this.#cluster, this.#clock, {
      startFrom,
      isolationLevel,
      topics,
      logger,
      // What was made since cannot hold anything older than this consumer.
      isNew: ({ topic, partition }) => partition >= (this.#counts.get(topic) ?? Infinity),
    });
    this.#fetcher = new Fetcher(this.#cluster, this.#positions, this.#clock, {
      ...this.#options,
      topics,
      onChange: () => this.#wake?.(),
      onWarning: ({ message, code }) => logger.warn(`${message}; trying again`, { code }),
    });
    context.signal.addEventListener("abort", () => this.#wake?.());
  }

  async poll(timeoutMs: number): Promise<readonly DriverBatch[]> {
    const deadline = Date.now() + timeoutMs;
    this.#living ??= this.#live();
    if (this.#failure === null) this.#retry();
    while (!this.#clock.stopped && !this.#context.signal.aborted) {
      this.#throwFailure();
      // The first poll waits for the first assignment, however long the group takes.
      if (this.#everAssigned) {
        this.#throwIfSessionIsOver();
        const batches = this.#fetcher.take();
        if (batches.length > 0) return batches;
        const failure = this.#fetcher.takeFailure();
        if (failure !== null) throw failure;
        if (Date.now() >= deadline) break;
      }
      await this.#change(this.#everAssigned ? deadline - Date.now() : null);
    }
    return [];
  }

  async check(): Promise<void> {
    await this.#cluster.findTopics(this.#context.topics);
  }

  async commit(offsets: readonly OffsetCommit[]): Promise<void> {
    const foreign = offsets.find((offset) => !this.#assigned.has(keyOf(offset)));
    if (foreign !== undefined) {
      const { topic, partition, offset } = foreign;
      throw new LostPartitionError(
        `Cannot commit "${topic}" partition ${partition} offset ${offset}: the partition is not assigned`,
        { topic, partition, offset },
      );
    }
    if (offsets.length > 0) await this.#group.commit(offsets);
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#fetcher.setPaused(partitions, true);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#fetcher.setPaused(partitions, false);
  }

  async endOffsets(partitions: readonly TopicPartition[]): Promise<readonly number[]> {
    return partitions.length === 0 ? [] : await this.#positions.list(partitions, LATEST);
  }

  async produce(records: readonly ProducedRecord[]): Promise<void> {
    this.#producer ??= new Producer(
      new PlatformaticProducerConnections(() =>
        this.#createCluster(Math.min(this.#options.requestTimeout, ANSWER_TIMEOUT_MS), true)
      ),
      this.#context.logger,
    );
    // A driver that has been closed before its first record is a closed one.
    if (this.#clock.stopped) this.#producer.close();
    await this.#producer.produce(records);
  }

  status(): DriverStatus {
    const { memberId } = this.#group;
    return {
      group: this.#sessionIsOver ? "disconnected" : this.#state,
      heartbeatAt: this.#heartbeatAt,
      heartbeats: this.#heartbeats,
      ...(memberId === "" ? {} : { memberId }),
    };
  }

  async close(): Promise<void> {
    this.#clock.stop();
    this.#producer?.close();
    this.#state = "none";
    this.#assignment?.ended.abort();
    this.#assignment?.over.abort();
    this.#closed.resolve();
    this.#retry();
    this.#wake?.();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, LEAVE_TIMEOUT_MS));
    // If that fails, the coordinator finds out by itself, only later.
    await Promise.race([late, this.#group.leave().catch(() => {})]);
    clearTimeout(timer);
    this.#cluster.close();
    await this.#living;
  }

  #createCluster(requestTimeoutMs: number, autocreate: boolean): Cluster {
    const { bootstrapServers, clientId, ssl, sasl } = this.#context;
    const connectTimeoutMs = this.#options.connectTimeout;
    return new Cluster(
      bootstrapServers,
      { clientId, ssl, sasl, connectTimeoutMs, requestTimeoutMs },
      { autocreate, clock: this.#clock },
    );
  }

  /** The membership, from the first poll to the close. */
  async #live(): Promise<void> {
    const { topics } = this.#context;
    this.#state = "joining";
    await this.#persist(() => this.#cluster.findTopics(topics));
    for (const topic of topics) this.#counts.set(topic, this.#cluster.partitionCount(topic));
    while (!this.#clock.stopped) {
      const partitions = await this.#persist(() => this.#group.join());
      if (partitions !== null) await this.#hold(partitions);
    }
  }

  /** Holds these partitions until the group rebalances, the membership is lost, or the driver closes. */
  async #hold(partitions: readonly TopicPartition[]): Promise<void> {
    const { ended, over } = this.#assignment = {
      ended: new AbortController(),
      over: new AbortController(),
    };
    this.#heartbeatAt = Date.now();
    // Neither is waited for when it is over: an answer that is still on its way changes nothing then.
    void this.#beat(over.signal);
    void this.#begin(partitions, ended.signal);
    await aborted(ended.signal);

    this.#fetcher.clear();
    if (!this.#clock.stopped) this.#state = "rebalancing";
    const held = partitions.filter((partition) => this.#assigned.has(keyOf(partition)));
    // What a poll has just returned arrives at the poller first.
    await this.#clock.sleep(0);
    let revoked: Promise<void> | null = null;
    if (held.length > 0 && !over.signal.aborted) {
      // Heartbeats go on meanwhile, so that the group waits for this member.
      revoked = this.#context.hooks.revoked(held);
      await Promise.race([revoked, aborted(over.signal)]);
    }
    this.#assigned.clear();
    over.abort();
    if (over.signal.reason !== LOST) return;
    this.#group.forgetMember();
    if (held.length > 0) this.#context.hooks.lost(held);
    // Its last commits must not come when these partitions may be assigned to this member again.
    await Promise.race([revoked, this.#closed.promise]);
  }

  /** Finds out where to begin, and begins. */
  async #begin(partitions: readonly TopicPartition[], ended: AbortSignal): Promise<void> {
    const assigned = await this.#persist(async () => {
      const committed = await this.#group.committed(partitions);
      return await this.#positions.choose(partitions, committed);
    }, ended);
    if (assigned === null) return;
    for (const partition of partitions) this.#assigned.add(keyOf(partition));
    this.#fetcher.assign(assigned);
    this.#state = partitions.length > 0 ? "stable" : "standby";
    this.#everAssigned = true;
    if (partitions.length > 0) this.#context.hooks.assigned(assigned);
    this.#wake?.();
  }

  /** Sends heartbeats, and looks for new partitions now and then. */
  async #beat(over: AbortSignal): Promise<void> {
    const { heartbeatIntervalMs, logger } = this.#context;
    let failing = false;
    for (;;) {
      const restMs = Math.min(heartbeatIntervalMs, failing ? HEARTBEAT_RETRY_MS : Infinity);
      await this.#clock.sleep(restMs, over);
      if (over.aborted || this.#clock.stopped) return;
      try {
        await this.#group.heartbeat();
        this.#heartbeats++;
        failing = false;
      } catch (error) {
        if (over.aborted || this.#clock.stopped) return;
        const failure = asFailure(error);
        if (!failure.retriable) {
          this.#failure = failure;
          return this.#stands("lost");
        }
        logger[failing ? "debug" : "warn"](`${failure.message}; trying again`, {
          code: failure.code,
        });
        failing = true;
      }
      void this.#watchTopics();
    }
  }

  /** The leader of the group deals out partitions that are new. */
  async #watchTopics(): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    if (Date.now() - this.#cluster.refreshedAt >= this.#options.metadataMaxAge) {
      // Fetches report it if no broker answers.
      await this.#cluster.refresh(this.#group.watchedTopics).catch(() => {});
    }
    this.#watching = false;
    if (this.#group.assignmentIsOld) this.#stands("rebalancing");
  }

  /** An answer of the coordinator says how the membership stands. */
  #stands(standing: Standing): void {
    if (standing !== "lost") this.#heartbeatAt = Date.now();
    if (standing === "member") return;
    this.#assignment?.ended.abort();
    if (standing === "lost") this.#assignment?.over.abort(LOST);
    this.#wake?.();
  }

  /**
   * Does something until it succeeds. What it throws, a poll throws; the next one lets it try again.
   *
   * @returns Null if the signal aborts or the driver closes meanwhile.
   */
  async #persist<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T | null> {
    const ended = () => signal?.aborted || this.#clock.stopped;
    while (!ended()) {
      try {
        const result = await work();
        return ended() ? null : result;
      } catch (error) {
        if (ended()) return null;
        this.#failure = asFailure(error);
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#tryAgain = resolve;
        signal?.addEventListener("abort", () => resolve());
        this.#wake?.();
        await promise;
      }
    }
    return null;
  }

  #retry(): void {
    this.#tryAgain?.();
    this.#tryAgain = null;
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure;
  }

  get #sessionIsOver(): boolean {
    const held = this.#state === "stable" || this.#state === "standby";
    return held && Date.now() - this.#heartbeatAt! > this.#context.sessionTimeoutMs;
  }

  /** The group has probably given this member up, and the partitions to others. */
  #throwIfSessionIsOver(): void {
    if (!this.#sessionIsOver) return;
    const { groupId, sessionTimeoutMs } = this.#context;
    throw new ConnectionError(
      `Cannot reach the coordinator of group "${groupId}": no heartbeat has been answered for ${sessionTimeoutMs} ms`,
    );
  }

  /** Waits for something to happen. */
  #change(timeoutMs: number | null): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
      const timer = timeoutMs === null ? undefined : setTimeout(wake, timeoutMs);
      this.#wake = wake;
    });
  }
}

function asFailure(error: unknown): KafkaThreadsError {
  if (KafkaThreadsError.is(error)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new DriverError(`The driver has failed: ${reason}`, { cause: error, retriable: true });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
