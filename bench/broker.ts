/**
 * How quick `KafkaBroker` is: to start, to let a group of one join, and to be read from, beside Apache
 * Kafka in the same run. See README.md beside this file.
 *
 * @module
 */

import { writeFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { deleteTopics } from "../tests/support/kafka/mod.ts";
import { positive } from "./support/arguments.ts";
import { runChild } from "./support/child.ts";
import { quietClient } from "./support/client.ts";
import { benchKafka } from "./support/kafka.ts";
import type { Figures } from "./support/recorder.ts";
import { currentRuntime, findRuntime } from "./support/runtimes.ts";
import { type Spread, spread } from "./support/summary.ts";
import { table } from "./support/table.ts";
import { fillTopic } from "./support/topic.ts";

const begin = performance.now();
// Here and not above, so that loading it counts.
const { KafkaBroker } = await import("../src/testing/mod.ts");
await using first = await KafkaBroker.start(quiet());
const firstStartMs = performance.now() - begin;
await first.stop();

const { values } = parseArgs({
  options: {
    starts: { type: "string", default: "20" },
    joins: { type: "string", default: "20" },
    messages: { type: "string", default: "1000000" },
    size: { type: "string", default: "100" },
    partitions: { type: "string", default: "3" },
    "batch-bytes": { type: "string", default: "16384" },
    rounds: { type: "string", default: "5" },
    bootstrap: { type: "string" },
    json: { type: "string" },
  },
});
const starts = positive("starts", values.starts);
const joins = positive("joins", values.joins);
const messages = positive("messages", values.messages);
const size = positive("size", values.size);
const partitions = positive("partitions", values.partitions);
const batchBytes = positive("batch-bytes", values["batch-bytes"]);
const rounds = positive("rounds", values.rounds);

/** One reading of the topic. */
interface Reading {
  round: number;
  broker: "KafkaBroker" | "Apache Kafka";
  figures: Figures;
}

const startMs = spread(await startTimes());
progress(`Started ${starts} times`);
const joinMs = spread(await joinTimes());
progress(`Joined ${joins} groups`);

const runtime = await findRuntime(currentRuntime());
const topic = `bench-broker-${Date.now().toString(36)}`;
await using kafka = await benchKafka(values.bootstrap);
await using broker = await KafkaBroker.start(quiet());
const readings: Reading[] = [];
const servers = {
  "KafkaBroker": broker.bootstrapServers,
  "Apache Kafka": kafka.bootstrapServers,
};
try {
  for (const [name, bootstrapServers] of Object.entries(servers)) {
    progress(`Filling a topic of ${name} with ${messages} messages of ${size} bytes`);
    await fillTopic(bootstrapServers, { topic, partitions, messages, size, batchBytes });
    // Not counted: code gets compiled, and the topic comes into the page cache.
    await read(bootstrapServers, `${topic}.warm-up`);
  }
  for (let round = 1; round <= rounds; round++) {
    for (const name of Object.keys(servers) as (keyof typeof servers)[]) {
      const figures = await read(servers[name], `${topic}.${round}`);
      readings.push({ round, broker: name, figures });
      progress(`Round ${round}: ${name} ${figures.messagesPerSecond} messages/s`);
    }
  }
} finally {
  await deleteTopics(kafka.bootstrapServers, topic);
}

const of = (name: Reading["broker"]): number[] =>
  readings.filter(({ broker }) => broker === name).map(({ figures }) => figures.messagesPerSecond);
const apache = of("Apache Kafka");
// Pair by pair within a round: what slows the machine down for a while slows both down.
const ratio = spread(of("KafkaBroker").map((speed, index) => speed / apache[index]!));
const ms = ({ median, min, max }: Spread): string =>
  `${median.toFixed(1)} (${min.toFixed(1)} to ${max.toFixed(1)})`;
const speed = (values: number[]): string => Math.round(spread(values).median).toLocaleString("en");

console.log(
  `${runtime.name} ${runtime.version}, ${kafka.version}, ${availableParallelism()} cores ` +
    `(${cpus()[0]?.model ?? "unknown"}); ${messages} messages of ${size} bytes, ${partitions} ` +
    `partitions, record batches of ${batchBytes} bytes; rounds: ${rounds}\n`,
);
console.log(table(
  ["runtime", "loaded and started ms", "start ms", "join ms", "read/s", "Apache's read/s", "ratio"],
  [[
    runtime.name,
    firstStartMs.toFixed(1),
    ms(startMs),
    ms(joinMs),
    speed(of("KafkaBroker")),
    speed(apache),
    `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`,
  ]],
));
const date = new Date().toISOString();
const report = { date, runtime: runtime.name, firstStartMs, startMs, joinMs, ratio, readings };
if (values.json === undefined) console.log(`\n${JSON.stringify(report)}`);
else await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);

function quiet() {
  return { topics: { orders: 3 }, logLevel: "error" } as const;
}

/** Milliseconds until something is done. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Starts brokers, one after the other; stopping them does not count. In milliseconds. */
async function startTimes(): Promise<number[]> {
  const all: number[] = [];
  for (let index = 0; index < starts; index++) {
    const start = performance.now();
    await using _ = await KafkaBroker.start(quiet());
    all.push(performance.now() - start);
  }
  return all;
}

/** From before a client connects until its group of one has its partitions, in milliseconds. */
async function joinTimes(): Promise<number[]> {
  await using broker = await KafkaBroker.start(quiet());
  const all: number[] = [];
  for (let index = 0; index < joins; index++) {
    const consumer = quietClient(broker.bootstrapServers).consumer({
      groupId: `join-${index}`,
      // It leaves when its last fetch is answered.
      maxWaitTimeInMs: 50,
    });
    all.push(
      await timed(async () => {
        const joined = new Promise((resolve) => consumer.on("consumer.group_join", resolve));
        await consumer.connect();
        await consumer.subscribe({ topic: "orders" });
        await consumer.run({ eachBatch: () => Promise.resolve() });
        await joined;
      }),
    );
    await consumer.disconnect();
  }
  return all;
}

/** Reads the whole topic in a process of its own, by kafkajs's `eachBatch`. */
function read(bootstrap: string, group: string): Promise<Figures> {
  const program = new URL("./contestants/kafkajs_each_batch.ts", import.meta.url);
  return runChild<Figures>(runtime, program, {
    arguments: { bootstrap, group, topic, messages, work: "none" },
    timeoutMs: 60_000 + messages,
  });
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}
