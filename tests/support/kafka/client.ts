import {
  type Admin,
  type Consumer,
  type ConsumerRunConfig,
  Kafka,
  type KafkaConfig,
  logLevel,
} from "kafkajs";

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

/**
 * Runs a consumer of kafkajs, and again where it gives up.
 *
 * When a group's coordinator still loads, as that of a new Kafka does, it disconnects and begins anew;
 * and when a connection ends just while it looks for its coordinator, such as the one it has left, it
 * gives up for good (`KafkaJSGroupCoordinatorNotFound`). A test would wait for ever.
 *
 * @param consumer The consumer, connected and subscribed; its `disconnect()` ends this.
 * @param config What `run()` takes.
 */
export async function keepRunning(consumer: Consumer, config: ConsumerRunConfig): Promise<void> {
  const { disconnect } = consumer;
  let over = false;
  consumer.disconnect = () => {
    over = true;
    return disconnect();
  };
  consumer.on("consumer.crash", ({ payload }) => {
    if (!payload.restart && !over) void consumer.run(config);
  });
  await consumer.run(config);
}
