import { randomBytes } from "node:crypto";
import type { Message } from "kafkajs";
import { quietClient, withAdmin } from "./client.ts";

/**
 * Makes a name that no other test uses, so that tests can share one Kafka.
 *
 * @param prefix What the name is for; it stands first.
 * @returns The name, good for topics and groups.
 */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(6).toString("hex")}`;
}

const LEADERS_TIMEOUT_MS = 20_000;
const LEADERS_RETRY_MS = 50;

/** What {@linkcode createTopic} takes. */
export interface TopicOptions {
  /** Default 1. */
  partitions?: number;
  /** Default: the brokers' own, which is 1. */
  replicationFactor?: number;
  /** Settings of the topic, such as `cleanup.policy`. */
  config?: Record<string, string>;
}

/**
 * Creates a topic and waits until its partitions have leaders.
 *
 * @param bootstrapServers `host:port,…`.
 * @param topic The name.
 * @param options How many partitions, and the settings.
 * @throws {Error} When the topic exists already.
 */
export async function createTopic(
  bootstrapServers: string,
  topic: string,
  options: TopicOptions = {},
): Promise<void> {
  await withAdmin(bootstrapServers, async (admin) => {
    const created = await admin.createTopics({
      // It waits for metadata alone, once, and throws if that does not know the topic yet.
      waitForLeaders: false,
      topics: [{
        topic,
        numPartitions: options.partitions ?? 1,
        replicationFactor: options.replicationFactor ?? -1,
        configEntries: Object.entries(options.config ?? {}).map(([name, value]) => ({
          name,
          value,
        })),
      }],
    });
    // kafkajs tells "it was there already" by false.
    if (!created) throw new Error(`Cannot create topic "${topic}": it exists`);
    await untilLed(() => admin.fetchTopicOffsets(topic));
  });
}

/** A broker leads a new partition somewhat later than metadata says so; only asking it tells. */
async function untilLed(ask: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + LEADERS_TIMEOUT_MS;
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (!(error as { retriable?: boolean }).retriable || Date.now() >= deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, LEADERS_RETRY_MS));
  }
}

/**
 * Deletes topics.
 *
 * @param bootstrapServers `host:port,…`.
 * @param topics The names.
 */
export async function deleteTopics(bootstrapServers: string, ...topics: string[]): Promise<void> {
  await withAdmin(bootstrapServers, (admin) => admin.deleteTopics({ topics }));
}

/** Where a produced message went. */
export interface Produced {
  partition: number;
  /** The offset of the first of the messages that went to this partition. */
  baseOffset: number;
}

/**
 * Produces messages and waits until the broker has them.
 *
 * @param bootstrapServers `host:port,…`.
 * @param topic The topic; it must exist.
 * @param messages As kafkajs takes them: `key`, `value`, `headers`, `partition`, `timestamp`.
 * @returns One entry per partition that got messages.
 */
export async function produce(
  bootstrapServers: string,
  topic: string,
  messages: Message[],
): Promise<Produced[]> {
  const producer = quietClient(bootstrapServers).producer();
  try {
    await producer.connect();
    const sent = await producer.send({ topic, messages });
    return sent.map(({ partition, baseOffset }) => ({ partition, baseOffset: Number(baseOffset) }));
  } finally {
    await producer.disconnect();
  }
}

/**
 * Reads where the partitions of a topic end: the offset that the next message will get.
 *
 * @param bootstrapServers `host:port,…`.
 * @param topic The topic.
 * @returns The offsets, by partition.
 */
export async function endOffsets(bootstrapServers: string, topic: string): Promise<number[]> {
  const offsets = await withAdmin(bootstrapServers, (admin) => admin.fetchTopicOffsets(topic));
  return byPartition(offsets, ({ high }) => Number(high));
}

/**
 * Turns rows with a partition number into a list whose index is that number.
 *
 * @typeParam R The row. @typeParam T What the list holds.
 * @param rows The rows, in any order.
 * @param value What to take from a row.
 * @returns The list.
 */
export function byPartition<R extends { partition: number }, T>(
  rows: R[],
  value: (row: R) => T,
): T[] {
  return rows.toSorted((a, b) => a.partition - b.partition).map(value);
}
