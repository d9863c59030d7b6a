import { Buffer } from "node:buffer";
import {
  type Admin,
  CompressionTypes,
  type ConfigResourceTypes,
  type Consumer,
  type ConsumerConfig,
  type IHeaders,
  Kafka,
  type KafkaMessage,
  logLevel,
  type Producer,
} from "kafkajs";
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
import { nameOfCode, ReportedError } from "../errors.ts";
import { MemberState } from "./member_state.ts";

/** `ConfigResourceTypes.TOPIC`, which Node does not find among its exports. */
const TOPIC_RESOURCE = 2 as ConfigResourceTypes.TOPIC;
const RETRY = { retries: 3, initialRetryTime: 50, maxRetryTime: 500 };
/** A new coordinator loads for a while. */
const PATIENT_RETRY = { ...RETRY, retries: 10 };

/** kafkajs, in this process. */
export class KafkajsClient implements ConformanceClient {
  /** The others need packages. */
  static readonly codecs: readonly Codec[] = ["none", "gzip"];
  static readonly features: readonly Feature[] = [
    "bytes",
    "timestamps",
    "append time",
    "written offsets",
    "read limit",
    "commit",
    "commit metadata",
    "scram",
    "login errors",
  ];
  readonly #kafka: Kafka;
  readonly #producers = new Map<boolean, Promise<Producer>>();
  readonly #closing: Promise<void>[] = [];
  #admin: Promise<Admin> | undefined;

  /** @param access The broker. */
  constructor(access: Access) {
    this.#kafka = kafkajs(access);
  }

  async logIn(): Promise<void> {
    await this.#connectedAdmin();
  }

