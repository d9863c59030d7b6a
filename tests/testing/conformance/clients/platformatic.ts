import { Buffer } from "node:buffer";
import {
  Admin,
  type BaseOptions,
  type CommitOptionsPartition,
  ConfigResourceTypes,
  Consumer,
  type ConsumerOptions,
  type Message,
  MessagesStreamFallbackModes,
  MessagesStreamModes,
  Producer,
  type SASLMechanismValue,
  type SASLOptions,
} from "@platformatic/kafka";
import { uniqueName } from "../../../support/kafka/topics.ts";
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
  TextEncoding,
  ToCommit,
  TopicOptions,
  ToWrite,
  WriteOptions,
} from "../client.ts";
import { ReportedError } from "../errors.ts";
import { MemberState } from "./member_state.ts";

/** Kafka's numbers for the two ends of a log. */
const ENDS = { earliest: -2n, latest: -1n } as const;

/** @platformatic/kafka, in this process. */
export class PlatformaticClient implements ConformanceClient {
  static readonly codecs: readonly Codec[] = ["none", "gzip", "snappy", "lz4", "zstd"];
  static readonly features: readonly Feature[] = [
    "bytes",
    "timestamps",
    "written offsets",
    "read limit",
    "commit",
    "static members",
    "unchecked deletion",
    "scram",
    "login errors",
  ];
  readonly #options: BaseOptions;
  readonly #admin: Admin;
  readonly #producers = new Map<boolean, Producer>();

  /** @param access The broker. */
  constructor(access: Access) {
    this.#options = platformaticOptions(access);
    this.#admin = new Admin(this.#options);
  }

  async logIn(): Promise<void> {
    await this.#admin.metadata({ topics: [] });
  }

  async describeTopic(topic: string): Promise<number[]> {
    const metadata = await this.#admin.metadata({ topics: [topic], forceUpdate: true })
      .catch(withKafkasName);
    return metadata.topics.get(topic)!.partitions.map(({ leader }) => leader);
  }

  async listTopics(): Promise<string[]> {
    return await this.#admin.listTopics();
  }

