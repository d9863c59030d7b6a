// Work for executors.
import { packRecords, tableOfRecords } from "../../src/threads/records.ts";
import type { ExecutorOptions, WorkBatch } from "../../src/threads/work.ts";
import type { Logger } from "../../src/logger.ts";

/** What a {@linkcode workBatch} has that others need not have. */
export interface WorkShape {
  assignment?: number;
  runs?: number[];
  attempts?: number[];
  solo?: boolean;
  /** Of each message. */
  headers?: TestHeader[][];
}

/** Name and value of a header. */
export type TestHeader = [key: string, value: string | Uint8Array | null];

/** A batch of messages with these values: text as it is, the rest as JSON. */
export function workBatch(
  batch: number,
  values: readonly unknown[],
  { assignment = 1, runs, attempts, solo = false, headers = [] }: WorkShape = {},
): WorkBatch {
  const table = tableOfRecords(
    values.map((value, index) => ({
      offset: batch * 100 + index,
      key: `${batch}:${index}`,
      value: value === null || typeof value === "string" ? value : JSON.stringify(value),
      headers: (headers[index] ?? []).map(([key, value]) => ({ key, value })),
    })),
    0,
  );
  return {
    batch,
    assignment,
    topic: "orders",
    partition: 3,
    epoch: assignment,
    records: packRecords(table, 0, values.length),
    runs: Int32Array.from(runs ?? values.map(() => 1)),
    attempts: attempts === undefined ? null : Int32Array.from(attempts),
    solo,
  };
}

/** Options of an executor. */
export function executorOptions(some: Partial<ExecutorOptions> = {}): ExecutorOptions {
  return {
    consumer: { name: "orders", groupId: "shop.orders" },
    clientId: "kafka-threads",
    concurrency: 4,
    handlerTimeoutMs: 60_000,
    batches: false,
    batchSize: 1,
    skipsInvalid: true,
    watched: true,
    logLevel: "debug",
    ...some,
  };
}

/** One line of a log. */
export interface LogLine {
  level: string;
  message: string;
  fields: Record<string, unknown> | undefined;
}

/** A logger that keeps what it is given. */
export function recordingLogger(): Logger & { lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (message: string, fields?: Record<string, unknown>) =>
    void lines.push({ level, message, fields });
  return { lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Names as text, `batch:index`. */
export function namesOf(names: Int32Array | null): string[] {
  const list: string[] = [];
  for (let at = 0; at < (names?.length ?? 0); at += 2) list.push(`${names![at]}:${names![at + 1]}`);
  return list;
}
