import { type Admin, Kafka, type KafkaConfig, logLevel } from "kafkajs";

/**
 * Makes a kafkajs client that prints nothing.
 *
 * @param bootstrapServers `host:port,…`.
 * @param options Further settings of kafkajs.
 * @returns The client.
 */
export function quietClient(
  bootstrapServers: string,
  options: Partial<KafkaConfig> = {},
): Kafka {
  return new Kafka({
    clientId: "kafka-threads-tests",
    brokers: bootstrapServers.split(","),
    logLevel: logLevel.NOTHING,
    ...options,
  });
}

/**
 * Lends an admin connection to a function and closes it whatever happens.
 *
 * @typeParam T What the function returns.
 * @param bootstrapServers `host:port,…`.
 * @param use The function.
 * @param options Further settings of kafkajs.
 * @returns What the function returned.
 */
export async function withAdmin<T>(
  bootstrapServers: string,
  use: (admin: Admin) => Promise<T>,
  options: Partial<KafkaConfig> = {},
): Promise<T> {
  const admin = quietClient(bootstrapServers, options).admin();
  try {
    await admin.connect();
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}
