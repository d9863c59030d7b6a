import { type Logger, safeLogger } from "../logger.ts";
import { BrokerCore } from "./broker_core.ts";
import {
  brokerOptions,
  type KafkaBrokerOptions,
  type ResolvedKafkaBrokerOptions,
} from "./broker_options.ts";
import { type Topic, TopicError } from "./cluster/cluster.ts";
import type { Partition } from "./cluster/partition.ts";
import { type Control, type ControlOptions, Controls, type Decide } from "./controls.ts";
import { BrokerError } from "./errors.ts";
import type { GroupDescription } from "./groups/group_coordinator.ts";
import type { Compression } from "./log/compression.ts";
import { encodeBatch, type NewRecord } from "./log/encode_batch.ts";
import type { CompactionResult } from "./log/partition_log.ts";
import type { LogRecord } from "./log/records.ts";
import { MAIN_LISTENER, Nodes } from "./nodes.ts";
import { Partitioner } from "./partitioner.ts";
import { ERROR, errorName } from "./protocol/error_codes.ts";
import { apiByKey, apiByName, type ApiName } from "./protocol/registry.ts";
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
  /** How long each byte is under way, in milliseconds. Default: 0. */
  latencyMs?: number;
  /** How many bytes get through in a second, on each connection and in each direction. Default: all. */
  bytesPerSecond?: number;
}

/** A connection of a client. */
export interface BrokerConnection {
  /** The name that the client gives itself; null before its first request. */
  readonly clientId: string | null;
  /** Where it comes from: `127.0.0.1:54321`. */
  readonly remoteAddress: string;
  /** To which node. */
  readonly nodeId: number;
  /** On which listener. */
  readonly listener: string;
  /** How much has been asked on it. */
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
  readonly #controls = new Controls();
  readonly #nodes: Nodes;
  readonly #log: Logger;
  readonly #partitioner = new Partitioner();
  #stopping: Promise<void> | undefined;

