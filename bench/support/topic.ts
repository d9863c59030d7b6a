import { createTopic } from "../../tests/support/kafka/mod.ts";
import { quietClient } from "./client.ts";
import { payload } from "./payload.ts";

/** What {@linkcode fillTopic} makes. */
export interface TopicPlan {
  /** Name of the topic; it must not exist yet. */
  topic: string;
  /** How many partitions it gets. */
  partitions: number;
  /** How many messages, dealt to the partitions in turn. */
  messages: number;
  /** Bytes of each value. */
  size: number;
  /** Bytes of values in one record batch. */
  batchBytes: number;
  /**
   * How many different keys, in turn: a multiple of the partitions, so that each key stays in one.
   * Default: none, the messages have no key.
   */
  keys?: number;
}

/**
 * Makes a topic and fills it, uncompressed.
 *
 * @param bootstrapServers The broker, `host:port,…`.
 * @param plan What to make.
 * @throws {Error} If messages of one key would go to several partitions.
 */
export async function fillTopic(bootstrapServers: string, plan: TopicPlan): Promise<void> {
  const { topic, partitions, messages, size, batchBytes, keys } = plan;
  if (keys !== undefined && keys % partitions !== 0) {
    throw new Error(`Cannot deal ${keys} keys to ${partitions} partitions: it is no multiple`);
  }
  await createTopic(bootstrapServers, topic, { partitions });
  const producer = quietClient(bootstrapServers).producer();
  await producer.connect();
  try {
    const perBatch = Math.max(1, Math.floor(batchBytes / size));
    // One record batch per partition and produce request: kafkajs does not split what it is given.
    // The partitions are asked for side by side, each strictly in order.
    await Promise.all(Array.from({ length: partitions }, async (_, partition) => {
      let n = partition;
      while (n < messages) {
        const batch = [];
        for (; batch.length < perBatch && n < messages; n += partitions) {
          const key = keys === undefined ? null : `k-${n % keys}`;
          batch.push({ key, value: payload(n, size), partition });
        }
        await producer.send({ topic, messages: batch, acks: 1 });
      }
    }));
  } finally {
    await producer.disconnect();
  }
}
