/**
 * What becomes of a consumer when the program's thread computes for three session timeouts: raw
 * kafkajs beside `ThreadManager`. See README.md beside this file.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { deleteTopics } from "../tests/support/kafka/mod.ts";
import { list, positive } from "./support/arguments.ts";
import { BLOCKED, type BusyFigures, FREE } from "./support/busy.ts";
import { runChild } from "./support/child.ts";
import { benchKafka } from "./support/kafka.ts";
import { watchMembers } from "./support/members.ts";
import { findRuntime, type Runtime, RUNTIMES } from "./support/runtimes.ts";
import { table } from "./support/table.ts";
import { fillTopic } from "./support/topic.ts";

type Client = "kafkajs" | "thread_manager";
const CLIENTS: readonly Client[] = ["kafkajs", "thread_manager"];
const { values } = parseArgs({
  options: {
    runtimes: { type: "string", default: RUNTIMES.join(",") },
    clients: { type: "string", default: CLIENTS.join(",") },
    // The least that brokers allow by default.
    "session-timeout-ms": { type: "string", default: "6000" },
    bootstrap: { type: "string" },
  },
});
const MESSAGES = 200;
const sessionTimeoutMs = positive("session-timeout-ms", values["session-timeout-ms"]);

/** What happened to one consumer, seen from within and from the broker. */
interface Outcome extends BusyFigures {
  runtime: string;
  client: Client;
  /** Milliseconds of the block during which the broker counted the consumer as a member. */
  memberMs: number;
}

await using kafka = await benchKafka(values.bootstrap);
const topic = `busy-${Date.now().toString(36)}`;
await fillTopic(kafka.bootstrapServers, {
  topic,
  partitions: 1,
  messages: MESSAGES,
  size: 100,
  batchBytes: 16_384,
});
const outcomes: Outcome[] = [];
try {
  for (const name of list(values.runtimes, RUNTIMES)) {
    const runtime = await findRuntime(name);
    for (const client of list(values.clients, CLIENTS)) {
      outcomes.push(await outcome(runtime, client));
    }
  }
} finally {
  await deleteTopics(kafka.bootstrapServers, topic);
}

const head = [
  ...["runtime", "client", "blocked ms", "a member for ms", "last heartbeat ms ago"],
  ...["rebalances", "duplicates"],
];
console.log(`A thread that computes for three session timeouts of ${sessionTimeoutMs} ms\n`);
console.log(table(
  head,
  outcomes.map((row) => [
    row.runtime,
    row.client,
    `${row.blockedMs}`,
    `${row.memberMs}`,
    `${row.heartbeatAgeMs}`,
    `${row.rebalances}`,
    `${row.duplicates}`,
  ]),
));
console.log(`\n${JSON.stringify(outcomes)}`);

async function outcome(runtime: Runtime, client: Client): Promise<Outcome> {
  const group = `${topic}-${runtime.name}-${client}`;
  const members = await watchMembers(kafka.bootstrapServers, group);
  try {
    const figures = await runChild<BusyFigures>(
      runtime,
      new URL(`./busy/${client}.ts`, import.meta.url),
      {
        arguments: {
          bootstrap: kafka.bootstrapServers,
          group,
          topic,
          messages: MESSAGES,
          "session-timeout-ms": sessionTimeoutMs,
        },
        timeoutMs: 10 * sessionTimeoutMs + 60_000,
        onLine(line) {
          if (line === BLOCKED) members.begin();
          if (line === FREE) members.end();
        },
      },
    );
    return { runtime: runtime.name, client, ...figures, memberMs: members.memberMs };
  } finally {
    await members.stop();
  }
}