  async createTopic(topic: string, options: TopicOptions = {}): Promise<void> {
    await this.#admin.createTopics({
      topics: [topic],
      partitions: options.partitions ?? 1,
      replicas: options.replicationFactor ?? -1,
      configs: Object.entries(options.config ?? {}).map(([name, value]) => ({ name, value })),
    });
  }

  async createPartitions(topic: string, count: number): Promise<void> {
    await this.#admin.createPartitions({ topics: [{ name: topic, count } as never] });
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#admin.deleteTopics({ topics: [topic] });
  }

  async describeConfigs(topic: string): Promise<Record<string, string | null>> {
    const [resource] = await this.#admin.describeConfigs({
      resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }],
    });
    return Object.fromEntries(resource!.configs.map(({ name, value }) => [name, value ?? null]));
  }

  async write(
    topic: string,
    records: readonly ToWrite[],
    options: WriteOptions = {},
  ): Promise<number | undefined> {
    const { partition = 0, acks = -1, codec = "none", idempotent = false, encoding } = options;
    const sent = this.#producer(idempotent).send({
      acks,
      compression: codec,
      messages: records.map((record) => ({
        topic,
        partition,
        ...given("key", toBytes(record.key, encoding)),
        ...given("value", toBytes(record.value, encoding)),
        // Two headers of one name are two keys of the map, being two objects.
        headers: new Map(
          record.headers?.map(([name, value]) => [Buffer.from(name), Buffer.from(value)]) ?? [],
        ),
        ...(record.timestamp !== undefined && { timestamp: BigInt(record.timestamp) }),
      })),
    });
    const { offsets } = await sent.catch(withKafkasName);
    return acks === 0 ? undefined : Number(offsets![0]!.offset);
  }

  async read(topic: string, options: ReadOptions): Promise<Read[]> {
    const { partition = 0, from = 0, count, encoding, onRecord } = options;
    const consumer = new Consumer({ ...this.#options, groupId: uniqueName("reader") });
    const records: Read[] = [];
    try {
      const stream = await consumer.consume({
        topics: [topic],
        autocommit: false,
        mode: MessagesStreamModes.MANUAL,
        offsets: [{ topic, partition, offset: BigInt(from) }],
        fallbackMode: options.reset === "latest"
          ? MessagesStreamFallbackModes.LATEST
          : MessagesStreamFallbackModes.EARLIEST,
        maxWaitTime: options.maxWaitMs ?? 100,
        ...(options.maxBytes !== undefined && { maxBytesPerPartition: options.maxBytes }),
      });
      for await (const message of stream) {
        if (message.partition !== partition) continue;
        const record = toRead(message, encoding);
        records.push(record);
        onRecord?.(record);
        if (records.length === count) break;
      }
    } finally {
      await consumer.close(true);
    }
    return records;
  }

  async offsetAt(
    topic: string,
    partition: number,
    at: "earliest" | "latest" | number,
  ): Promise<number> {
    const timestamp = typeof at === "number" ? BigInt(at) : ENDS[at];
    const [answer] = await this.#admin.listOffsets({
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp }] }],
    });
    return Number(answer!.partitions[0]!.offset);
  }

  async deleteRecords(topic: string, partition: number, before: number): Promise<number> {
    const [answer] = await this.#admin.deleteRecords({
      topics: [{ name: topic, partitions: [{ partition, offset: BigInt(before) }] }],
    });
    return Number(answer!.partitions[0]!.lowWatermark);
  }

  join(options: JoinOptions): Member {
    const { groupId, topics, sessionTimeoutMs = 10_000, instanceId } = options;
    const { commitsAtLeave = false } = options;
    const positions = new Map<string, CommitOptionsPartition>();
    const consumer = new Consumer({
      ...this.#options,
      groupId,
      ...(instanceId !== undefined && { groupInstanceId: instanceId }),
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: 10_000,
      heartbeatInterval: 100,
      maxWaitTime: 100,
      ...(options.givesUp && { retries: 0 }),
    } as ConsumerOptions<Buffer, Buffer, Buffer, Buffer>);
    let leaving = false;
    const state: MemberState = new MemberState(
      async () => {
        leaving = true;
        const stream = await running.catch(() => undefined);
        // Its own last commit is left out when it is being closed.
        if (commitsAtLeave && stream !== undefined) {
          await consumer.commit({ offsets: [...positions.values()] }).catch(() => {});
        }
        // To close a consumer that has lost its place ends neither its streams nor its heartbeats.
        await stream?.close();
        try {
          await consumer.leaveGroup(true);
        } finally {
          await consumer.close(true);
        }
      },
      {
        commit: (offsets: readonly ToCommit[]) =>
          consumer.commit({
            offsets: offsets.map(({ topic, partition, offset }) => ({
              topic,
              partition,
              offset: BigInt(offset),
              leaderEpoch: -1,
            })),
          }),
      },
    );
    consumer.on("consumer:group:join", ({ assignments = [] }) => {
      const assigned = assignments.flatMap(({ topic, partitions }) =>
        partitions.map((partition) => `${topic}-${partition}`)
      );
      // The others are somebody else's to commit.
      for (const key of positions.keys()) if (!assigned.includes(key)) positions.delete(key);
      state.assign(assigned);
    });
    // What it was about when it is closed may fail by that.
    consumer.on("error" as never, ((error: Error) => leaving || state.fail(error)) as never);
    consumer.on("consumer:group:rebalance", () => state.assign(undefined));
    const running = (async () => {
      const stream = await consumer.consume({
        topics: [...topics],
        autocommit: commitsAtLeave,
        mode: MessagesStreamModes.COMMITTED,
        fallbackMode: MessagesStreamFallbackModes.EARLIEST,
      });
      stream.on("error", (error) => state.fail(error));
      stream.on("data", (message) => {
        const { topic, partition, offset } = message;
        const position = { topic, partition, offset: offset + 1n, leaderEpoch: -1 };
        positions.set(`${topic}-${partition}`, position);
        state.add([toRead(message)]);
      });
      return stream;
    })();
    running.catch((error) => state.fail(error));
    return state;
  }

  async commitOutside(groupId: string, offsets: readonly ToCommit[]): Promise<void> {
    const topics = Map.groupBy(offsets, ({ topic }) => topic);
    await this.#admin.alterConsumerGroupOffsets({
      groupId,
      topics: [...topics].map(([name, rows]) => ({
        name,
        partitionOffsets: rows.map(({ partition, offset }) => ({
          partition,
          offset: BigInt(offset),
        })),
      })),
    });
  }

  async committed(
    groupId: string,
    topic: string,
    partitions: readonly number[],
  ): Promise<Committed[]> {
    const [group] = await this.#admin.listConsumerGroupOffsets({
      groups: [{ groupId, topics: [{ name: topic, partitionIndexes: [...partitions] }] }],
    });
    return partitions.map((partition) => {
      const row = group!.topics[0]!.partitions
        .find(({ partitionIndex }) => partitionIndex === partition)!;
      return { offset: Number(row.committedOffset), metadata: row.metadata ?? "" };
    });
  }

  async deleteOffsets(
    groupId: string,
    topic: string,
    partitions: readonly number[],
  ): Promise<void> {
    await this.#admin.deleteConsumerGroupOffsets({
      groupId,
      topics: [{ name: topic, partitionIndexes: [...partitions] }],
    });
  }

  async describeGroup(groupId: string): Promise<DescribedGroup> {
    const groups = await this.#admin.describeGroups({ groups: [groupId] });
    const { state, members } = groups.get(groupId)!;
    return { state, members: members.size };
  }

  async listGroups(): Promise<string[]> {
    return [...(await this.#admin.listGroups()).keys()];
  }

  async deleteGroup(groupId: string): Promise<void> {
    await this.#admin.deleteGroups({ groups: [groupId] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#admin, ...this.#producers.values()].map((client) => client.close()));
  }

  #producer(idempotent: boolean): Producer {
    let producer = this.#producers.get(idempotent);
    if (producer === undefined) {
      producer = new Producer({ ...this.#options, idempotent });
      this.#producers.set(idempotent, producer);
    }
    return producer;
  }
}

/**
 * The options of every client of @platformatic/kafka.
 *
 * @param access The broker.
 * @returns The options.
 */
export function platformaticOptions({ bootstrapServers, ca, sasl }: Access): BaseOptions {
  return {
    clientId: "conformance",
    bootstrapBrokers: bootstrapServers.split(","),
    autocreateTopics: true,
    retries: 3,
    retryDelay: 50,
    timeout: 30_000,
    ...(ca !== undefined && { tls: { ca } }),
    ...(sasl && {
      sasl: {
        ...sasl,
        mechanism: sasl.mechanism.toUpperCase() as SASLMechanismValue,
      } satisfies SASLOptions,
    }),
  };
}

/** It makes an error of its own of this one, and only of this one. */
function withKafkasName(error: Error): never {
  if (!/^Unknown topic /.test(error.message)) throw error;
  throw new ReportedError("UNKNOWN_TOPIC_OR_PARTITION", error.message);
}

function given<N extends string>(name: N, value: Buffer | undefined): { [K in N]?: Buffer } {
  return (value === undefined ? {} : { [name]: value }) as { [K in N]?: Buffer };
}

function toBytes(
  text: string | null | undefined,
  encoding: TextEncoding = "utf8",
): Buffer | undefined {
  return text === null || text === undefined ? undefined : Buffer.from(text, encoding);
}

function toRead(
  message: Message<Buffer, Buffer, Buffer, Buffer>,
  encoding: TextEncoding = "utf8",
): Read {
  // Its types do not say that these may be missing.
  const { key, value } = message as { key?: Buffer; value?: Buffer };
  return {
    partition: message.partition,
    offset: Number(message.offset),
    key: key?.toString(encoding) ?? null,
    value: value?.toString(encoding) ?? null,
    headers: message.headerEntries.map(([name, text]) => [`${name}`, `${text}`]),
    timestamp: Number(message.timestamp),
  };
}
