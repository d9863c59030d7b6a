/**
 * The contract with a Kafka client: all that the poller thread asks of one.
 *
 * Two drivers come with the library. A module of the user's own, named by `driver: URL`, may be a
 * third: any source of records with offsets will do.
 */

import type { RecordTable } from "./threads/records.ts";
import type { Logger } from "./logger.ts";

/** One partition of one topic. */
export interface TopicPartition {
  /** Name of the topic. */
  topic: string;
  /** Number of the partition. */
  partition: number;
}

/** A message's header. Names may repeat; a value may be null. */
export interface MessageHeader {
  /** Name of the header. */
  key: string;
  /** Bytes of the value, or null. */
  value: Uint8Array | null;
}

/** One record, as a driver hands it over. Strings are encoded as UTF-8. */
export interface DriverRecord {
  /** Offset in its partition. It rises from record to record; gaps are fine. */
  offset: number;
  /** Milliseconds since the epoch. Default: the time at which the record arrived. */
  timestamp?: number;
  /** The key; none by default. */
  key?: Uint8Array | string | null;
  /** The value; null is a tombstone. */
  value: Uint8Array | string | null;
  /** Headers, in their order. */
  headers?: readonly { key: string; value: Uint8Array | string | null }[];
}

/** A record to append to a topic. */
export interface ProducedRecord {
  /** Name of the topic. */
  topic: string;
  /** The key, or null. */
  key: Uint8Array | null;
  /** The value; null is a tombstone. */
  value: Uint8Array | null;
  /** Headers; their order, repeated names and null values are kept. */
  headers: readonly MessageHeader[];
  /** Milliseconds since the epoch. Default: now. */
  timestamp?: number;
  /**
   * Number of the partition. Default: by the key's hash (murmur2, as in Kafka's own clients, so that
   * a key always goes to the same partition), and in turns where the key is null.
   */
  partition?: number;
}

/** Records of one partition, in offset order. */
export interface DriverBatch extends TopicPartition {
  /** The records, as objects or as a table that is ready to be packed. */
  records: readonly DriverRecord[] | RecordTable;
  /**
   * The offset from which the next batch of this partition will be read. It may lie beyond the last
   * record's (compaction, transaction markers). Default: the last record's offset + 1.
   */
  nextOffset?: number;
  /**
   * End of the partition's log as last seen, if the source has one: of what can be read (the high
   * watermark, or the last stable offset where only committed transactions are read).
   */
  endOffset?: number;
}

/** Where a group stands in a partition. */
export interface OffsetCommit extends TopicPartition {
  /** The offset at which a consumer would go on: the last finished one + 1. */
  offset: number;
  /** Free text stored with the offset, at most 4,096 bytes. */
  metadata?: string;
}

/** A partition that has just been assigned. */
export interface AssignedPartition extends TopicPartition {
  /** Offset from which reading begins. Default: unknown until the first batch. */
  position?: number;
  /** Offset the group has committed, or null if there is none. Default: null. */
  committed?: number | null;
  /** Metadata stored with that commit. */
  metadata?: string;
}

/** What a driver tells the poller about its assignment. */
export interface DriverHooks {
  /** These partitions are now read by this consumer. Call it before the first batch of them. */
  assigned(partitions: readonly AssignedPartition[]): void;
  /**
   * These partitions are about to go to somebody else. Resolves when what was under way has finished
   * or its time is over, and is committed; let go of the partitions only then. Never rejects.
   */
  revoked(partitions: readonly TopicPartition[]): Promise<void>;
  /**
   * These partitions are gone already; nothing of them may be committed any more. Where a `revoked` is
   * pending, await it before joining again: what it commits last belongs to the assignment that is gone.
   */
  lost(partitions: readonly TopicPartition[]): void;
}

/** TLS settings, PEM text. */
export interface TlsOptions {
  /** Certificates of the authorities to trust. */
  ca?: string | string[];
  /** Certificate of this client. */
  cert?: string;
  /** Private key of this client. */
  key?: string;
  /** Name to expect in the server's certificate. Default: the host that is connected to. */
  servername?: string;
  /** Whether to refuse a server that cannot be verified. Default: true. */
  rejectUnauthorized?: boolean;
}

/** SASL settings as they reach a driver: a token is asked for through a function. */
export type DriverSasl =
  | {
    /** Password mechanism. */
    mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
    /** Name to log in with. */
    username: string;
    /** Password to log in with. */
    password: string;
  }
  | {
    /** Token mechanism. */
    mechanism: "oauthbearer";
    /** Asks the program for a token; rejects with what the program's function threw. */
    token: () => Promise<string>;
  };

