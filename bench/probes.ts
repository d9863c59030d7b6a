/**
 * How long probes wait for their answers while consumers take all they can get: see README.md beside this
 * file.
 *
 * @module
 */

import { get } from "node:http";
import { availableParallelism, cpus } from "node:os";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { deleteTopics } from "../tests/support/kafka/mod.ts";
import type { ServiceReading } from "./probes/service.ts";
import { list, positive } from "./support/arguments.ts";
import { runChild } from "./support/child.ts";
import { benchKafka } from "./support/kafka.ts";
import { findRuntime, type Runtime, RUNTIMES } from "./support/runtimes.ts";
import { table } from "./support/table.ts";
import { fillTopic } from "./support/topic.ts";

/** What is asked, in turn. */
const PATHS = ["/health/live", "/health/ready", "/metrics"] as const;

/** What consumes. */
const SERVICES = {
  ordered: { kind: "ordered", handler: "counts" },
  parallel: { kind: "parallel", handler: "counts" },
  computing: { kind: "parallel", handler: "computes" },
} as const;
type ServiceName = keyof typeof SERVICES;

const { values } = parseArgs({
  options: {
    runtimes: { type: "string", default: RUNTIMES.join(",") },
    services: { type: "string", default: Object.keys(SERVICES).join(",") },
    messages: { type: "string", default: "2000000" },
    seconds: { type: "string", default: "5" },
    "interval-ms": { type: "string", default: "10" },
    partitions: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
    size: { type: "string", default: "100" },
    bootstrap: { type: "string" },
  },
});

/** How long one path took to answer. */
interface Latencies {
  path: string;
  /** The first answer, for which modules may have had to be loaded. */
  firstMs: number;
  /** All others, sorted. */
  ms: number[];
}

const services = list<ServiceName>(values.services, Object.keys(SERVICES) as ServiceName[]);
const messages = positive("messages", values.messages);
const partitions = positive("partitions", values.partitions);
const threads = positive("threads", values.threads);
const seconds = positive("seconds", values.seconds);
const intervalMs = positive("interval-ms", values["interval-ms"]);
const size = positive("size", values.size);
const runtimes: Runtime[] = [];
for (const name of list(values.runtimes, RUNTIMES)) runtimes.push(await findRuntime(name));

await using kafka = await benchKafka(values.bootstrap);
const { bootstrapServers } = kafka;
const topic = `bench-probes-${Date.now().toString(36)}`;
const rows: string[][] = [];
try {
  await fillTopic(bootstrapServers, {
    ...{ topic, partitions, messages, size },
    ...{ batchBytes: 16_384, keys: 1_000 * partitions },
  });
  for (const runtime of runtimes) {
    for (const name of services) rows.push(...await probed(runtime, name));
  }
} finally {
  await deleteTopics(bootstrapServers, topic);
}
console.log(
  `${kafka.version}, ${availableParallelism()} cores (${cpus()[0]?.model ?? "unknown"}), ` +
    `${runtimes.map(({ name, version }) => `${name} ${version}`).join(", ")}; ` +
    `${partitions} partitions, ${threads} handler threads, messages of ${size} bytes\n`,
);
const head = ["runtime", "consumer", "messages/s", "path", "asked", "first ms", "p50 ms", "p99 ms"];
console.log(table([...head, "max ms"], rows));

async function probed(runtime: Runtime, name: ServiceName): Promise<string[][]> {
  const latencies = PATHS.map((path): Latencies => ({ path, firstMs: 0, ms: [] }));
  let isOver = false;
  let probing: Promise<void> | undefined;
  const reading = await runChild<ServiceReading>(
    runtime,
    new URL("./probes/service.ts", import.meta.url),
    {
      arguments: {
        ...{ bootstrap: bootstrapServers, group: `shop.${name}-${runtime.name}-${topic}`, topic },
        ...{ messages, seconds, threads, ...SERVICES[name] },
      },
      timeoutMs: (seconds + 60) * 1_000,
      onLine: (line) => {
        if (line.startsWith("probe ")) probing = probe(line.slice(6), latencies, () => isOver);
        else if (line === "enough") isOver = true;
      },
    },
  );
  await probing;
  // Else it had nothing to do for a part of the time.
  if (reading.lag === 0) {
    throw new Error(`${name} on ${runtime.name} was through too soon: --messages is too small`);
  }
  process.stderr.write(`${name} on ${runtime.name} is done\n`);
  return latencies.map(({ path, firstMs, ms }) => [
    runtime.name,
    name,
    reading.messagesPerSecond.toLocaleString("en"),
    path,
    `${ms.length + 1}`,
    ...[firstMs, quantile(ms, 0.5), quantile(ms, 0.99), quantile(ms, 1)].map((ms) => ms.toFixed(1)),
  ]);
}

/** Asks for each path in turn, as probers do: each time on a new connection. */
async function probe(
  url: string,
  latencies: readonly Latencies[],
  isOver: () => boolean,
): Promise<void> {
  const sort = () => {
    for (const { ms } of latencies) ms.sort((a, b) => a - b);
  };
  for (let round = 0; !isOver(); round++) {
    for (const latency of latencies) {
      const ms = await ask(new URL(latency.path, url), isOver);
      if (ms === null) return sort();
      if (round === 0) latency.firstMs = ms;
      else latency.ms.push(ms);
      await sleep(intervalMs);
    }
  }
  sort();
}

/** Milliseconds from the question to the end of the answer; null if the time was over meanwhile. */
function ask(url: URL, isOver: () => boolean): Promise<number | null> {
  const since = performance.now();
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      response.resume().once("end", () => {
        if (isOver()) resolve(null);
        else if (response.statusCode === 200) resolve(performance.now() - since);
        else reject(new Error(`${url} has answered with ${response.statusCode}`));
      });
    }).once("error", (error) => isOver() ? resolve(null) : reject(error));
  });
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