  async describeTopic(topic: string): Promise<number[]> {
    const admin = await this.#connectedAdmin();
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]!.partitions.toSorted((a, b) => a.partitionId - b.partitionId)
      .map(({ leader }) => leader);
  }

  async listTopics(): Promise<string[]> {
    return await (await this.#connectedAdmin()).listTopics();
  }

  async createTopic(topic: string, options: TopicOptions = {}): Promise<void> {
    const created = await (await this.#connectedAdmin()).createTopics({
      waitForLeaders: false,
      topics: [{
        topic,
        numPartitions: options.partitions ?? 1,
        replicationFactor: options.replicationFactor ?? -1,
        configEntries: Object.entries(options.config ?? {})
          .map(([name, value]) => ({ name, value })),
      }],
    });
    // It has no error for this one.
    if (!created) throw new ReportedError("TOPIC_ALREADY_EXISTS", "false");
  }

  async createPartitions(topic: string, count: number): Promise<void> {
    await (await this.#connectedAdmin()).createPartitions({ topicPartitions: [{ topic, count }] });
  }

  async deleteTopic(topic: string): Promise<void> {
    await (await this.#connectedAdmin()).deleteTopics({ topics: [topic] });
  }

  async describeConfigs(topic: string): Promise<Record<string, string | null>> {
    const { resources } = await (await this.#connectedAdmin()).describeConfigs({
      includeSynonyms: false,
      resources: [{ type: TOPIC_RESOURCE, name: topic }],
    });
    const entries = resources[0]!.configEntries;
    return Object.fromEntries(entries.map(({ configName, configValue }) => [
      configName,
      configValue,
    ]));
  }

  async write(
    topic: string,
    records: readonly ToWrite[],
    options: WriteOptions = {},
  ): Promise<number | undefined> {
    const { partition = 0, acks = -1, codec = "none", idempotent = false, encoding } = options;
    const producer = await this.#producer(idempotent);
    const [sent] = await producer.send({
      topic,
      acks,
      compression: codec === "gzip" ? CompressionTypes.GZIP : CompressionTypes.None,
      messages: records.map((record) => ({
        partition,
        key: toBytes(record.key ?? null, encoding),
        value: toBytes(record.value, encoding),
        ...(record.headers && { headers: groupHeaders(record.headers) }),
        ...(record.timestamp !== undefined && { timestamp: `${record.timestamp}` }),
      })),
    });
    return acks === 0 ? undefined : Number(sent!.baseOffset);
  }

  // It cannot read without a group.
  async read(topic: string, options: ReadOptions): Promise<Read[]> {
    const { partition: wanted = 0, from = 0, count, encoding, onRecord } = options;
    const consumer = this.#kafka.consumer({
      groupId: uniqueName("reader"),
      maxWaitTimeInMs: options.maxWaitMs ?? 100,
      ...(options.maxBytes !== undefined && { maxBytesPerPartition: options.maxBytes }),
      retry: PATIENT_RETRY,
    });
    const records: Read[] = [];
    const complete = Promise.withResolvers<void>();
    consumer.on("consumer.crash", ({ payload }) => complete.reject(payload.error));
    await consumer.connect();
    try {
      await consumer.subscribe({ topic, fromBeginning: options.reset !== "latest" });
      await consumer.run({
        autoCommit: false,
        // deno-lint-ignore require-await
        eachMessage: async ({ partition, message }) => {
          if (partition !== wanted || records.length >= count) return;
          const record = toRead(partition, message, encoding);
          records.push(record);
          onRecord?.(record);
          if (records.length === count) complete.resolve();
        },
      });
      consumer.seek({ topic, partition: wanted, offset: `${from}` });
      await complete.promise;
    } finally {
      // That waits for the answer to its last request, which is nobody's business here.
      this.#closing.push(consumer.disconnect());
    }
    return records;
  }

  async offsetAt(
    topic: string,
    partition: number,
    at: "earliest" | "latest" | number,
  ): Promise<number> {
    return await this.#withAdmin(async (admin) => {
      const offsets = typeof at === "number"
        ? await admin.fetchTopicOffsetsByTimestamp(topic, at)
        : (await admin.fetchTopicOffsets(topic)).map(({ partition, low, high }) => ({
          partition,
          offset: at === "earliest" ? low : high,
        }));
      return Number(offsets.find((row) => row.partition === partition)!.offset);
    });
  }

  async deleteRecords(topic: string, partition: number, before: number): Promise<number> {
    await this.#withAdmin(async (admin) => {
      // It does not ask who leads the partitions, and has to know.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: `${before}` }] });
    });
    return await this.offsetAt(topic, partition, "earliest");
  }

  join(options: JoinOptions): Member {
    return joinWith(this.#kafka, options);
  }

  async committed(
    groupId: string,
    topic: string,
    partitions: readonly number[],
  ): Promise<Committed[]> {
    const admin = await this.#connectedAdmin();
    const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return partitions.map((partition) => {
      const row = answer!.partitions.find((row) => row.partition === partition)!;
      return { offset: Number(row.offset), metadata: row.metadata ?? "" };
    });
  }

  async describeGroup(groupId: string): Promise<DescribedGroup> {
    const { groups } = await (await this.#connectedAdmin()).describeGroups([groupId]);
    const { state, members } = groups[0]!;
    return { state, members: members.length };
  }

  async listGroups(): Promise<string[]> {
    const { groups } = await (await this.#connectedAdmin()).listGroups();
    return groups.map(({ groupId }) => groupId);
  }

  async deleteGroup(groupId: string): Promise<void> {
    try {
      await (await this.#connectedAdmin()).deleteGroups([groupId]);
    } catch (error) {
      const [group] = (error as { groups?: { errorCode: number }[] }).groups ?? [];
      if (group === undefined) throw error;
      throw new ReportedError(nameOfCode(group.errorCode), groupId);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#closing);
    const open = [...this.#producers.values(), ...(this.#admin ? [this.#admin] : [])];
    for (const client of await Promise.allSettled<Producer | Admin>(open)) {
      if (client.status === "fulfilled") await client.value.disconnect();
    }
  }

  #connectedAdmin(): Promise<Admin> {
    return this.#admin ??= (async () => {
      const admin = this.#kafka.admin({ retry: RETRY });
      await admin.connect();
      return admin;
    })();
  }

  /** For what goes by the leaders of partitions: it mixes up those of calls at the same time. */
  async #withAdmin<T>(use: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.#kafka.admin({ retry: RETRY });
    try {
      await admin.connect();
      return await use(admin);
    } finally {
      await admin.disconnect();
    }
  }

  #producer(idempotent: boolean): Promise<Producer> {
    let producer = this.#producers.get(idempotent);
    if (producer === undefined) {
      producer = (async () => {
        const producer = this.#kafka.producer({
          idempotent,
          allowAutoTopicCreation: true,
          // It has no other way to keep the order of an idempotent producer's batches.
          ...(idempotent && { maxInFlightRequests: 1 }),
          retry: idempotent ? PATIENT_RETRY : RETRY,
        });
        await producer.connect();
        return producer;
      })();
      this.#producers.set(idempotent, producer);
    }
    return producer;
  }
}

