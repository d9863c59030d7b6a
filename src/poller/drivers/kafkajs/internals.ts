/**
 * The parts of kafkajs 2.2.4 that the driver is made of, with the types they lack.
 *
 * `consumer.run` of kafkajs cannot be used here: nothing waits for the handlers when the group
 * rebalances, restarts have no budget (kafkajs #1721), every record becomes an object, and a fetch is
 * given up when one of its partitions is paused. Below it lie sound parts: connections, protocol
 * requests, membership. These modules are not a documented interface, but kafkajs 2.2.4 is the last
 * release, and `tests/poller/drivers/kafkajs` fails if one of them is not what is written here.
 */

import ClusterModule from "kafkajs/src/cluster/index.js";
import ConsumerGroupModule from "kafkajs/src/consumer/consumerGroup.js";
import assignersModule from "kafkajs/src/consumer/assigners/index.js";
import EmitterModule from "kafkajs/src/instrumentation/emitter.js";
import loggersModule from "kafkajs/src/loggers/index.js";
import requestsModule from "kafkajs/src/protocol/requests/index.js";
import apiKeysModule from "kafkajs/src/protocol/requests/apiKeys.js";
import protocolErrorModule from "kafkajs/src/protocol/error.js";
import compressionModule from "kafkajs/src/protocol/message/compression/index.js";
import messageSetModule from "kafkajs/src/protocol/messageSet/decoder.js";
import DecoderModule from "kafkajs/src/protocol/decoder.js";
import EncoderModule from "kafkajs/src/protocol/encoder.js";
import type { Socket } from "node:net";

/** An error of kafkajs. */
export interface KafkajsError extends Error {
  /** Name of the Kafka error code, such as `REBALANCE_IN_PROGRESS`. */
  type?: string;
  /** Node's error code, or Kafka's. */
  code?: string | number;
  /** What kafkajs thinks of trying again. */
  retriable?: boolean;
}

/** Keeps track of the requests of one connection. */
export interface RequestQueue {
  pending: unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: ReturnType<typeof setTimeout> | null;
  scheduleCheckPendingRequests(): void;
  checkPendingRequests(): void;
  rejectAll(error: Error): void;
  destroy(): void;
}

/** One socket to a broker. */
export interface Connection {
  requestQueue: RequestQueue;
  socket?: Socket;
}

/** A request of the protocol: how to send it, how to read the answer. */
export interface ProtocolRequest<T> {
  request: { apiVersion: number; encode?(): Promise<unknown> };
  response: { decode(payload: Uint8Array): Promise<T>; parse(data: T): Promise<T> };
  requestTimeout?: number;
}

/** Two connections to a broker: one for fetches, one for all else. */
export interface ConnectionPool {
  host: string;
  port: number;
  pool: Connection[];
  send<T>(request: ProtocolRequest<T>): Promise<T>;
}

/** What a fetch asks of one partition. */
export interface FetchPartition {
  partition: number;
  fetchOffset: string;
  maxBytes: number;
}

/** The arguments of a fetch. */
export interface FetchArguments {
  maxWaitTime: number;
  minBytes: number;
  maxBytes: number;
  isolationLevel: number;
  rackId: string;
  topics: { topic: string; partitions: FetchPartition[] }[];
}

/** The arguments of a join. */
export interface JoinArguments {
  groupId: string;
  sessionTimeout: number;
  rebalanceTimeout: number;
  memberId: string;
  protocolType: string;
  groupProtocols: { name: string; metadata: Uint8Array }[];
}

/** The arguments of a metadata request. */
export interface MetadataArguments {
  topics: readonly string[];
  allowAutoTopicCreation: boolean;
}

/** The arguments of a produce request. */
export interface ProduceArguments {
  acks: number;
  timeout: number;
  topicData: readonly never[];
}

/** An offset as the protocol modules of kafkajs return it. */
export interface PartitionOffset {
  partition: number;
  offset: string;
  metadata?: string | null;
}

/** A broker: one request a method. */
export interface Broker {
  nodeId: number;
  connectionPool: ConnectionPool;
  isConnected(): boolean;
  disconnect(): Promise<void>;
  lookupRequest<Arguments = FetchArguments>(
    apiKey: number,
    definition: unknown,
  ): (request: Arguments) => ProtocolRequest<unknown>;
  metadata(topics: string[]): Promise<unknown>;
  heartbeat(
    request: { groupId: string; groupGenerationId: number; memberId: string },
  ): Promise<unknown>;
  offsetFetch(request: {
    groupId: string;
    topics: { topic: string; partitions: { partition: number }[] }[];
  }): Promise<{ responses: { topic: string; partitions: PartitionOffset[] }[] }>;
  offsetCommit(request: {
    groupId: string;
    memberId: string;
    groupGenerationId: number;
    topics: { topic: string; partitions: PartitionOffset[] }[];
  }): Promise<unknown>;
  listOffsets(request: {
    isolationLevel: number;
    topics: { topic: string; partitions: { partition: number; timestamp: number }[] }[];
  }): Promise<{ responses: { topic: string; partitions: PartitionOffset[] }[] }>;
}

/** Makes connections to a broker; without a host, to the next bootstrap server. */
export interface ConnectionPoolBuilder {
  build(
    destination?: { host?: string; port?: number; rack?: string },
  ): Promise<ConnectionPool>;
}

