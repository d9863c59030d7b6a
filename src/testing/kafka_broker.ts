import { type Logger, safeLogger } from "../logger.ts";
import { integer, maybe, optionsObject, parseOptions, withDefault } from "../options/validate.ts";
import { BrokerCore } from "./broker_core.ts";
import {
  brokerOptions,
  type KafkaBrokerOptions,
  MAIN_LISTENER,
  type ResolvedKafkaBrokerOptions,
} from "./broker_options.ts";
import { type Topic, TopicError } from "./cluster/cluster.ts";
import type { Partition } from "./cluster/partition.ts";
import { type Control, type ControlOptions, Controls, type Decide } from "./controls.ts";
import { BrokerError } from "./errors.ts";
import { inBatches, sizeOf } from "./produce_batches.ts";
import type { GroupDescription } from "./groups/group_coordinator.ts";
import type { Compression } from "./log/compression.ts";
import { encodeBatch, type NewRecord } from "./log/encode_batch.ts";
import type { CompactionResult } from "./log/partition_log.ts";
import type { LogRecord } from "./log/records.ts";
import { Nodes } from "./nodes.ts";
import { Partitioner } from "./partitioner.ts";
import { ERROR, errorName } from "./protocol/error_codes.ts";
import type { ApiName } from "./protocol/api_name.ts";
import { apiByKey, apiByName } from "./protocol/registry.ts";
import { Requests } from "./requests.ts";
import type { WaitOptions } from "./watcher.ts";

/** A message for {@linkcode KafkaBroker.produce}; text becomes UTF-8. */
export interface BrokerMessage extends NewRecord {
  /** Where it goes. Default: by the key's hash, as Kafka's own producer does, or else in turns. */
  readonly partition?: number;
}

/** Where a message went. */
export interface ProducedAt {
  /** Its partition. */
  readonly partition: number;
  /** Its offset. */
  readonly offset: number;
}

/** A position that a group has committed. */
export interface CommittedOffset {
  /** Its partition. */
  readonly partition: number;
  /** The offset of the next message that the group wants. */
  readonly offset: number;
  /** What the member said with it; empty if nothing. */
  readonly metadata: string;
}

/** How slow a network is. */
export interface SlowNetwork {
  /** How long each byte is under way, in milliseconds; 0 to 2,147,483,647. Default: 0. */
  latencyMs?: number;
  /**
   * How many bytes get through in a second, on each connection and in each direction; 1 or more.
   * Default: all.
   */
  bytesPerSecond?: number;
}

const slowNetworkOptions = optionsObject<
  { latencyMs: number; bytesPerSecond: number | undefined }
>({
  latencyMs: withDefault(integer(0, 2_147_483_647, "milliseconds"), () => 0),
  bytesPerSecond: maybe(integer(1, Number.MAX_SAFE_INTEGER, "bytes per second")),
});

/** A connection of a client. */
export interface BrokerConnection {
  /** The name that the client gives itself; null before its first request. */
  readonly clientId: string | null;
  /** Where it comes from: `127.0.0.1:54321`. */
  readonly remoteAddress: string;
  /** The node that it is to. */
  readonly nodeId: number;
  /** The listener that it came in on; "main" is that of the broker's own options. */
  readonly listener: string;
  /** How many requests have come on it. */
  readonly requests: number;
}

/**
 * A Kafka broker, or several, in this process and in memory: any client talks to it over TCP, in
 * Kafka's wire protocol. It is for development and tests: nothing is written to disk, nothing is ever
 * deleted by age or size, and what it keeps ends with it.
 *
 * It runs on the thread that starts it. What keeps that thread busy keeps the broker waiting; members
 * of groups do not lose their place by that.
 *
 * @example A test without Docker
 * ```ts
 * import { ThreadManager } from "@kafka-threads/kafka-threads";
 * import { KafkaBroker } from "@kafka-threads/kafka-threads/testing";
 *
 * await using broker = await KafkaBroker.start({ topics: { orders: 3 }, logLevel: "warn" });
 * await broker.produce("orders", [{ key: "ada", value: "espresso" }]);
 * const manager = new ThreadManager({
 *   consumer: {
 *     bootstrapServers: broker.bootstrapServers,
 *     groupId: "shop.shipping",
 *     topics: ["orders"],
 *     startFrom: "earliest",
 *   },
 *   onMessage: (message) => console.log(message.text()),
 *   logLevel: "warn",
 * });
 * await manager.start();
 * await broker.whenCommitted("shop.shipping", "orders", { total: 1 });
 * await manager.stop();
 * ```
 */
