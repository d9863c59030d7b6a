// Consumers without Kafka: quick to start, and well.
import {
  type Consumer,
  createOrderedConsumer,
  type OrderedConsumerOptions,
  ThreadManager,
  type ThreadManagerOptions,
} from "../../mod.ts";

/** A consumer of some numbers; idle. */
export function calmConsumer(
  group: string,
  options: Partial<Omit<OrderedConsumerOptions<never>, "handler">> & {
    handler?: (context: unknown, data: number) => unknown;
    count?: number;
  } = {},
): Consumer {
  const { handler = () => {}, count = 0, ...rest } = options;
  return createOrderedConsumer({
    ...connection(`shop.${group}`, count),
    handler,
    logLevel: "silent",
    ...rest,
  } as OrderedConsumerOptions<number>);
}

/** A manager of some numbers; idle. */
export function calmManager(
  group: string,
  { count = 0, consumer, ...options }: Partial<Omit<ThreadManagerOptions, "consumer">> & {
    count?: number;
    consumer?: Partial<ThreadManagerOptions["consumer"]>;
  } = {},
): ThreadManager {
  return new ThreadManager({
    consumer: { ...connection(group, count), ...consumer },
    onMessage: () => {},
    lifetimeMs: null,
    logLevel: "silent",
    ...options,
  });
}

function connection(groupId: string, count: number): ThreadManagerOptions["consumer"] {
  return {
    bootstrapServers: "broker.secret.example:9093",
    groupId,
    topics: ["numbers"],
    driver: new URL("./fixtures/calm_driver.ts", import.meta.url),
    driverOptions: { count },
    // Most tests ask what is answered, not how a thread does.
    thread: "inline",
    sessionTimeoutMs: 1_000,
    heartbeatIntervalMs: 50,
  };
}
