import process from "node:process";
import { type ApacheKafka, type ApacheKafkaOptions, startApacheKafka } from "./apache.ts";
import { apacheStartable, type KafkaAvailability } from "./class_path.ts";
import type { KafkaCluster, KafkaClusterOptions, TlsAccess } from "./cluster.ts";
import { startEmbeddedKafka } from "./embedded.ts";
import type { SaslAccess } from "./sasl.ts";

/** The variable that says on which broker the tests run: see {@linkcode brokerKind}. */
const KIND_VARIABLE = "KAFKA_THREADS_TEST_BROKER";
/** The variable that carries the TLS and SASL listeners, as JSON, beside KAFKA_BOOTSTRAP_SERVERS. */
const ACCESS_VARIABLE = "KAFKA_THREADS_TEST_KAFKA";

/** Which broker: the one of `./testing`, or Apache Kafka. */
export type BrokerKind = "embedded" | "apache";

/**
 * On which broker the tests run that take either: the embedded one, unless `KAFKA_THREADS_TEST_BROKER`
 * is "apache", or `KAFKA_BOOTSTRAP_SERVERS` names a Kafka.
 */
export const brokerKind: BrokerKind = chosenKind();

/** What not every broker can do: tests of it are registered where it can. */
export const brokerHas: {
  /** It takes transactions; the embedded one knows none. */
  readonly transactions: boolean;
  /** It takes tokens; the embedded one takes passwords only. */
  readonly oauthbearer: boolean;
} = { transactions: brokerKind === "apache", oauthbearer: brokerKind === "apache" };

/** A Kafka that several test files may use at once: nobody stops or kills it. */
export interface SharedKafka {
  /** `host:port,…` */
  readonly bootstrapServers: string;
  /** Undefined when KAFKA_BOOTSTRAP_SERVERS names a Kafka of which no more is known. */
  readonly tls: TlsAccess | undefined;
  /** Undefined when KAFKA_BOOTSTRAP_SERVERS names a Kafka of which no more is known. */
  readonly sasl: SaslAccess | undefined;
}

const shared: Partial<Record<BrokerKind, Promise<SharedKafka>>> = {};

/**
 * Starts a Kafka of the kind that the tests run on, for a test that needs one of its own.
 *
 * @param options How many brokers and which listeners.
 * @returns The running cluster.
 */
export function startKafka(options: KafkaClusterOptions = {}): Promise<KafkaCluster> {
  return brokerKind === "apache" ? startApache(options) : startEmbeddedKafka(options);
}

/**
 * Gives the Kafka that the tests share: the one of `KAFKA_BOOTSTRAP_SERVERS`, or else one broker
 * with TLS and SASL listeners that starts at the first call and ends with this process.
 *
 * @returns The Kafka.
 */
export function sharedKafka(): Promise<SharedKafka> {
  return existingKafka() ?? (shared[brokerKind] ??= startKafka({ tls: true, sasl: true }));
}

/**
 * Gives a Kafka for tests of something for which it does not matter which one it is, such as whether a
 * program can be bundled: `deno task test` runs them once.
 *
 * @returns The shared Kafka; the embedded one, unless the environment names another.
 */
export function anyKafka(): Promise<SharedKafka> {
  return existingKafka() ?? (shared.embedded ??= startEmbeddedKafka({ tls: true, sasl: true }));
}

/**
 * The same as {@linkcode sharedKafka} for tests that compare with Apache Kafka, whatever the others
 * run on. A file of such tests has "apache" in its name, and `deno task test` runs it with Apache Kafka
 * only.
 *
 * @returns The Kafka.
 */
export function sharedApacheKafka(): Promise<SharedKafka> {
  if (brokerKind === "apache") return sharedKafka();
  return shared.apache ??= startApache({ tls: true, sasl: true });
}

/**
 * Tells whether {@linkcode startKafka} can work on this machine.
 *
 * @returns `ok`, or the reason to print beside the skipped tests.
 */
export async function kafkaStartable(): Promise<KafkaAvailability> {
  return brokerKind === "apache" ? await apacheStartable() : { ok: true };
}

/**
 * Tells whether {@linkcode sharedKafka} can give a Kafka.
 *
 * @returns `ok`, or the reason to print beside the skipped tests.
 */
export async function kafkaAvailable(): Promise<KafkaAvailability> {
  return existingKafka() ? { ok: true } : await kafkaStartable();
}

/**
 * Tells whether {@linkcode sharedApacheKafka} can give a Kafka.
 *
 * @returns `ok`, or the reason to print beside the skipped tests.
 */
export async function apacheAvailable(): Promise<KafkaAvailability> {
  return brokerKind === "apache" ? await kafkaAvailable() : await apacheStartable();
}

/**
 * Writes down a Kafka as the environment variables by which {@linkcode sharedKafka} finds it in other
 * processes.
 *
 * @param kind Which broker it is.
 * @param kafka The running Kafka.
 * @returns The variables.
 */
export function sharedKafkaVariables(
  kind: BrokerKind,
  { bootstrapServers, tls, sasl }: SharedKafka,
): Record<string, string> {
  return {
    KAFKA_BOOTSTRAP_SERVERS: bootstrapServers,
    [KIND_VARIABLE]: kind,
    [ACCESS_VARIABLE]: JSON.stringify({ tls, sasl }),
  };
}

function existingKafka(): Promise<SharedKafka> | undefined {
  const bootstrapServers = process.env["KAFKA_BOOTSTRAP_SERVERS"];
  if (!bootstrapServers) return undefined;
  const access = JSON.parse(process.env[ACCESS_VARIABLE] ?? "{}") as Partial<SharedKafka>;
  return Promise.resolve({ bootstrapServers, tls: access.tls, sasl: access.sasl });
}

function chosenKind(): BrokerKind {
  const kind = process.env[KIND_VARIABLE];
  if (!kind) return process.env["KAFKA_BOOTSTRAP_SERVERS"] ? "apache" : "embedded";
  if (kind !== "embedded" && kind !== "apache") {
    throw new Error(`Cannot take "${kind}" as ${KIND_VARIABLE}: it is embedded or apache`);
  }
  return kind;
}

function startApache(options: ApacheKafkaOptions): Promise<ApacheKafka> {
  // A run with the embedded broker needs no Java, and is to stay so.
  if (process.env[KIND_VARIABLE] === "embedded") {
    throw new Error(
      `Cannot start Apache Kafka: ${KIND_VARIABLE} is "embedded". A test file that needs Apache Kafka has "apache" in its name`,
    );
  }
  return startApacheKafka(options);
}
