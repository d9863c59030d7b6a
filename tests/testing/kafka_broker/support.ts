// What the tests of KafkaBroker share.
import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import type { Kafka } from "kafkajs";
import { type ApiName, KafkaBroker, type KafkaBrokerOptions } from "../../../src/testing/mod.ts";
import { encodeBatch, type NewRecord } from "../../../src/testing/log/encode_batch.ts";
import type { Logger } from "../../../src/logger.ts";
import { quietClient } from "../../support/kafka/client.ts";
import { type RawClient, rawClient } from "./raw_client.ts";

/** A line of the log. */
export interface LogLine {
  level: keyof Logger;
  message: string;
  fields: Record<string, unknown> | undefined;
}

/** A logger that keeps all it is told. */
export interface RecordingLogger extends Logger {
  lines: LogLine[];
  /** The messages of these levels. */
  messages(...levels: (keyof Logger)[]): string[];
}

export function recordingLogger(): RecordingLogger {
  const lines: LogLine[] = [];
  const at = (level: keyof Logger) => (message: string, fields?: Record<string, unknown>) =>
    void lines.push({ level, message, fields });
  return {
    lines,
    messages: (...levels) =>
      lines.filter(({ level }) => levels.includes(level)).map(({ message }) => message),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
  };
}

/** A broker, what it has logged, and clients that end with it. */
export interface Rig extends AsyncDisposable {
  broker: KafkaBroker;
  log: RecordingLogger;
  /** A new connection to a node; default: the first. */
  raw(nodeId?: number): Promise<RawClient>;
  /** Resolves when one more request of an API has come and its handler answers or waits. */
  handling(api: ApiName): Promise<void>;
  /** A kafkajs client that prints nothing and is quick to try again. */
  kafkajs: Kafka;
  /** Does something when the rig ends, before the broker stops. */
  defer(end: () => unknown): void;
}

/** Starts a broker that says nothing. */
export async function rig(options: KafkaBrokerOptions = {}): Promise<Rig> {
  const log = recordingLogger();
  const broker = await KafkaBroker.start({ logger: log, logLevel: "debug", ...options });
  const stack = new AsyncDisposableStack();
  stack.use(broker);
  return {
    broker,
    log,
    async handling(api) {
      const asked = Promise.withResolvers<void>();
      using _ = broker.control(api, () => asked.resolve());
      await asked.promise;
      // Between the control and the place where its handler waits there are microtasks only.
      await new Promise((resolve) => setImmediate(resolve));
    },
    raw: async (nodeId = 1) => stack.use(await rawClient(broker.bootstrapServers, nodeId - 1)),
    kafkajs: eagerClient(broker.bootstrapServers),
    defer: (end) => stack.defer(async () => void await end()),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A kafkajs client that is quick to try again. */
export function eagerClient(bootstrapServers: string): Kafka {
  return quietClient(bootstrapServers, {
    clientId: "eager",
    retry: { initialRetryTime: 10, maxRetryTime: 100, retries: 50 },
    requestTimeout: 2_000,
  });
}

/** A produce request for one partition. */
export function produceRequest(
  topic: string,
  records: Buffer | null,
  { partition = 0, acks = -1 } = {},
): Record<string, unknown> {
  return {
    transactionalId: null,
    acks,
    timeoutMs: 1_000,
    topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
  };
}

/** A record batch, as a producer sends it. */
export function batch(
  values: (string | NewRecord)[],
  options: Partial<Parameters<typeof encodeBatch>[1]> = {},
): Buffer {
  const records = values.map((value) => typeof value === "string" ? { value } : value);
  return encodeBatch(records, { timestamp: Date.now(), ...options });
}

/** The only partition of a produce response. */
export function producedPartition(
  // deno-lint-ignore no-explicit-any
  response: any,
): { errorCode: number; baseOffset: number; logStartOffset: number } {
  return response.responses[0].partitionResponses[0];
}

/** A fetch request for partitions of one topic. */
export function fetchRequest(
  topic: string,
  { offset = 0, partitions = [{ partition: 0 }], ...rest }: {
    offset?: number;
    partitions?: Record<string, unknown>[];
    maxWaitMs?: number;
    minBytes?: number;
    maxBytes?: number;
    sessionId?: number;
    sessionEpoch?: number;
    topicId?: string;
  } = {},
): Record<string, unknown> {
  const { topicId, ...request } = rest;
  return {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 52_428_800,
    isolationLevel: 0,
    ...request,
    topics: [{
      topic,
      ...(topicId === undefined ? {} : { topicId }),
      partitions: partitions.map((partition) => ({
        fetchOffset: offset,
        partitionMaxBytes: 1_048_576,
        ...partition,
      })),
    }],
  };
}

/** The partitions of a fetch response about one topic, with the bytes of their records. */
export function fetchedPartitions(
  // deno-lint-ignore no-explicit-any
  response: any,
): { errorCode: number; highWatermark: number; logStartOffset: number; records: Buffer }[] {
  // deno-lint-ignore no-explicit-any
  return response.responses[0].partitions.map((partition: any) => ({
    ...partition,
    records: Buffer.concat(partition.records ?? []),
  }));
}

/** The version of Fetch and of Produce that still goes by names. */
export const BY_NAME = { version: 12 } as const;
