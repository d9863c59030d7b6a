import { Kafka, logLevel } from "kafkajs";

/**
 * A kafkajs client that logs nothing, with kafkajs's defaults in everything else.
 *
 * @param bootstrapServers The broker, `host:port,…`.
 * @returns The client.
 */
export function quietClient(bootstrapServers: string): Kafka {
  return new Kafka({
    clientId: "kafka-threads-bench",
    brokers: bootstrapServers.split(","),
    logLevel: logLevel.NOTHING,
  });
}
