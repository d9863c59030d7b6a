import { fileURLToPath } from "node:url";
import type {
  Access,
  Codec,
  Committed,
  ConformanceClient,
  DescribedGroup,
  Feature,
  JoinOptions,
  Member,
  Read,
  ReadOptions,
  ToCommit,
  TopicOptions,
  ToWrite,
  WriteOptions,
} from "../client.ts";
import { Driver } from "./driver.ts";

const PROGRAM = fileURLToPath(new URL("./confluent.py", import.meta.url));

/**
 * Starts the program that drives confluent-kafka.
 *
 * @param python A Python that has it.
 * @returns The program.
 */
export function confluentDriver(python: string): Driver {
  // -u: a line is needed when it is written.
  return new Driver(python, ["-u", PROGRAM]);
}

/** confluent-kafka for Python, which is librdkafka, in a process of its own. */
export class ConfluentClient implements ConformanceClient {
  static readonly codecs: readonly Codec[] = ["none", "gzip", "snappy", "lz4", "zstd"];
  static readonly features: readonly Feature[] = [
    "bytes",
    "timestamps",
    "append time",
    "written offsets",
    "read limit",
    "commit",
    "commit metadata",
    "static members",
    "unchecked deletion",
    "scram",
    "login errors",
  ];
  readonly #driver: Driver;
  readonly #access: Access;

  /**
   * @param python A Python that has confluent-kafka.
   * @param access The broker.
   */
  constructor(python: string, { bootstrapServers, ca, sasl }: Access) {
    this.#driver = confluentDriver(python);
    // It goes with each command, and whoever gave it may have more in it.
    this.#access = { bootstrapServers, ...(ca !== undefined && { ca }), ...(sasl && { sasl }) };
  }

  /** Resolves when a broker has answered. */
  logIn(): Promise<void> {
    return this.#call("logIn", {});
  }

  describeTopic(topic: string): Promise<number[]> {
    return this.#call("describeTopic", { topic });
  }

  listTopics(): Promise<string[]> {
    return this.#call("listTopics", {});
  }

  createTopic(topic: string, options: TopicOptions = {}): Promise<void> {
    return this.#call("createTopic", { topic, ...options });
  }

  createPartitions(topic: string, count: number): Promise<void> {
    return this.#call("createPartitions", { topic, count });
  }

  deleteTopic(topic: string): Promise<void> {
    return this.#call("deleteTopic", { topic });
  }

  describeConfigs(topic: string): Promise<Record<string, string | null>> {
    return this.#call("describeConfigs", { topic });
  }

  write(
    topic: string,
    records: readonly ToWrite[],
    options: WriteOptions = {},
  ): Promise<number | undefined> {
    return this.#call("write", { topic, records, ...options });
  }

  read(topic: string, { onRecord, ...options }: ReadOptions): Promise<Read[]> {
    return this.#call("read", { topic, ...options, tell: onRecord !== undefined }, onRecord);
  }

  offsetAt(
    topic: string,
    partition: number,
    at: "earliest" | "latest" | number,
  ): Promise<number> {
    return this.#call("offsetAt", { topic, partition, at });
  }

  deleteRecords(topic: string, partition: number, before: number): Promise<number> {
    return this.#call("deleteRecords", { topic, partition, before });
  }

  join(options: JoinOptions): Member {
    return this.#driver.join(this.#access, options);
  }

  commitOutside(groupId: string, offsets: readonly ToCommit[]): Promise<void> {
    return this.#call("commitOutside", { groupId, offsets });
  }

  committed(groupId: string, topic: string, partitions: readonly number[]): Promise<Committed[]> {
    return this.#call("committed", { groupId, topic, partitions });
  }

  async describeGroup(groupId: string): Promise<DescribedGroup> {
    const { state, members } = await this.#call<DescribedGroup>("describeGroup", { groupId });
    // "STABLE", "PREPARING_REBALANCING": Python's constants.
    const words = state.split("_").map((word) => word[0] + word.slice(1).toLowerCase());
    return { state: words.join(""), members };
  }

  listGroups(): Promise<string[]> {
    return this.#call("listGroups", {});
  }

  deleteGroup(groupId: string): Promise<void> {
    return this.#call("deleteGroup", { groupId });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#driver.kill();
  }

  #call<T>(what: string, args: object, onRecord?: (record: Read) => void): Promise<T> {
    return this.#driver.call<T>(what, { access: this.#access, ...args }, onRecord);
  }
}