  private constructor(options: ResolvedKafkaBrokerOptions) {
    this.#options = options;
    this.#log = safeLogger(options.logger, options.logLevel);
    this.#core = new BrokerCore(
      options,
      (nodeId, listener) => this.#nodes.address(nodeId, listener),
    );
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
   */
  static async start(options: KafkaBrokerOptions = {}): Promise<KafkaBroker> {
    const resolved = brokerOptions(options);
    const broker = new KafkaBroker(resolved);
    for (const [name, topic] of Object.entries(resolved.topics)) broker.createTopic(name, topic);
    const { nodes } = broker.#core.cluster;
    try {
      for (const { id } of nodes) await broker.#nodes.open(id);
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
    return this.#nodes.connections.flatMap(({ session, name }) =>
      session === undefined ? [] : [{
        clientId: session.clientId,
        remoteAddress: name,
        nodeId: session.nodeId,
        listener: session.listener,
        requests: session.requests,
      }]
    );
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
   * @throws {BrokerError} With code `TOPIC_REFUSED` if it exists or cannot be.
   */
  createTopic(
    name: string,
    options: { partitions?: number; replicationFactor?: number; config?: Record<string, string> } =
      {},
  ): void {
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
   * Produces messages without a client.
   *
   * @param topic The topic, which is made where `autoCreateTopics` says so.
   * @param messages What is produced, in this order.
   * @param options The codec; default none.
   * @returns Where each message went.
   * @throws {BrokerError} With code `UNKNOWN_PART` if there is no such topic or partition, and with
   * code `TOPIC_REFUSED` if the topic does not take a message, such as one that is too large.
   */
  produce(
    topic: string,
    messages: readonly BrokerMessage[],
    options: { compression?: Compression } = {},
  ): Promise<ProducedAt[]> {
    // Not an async function: what is wrong with the arguments is thrown before anything is appended.
    return new Promise((resolve) => resolve(this.#produce(topic, messages, options)));
  }

  #produce(
    name: string,
    messages: readonly BrokerMessage[],
    { compression = "none" }: { compression?: Compression },
  ): ProducedAt[] {
    if (this.#options.autoCreateTopics && this.#core.cluster.topic(name) === undefined) {
      this.createTopic(name);
    }
    const topic = this.#topic(name);
    const places = messages.map(({ key, partition }) =>
      this.#partition(topic, partition ?? this.#partitioner.choose(key, topic.partitions.length))
    );
    const offsets: number[] = [];
    for (const partition of new Set(places)) {
      const indexes = places.flatMap((place, index) => place === partition ? [index] : []);
      const records = encodeBatch(indexes.map((index) => messages[index]!), {
        timestamp: this.#core.now(),
        compression,
      });
      const result = partition.log.append(records, {
        leaderEpoch: partition.leaderEpoch,
        now: this.#core.now(),
      });
      if (result.errorCode !== ERROR.NONE) {
        const why = result.errorMessage ?? errorName(result.errorCode);
        throw new BrokerError("TOPIC_REFUSED", `Cannot produce to topic "${name}": ${why}`, {
          topic: name,
          partition: partition.index,
        });
      }
      indexes.forEach((index, delta) => offsets[index] = result.baseOffset + delta);
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
   * @param what `partition` and `offset`: that far, or beyond, in one partition (the first, if none is
   * given). `total`: the sum of all partitions' offsets, or more. Nothing: anything at all.
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
    const { offset, total, partition = 0 } = what;
    const committed = () =>
      this.#core.cluster.topic(topic) === undefined ? [] : this.committed(groupId, topic);
    return this.#when(
      () => {
        const now = committed();
        const enough = offset !== undefined
          ? (now[partition] ?? -1) >= offset
          : total !== undefined
          ? now.reduce<number>((sum, at) => sum + (at ?? 0), 0) >= total
          : now.some((at) => at !== null);
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
   * @throws {BrokerError} With code `INVALID_CONTROL` if there is no such API here.
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
   */
  slowNetwork(how: SlowNetwork | null): void {
    const { latencyMs = 0, bytesPerSecond = Infinity } = how ?? {};
    if (!(latencyMs >= 0) || !(bytesPerSecond > 0)) {
      throw new BrokerError(
        "INVALID_CONTROL",
        `Cannot make the network slow by { latencyMs: ${latencyMs}, bytesPerSecond: ${bytesPerSecond} }: latencyMs is 0 or more, bytesPerSecond more than 0`,
      );
    }
    this.#nodes.setNetwork(how);
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
    if (!replicas.includes(next) || !this.#core.cluster.isUp(next)) {
      throw unknown(
        `Cannot have node ${next} lead "${topic}" partition ${partition}: its replicas are ${replicas}, up are ${this.#up}`,
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
    if (!cluster.isUp(next)) {
      throw unknown(`Cannot have node ${next} coordinate "${groupId}": up are ${this.#up}`);
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
  async takeDown(nodeId?: number): Promise<void> {
    const { cluster, groups } = this.#core;
    const ids = nodeId === undefined ? this.nodeIds : [this.#node(nodeId)];
    const moved = groups.groups().map(({ groupId }) => groupId)
      .filter((groupId) => ids.includes(cluster.coordinatorOf(groupId)));
    for (const id of ids) cluster.setUp(id, false);
    groups.unload(moved);
    // While nobody coordinates a group, nobody can miss its members' heartbeats.
    if (this.#up.length === 0) this.#core.close();
    await Promise.all(ids.map((id) => this.#nodes.close(id)));
  }

  /**
   * Brings a node back up, on the port that it had.
   *
   * @param nodeId The node; default: all that are down.
   * @throws {BrokerError} With code `PORT_TAKEN` if another program has its port by now, and with code
   * `NOT_RUNNING` if the broker is stopped.
   */
  async bringUp(nodeId?: number): Promise<void> {
    if (this.#stopping !== undefined) {
      throw new BrokerError("NOT_RUNNING", "Cannot bring up a node: the broker is stopped");
    }
    const { cluster, groups } = this.#core;
    const ids = nodeId === undefined ? this.nodeIds : [this.#node(nodeId)];
    for (const id of ids.filter((id) => !cluster.isUp(id))) {
      await this.#nodes.open(id);
      cluster.setUp(id, true);
    }
    groups.resumeTimers(this.#core.now());
    this.#core.changed();
  }

  /**
   * Restarts a node: {@linkcode takeDown} and {@linkcode bringUp}. Topics, messages, groups and what
   * they have committed are still there afterwards; members have a whole session timeout to come back.
   *
   * @param nodeId The node; default: all of them.
   */
  async restart(nodeId?: number): Promise<void> {
    await this.takeDown(nodeId);
    await this.bringUp(nodeId);
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
   * Stops the broker: its ports close, its connections end, and what it kept is gone. Waiting helpers
   * reject. To stop twice does nothing more.
   *
   * @returns Resolves when nothing is left behind.
   */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  async #stop(): Promise<void> {
    await this.takeDown();
    this.#core.close();
    this.#controls.clear();
    this.#core.watcher.failAll(
      new BrokerError("NOT_RUNNING", "Cannot wait any longer: the broker is stopped"),
    );
    this.#log.debug("Kafka broker stopped");
  }

  /** {@linkcode KafkaBroker.stop} */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  get #up(): number[] {
    return this.nodeIds.filter((id) => this.#core.cluster.isUp(id));
  }

  #when<T>(look: () => T | undefined, what: () => string, options: WaitOptions): Promise<T> {
    if (this.#stopping !== undefined) {
      return Promise.reject(
        new BrokerError("NOT_RUNNING", `Cannot wait for ${what()}; the broker is stopped`),
      );
    }
    return this.#core.watcher.when(look, what, options);
  }

  #node(nodeId: number): number {
    if (this.nodeIds.includes(nodeId)) return nodeId;
    throw unknown(`Cannot find node ${nodeId}: there are ${this.nodeIds}`);
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

/** The next one behind an item, all round. */
function after(
  items: readonly number[],
  item: number,
  allowed: (item: number) => boolean,
): number {
  const at = items.indexOf(item);
  const order = [...items.slice(at + 1), ...items.slice(0, at + 1)];
  return order.find(allowed) ?? -1;
}
