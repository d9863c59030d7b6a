import process from "node:process";
import {
  apacheStartable,
  type BrokerKind,
  sharedKafkaVariables,
  startApacheKafka,
  startEmbeddedKafka,
} from "../../tests/support/kafka/mod.ts";
import type { Runtime } from "./runtimes.ts";

/** A Kafka that tests may share. */
export interface BorrowedKafka extends AsyncDisposable {
  /** `host:port,…` */
  bootstrapServers: string;
  /** By these, the tests' processes find it. */
  variables: Record<string, string>;
  /** What it is and where it comes from. */
  source: string;
}

/** The listeners that some tests want beside the plain one. */
const LISTENERS = { tls: true, sasl: true };

/**
 * Takes the Kafka that `KAFKA_BOOTSTRAP_SERVERS` names, or starts Apache Kafka.
 *
 * @returns The Kafka, whose disposal stops what was started here and nothing else; or why there is
 * none.
 * @throws {Error} If it should start, and does not.
 */
export async function borrowApacheKafka(): Promise<BorrowedKafka | { reason: string }> {
  const given = process.env["KAFKA_BOOTSTRAP_SERVERS"];
  if (given) {
    return {
      bootstrapServers: given,
      variables: { KAFKA_THREADS_TEST_BROKER: "apache" },
      source: "KAFKA_BOOTSTRAP_SERVERS",
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const startable = await apacheStartable();
  if (!startable.ok) return { reason: startable.reason };
  return borrowed("apache", "Apache Kafka", await startApacheKafka(LISTENERS));
}

/**
 * Starts the embedded broker in a process of a certain runtime, so that the tests in that runtime test
 * it there too.
 *
 * @param runtime The runtime.
 * @returns The Kafka, whose disposal stops it.
 * @throws {Error} If it does not start.
 */
export async function borrowEmbeddedKafka(runtime: Runtime): Promise<BorrowedKafka> {
  const command = [runtime.executable, ...runtime.arguments];
  const kafka = await startEmbeddedKafka({ ...LISTENERS, runtime: command });
  return borrowed("embedded", `KafkaBroker on ${runtime.name}`, kafka);
}

function borrowed(
  kind: BrokerKind,
  source: string,
  kafka: Awaited<ReturnType<typeof startApacheKafka | typeof startEmbeddedKafka>>,
): BorrowedKafka {
  return {
    bootstrapServers: kafka.bootstrapServers,
    variables: sharedKafkaVariables(kind, kafka),
    source,
    [Symbol.asyncDispose]: () => kafka.stop(),
  };
}