/** What a driver is made from. */
export interface DriverContext {
  /** Addresses to begin with, each `host:port`. */
  bootstrapServers: readonly string[];
  /** Name of the consumer group. */
  groupId: string;
  /** Topics to read. */
  topics: readonly string[];
  /** Where a group without commits begins. */
  startFrom: "latest" | "earliest";
  /** Name this client gives itself. */
  clientId: string;
  /** TLS, or false. */
  ssl: boolean | TlsOptions;
  /** SASL, or undefined. */
  sasl?: DriverSasl;
  /** What the user gave as `driverOptions`. */
  driverOptions: Record<string, unknown>;
  /** Milliseconds without a heartbeat after which the group gives this member up. */
  sessionTimeoutMs: number;
  /** Milliseconds between heartbeats. */
  heartbeatIntervalMs: number;
  /** Most bytes of records the poller wants to hold at a time; a hint for the size of fetches. */
  maxBytes: number;
  /** Tell the poller about the assignment through these. */
  hooks: DriverHooks;
  /** Lines given here reach the user's logger. */
  logger: Logger;
  /** Aborts when the consumer stops: give up what you wait for. */
  signal: AbortSignal;
}

/** How a driver's membership in its group stands, for health and stats. */
export interface DriverStatus {
  /** Where the membership stands; "standby": a member without partitions. */
  group: "joining" | "stable" | "standby" | "rebalancing" | "disconnected" | "none";
  /** Milliseconds since the epoch of the last heartbeat that was answered, or null. */
  heartbeatAt: number | null;
  /** Heartbeats that were answered. Default: 0. */
  heartbeats?: number;
  /** Name the group knows this member by, if it has joined. */
  memberId?: string;
}

/**
 * A Kafka client as the poller sees it.
 *
 * `poll` is called by one caller at a time, and not again before it has settled. `commit`, `pause`,
 * `resume` and `produce` may be called while a poll is under way.
 *
 * @example A source that is not Kafka: the numbers from 0 on
 * ```ts
 * import type { ConsumerDriver, DriverContext } from "@kafka-threads/kafka-threads";
 *
 * export default function createNumbers({ topics, hooks }: DriverContext): ConsumerDriver {
 *   const [topic = "numbers"] = topics;
 *   let offset = 0;
 *   let paused = false;
 *   hooks.assigned([{ topic, partition: 0, position: 0 }]);
 *   return {
 *     async poll(timeoutMs) {
 *       if (!paused) return [{ topic, partition: 0, records: [{ offset, value: `${offset++}` }] }];
 *       await new Promise((resolve) => setTimeout(resolve, timeoutMs));
 *       return [];
 *     },
 *     commit: () => Promise.resolve(),
 *     pause: () => void (paused = true),
 *     resume: () => void (paused = false),
 *     close: () => Promise.resolve(),
 *   };
 * }
 * ```
 */
export interface ConsumerDriver {
  /**
   * Waits at most `timeoutMs` for records and returns what there is, possibly nothing. Connects and
   * joins the group where that has not been done, however long that takes: when the first poll has
   * resolved, the consumer has started. Calls the hooks as the assignment changes. Settles soon after
   * `close()`.
   *
   * @throws What went wrong. The poller logs it and polls again after a backoff, unless the error says
   * `retriable: false`, which ends the consumer.
   */
  poll(timeoutMs: number): Promise<readonly DriverBatch[]>;
  /**
   * Stores where the group stands; resolves when the source has acknowledged it.
   *
   * @throws {LostPartitionError} If the partitions are somebody else's by now: nothing is wrong then,
   * and the next assignment begins where the new owner left off.
   * @throws Anything else, if it was not possible. The poller tries again with the next commit, unless
   * the error says `retriable: false`, which ends the consumer.
   */
  commit(offsets: readonly OffsetCommit[]): Promise<void>;
  /**
   * Returns no more records of these partitions until they are resumed. Paused twice is paused. A pause
   * ends with its assignment: the next one begins without it.
   */
  pause(partitions: readonly TopicPartition[]): void;
  /** Takes a pause back. */
  resume(partitions: readonly TopicPartition[]): void;
  /** Leaves the group and closes everything. Called once, possibly while a poll is under way. */
  close(): Promise<void>;
  /**
   * Looks whether polling could begin: connects, logs in, and makes sure that the topics exist, without
   * joining the group. It is called instead of `poll`, once, and followed by `close()`. Without it, that a
   * driver could be made is all that is known of it.
   *
   * @throws What is in the way.
   */
  check?(): Promise<void>;
  /** How the membership stands. Without it, health looks at polls alone. */
  status?(): DriverStatus;
  /** Asks for the ends of these partitions' logs, in their order. Without it, batches tell. */
  endOffsets?(partitions: readonly TopicPartition[]): Promise<readonly number[]>;
  /**
   * Appends records to topics; resolves when the source has acknowledged all of them as safely stored
   * (Kafka: by all in-sync replicas). The records of one call keep their order within a partition. What
   * goes wrong for a moment is tried again within, for some seconds, so that a record may be stored more
   * than once. May be called while a poll, a commit or another call of it is under way, and until
   * `close()`. Without it, there are no dead letters.
   *
   * @throws What went wrong, if not all were stored; some of them may be. `retriable: false` says that
   * trying again is pointless, such as with a record that is too large, a topic that does not exist or
   * one that must not be written to.
   */
  produce?(records: readonly ProducedRecord[]): Promise<void>;
}

/** Makes a driver: the default export of a driver module. It runs in the poller thread. */
export type CreateDriver = (context: DriverContext) => ConsumerDriver | Promise<ConsumerDriver>;
