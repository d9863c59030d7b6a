import { PartitionLog } from "../log/partition_log.ts";
import type { ErrorName } from "../protocol/error_codes.ts";
import { Partition } from "./partition.ts";
import { TopicConfig, topicSettingFault } from "./topic_config.ts";
import { collisionName, topicNameFault } from "./topic_names.ts";

/** A logical broker: a number, and whether it is up. */
export interface Node {
  readonly id: number;
  up: boolean;
}

/** A topic. */
export interface Topic {
  readonly name: string;
  /** Its UUID (KIP-516). */
  readonly id: string;
  readonly config: TopicConfig;
  readonly replicationFactor: number;
  readonly partitions: Partition[];
}

/** What a new topic may be given. */
export interface NewTopic {
  /** Default: the cluster's. */
  partitions?: number;
  /** On how many nodes it is; default: all. */
  replicationFactor?: number;
  /** The nodes of each partition, instead of the two numbers. */
  assignments?: readonly (readonly number[])[];
  config?: Readonly<Record<string, string | null>>;
}

/** Why something about topics cannot be done. */
export class TopicError extends Error {
  override readonly name = "TopicError";
  readonly code: ErrorName;

  constructor(code: ErrorName, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a cluster is made with. */
export interface ClusterOptions {
  /** How many logical brokers there are, numbered from 1. */
  nodes: number;
  clusterId: string;
  /** Partitions of a topic for which no number is given. */
  defaultPartitions: number;
  /** Makes UUIDs. */
  newId: () => string;
}

const MAX_PARTITIONS = 100_000;

/** Which nodes, topics and partitions there are, and which node leads what. */
export class Cluster {
  readonly clusterId: string;
  readonly nodes: readonly Node[];
  readonly defaultPartitions: number;
  readonly #topics = new Map<string, Topic>();
  readonly #topicsById = new Map<string, Topic>();
  readonly #movedCoordinators = new Map<string, number>();
  readonly #newId: () => string;
  #created = 0;

  constructor({ nodes, clusterId, defaultPartitions, newId }: ClusterOptions) {
    this.nodes = Array.from({ length: nodes }, (_, index) => ({ id: index + 1, up: true }));
    this.clusterId = clusterId;
    this.defaultPartitions = defaultPartitions;
    this.#newId = newId;
  }

  /** All topics, by name. */
  get topics(): Topic[] {
    return [...this.#topics.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** The node that calls itself the controller. */
  get controllerId(): number {
    return this.nodes.find(({ up }) => up)?.id ?? -1;
  }

  topic(name: string): Topic | undefined {
    return this.#topics.get(name);
  }

  topicById(id: string): Topic | undefined {
    return this.#topicsById.get(id);
  }

  partition(topic: string, index: number): Partition | undefined {
    return this.#topics.get(topic)?.partitions[index];
  }

  /**
   * Creates a topic.
   *
   * @param name Its name.
   * @param given Its size and settings.
   * @param validateOnly Whether it is only checked.
   * @returns The topic.
   * @throws {TopicError} If it cannot be.
   */
  createTopic(name: string, given: NewTopic = {}, validateOnly = false): Topic {
    const fault = topicNameFault(name);
    if (fault !== null) {
      throw new TopicError("INVALID_TOPIC_EXCEPTION", `Topic name is invalid: ${fault}`);
    }
    if (this.#topics.has(name)) {
      throw new TopicError("TOPIC_ALREADY_EXISTS", `Topic '${name}' already exists.`);
    }
    const colliding = this.topics.find((topic) =>
      collisionName(topic.name) === collisionName(name)
    );
    if (colliding !== undefined) {
      throw new TopicError(
        "INVALID_TOPIC_EXCEPTION",
        `Topic '${name}' collides with existing topic: ${colliding.name}`,
      );
    }
    const replicas = given.assignments ?? this.#place(given);
    this.#checkReplicas(replicas);
    const config = topicConfig(given.config ?? {});
    const topic: Topic = {
      name,
      id: this.#newId(),
      config,
      replicationFactor: replicas[0]!.length,
      partitions: [],
    };
    this.#addPartitions(topic, replicas);
    if (validateOnly) return topic;
    this.#topics.set(name, topic);
    this.#topicsById.set(topic.id, topic);
    this.#created++;
    return topic;
  }

  /**
   * Adds partitions to a topic.
   *
   * @param name The topic.
   * @param count How many it has afterwards.
   * @param assignments The nodes of the new partitions.
   * @param validateOnly Whether it is only checked.
   * @throws {TopicError} If it cannot be.
   */
  growTopic(
    name: string,
    count: number,
    assignments: readonly (readonly number[])[] | null,
    validateOnly = false,
  ): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) {
      throw new TopicError("UNKNOWN_TOPIC_OR_PARTITION", "This server does not host this topic.");
    }
    const added = count - topic.partitions.length;
    if (added <= 0) {
      throw new TopicError(
        "INVALID_PARTITIONS",
        `The topic ${name} currently has ${topic.partitions.length} partition(s); ${count} would ${
          added === 0 ? "not be an increase" : "be a decrease"
        }.`,
      );
    }
    if (count > MAX_PARTITIONS) {
      throw new TopicError(
        "INVALID_PARTITIONS",
        `There can be ${MAX_PARTITIONS} partitions at most.`,
      );
    }
    if (assignments !== null && assignments.length !== added) {
      throw new TopicError(
        "INVALID_REPLICA_ASSIGNMENT",
        `Attempted to add ${added} additional partition(s), but only ${assignments.length} assignment(s) were specified.`,
      );
    }
    const { replicationFactor } = topic;
    const replicas = assignments ?? this.#place({ partitions: added, replicationFactor });
    this.#checkReplicas(replicas);
    if (!validateOnly) this.#addPartitions(topic, replicas);
  }

  /**
   * Deletes a topic.
   *
   * @param name The topic.
   * @returns What it was, or undefined if there is none.
   */
  deleteTopic(name: string): Topic | undefined {
    const topic = this.#topics.get(name);
    if (topic === undefined) return undefined;
    this.#topics.delete(name);
    this.#topicsById.delete(topic.id);
    for (const partition of topic.partitions) partition.elect(-1);
    return topic;
  }

  /** Marks nodes as up or down, all at once; partitions without a leader get one, if there is any. */
  setUp(nodeIds: readonly number[], up: boolean): void {
    for (const node of this.nodes) if (nodeIds.includes(node.id)) node.up = up;
    for (const { partitions } of this.#topics.values()) {
      for (const partition of partitions) partition.electOf((id) => this.isUp(id));
    }
  }

  /** Whether a node is up. */
  isUp(nodeId: number): boolean {
    return this.nodes.some(({ id, up }) => up && id === nodeId);
  }

  /**
   * The node that coordinates a group; -1 while none is up. It stays the same for as long as it is up,
   * whatever becomes of others.
   */
  coordinatorOf(groupId: string): number {
    const { nodes } = this;
    const preferred = hash(groupId) % nodes.length;
    const current = this.#movedCoordinators.get(groupId) ?? nodes[preferred]!.id;
    if (this.isUp(current)) return current;
    const next = [...nodes.slice(preferred), ...nodes.slice(0, preferred)].find(({ up }) => up);
    if (next === undefined) return -1;
    this.#movedCoordinators.set(groupId, next.id);
    return next.id;
  }

  /** Has a group coordinated by another node. */
  moveCoordinator(groupId: string, nodeId: number): void {
    this.#movedCoordinators.set(groupId, nodeId);
  }

  #place({ partitions, replicationFactor }: NewTopic): number[][] {
    const count = partitions ?? this.defaultPartitions;
    if (!Number.isInteger(count) || count < 1 || count > MAX_PARTITIONS) {
      throw new TopicError(
        "INVALID_PARTITIONS",
        `Number of partitions was set to ${count}, which is not from 1 to ${MAX_PARTITIONS}.`,
      );
    }
    const factor = replicationFactor ?? this.nodes.length;
    if (!Number.isInteger(factor) || factor < 1 || factor > this.nodes.length) {
      throw new TopicError(
        "INVALID_REPLICATION_FACTOR",
        `Unable to replicate the partition ${factor} time(s): there are ${this.nodes.length} broker(s).`,
      );
    }
    // Each topic begins with another node, so that topics of one partition are spread as well.
    const { nodes } = this;
    const first = this.#created;
    return Array.from(
      { length: count },
      (_, index) =>
        Array.from(
          { length: factor },
          (_, more) => nodes[(first + index + more) % nodes.length]!.id,
        ),
    );
  }

  #checkReplicas(replicas: readonly (readonly number[])[]): void {
    for (const ids of replicas) {
      const known = ids.every((id) => this.nodes.some((node) => node.id === id));
      if (ids.length === 0 || !known || new Set(ids).size !== ids.length) {
        throw new TopicError(
          "INVALID_REPLICA_ASSIGNMENT",
          `The manual partition assignment [${
            ids.join(", ")
          }] names no, unknown or repeated brokers.`,
        );
      }
    }
    if (replicas.length === 0) {
      throw new TopicError("INVALID_PARTITIONS", "Number of partitions must be larger than 0.");
    }
  }

  #addPartitions({ name, partitions, config }: Topic, replicas: readonly (readonly number[])[]) {
    for (const ids of replicas) {
      const log = new PartitionLog({
        maxBatchBytes: config.maxMessageBytes,
        compacted: config.compacted,
        logAppendTime: config.logAppendTime,
        maxFutureMs: config.maxFutureMs,
      });
      const partition = new Partition(name, partitions.length, ids, log);
      partition.electOf((id) => this.isUp(id));
      partitions.push(partition);
    }
  }
}

function topicConfig(given: Readonly<Record<string, string | null>>): TopicConfig {
  const set: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const fault = topicSettingFault(name, value);
    if (fault !== null) throw new TopicError("INVALID_CONFIG", fault);
    if (value !== null) set[name] = value;
  }
  return new TopicConfig(set);
}

/** Spreads groups over nodes; Kafka takes Java's `String.hashCode` for the same end. */
function hash(text: string): number {
  let value = 0;
  for (let index = 0; index < text.length; index++) {
    value = (Math.imul(value, 31) + text.charCodeAt(index)) | 0;
  }
  return value & 0x7fffffff;
}
