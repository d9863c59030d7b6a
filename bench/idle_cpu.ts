/**
 * What a consumer costs while there is nothing to consume: an idle kafkajs consumer, untouched,
 * beside an idle `ThreadManager`. See README.md beside this file.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { createTopic, deleteTopics } from "../tests/support/kafka/mod.ts";
import { list, positive } from "./support/arguments.ts";
import { runChild } from "./support/child.ts";
import type { IdleFigures } from "./support/idle.ts";
import { benchKafka } from "./support/kafka.ts";
import { findRuntime, RUNTIMES } from "./support/runtimes.ts";
import { table } from "./support/table.ts";

const { values } = parseArgs({
  options: {
    runtimes: { type: "string", default: RUNTIMES.join(",") },
    "idle-ms": { type: "string", default: "5000" },
    bootstrap: { type: "string" },
  },
});
const idleMs = positive("idle-ms", values["idle-ms"]);
await using kafka = await benchKafka(values.bootstrap);
const topic = `idle-${Date.now().toString(36)}`;
await createTopic(kafka.bootstrapServers, topic);
try {
  const rows: string[][] = [];
  const results: Record<string, unknown>[] = [];
  for (const name of list(values.runtimes, RUNTIMES)) {
    const runtime = await findRuntime(name);
    const measure = (who: "kafkajs" | "thread_manager"): Promise<IdleFigures> => {
      process.stderr.write(`${name}: ${who}\n`);
      return runChild(runtime, new URL(`./idle/${who}.ts`, import.meta.url), {
        arguments: {
          bootstrap: kafka.bootstrapServers,
          group: `${topic}-${name}-${who}`,
          topic,
          "idle-ms": idleMs,
        },
        timeoutMs: idleMs + 60_000,
      });
    };
    const raw = await measure("kafkajs");
    const ours = await measure("thread_manager");
    const ratio = ours.cpuMs / raw.cpuMs;
    rows.push([name, raw.cpuMs.toFixed(0), ours.cpuMs.toFixed(0), ratio.toFixed(2)]);
    results.push({ runtime: name, version: runtime.version, idleMs, raw, ours, ratio });
  }
  const head = ["runtime", "kafkajs CPU ms", "ThreadManager CPU ms", "ratio"];
  console.log(`CPU in ${idleMs} ms of idling, the whole process\n\n${table(head, rows)}`);
  console.log(`\n${JSON.stringify(results)}`);
} finally {
  await deleteTopics(kafka.bootstrapServers, topic);
}
