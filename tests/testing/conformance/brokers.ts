import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Admin,
  ConfigResourceTypes,
  Consumer,
  IncrementalAlterConfigOperationTypes,
  Producer,
} from "@platformatic/kafka";
import { KafkaBroker } from "../../../src/testing/mod.ts";
import { makeCertificates } from "../../support/kafka/certificates.ts";
import { SASL_USER, sharedApacheKafka, uniqueName } from "../../support/kafka/mod.ts";

import type { Read } from "./client.ts";
import { PlatformaticClient, platformaticOptions } from "./clients/platformatic.ts";

/** Where a login is needed, or TLS. */
export interface SecureAccess {
  /** The TLS listener. */
  tls: { bootstrapServers: string; ca: string };
  /** The SASL listener, and whom it knows. */
  sasl: { bootstrapServers: string; username: string; password: string };
}

/** The brokers that the scenarios run on. */
export const BROKERS = ["KafkaBroker", "Apache Kafka"] as const;

/** A broker that the scenarios run on. */
export interface BrokerUnderTest extends AsyncDisposable {
  name: typeof BROKERS[number];
  /** `host:port,…` */
  bootstrapServers: string;
  /** Undefined where nothing is known of such listeners. */
  secure: SecureAccess | undefined;
  /**
   * Compacts a topic of one partition; records with a key of its own may come behind the others.
   *
   * @param topic The topic.
   * @param first The offset of the first record that will be left.
   */
  compact(topic: string, first: number): Promise<void>;
}

/** The broker of this library, in this process. */
export interface EmbeddedBroker extends BrokerUnderTest {
  broker: KafkaBroker;
}

/**
 * Starts the broker of this library, with three nodes and listeners for TLS and SASL.
 *
 * @returns The broker.
 */
export async function embeddedBroker(): Promise<EmbeddedBroker> {
  const folder = await mkdtemp(join(tmpdir(), "kafka-threads-conformance-"));
  const { ca, serverCert: cert, serverKey: key } = await makeCertificates(folder)
    .finally(() => rm(folder, { recursive: true }));
  const { username, password } = SASL_USER;
  const broker = await KafkaBroker.start({
    nodes: 3,
    // As the Apache Kafka of the tests has it.
    autoCreateTopics: false,
    minSessionTimeoutMs: 500,
    listeners: {
      tls: { tls: { cert, key } },
      sasl: { sasl: { users: { [username]: password } } },
    },
    // It says why it closes connections, which is what some scenarios are about.
    logLevel: "error",
  });
  return {
    name: "KafkaBroker",
    bootstrapServers: broker.bootstrapServers,
    broker,
    secure: {
      tls: { bootstrapServers: broker.bootstrapServersOf("tls"), ca },
      sasl: { bootstrapServers: broker.bootstrapServersOf("sasl"), username, password },
    },
    // deno-lint-ignore require-await
    compact: async (topic) => void broker.compact(topic),
    [Symbol.asyncDispose]: () => broker.stop(),
  };
}

/**
 * Takes the Apache Kafka that the tests share.
 *
 * @returns The broker.
 */
export async function apacheBroker(): Promise<BrokerUnderTest> {
  const { bootstrapServers, tls, sasl } = await sharedApacheKafka();
  await warmUp(bootstrapServers);
  const client = new PlatformaticClient({ bootstrapServers });
  return {
    name: "Apache Kafka",
    bootstrapServers,
    secure: tls && sasl ? { tls, sasl } : undefined,
    compact: (topic, first) => compact(client, topic, first),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

/** A new Apache Kafka makes its own topics when a client first asks, and not all of them wait for it. */
async function warmUp(bootstrapServers: string): Promise<void> {
  const options = {
    ...platformaticOptions({ bootstrapServers }),
    retries: 100,
    retryDelay: 100,
    groupId: uniqueName("warm-up"),
  };
  const admin = new Admin(options);
  const producer = new Producer({ ...options, idempotent: true });
  const consumer = new Consumer(options);
  try {
    await Promise.all([
      producer.initIdempotentProducer({}),
      consumer.joinGroup({}),
      hurryCleaner(admin),
    ]);
  } finally {
    await Promise.all([admin, producer, consumer].map((client) => client.close()));
  }
}

/** Lets it look for what can be compacted ten times a second, not every 15 seconds. */
async function hurryCleaner(admin: Admin): Promise<void> {
  const { brokers } = await admin.metadata({ topics: [] });
  await admin.incrementalAlterConfigs({
    resources: [...brokers.keys()].map((nodeId) => ({
      resourceType: ConfigResourceTypes.BROKER,
      resourceName: `${nodeId}`,
      configs: [{
        name: "log.cleaner.backoff.ms",
        configOperation: IncrementalAlterConfigOperationTypes.SET,
        value: "100",
      }],
    })),
  });
}

/** It compacts what lies before the newest segment, and begins one only when there is a record for it. */
async function compact(client: PlatformaticClient, topic: string, first: number): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    const [{ offset }] = await client.read(topic, { count: 1 }) as [Read];
    if (offset >= first) return;
    await client.write(topic, [{ key: "newest segment", value: "" }]);
  }
  throw new Error(`Apache Kafka has not compacted "${topic}"`);
}
