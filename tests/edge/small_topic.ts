import { anyKafka, createTopic, produce, uniqueName } from "../support/kafka/mod.ts";

/**
 * Makes a topic with twenty messages in one partition.
 *
 * @returns The variables by which the examples find it.
 */
export async function smallTopic(): Promise<{ KAFKA_BOOTSTRAP_SERVERS: string; TOPIC: string }> {
  const { bootstrapServers } = await anyKafka();
  const topic = uniqueName("edge");
  await createTopic(bootstrapServers, topic);
  await addMessages(bootstrapServers, topic);
  return { KAFKA_BOOTSTRAP_SERVERS: bootstrapServers, TOPIC: topic };
}

/** Produces twenty messages: `{"id":0}` to `{"id":19}`. */
export async function addMessages(bootstrapServers: string, topic: string): Promise<void> {
  const messages = Array.from({ length: 20 }, (_, id) => ({ value: JSON.stringify({ id }) }));
  await produce(bootstrapServers, topic, messages);
}
