// What the scenarios ask of a Kafka client, in one vocabulary for all of them.

/** The clients, none of which is ours. */
export const CLIENTS = ["kafkajs", "@platformatic/kafka", "confluent-kafka", "kcat"] as const;

/** The name of a client. */
export type ClientName = typeof CLIENTS[number];

/** How to reach a broker. */
export interface Access {
  /** `host:port,…` */
  bootstrapServers: string;
  /** The authority to trust, as PEM text; then the connection is TLS. */
  ca?: string;
  /** Who to log in as; then the connection is SASL. */
  sasl?: {
    mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
    username: string;
    password: string;
  };
}

/** How records are compressed. */
export type Codec = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** How the text of a key and a value stands for bytes. */
export type TextEncoding = "utf8" | "base64";

/** A record to write. */
export interface ToWrite {
  /** Default: none. */
  key?: string | null;
  /** Null is a tombstone. */
  value: string | null;
  /** Names and values, in order; a name may come more than once. Default: none. */
  headers?: readonly (readonly [string, string])[];
  /** Milliseconds since 1970; default: now. */
  timestamp?: number;
}

/** A record that was read. */
export interface Read {
  partition: number;
  offset: number;
  key: string | null;
  value: string | null;
  headers: [string, string][];
  timestamp: number;
}

/** How records are written. */
export interface WriteOptions {
  /** Default 0. */
  partition?: number;
  /** Default -1: all. */
  acks?: -1 | 0 | 1;
  /** Default "none". */
  codec?: Codec;
  /** Writes each record once, whatever happens; default false. */
  idempotent?: boolean;
  /** What keys and values are; default "utf8". */
  encoding?: TextEncoding;
}

/** Where reading begins, and how. */
export interface ReadOptions {
  /** Default 0. */
  partition?: number;
  /** The first offset; default 0. */
  from?: number;
  /** How many records to read. */
  count: number;
  /** Where to begin instead when the first offset is not there; default "earliest". */
  reset?: "earliest" | "latest";
  /** How long the broker may wait for records; default 100. */
  maxWaitMs?: number;
  /** How many bytes of a partition are wanted at a time; default: the client's. */
  maxBytes?: number;
  /** What keys and values are; default "utf8". */
  encoding?: TextEncoding;
  /** Is told of each record. */
  onRecord?: (record: Read) => void;
}

/** How a topic is made. */
export interface TopicOptions {
  /** Default 1. */
  partitions?: number;
  /** Default -1: the broker's own. */
  replicationFactor?: number;
  /** Settings such as `cleanup.policy`. */
  config?: Record<string, string>;
}

/** How a member joins a group. */
export interface JoinOptions {
  groupId: string;
  topics: readonly string[];
  /** Default 10_000. */
  sessionTimeoutMs?: number;
  /** For a static member. */
  instanceId?: string;
  /** Commits by itself what it has read, at the latest when it leaves; default false. */
  commitsAtLeave?: boolean;
  /**
   * Does nothing again that was refused, as far as the client can be told: @platformatic/kafka would
   * join anew when a commit is refused, and commit as the new member. Default false.
   */
  givesUp?: boolean;
}

/** An offset to commit. */
export interface ToCommit {
  topic: string;
  partition: number;
  offset: number;
  metadata?: string;
}

/** A member of a group, which reads from where the group stands, or else from the beginning. */
export interface Member {
  /** Its partitions, as `topic-0`, in order; undefined while it has been given none. */
  readonly assigned: readonly string[] | undefined;
  /** How often it has been given partitions. */
  readonly joins: number;
  /** What it has read. */
  readonly records: readonly Read[];
  /**
   * Resolves when this holds, or at the signal; it is asked again whenever one of the above has
   * changed.
   */
  until(holds: (member: Member) => boolean, signal?: AbortSignal): Promise<void>;
  /** Commits; absent where the client has no such call. */
  commit?(offsets: readonly ToCommit[]): Promise<void>;
  /** Stops, and says so to the group, unless it is a static member. */
  leave(): Promise<void>;
}

