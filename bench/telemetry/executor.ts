/**
 * One contestant of `../telemetry.ts`: an executor that is given as many messages as it asks for, and a
 * handler that does nothing. Prints what it took.
 *
 * @module
 */

import { metrics } from "@opentelemetry/api";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { AlwaysOffSampler, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import process from "node:process";
import { parseArgs } from "node:util";
import { Executor } from "../../src/executor/executor.ts";
import type { Channel } from "../../src/threads/channel.ts";
import { packRecords, tableOfRecords } from "../../src/threads/records.ts";
import { nextTurn } from "../../src/threads/turns.ts";
import type { ExecutorOptions, FromExecutor, ToExecutor } from "../../src/threads/work.ts";
import { quietLogger } from "../support/quiet_logger.ts";
import { positive } from "../support/arguments.ts";

/** What is registered. */
export type Telemetry = "none" | "no_sdk" | "metrics" | "always_off" | "recording";

/** What a run took. */
export interface TelemetryReading {
  /** Messages. */
  messages: number;
  /** Milliseconds. */
  ms: number;
  /** CPU time of the process meanwhile, milliseconds. */
  cpuMs: number;
}

const { values } = parseArgs({
  options: { telemetry: { type: "string" }, messages: { type: "string" } },
});
const BATCH = 1_000;
const total = positive("messages", values.messages!);

class Reader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }

  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

switch (values.telemetry as Telemetry) {
  case "metrics":
    metrics.setGlobalMeterProvider(new MeterProvider({ readers: [new Reader()] }));
    break;
  case "always_off":
    new NodeTracerProvider({ sampler: new AlwaysOffSampler() }).register();
    break;
  case "recording":
    new NodeTracerProvider().register();
}

const table = tableOfRecords(
  Array.from({ length: BATCH }, (_, offset) => ({
    offset,
    key: `key-${offset % 100}`,
    value: `{"id":${offset}}`.padEnd(100),
    headers: [{
      key: "traceparent",
      value: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
    }],
  })),
  0,
);
const records = packRecords(table, 0, BATCH);
const runs = new Int32Array(BATCH).fill(1);
const options: ExecutorOptions = {
  consumer: { name: "bench", groupId: "shop.bench" },
  clientId: "bench",
  concurrency: 64,
  handlerTimeoutMs: 300_000,
  batches: false,
  batchSize: 1,
  watched: true,
  skipsInvalid: true,
  logLevel: "warn",
};

/** Has an executor handle so many messages. */
function work(messages: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let credit = 0;
  let sent = 0;
  let finished = 0;
  const channel: Channel<ToExecutor, FromExecutor> = {
    onMessage: null,
    post: (report) => {
      if (report.type !== "report") return;
      credit += report.credit;
      finished += (report.finished?.length ?? 0) / 2;
      if (finished >= messages) resolve();
      if (credit > 0 && sent < messages) nextTurn(send);
    },
  };
  const send = () => {
    const count = Math.min(BATCH, credit);
    if (count <= 0 || sent >= messages) return;
    credit -= count;
    sent += count;
    channel.onMessage?.({
      type: "work",
      batches: [{
        batch: sent,
        assignment: 1,
        topic: "orders",
        partition: 3,
        epoch: 1,
        records: count === BATCH ? records : packRecords(table, 0, count),
        runs: runs.subarray(0, count),
        attempts: null,
        solo: false,
      }],
    });
  };
  const handlers = {
    handler: () => {},
    decode: (bytes: Uint8Array) => bytes,
    schema: undefined,
    middleware: [],
    retryIf: undefined,
  };
  const executor = values.telemetry === "none"
    ? new Executor(channel, handlers, options, quietLogger, undefined, null)
    : new Executor(channel, handlers, options, quietLogger);
  executor.start();
  return promise.finally(() => executor.close());
}

await work(total / 4); // Until it is compiled.
const cpuBefore = process.cpuUsage();
const began = performance.now();
await work(total);
const ms = performance.now() - began;
const { user, system } = process.cpuUsage(cpuBefore);
const reading: TelemetryReading = { messages: total, ms, cpuMs: (user + system) / 1_000 };
console.log(JSON.stringify(reading));
process.exit(0);
