/**
 * The benchmark: messages per second, loop stalls, CPU and memory of `ThreadManager` and of raw
 * kafkajs, in one run, on one broker and one topic per size. See README.md beside this file.
 *
 * @module
 */

import { writeFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { deleteTopics } from "../tests/support/kafka/mod.ts";
import { list, positive } from "./support/arguments.ts";
import { runChild } from "./support/child.ts";
import { benchKafka } from "./support/kafka.ts";
import type { Figures, Work } from "./support/recorder.ts";
import { findRuntime, type Runtime, RUNTIMES } from "./support/runtimes.ts";
import { type ContestantName, CONTESTANTS, type Run, summarize } from "./support/summary.ts";
import { summaryTable } from "./support/table.ts";
import { fillTopic } from "./support/topic.ts";

const { values } = parseArgs({
  options: {
    runtimes: { type: "string", default: RUNTIMES.join(",") },
    contestants: { type: "string", default: CONTESTANTS.join(",") },
    messages: { type: "string", default: "1000000" },
    "max-bytes": { type: "string", default: `${256 * 2 ** 20}` },
    sizes: { type: "string", default: "100,1024" },
    works: { type: "string", default: "none,json" },
    partitions: { type: "string", default: "3" },
    // The default `batch.size` of Kafka's own producer.
    "batch-bytes": { type: "string", default: "16384" },
    rounds: { type: "string", default: "3" },
    bootstrap: { type: "string" },
    json: { type: "string" },
  },
});

const contestants = list(values.contestants, CONTESTANTS);
const works = list<Work>(values.works, ["none", "json"]);
const sizes = values.sizes.split(",").map((size) => positive("sizes", size));
const rounds = positive("rounds", values.rounds);
const partitions = positive("partitions", values.partitions);
const mostMessages = positive("messages", values.messages);
const mostBytes = positive("max-bytes", values["max-bytes"]);
const batchBytes = positive("batch-bytes", values["batch-bytes"]);
const runtimes: Runtime[] = [];
for (const name of list(values.runtimes, RUNTIMES)) runtimes.push(await findRuntime(name));

await using kafka = await benchKafka(values.bootstrap);
const machine = {
  cores: availableParallelism(),
  cpu: cpus()[0]?.model ?? "unknown",
  kafka: kafka.version,
  runtimes: Object.fromEntries(runtimes.map(({ name, version }) => [name, version])),
};
const runName = `bench-${Date.now().toString(36)}`;
const topics: string[] = [];
const runs: Run[] = [];
const messagesOf: Record<number, number> = {};
try {
  for (const size of sizes) {
    // One topic per size: every contestant, runtime and round reads the very same records.
    const messages = Math.min(mostMessages, Math.floor(mostBytes / size));
    messagesOf[size] = messages;
    const topic = `${runName}-${size}`;
    topics.push(topic);
    progress(`Filling a topic with ${messages} messages of ${size} bytes`);
    await fillTopic(kafka.bootstrapServers, { topic, partitions, messages, size, batchBytes });
    const consume = (runtime: Runtime, contestant: ContestantName, work: Work, group: string) =>
      runChild<Figures>(runtime, new URL(`./contestants/${contestant}.ts`, import.meta.url), {
        arguments: { bootstrap: kafka.bootstrapServers, group, topic, messages, work },
        timeoutMs: 60_000 + messages,
      });
    // Not counted: the broker's code gets compiled, and the topic comes into the page cache.
    await consume(runtimes[0]!, CONTESTANTS[0]!, "none", `${runName}-${size}.warm-up`);

    for (const runtime of runtimes) {
      for (const work of works) {
        for (let round = 1; round <= rounds; round++) {
          for (const contestant of contestants) {
            const group = [runName, size, runtime.name, work, round, contestant].join("-");
            const figures = await consume(runtime, contestant, work, group);
            runs.push({ runtime: runtime.name, size, work, round, contestant, figures });
            progress(
              `${runtime.name} ${size} bytes, ${work}, round ${round}: ${contestant} ` +
                `${figures.messagesPerSecond} messages/s, stall ${figures.stall.maxMs} ms`,
            );
          }
        }
      }
    }
  }
} finally {
  await deleteTopics(kafka.bootstrapServers, ...topics);
}

const summaries = summarize(runs);
const counts = sizes.map((size) => `${messagesOf[size]} of ${size} bytes`).join(", ");
console.log(
  `${machine.kafka}, ${machine.cores} cores (${machine.cpu}), ` +
    `${runtimes.map(({ name, version }) => `${name} ${version}`).join(", ")}; ` +
    `${partitions} partitions, record batches of ${batchBytes} bytes, messages: ${counts}; rounds: ${rounds}\n`,
);
console.log(summaryTable(summaries));
const date = new Date().toISOString();
const report = { date, machine, partitions, batchBytes, rounds, summaries, runs };
if (values.json === undefined) {
  console.log(`\n${JSON.stringify(report)}`);
} else {
  await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}