/** What is committed for a partition. */
export interface Committed {
  /** -1 if nothing is. */
  offset: number;
  metadata: string;
}

/** A group, as its coordinator describes it. */
export interface DescribedGroup {
  /** As Kafka writes it: "Stable", "Empty", "Dead" and so on. */
  state: string;
  /** How many members it has. */
  members: number;
}

/**
 * A client on one broker. What a broker refuses is a rejection whose {@linkcode errorName} is
 * Kafka's name of the error. The methods that are marked as optional are absent where the client has
 * no such call; the scenarios say which ones they need.
 */
export interface ConformanceClient extends AsyncDisposable {
  /** Resolves when a broker has answered, or rejects when it does not let one in. */
  logIn(): Promise<void>;

  /** The leaders of the partitions, in order. */
  describeTopic(topic: string): Promise<number[]>;
  listTopics(): Promise<string[]>;
  createTopic?(topic: string, options?: TopicOptions): Promise<void>;
  createPartitions?(topic: string, count: number): Promise<void>;
  deleteTopic?(topic: string): Promise<void>;
  /** The settings of a topic. */
  describeConfigs?(topic: string): Promise<Record<string, string | null>>;

  /** The offset of the first record, or undefined where the client does not tell. */
  write(
    topic: string,
    records: readonly ToWrite[],
    options?: WriteOptions,
  ): Promise<number | undefined>;
  read(topic: string, options: ReadOptions): Promise<Read[]>;
  /** Where a partition begins, ends, or has its first record that is not older; -1 for none. */
  offsetAt?(topic: string, partition: number, at: "earliest" | "latest" | number): Promise<number>;
  /** Where the log starts then. */
  deleteRecords?(topic: string, partition: number, before: number): Promise<number>;

  join(options: JoinOptions): Member;
  /** Commits for a group without being in it. */
  commitOutside?(groupId: string, offsets: readonly ToCommit[]): Promise<void>;
  /** What a group has committed, by partition. */
  committed?(groupId: string, topic: string, partitions: readonly number[]): Promise<Committed[]>;
  deleteOffsets?(groupId: string, topic: string, partitions: readonly number[]): Promise<void>;
  describeGroup?(groupId: string): Promise<DescribedGroup>;
  listGroups?(): Promise<string[]>;
  deleteGroup?(groupId: string): Promise<void>;
}

/** What a scenario may need and no method tells. */
export type Feature =
  /** Keys and values that are no text. */
  | "bytes"
  /** A timestamp of the record's own. */
  | "timestamps"
  /** Tells the broker's time of a record where that counts; @platformatic/kafka tells the writer's. */
  | "append time"
  /** Tells where records went. */
  | "written offsets"
  /** A limit of bytes for each partition. */
  | "read limit"
  /** `Member.commit`. */
  | "commit"
  /** Text beside a committed offset. */
  | "commit metadata"
  /** `instanceId`. */
  | "static members"
  /** Leaves it to the broker which records can be deleted. */
  | "unchecked deletion"
  /**
   * SCRAM as it should be. The librdkafka of Debian's kcat repeats the client's nonce, which Apache
   * Kafka refuses since CVE-2024-56128, and so does ours.
   */
  | "scram"
  /** Tells a wrong password from a broker that is not there. */
  | "login errors";

/** What a kind of client can do: its class. */
export interface ClientTraits {
  readonly codecs: readonly Codec[];
  readonly features: readonly Feature[];
  /** Has the methods. */
  readonly prototype: ConformanceClient;
}

/** The methods that not all clients have. */
export type OptionalMethod = {
  [K in keyof ConformanceClient]-?: undefined extends ConformanceClient[K] ? K : never;
}[keyof ConformanceClient];

/** A client that has these methods. */
export type ClientWith<M extends OptionalMethod> =
  & ConformanceClient
  & Required<Pick<ConformanceClient, M>>;
