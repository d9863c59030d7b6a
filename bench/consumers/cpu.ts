/** `createParallelConsumer` with a handler module that computes, on so many threads. */

import { existsSync, readFileSync, rmSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { createParallelConsumer } from "../../mod.ts";
import type { Reading } from "../peers/peers.ts";
import { readAssignment } from "./measure.ts";
import { readingFile, type ThreadReading } from "./cpu_handler.ts";

/** What this prints. */
export interface CpuReading extends Reading {
  /** Messages that each thread handled. */
  byThread: number[];
  /** Heartbeats that were answered. */
  heartbeats: number;
  /** The oldest that the last answered heartbeat was seen to be, milliseconds. */
  heartbeatAgeMs: number;
  /** Times the group took partitions away. */
  rebalances: number;
}

/** The least that brokers allow by default: heartbeats that come late lose the membership soon. */
const SESSION_TIMEOUT_MS = 6_000;
const POLL_MS = 20;

const { kafka, messages, threads } = readAssignment();
const consumer = createParallelConsumer({
  ...kafka,
  sessionTimeoutMs: SESSION_TIMEOUT_MS,
  heartbeatIntervalMs: SESSION_TIMEOUT_MS / 12,
  threads,
  handler: new URL("./cpu_handler.ts", import.meta.url),
});
let failed = false;
let failure: unknown;
consumer.closed.catch((error: unknown) => {
  failed = true;
  failure = error;
});
await consumer.start();
// The threads take the time themselves; of their CPU time nobody but the process knows.
const cpuAtStart = process.cpuUsage();
let heartbeatAgeMs = 0;
while (!failed && consumer.stats().messages < messages) {
  heartbeatAgeMs = Math.max(heartbeatAgeMs, consumer.stats().heartbeatAgeMs ?? 0);
  await sleep(POLL_MS);
}
if (failed) throw failure;
const cpu = process.cpuUsage(cpuAtStart);
const { heartbeats, rebalances } = consumer.stats();
// The threads write their readings down as they end.
await consumer.stop();
const readings = Array.from({ length: threads }, (_, thread) => takeReading(thread))
  .filter((reading) => reading !== undefined && reading.messages > 0) as ThreadReading[];
const total = (field: "messages" | "sum"): number =>
  readings.reduce((sum, reading) => sum + reading[field], 0);
const firstAt = Math.min(...readings.map((reading) => reading.firstAt));
const lastAt = Math.max(...readings.map((reading) => reading.lastAt));
const reading: CpuReading = {
  messages: total("messages"),
  sum: total("sum"),
  seconds: (lastAt - firstAt) / 1_000,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
  byThread: readings.map((reading) => reading.messages),
  heartbeats,
  heartbeatAgeMs,
  rebalances,
};
process.stdout.write(`${JSON.stringify(reading)}\n`);

/** Reads what a thread has left, and removes it. */
function takeReading(thread: number): ThreadReading | undefined {
  const file = readingFile(kafka.groupId, thread);
  if (!existsSync(file)) return undefined;
  const reading = JSON.parse(readFileSync(file, "utf8")) as ThreadReading;
  rmSync(file);
  return reading;
}
