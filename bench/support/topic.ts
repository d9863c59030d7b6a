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
}

/**
 * Makes a topic and fills it, uncompressed and without keys.
 *
 * @param bootstrapServers The broker, `host:port,…`.
 * @param plan What to make.
 */
export async function fillTopic(bootstrapServers: string, plan: TopicPlan): Promise<void> {
  const { topic, partitions, messages, size, batchBytes } = plan;
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
          batch.push({ key: null, value: payload(n, size), partition });
        }
        await producer.send({ topic, messages: batch, acks: 1 });
      }
    }));
  } finally {
    await producer.disconnect();
  }
}
