import process from "node:process";
import { kafkaStartable, sharedKafkaVariables, startKafka } from "../../tests/support/kafka/mod.ts";

/** A Kafka to work with. */
export interface BorrowedKafka extends AsyncDisposable {
  /** `host:port,…` */
  bootstrapServers: string;
  /** By these, the tests' processes find it. */
  variables: Record<string, string>;
  /** Where it comes from. */
  source: string;
}

/**
 * Takes the Kafka that `KAFKA_BOOTSTRAP_SERVERS` names, or starts one.
 *
 * @param options Which listeners the tests want beside the plain one.
 * @returns The Kafka, whose disposal stops what was started here and nothing else; or why there is
 * none.
 * @throws {Error} If it should start, and does not.
 */
export async function borrowKafka(
  options: { tls?: boolean; sasl?: boolean } = {},
): Promise<BorrowedKafka | { reason: string }> {
  const given = process.env["KAFKA_BOOTSTRAP_SERVERS"];
  if (given) {
    return {
      bootstrapServers: given,
      variables: {},
      source: "KAFKA_BOOTSTRAP_SERVERS",
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const startable = await kafkaStartable();
  if (!startable.ok) return { reason: startable.reason };
  const cluster = await startKafka(options);
  return {
    bootstrapServers: cluster.bootstrapServers,
    variables: sharedKafkaVariables(cluster),
    source: "started for this run",
    [Symbol.asyncDispose]: () => cluster.stop(),
  };
}