export class KafkaBroker implements AsyncDisposable {
  readonly #options: ResolvedKafkaBrokerOptions;
  readonly #core: BrokerCore;
  readonly #controls: Controls;
  readonly #nodes: Nodes;
  readonly #log: Logger;
  readonly #partitioner = new Partitioner();
  /** Nodes go up and down one after the other, in the order in which that was asked for. */
  #turn: Promise<unknown> = Promise.resolve();
  #stopping: Promise<void> | undefined;

  private constructor(options: ResolvedKafkaBrokerOptions) {
    this.#options = options;
    this.#log = safeLogger(options.logger, options.logLevel);
    this.#core = new BrokerCore(
      options,
      (nodeId, listener) => this.#nodes.address(nodeId, listener),
    );
    this.#controls = new Controls(this.#core.watcher);
    const requests = new Requests(this.#core, this.#controls, this.#log);
    this.#nodes = new Nodes(
      options,
      this.#log,
      (connection, frame) => requests.answer(connection, frame),
    );
  }

  /**
   * Starts a broker, and creates its topics.
   *
   * @param options Topics, ports and the like; all have defaults.
   * @returns The broker, when all its ports are open.
   * @throws {OptionsError} If an option is wrong, with all that are.
   * @throws {BrokerError} With code `PORT_TAKEN` if another program has the port, and with code
   * `TOPIC_REFUSED` if Kafka does not allow a topic's name or size.
   * @throws {ConnectionError} If this machine has no such name or address, or it may not be used.
   */
  static async start(options: KafkaBrokerOptions = {}): Promise<KafkaBroker> {
    const resolved = brokerOptions(options);
    const broker = new KafkaBroker(resolved);
    for (const [name, topic] of Object.entries(resolved.topics)) broker.createTopic(name, topic);
    try {
      await Promise.all(broker.nodeIds.map((id) => broker.#nodes.open(id)));
    } catch (error) {
      await broker.stop();
      throw error;
    }
    broker.#log.info(
      `Kafka broker for development and tests listens on ${broker.bootstrapServers}; it keeps everything in memory`,
    );
    return broker;
  }

  /** Where clients connect: `host:port,…`, one of each node. */
  get bootstrapServers(): string {
    return this.bootstrapServersOf(MAIN_LISTENER);
  }

  /** The numbers of the nodes, from 1. */
  get nodeIds(): number[] {
    return this.#core.cluster.nodes.map(({ id }) => id);
  }

  /** The connections that are open. */
  get connections(): BrokerConnection[] {
    return this.#nodes.connections.map(({ connection: { name, session }, nodeId, listener }) => ({
      clientId: session?.clientId ?? null,
      remoteAddress: name,
      nodeId,
      listener,
      requests: session?.requests ?? 0,
    }));
  }

  /**
   * Where clients connect to a listener of the option `listeners`.
   *
   * @param listener Its name.
   * @returns `host:port,…`, one of each node.
   * @throws {BrokerError} With code `UNKNOWN_PART` if there is no such listener.
   */
  bootstrapServersOf(listener: string): string {
    if (!this.#nodes.has(listener)) {
      const known = Object.keys(this.#options.listeners).join(", ") || "none";
      throw unknown(`Cannot find listener "${listener}": there are ${known}`);
    }
    return this.nodeIds.map((id) => this.#nodes.bound(id, listener)).join(",");
  }

  /**
   * Creates a topic.
   *
   * @param name Its name.
   * @param options Its size and settings.
   * @throws {BrokerError} With code `TOPIC_REFUSED` if it exists or cannot be, and with code
   * `NOT_RUNNING` if the broker is stopped.
   */
  createTopic(
    name: string,
    options: { partitions?: number; replicationFactor?: number; config?: Record<string, string> } =
      {},
  ): void {
    this.#assertRunning(`create topic "${name}"`);
    try {
      this.#core.cluster.createTopic(name, options);
    } catch (cause) {
      if (!(cause instanceof TopicError)) throw cause;
      throw new BrokerError("TOPIC_REFUSED", `Cannot create topic "${name}": ${cause.message}`, {
        cause,
        topic: name,
      });
    }
    this.#core.changed();
  }

  /**
   * The topics there are.
   *
   * @returns How many partitions each has, by name.
   */
  topics(): Record<string, number> {
    return Object.fromEntries(
      this.#core.cluster.topics.map(({ name, partitions }) => [name, partitions.length]),
    );
  }

  /**
   * Produces messages without a client, into as few record batches as producers usually make.
   *
   * @param topic The topic, which is made where `autoCreateTopics` says so.
   * @param messages What is produced, in this order.
   * @param options The codec; default none.
   * @returns Where each message went.
   * @throws {BrokerError} With code `UNKNOWN_PART` if there is no such topic or partition, with code
   * `TOPIC_REFUSED` if the topic does not take a message, such as one that is too large, and with code
   * `NOT_RUNNING` if the broker is stopped.
   */
  produce(
    topic: string,
    messages: readonly BrokerMessage[],
    options: { compression?: Compression } = {},
  ): Promise<ProducedAt[]> {
    // All of it happens before this returns: what is produced next is behind it.
    return new Promise((resolve) => resolve(this.#produce(topic, messages, options)));
  }

  #produce(
    name: string,
    messages: readonly BrokerMessage[],
    { compression = "none" }: { compression?: Compression },
  ): ProducedAt[] {
    this.#assertRunning(`produce to "${name}"`);
    if (this.#options.autoCreateTopics && this.#core.cluster.topic(name) === undefined) {
      this.createTopic(name);
    }
    const topic = this.#topic(name);
    const places = messages.map(({ key, partition }) =>
      this.#partition(topic, partition ?? this.#partitioner.choose(key, topic.partitions.length))
    );
    const offsets: number[] = [];
    const now = this.#core.now();
    for (const partition of new Set(places)) {
      const all = places.flatMap((place, index) => place === partition ? [index] : []);
      const { maxMessageBytes } = topic.config;
      for (const indexes of inBatches(all, (index) => sizeOf(messages[index]!), maxMessageBytes)) {
        const records = encodeBatch(indexes.map((index) => messages[index]!), {
          timestamp: now,
          compression,
        });
        const { leaderEpoch } = partition;
        const result = partition.log.append(records, { leaderEpoch, now });
        if (result.errorCode !== ERROR.NONE) {
          const why = result.errorMessage ?? errorName(result.errorCode);
          throw new BrokerError("TOPIC_REFUSED", `Cannot produce to topic "${name}": ${why}`, {
            topic: name,
            partition: partition.index,
          });
        }
        indexes.forEach((index, delta) => offsets[index] = result.baseOffset + delta);
      }
      partition.changed();
    }
    this.#core.changed();
    return places.map(({ index }, at) => ({ partition: index, offset: offsets[at]! }));
  }

  /**
   * Reads what a partition holds, decoded.
   *
   * @param topic The topic.
   * @param partition The partition; default 0.
   * @returns Its records, in the order of their offsets.
   * @throws {BrokerError} With code `UNKNOWN_PART` if there is no such partition.
   */
  log(topic: string, partition = 0): LogRecord[] {
    return [...this.#partition(this.#topic(topic), partition).log.records()];
  }

  /**
   * Where a partition begins and ends.
   *
   * @param topic The topic.
   * @param partition The partition; default 0.
   * @returns The first offset that can be read, and the one that the next message gets.
   * @throws {BrokerError} With code `UNKNOWN_PART` if there is no such partition.
   */
  offsets(topic: string, partition = 0): { start: number; end: number } {
    const { log } = this.#partition(this.#topic(topic), partition);
    return { start: log.startOffset, end: log.endOffset };
  }

  /**
   * What a group has committed.
   *
   * @param groupId The group.
   * @param topic The topic.
   * @returns By partition, the offset of the next message that the group wants; null where it has
   * committed none.
   * @throws {BrokerError} With code `UNKNOWN_PART` if there is no such topic.
   */
  committed(groupId: string, topic: string): (number | null)[] {
    const committed = this.#core.groups.committed(groupId, topic);
    return this.#topic(topic).partitions.map(({ index }) => committed.get(index)?.offset ?? null);
  }

  /**
   * What a group has committed, with what its members said with it.
   *
   * @param groupId The group.
   * @param topic The topic.
   * @returns Those partitions of which something is committed.
   */
  commits(groupId: string, topic: string): CommittedOffset[] {
    return [...this.#core.groups.committed(groupId, topic)]
      .map(([partition, { offset, metadata }]) => ({ partition, offset, metadata: metadata ?? "" }))
      .sort((a, b) => a.partition - b.partition);
  }

  /**
   * The groups that there are, with their members.
   *
   * @returns All of them.
   */
  groups(): GroupDescription[] {
    return this.#core.groups.groups();
  }

  /**
   * Waits until a group has committed.
   *
   * @param groupId The group.
   * @param topic The topic; it may not exist yet.
   * @param what How far, at least; all that is given must be so. `offset`: in one partition. `total`:
   * the sum of all partitions' offsets. Neither: anything at all. `partition`: the one that is meant;
   * without it, `offset` is that of partition 0.
   * @param options For how long.
   * @returns What is committed by then, by partition.
   * @throws {BrokerError} With code `WAIT_TIMEOUT`, saying what is committed instead.
   */
  whenCommitted(
    groupId: string,
    topic: string,
    what: { partition?: number; offset?: number; total?: number } = {},
    options: WaitOptions = {},
  ): Promise<(number | null)[]> {
    const { offset, total, partition } = what;
    const committed = () =>
      this.#core.cluster.topic(topic) === undefined ? [] : this.committed(groupId, topic);
    return this.#when(
      () => {
        const now = committed();
        const there = partition === undefined && offset === undefined ? now : [now[partition ?? 0]];
        const sum = now.reduce<number>((sum, at) => sum + (at ?? 0), 0);
        const enough = there.some((at) => typeof at === "number" && at >= (offset ?? 0)) &&
          sum >= (total ?? 0);
        return enough ? now : undefined;
      },
      () =>
        `a commit of group "${groupId}" on "${topic}" ${JSON.stringify(what)}: it has ${
          JSON.stringify(committed())
        }`,
      options,
    );
  }

  /**
   * Waits until a topic holds so many messages.
   *
   * @param topic The topic; it may not exist yet.
   * @param count How many messages have been produced to it, in all partitions.
   * @param options For how long.
   * @returns How many there are by then.
   * @throws {BrokerError} With code `WAIT_TIMEOUT`, saying how many there are instead.
   */
  whenProduced(topic: string, count: number, options: WaitOptions = {}): Promise<number> {
    const produced = () =>
      this.#core.cluster.topic(topic)?.partitions
        .reduce((sum, { log }) => sum + log.endOffset, 0) ?? 0;
    return this.#when(
      () => produced() >= count ? produced() : undefined,
      () => `${count} messages in "${topic}": it has ${produced()}`,
      options,
    );
  }

  /**
   * Waits for something about a group.
   *
   * @param groupId The group.
   * @param holds Tells whether it is so; it is given undefined while there is no such group. Default:
   * the group is `Stable`.
   * @param options For how long.
   * @returns The group, or undefined if that is what was waited for.
   * @throws {BrokerError} With code `WAIT_TIMEOUT`, saying how the group is instead.
   */
  async whenGroup(
    groupId: string,
    holds: (group: GroupDescription | undefined) => boolean = (group) => group?.state === "Stable",
    options: WaitOptions = {},
  ): Promise<GroupDescription | undefined> {
    const find = () => this.groups().find((group) => group.groupId === groupId);
    const [group] = await this.#when(
      () => {
        const group = find();
        return holds(group) ? [group] : undefined;
      },
      () => {
        const group = find();
        return `group "${groupId}": it is ${group?.state ?? "not there"}, with ${
          group?.members.length ?? 0
        } members`;
      },
      options,
    );
    return group;
  }

  /**
   * Takes requests into one's own hands: each request of an API is shown to `decide`, which says what
   * happens to it. The newest control is asked first; where it decides nothing, the one before it is,
   * and in the end the broker handles the request.
   *
   * @param api The API, by name or key, such as "Heartbeat" or 12; "*" for all.
   * @param decide Says what happens. What it throws closes the connection, and is logged.
   * @param options How often, and on which node.
   * @returns The control, which counts its hits and can be taken away.
   * @throws {BrokerError} With code `INVALID_CONTROL` if there is no such API here, or an argument is
   * not what it should be; with code `UNKNOWN_PART` if there is no such node; with code `NOT_RUNNING` if
   * the broker is stopped.
   *
   * @example The first commit fails
   * ```ts
   * import { KafkaBroker } from "@kafka-threads/kafka-threads/testing";
   *
   * await using broker = await KafkaBroker.start({ topics: { orders: 1 }, logLevel: "warn" });
   * using failing = broker.control("OffsetCommit", () => ({ error: "REQUEST_TIMED_OUT" }), {
   *   times: 1,
   * });
   * // … a consumer commits …
   * console.log(failing.hits);
   * ```
   */
  control(api: ApiName | number | "*", decide: Decide, options: ControlOptions = {}): Control {
    this.#assertRunning(`control "${api}"`);
    const found = api === "*" ? null : typeof api === "number" ? apiByKey(api) : apiByName(api);
    if (found === undefined) {
      throw new BrokerError("INVALID_CONTROL", `Cannot find the API "${api}" in this broker`);
    }
    if (options.nodeId !== undefined) this.#node(options.nodeId);
    return this.#controls.add(found?.key ?? null, decide, options);
  }

  /** Takes all controls away. */
  clearControls(): void {
    this.#controls.clear();
  }

  /**
   * Closes all connections; clients may connect again at once.
   *
   * @returns How many there were.
   */
  disconnectAll(): Promise<number> {
    return this.#nodes.disconnectAll();
  }

  /**
   * Makes the network slow, for the connections there are and those to come.
   *
   * @param how How slow; null: as fast as it can be.
   * @throws {OptionsError} If that is wrong.
   */
  slowNetwork(how: SlowNetwork | null): void {
    if (how === null) return this.#nodes.setNetwork(null);
    const { latencyMs, bytesPerSecond } = parseOptions(slowNetworkOptions, how);
    this.#nodes.setNetwork({
      latencyMs,
      ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    });
  }

  /**
   * Has another node lead a partition, as after an election: requests to the old one fail with
   * `NOT_LEADER_OR_FOLLOWER`.
   *
   * @param topic The topic.
   * @param partition The partition.
   * @param nodeId The new leader; default: the next replica that is up.
   * @returns The new leader.
   * @throws {BrokerError} With code `UNKNOWN_PART` if there is no such partition, or the node does not
   * have it or is not up.
   */
  moveLeader(topic: string, partition: number, nodeId?: number): number {
    const found = this.#partition(this.#topic(topic), partition);
    const { replicas, leader } = found;
    const next = nodeId ?? after(replicas, leader, (id) => this.#core.cluster.isUp(id));
    if (next === undefined || !replicas.includes(next) || !this.#core.cluster.isUp(next)) {
      const who = next === undefined ? "another node" : `node ${next}`;
      throw unknown(
        `Cannot have ${who} lead "${topic}" partition ${partition}: its leader is ${leader}, its replicas are ${
          replicas.join(", ")
        }, and ${this.#up}`,
        { topic },
      );
    }
    found.elect(next);
    this.#core.changed();
    return next;
  }

  /**
   * Has another node coordinate a group: members are told `NOT_COORDINATOR` and find the new one, with
   * the group as it was.
   *
   * @param groupId The group; it may not exist yet.
   * @param nodeId The new coordinator; default: the next node that is up.
   * @returns The new coordinator.
   * @throws {BrokerError} With code `UNKNOWN_PART` if the node is not up.
   */
  moveCoordinator(groupId: string, nodeId?: number): number {
    const { cluster, groups } = this.#core;
    const next = nodeId ??
      after(this.nodeIds, cluster.coordinatorOf(groupId), (id) => cluster.isUp(id));
    if (next === undefined || !cluster.isUp(next)) {
      const who = next === undefined ? "another node" : `node ${next}`;
      throw unknown(`Cannot have ${who} coordinate "${groupId}": ${this.#up}`);
    }
    cluster.moveCoordinator(groupId, next);
    groups.unload([groupId]);
    groups.resumeTimers(this.#core.now());
    this.#core.changed();
    return next;
  }

  /**
   * Takes a node down: its port closes, and with it all connections. What it led is led by others, if
   * there are any. Everything it keeps is kept.
   *
   * @param nodeId The node; default: all of them.
   */
  takeDown(nodeId?: number): Promise<void> {
    return this.#inTurn(() => this.#takeDown(this.#nodeOrAll(nodeId)));
  }

  async #takeDown(ids: readonly number[]): Promise<void> {
    const { cluster, groups } = this.#core;
    const moved = groups.groups().map(({ groupId }) => groupId)
      .filter((groupId) => ids.includes(cluster.coordinatorOf(groupId)));
    cluster.setUp(ids, false);
    // While nobody coordinates a group, nobody can miss its members' heartbeats.
    groups.unload(moved);
    if (cluster.nodes.some(({ up }) => up)) groups.resumeTimers(this.#core.now());
    this.#core.changed();
    await Promise.all(ids.map((id) => this.#nodes.close(id)));
  }

  /**
   * Brings a node back up, on the port that it had.
   *
   * @param nodeId The node; default: all that are down.
   * @throws {BrokerError} With code `PORT_TAKEN` if another program has its port by now, and with code
   * `NOT_RUNNING` if the broker is stopped.
   */
  bringUp(nodeId?: number): Promise<void> {
    return this.#inTurn(() => this.#bringUp(this.#nodeOrAll(nodeId)));
  }

  async #bringUp(ids: readonly number[]): Promise<void> {
    this.#assertRunning("bring up a node");
    const { cluster, groups } = this.#core;
    const down = ids.filter((id) => !cluster.isUp(id));
    // Before their ports are open, so that no client finds a node that says it is not there.
    cluster.setUp(down, true);
    groups.resumeTimers(this.#core.now());
    this.#core.changed();
    const results = await Promise.allSettled(down.map((id) => this.#nodes.open(id)));
    const failed = down.filter((_, index) => results[index]!.status === "rejected");
    if (failed.length === 0) return;
    await this.#takeDown(failed);
    throw results.find((result) => result.status === "rejected")!.reason;
  }

  /**
   * Restarts a node: {@linkcode takeDown} and {@linkcode bringUp}. Topics, messages, groups and what
   * they have committed are still there afterwards; members have a whole session timeout to come back.
   *
   * @param nodeId The node; default: all of them.
   * @throws {BrokerError} As {@linkcode bringUp} does.
   */
  restart(nodeId?: number): Promise<void> {
    return this.#inTurn(async () => {
      this.#assertRunning("restart");
      const ids = this.#nodeOrAll(nodeId);
      await this.#takeDown(ids);
      await this.#bringUp(ids);
    });
  }

  /**
   * Compacts a topic, whatever its settings: of the messages of a key the latest stays, at its offset,
   * so that the offsets have gaps afterwards.
   *
   * @param topic The topic.
   * @param options `partition`: only this one. `tombstones`: whether messages without a value go too;
   * default false.
   * @returns What is left, and what is gone.
   * @throws {BrokerError} With code `UNKNOWN_PART` if there is no such partition.
   */
  compact(
    topic: string,
    { partition, tombstones = false }: { partition?: number; tombstones?: boolean } = {},
  ): CompactionResult {
    const found = this.#topic(topic);
    const partitions = partition === undefined
      ? found.partitions
      : [this.#partition(found, partition)];
    const results = partitions.map(({ log }) =>
      log.compact(tombstones ? { deleteTombstonesBefore: Infinity } : {})
    );
    const sum = (of: keyof CompactionResult) =>
      results.reduce((total, result) => total + result[of], 0);
    return {
      keptRecords: sum("keptRecords"),
      droppedRecords: sum("droppedRecords"),
      keptBatches: sum("keptBatches"),
      droppedBatches: sum("droppedBatches"),
      freedBytes: sum("freedBytes"),
    };
  }

  /**
   * Stops the broker, for good: its ports close, its connections end, and waiting helpers reject. What
   * it kept can still be looked at. To stop twice does nothing more.
   *
   * @returns Resolves when nothing is left behind.
   */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  async #stop(): Promise<void> {
    this.#controls.clear();
    this.#core.close();
    await this.#inTurn(() => this.#takeDown(this.nodeIds));
    this.#log.debug("Kafka broker stopped");
  }

  /** {@linkcode KafkaBroker.stop} */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  get #up(): string {
    const up = this.nodeIds.filter((id) => this.#core.cluster.isUp(id));
    return `up are ${up.join(", ") || "none"}`;
  }

  /** Does something about nodes when all that was asked for before is done. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  #assertRunning(what: string): void {
    if (this.#stopping === undefined) return;
    throw new BrokerError("NOT_RUNNING", `Cannot ${what}: the broker is stopped`);
  }

  #nodeOrAll(nodeId: number | undefined): number[] {
    return nodeId === undefined ? this.nodeIds : [this.#node(nodeId)];
  }

  #when<T>(look: () => T | undefined, what: () => string, options: WaitOptions): Promise<T> {
    if (this.#stopping !== undefined) {
      return Promise.reject(
        new BrokerError("NOT_RUNNING", `Cannot wait for ${what()}, and the broker is stopped`),
      );
    }
    return this.#core.watcher.when(look, what, options);
  }

  #node(nodeId: number): number {
    if (this.nodeIds.includes(nodeId)) return nodeId;
    throw unknown(`Cannot find node ${nodeId}: there are ${this.nodeIds.join(", ")}`);
  }

  #topic(name: string): Topic {
    const topic = this.#core.cluster.topic(name);
    if (topic !== undefined) return topic;
    throw unknown(
      `Cannot find topic "${name}": there are ${Object.keys(this.topics()).join(", ") || "none"}`,
      { topic: name },
    );
  }

  #partition(topic: Topic, index: number): Partition {
    const partition = topic.partitions[index];
    if (partition !== undefined) return partition;
    throw unknown(
      `Cannot find partition ${index} of topic "${topic.name}": it has ${topic.partitions.length}`,
      { topic: topic.name },
    );
  }
}

function unknown(message: string, options: { topic?: string } = {}): BrokerError {
  return new BrokerError("UNKNOWN_PART", message, options);
}

/** The next one behind an item, all round; undefined if there is no other. */
function after(
  items: readonly number[],
  item: number,
  allowed: (item: number) => boolean,
): number | undefined {
  const at = items.indexOf(item);
  return [...items.slice(at + 1), ...items.slice(0, Math.max(at, 0))].find(allowed);
}