/**
 * Makes a kafkajs that says nothing.
 *
 * @param access The broker.
 * @returns The client.
 */
export function kafkajs({ bootstrapServers, ca, sasl }: Access): Kafka {
  return new Kafka({
    clientId: "conformance",
    brokers: bootstrapServers.split(","),
    logLevel: logLevel.NOTHING,
    connectionTimeout: 10_000,
    retry: RETRY,
    ...(ca !== undefined && { ssl: { ca } }),
    // It writes into the object.
    ...(sasl && { sasl: { ...sasl } as never }),
  });
}

function joinWith(kafka: Kafka, options: JoinOptions): Member {
  const { groupId, topics, sessionTimeoutMs = 10_000, commitsAtLeave = false } = options;
  const config: ConsumerConfig = {
    groupId,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: 10_000,
    heartbeatInterval: 100,
    maxWaitTimeInMs: 100,
    retry: PATIENT_RETRY,
  };
  const consumer: Consumer = kafka.consumer(config);
  const state: MemberState = new MemberState(
    async () => {
      await running.catch(() => {});
      await consumer.disconnect();
    },
    {
      commit: (offsets: readonly ToCommit[]) =>
        consumer.commitOffsets(offsets.map(({ topic, partition, offset, metadata }) => ({
          topic,
          partition,
          offset: `${offset}`,
          ...(metadata !== undefined && { metadata }),
        }))),
    },
  );
  consumer.on("consumer.group_join", ({ payload }) => {
    const assigned = Object.entries(payload.memberAssignment as Record<string, number[]>);
    state.assign(assigned.flatMap(([topic, list]) => list.map((number) => `${topic}-${number}`)));
  });
  consumer.on("consumer.rebalancing", () => state.assign(undefined));
  consumer.on("consumer.crash", ({ payload }) => state.fail(payload.error));
  const running = (async () => {
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await consumer.run({
      autoCommit: commitsAtLeave,
      // deno-lint-ignore require-await
      eachBatch: async ({ batch }) => {
        state.add(batch.messages.map((message) => toRead(batch.partition, message)));
      },
    });
  })();
  running.catch((error) => state.fail(error));
  return state;
}

function toBytes(text: string | null, encoding: TextEncoding = "utf8"): Buffer | null {
  return text === null ? null : Buffer.from(text, encoding);
}

function toRead(partition: number, message: KafkaMessage, encoding: TextEncoding = "utf8"): Read {
  const { key, value, headers, offset, timestamp } = message;
  return {
    partition,
    offset: Number(offset),
    key: key?.toString(encoding) ?? null,
    value: value?.toString(encoding) ?? null,
    headers: Object.entries(headers ?? {}).flatMap(([name, values]) =>
      [values].flat().map((value): [string, string] => [name, `${value}`])
    ),
    timestamp: Number(timestamp),
  };
}

function groupHeaders(headers: readonly (readonly [string, string])[]): IHeaders {
  const names = Object.groupBy(headers, ([name]) => name);
  return Object.fromEntries(
    Object.entries(names).map(([name, rows]) => [name, rows!.map(([, value]) => value)]),
  );
}