/** What metadata says of one partition. */
export interface PartitionMetadata {
  partitionId: number;
  leader: number | null;
}

/** What metadata says of one topic. */
export interface TopicMetadata {
  topic: string;
  topicErrorCode: number;
  partitionMetadata: PartitionMetadata[];
}

/** The brokers of a cluster. */
export interface BrokerPool {
  /** The last answer to a metadata request. */
  metadata: { topicMetadata: TopicMetadata[] } | null;
  createBroker(options: unknown): Broker;
}

/** Brokers, their connections, and metadata. */
export interface Cluster {
  connectionPoolBuilder: ConnectionPoolBuilder;
  brokerPool: BrokerPool;
  /** Topics that metadata requests ask for. */
  targetTopics: Set<string>;
  connect(): Promise<void>;
  addMultipleTargetTopics(topics: string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  removeBroker(address: { host: string; port: number }): void;
  findBroker(node: { nodeId: number | string }): Promise<Broker>;
  findGroupCoordinator(group: { groupId: string }): Promise<Broker>;
  findTopicPartitionMetadata(topic: string): PartitionMetadata[];
  fetchTopicsOffset(
    topics: {
      topic: string;
      partitions: { partition: number }[];
      fromBeginning: boolean;
    }[],
  ): Promise<{ topic: string; partitions: PartitionOffset[] }[]>;
}

/** Membership in a group. */
export interface ConsumerGroup {
  cluster: Cluster;
  coordinator: Broker | null;
  generationId: number | null;
  memberId: string | null;
  joinAndSync(): Promise<void>;
  leave(): Promise<void>;
  assigned(): { topic: string; partitions: number[] }[];
  checkForStaleAssignment(): void;
}

/** A logger of kafkajs. */
export interface KafkajsLogger {
  namespace(name: string): KafkajsLogger;
}

/** One line of kafkajs's log. */
export interface KafkajsLogEntry {
  namespace: string;
  label: string;
  log: { message: string; timestamp: string; logger: string } & Record<string, unknown>;
}

/** A message of the formats before record batches. */
export interface OldMessage {
  offset: string;
  timestamp?: string;
  key: Uint8Array | null;
  value: Uint8Array | null;
}

/** Describes this member to the group, and assigns where it leads. */
export interface Assigner {
  protocol(subscription: { topics: readonly string[] }): { name: string; metadata: Uint8Array };
}

type CreateAssigner = (
  options: { cluster: Pick<Cluster, "findTopicPartitionMetadata"> },
) => Assigner;

/** Makes a {@linkcode Cluster}. */
export const createCluster = (options: Record<string, unknown>): Cluster =>
  new (ClusterModule as unknown as new (options: unknown) => Cluster)(options);

/** Makes a {@linkcode ConsumerGroup}. */
export const createConsumerGroup = (options: Record<string, unknown>): ConsumerGroup =>
  new (ConsumerGroupModule as unknown as new (options: unknown) => ConsumerGroup)(options);

/** Makes an emitter of kafkajs's instrumentation events. */
export const createEmitter = (): unknown => new (EmitterModule as unknown as new () => unknown)();

/** kafkajs's assignor, and with it the group protocol that its other users have. */
export const roundRobin: CreateAssigner = (
  assignersModule as unknown as { roundRobin: CreateAssigner }
).roundRobin;

/** kafkajs's logger factory and levels. */
export const { createLogger, LEVELS } = loggersModule as {
  createLogger(options: {
    level: number;
    logCreator: (level: number) => (entry: KafkajsLogEntry) => void;
  }): KafkajsLogger;
  LEVELS: Record<"NOTHING" | "ERROR" | "WARN" | "INFO" | "DEBUG", number>;
};

/** Protocol definitions by API. */
export const { requests } = requestsModule as {
  requests: { Fetch: unknown; JoinGroup: unknown; Metadata: unknown; Produce: unknown };
};

/** API keys by name. */
export const apiKeys: { Fetch: number; JoinGroup: number; Metadata: number; Produce: number } =
  apiKeysModule;

/** Makes what the `encode` of a request returns. */
export const encoded = (bytes: Uint8Array): unknown =>
  new (EncoderModule as unknown as new (
    initialSize: number,
  ) => { writeBuffer(bytes: Uint8Array): unknown })(bytes.length).writeBuffer(bytes);

/** Makes the error of a Kafka error code. */
export const { createErrorFromCode } = protocolErrorModule as {
  createErrorFromCode(code: number): KafkajsError;
};

/** Finds the codec of a record batch's attributes, or null where it is not compressed. */
export const { lookupCodecByAttributes } = compressionModule as {
  lookupCodecByAttributes(
    attributes: number,
  ): { decompress(bytes: Uint8Array): Promise<Uint8Array> } | null;
};

/** Decodes the message formats before record batches (magic 0 and 1). */
export const decodeMessageSet = (bytes: Uint8Array): Promise<OldMessage[]> =>
  (messageSetModule as unknown as (decoder: unknown, size: number) => Promise<OldMessage[]>)(
    new (DecoderModule as unknown as new (bytes: Uint8Array) => unknown)(bytes),
    bytes.length,
  );
