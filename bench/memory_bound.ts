/**
 * How much memory a callback takes that is far slower than its topic: a backlog of 2 GB, of which it
 * gets to a few megabytes. `--runtimes`, `--messages` (of 1,000 bytes), `--run-ms`, `--bootstrap`.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { fillTopic } from "../tests/support/kafka/mod.ts";
import type { BacklogFigures } from "../tests/scale/backlog_program.ts";
import { list, positive } from "./support/arguments.ts";
import { runChild } from "./support/child.ts";
import { benchKafka } from "./support/kafka.ts";
import { findRuntime, RUNTIMES } from "./support/runtimes.ts";
import { table } from "./support/table.ts";

const { values } = parseArgs({
  options: {
    runtimes: { type: "string", default: RUNTIMES.join(",") },
    messages: { type: "string", default: "2000000" },
    "run-ms": { type: "string", default: "10000" },
    bootstrap: { type: "string" },
  },
});
const runMs = positive("run-ms", values["run-ms"]);
const messages = positive("messages", values.messages);
await using kafka = await benchKafka(values.bootstrap);
// Kept: it takes a while to make.
const topic = `kafka-threads-backlog-1k-${messages}`;
process.stderr.write(`filling "${topic}"\n`);
await fillTopic(kafka.bootstrapServers, topic, { messages, bytes: 1_000, partitions: 4 });

const rows: string[][] = [];
const results: Record<string, unknown>[] = [];
for (const name of list(values.runtimes, RUNTIMES)) {
  const runtime = await findRuntime(name);
  process.stderr.write(`${name}\n`);
  const figures = await runChild<BacklogFigures>(
    runtime,
    new URL("../tests/scale/backlog_program.ts", import.meta.url),
    {
      arguments: {
        bootstrap: kafka.bootstrapServers,
        group: `backlog-${name}-${Date.now().toString(36)}`,
        topic,
        "run-ms": runMs,
      },
      timeoutMs: runMs + 60_000,
    },
  );
  const mb = (bytes: number) => (bytes / 1e6).toFixed(0);
  const { startRss, peakRss, endRss } = figures;
  rows.push([
    ...[name, `${figures.messages}`, `${figures.inFlight}`],
    ...[startRss, peakRss, endRss, peakRss - startRss].map(mb),
  ]);
  results.push({ runtime: name, version: runtime.version, backlog: messages, runMs, ...figures });
}
const head = [
  ...["runtime", "messages handled", "most in flight"],
  ...["RSS at start MB", "peak MB", "at end MB", "peak over start MB"],
];
console.log(`A callback of 1 ms before a backlog of ${messages} messages of 1,000 bytes\n`);
console.log(table(head, rows));
console.log(`\n${JSON.stringify(results)}`);
