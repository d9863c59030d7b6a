import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../free_port.ts";
import { type ApacheBroker, createBroker, type OwnedBroker } from "./broker.ts";
import { makeCertificates } from "./certificates.ts";
import { classArchiveOptions } from "./class_archive.ts";
import { kafkaClassPath } from "./class_path.ts";
import type { KafkaCluster, KafkaClusterOptions } from "./cluster.ts";
import { copyStorage, formatStorage } from "./format.ts";
import { spawnGuarded } from "./guard.ts";
import { type BrokerPorts, serverProperties } from "./properties.ts";
import { SASL_USER } from "./sasl.ts";

const PORT_ATTEMPTS = 3;

/** What {@linkcode startApacheKafka} takes. */
export interface ApacheKafkaOptions extends KafkaClusterOptions {
  /** The heap of each broker in MiB; default 512. */
  heapMb?: number;
  /**
   * Whether it has so much to do that Java's second compiler is worth its time. Default false: for
   * tests it starts in two thirds of the time, and takes half the work.
   */
  lasting?: boolean;
}

/** A running Apache Kafka. */
export interface ApacheKafka extends KafkaCluster {
  readonly brokers: readonly ApacheBroker[];
  /** The temporary folder: data, logs, certificates. */
  readonly folder: string;
}

/**
 * Starts Apache Kafka in KRaft mode, on free ports of 127.0.0.1 and in a temporary folder, and
 * waits until it answers. It ends with {@linkcode ApacheKafka.stop}, with `await using`, or when
 * this process ends, however that happens; it does not keep this process alive.
 *
 * @param options How many brokers and which listeners.
 * @returns The running cluster.
 * @throws {Error} When a broker does not answer within 60 s, with the end of its log.
 */
export async function startApacheKafka(options: ApacheKafkaOptions = {}): Promise<ApacheKafka> {
  const classPath = await kafkaClassPath();
  const archive = await classArchiveOptions(classPath, async (recording) => {
    const cluster = await startOnce({ classPath, javaOptions: recording }, {});
    try {
      // Java writes the archive when it ends in good order.
      await cluster.brokers[0]!.stop();
    } finally {
      await cluster.stop();
    }
  });
  for (let attempt = 1;; attempt++) {
    try {
      return await startOnce({ classPath, javaOptions: archive }, options);
    } catch (error) {
      // Somebody was quicker to take a port that had been free.
      const taken = /Address already in use|BindException/.test((error as Error).message);
      if (!taken || options.port !== undefined || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

async function startOnce(
  runtime: { classPath: string; javaOptions: string[] },
  options: ApacheKafkaOptions,
): Promise<ApacheKafka> {
  const count = options.brokers ?? 1;
  const ports = await choosePorts(count, options);
  const folder = await mkdtemp(join(tmpdir(), "kafka-threads-"));
  // Holds the folder until the brokers' own guards do.
  const guard = await spawnGuarded(["true"], { folder, log: join(folder, "guard.log") });
  const clusterId = randomBytes(16).toString("base64url");
  const brokers: OwnedBroker[] = [];

  const stop = async (): Promise<void> => {
    await Promise.all(brokers.map((broker) => broker.kill()));
    await rm(folder, { recursive: true, force: true });
    for (const broker of brokers.splice(0)) broker.release();
    guard.release();
  };

  try {
    const certificates = options.tls ? await makeCertificates(folder) : undefined;
    const keyStore = join(folder, "broker.pem");
    const trustStore = join(folder, "ca.pem");
    if (certificates) {
      await writeFile(keyStore, `${certificates.serverKey}${certificates.serverCert}`);
    }
    for (let nodeId = 1; nodeId <= count; nodeId++) {
      const brokerFolder = join(folder, `broker-${nodeId}`);
      await mkdir(brokerFolder);
      await writeFile(
        join(brokerFolder, "server.properties"),
        serverProperties({
          nodeId,
          ports,
          dataFolder: join(brokerFolder, "data"),
          ...(certificates && { tls: { keyStore, trustStore } }),
          ...(options.config && { config: options.config }),
        }),
      );
      brokers.push(createBroker({
        nodeId,
        clusterId,
        ports,
        clusterFolder: folder,
        folder: brokerFolder,
        classPath: runtime.classPath,
        heapMb: options.heapMb ?? 512,
        javaOptions: [
          ...runtime.javaOptions,
          ...(options.lasting ? [] : ["-XX:TieredStopAtLevel=1"]),
        ],
      }));
    }
    const storage = (nodeId: number) => join(folder, `broker-${nodeId}`, "data");
    const users = scramUsers(options.sasl);
    await formatStorage(
      storage(1),
      { clusterId, nodeId: 1 },
      [runtime.classPath, ...users, ...storedSettings(options.config)],
      () => brokers[0]!.format(users),
    );
    // A copy is quicker than one more Java.
    for (const { nodeId } of brokers.slice(1)) {
      await copyStorage(storage(1), storage(nodeId), { clusterId, nodeId });
    }
    await Promise.all(brokers.map((broker) => broker.launch()));
    const nodeIds = brokers.map(({ nodeId }) => nodeId);
    await Promise.all(brokers.map((broker) => broker.knows(nodeIds)));

    const listeners = (kind: keyof BrokerPorts): string =>
      ports.map((of) => `127.0.0.1:${of[kind]}`).join(",");
    return {
      bootstrapServers: listeners("plaintext"),
      brokers: [...brokers],
      tls: certificates && {
        bootstrapServers: listeners("tls"),
        ca: certificates.ca,
        clientCert: certificates.clientCert,
        clientKey: certificates.clientKey,
      },
      sasl: options.sasl
        ? {
          bootstrapServers: listeners("sasl"),
          ...SASL_USER,
          mechanisms: ["plain", "scram-sha-256", "scram-sha-512", "oauthbearer"],
        }
        : undefined,
      folder,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function choosePorts(count: number, options: KafkaClusterOptions): Promise<BrokerPorts[]> {
  const free = await freePorts(count * 4);
  return Array.from({ length: count }, (_, index) => ({
    plaintext: index === 0 && options.port !== undefined ? options.port : free.pop()!,
    controller: free.pop()!,
    ...(options.tls && { tls: free.pop()! }),
    ...(options.sasl && { sasl: free.pop()! }),
  }));
}

/** The settings on which a new storage may depend: not on addresses, which are others each time. */
function storedSettings(config: Record<string, string> = {}): string[] {
  return Object.entries(config)
    .filter(([name]) => !name.endsWith("listeners"))
    .map((setting) => setting.join("="));
}

function scramUsers(sasl: boolean | undefined): string[] {
  if (!sasl) return [];
  const user = `[name=${SASL_USER.username},password=${SASL_USER.password}]`;
  return ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((name) => ["--add-scram", `${name}=${user}`]);
}
