import process from "node:process";
import { type KafkaCluster, startKafka, type TlsAccess } from "./cluster.ts";
import type { SaslAccess } from "./sasl.ts";

/** The variable that carries the TLS and SASL listeners, as JSON, beside KAFKA_BOOTSTRAP_SERVERS. */
const ACCESS_VARIABLE = "KAFKA_THREADS_TEST_KAFKA";

/** A Kafka that several test files may use at once: nobody stops or kills it. */
export interface SharedKafka {
  /** `host:port,…` */
  readonly bootstrapServers: string;
  /** Undefined when KAFKA_BOOTSTRAP_SERVERS names a Kafka of which no more is known. */
  readonly tls: TlsAccess | undefined;
  /** Undefined when KAFKA_BOOTSTRAP_SERVERS names a Kafka of which no more is known. */
  readonly sasl: SaslAccess | undefined;
}

let started: Promise<SharedKafka> | undefined;

/**
 * Gives the Kafka that the tests share: the one of `KAFKA_BOOTSTRAP_SERVERS`, or else one broker
 * with TLS and SASL listeners that starts at the first call and ends with this process.
 *
 * @returns The Kafka.
 */
export function sharedKafka(): Promise<SharedKafka> {
  return existingKafka() ?? (started ??= startKafka({ tls: true, sasl: true }));
}

/**
 * Writes down a cluster as the environment variables by which {@linkcode sharedKafka} finds it in
 * other processes.
 *
 * @param cluster A running cluster.
 * @returns The variables.
 */
export function sharedKafkaVariables(cluster: KafkaCluster): Record<string, string> {
  const { bootstrapServers, tls, sasl } = cluster;
  return {
    KAFKA_BOOTSTRAP_SERVERS: bootstrapServers,
    [ACCESS_VARIABLE]: JSON.stringify({ tls, sasl }),
  };
}

function existingKafka(): Promise<SharedKafka> | undefined {
  const bootstrapServers = process.env["KAFKA_BOOTSTRAP_SERVERS"];
  if (!bootstrapServers) return undefined;
  const access = JSON.parse(process.env[ACCESS_VARIABLE] ?? "{}") as Partial<SharedKafka>;
  return Promise.resolve({ bootstrapServers, tls: access.tls, sasl: access.sasl });
}
