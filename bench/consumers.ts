/**
 * Ordered and parallel consumers beside those of others: Baseplate's from PyPI and Confluent Parallel
 * Consumer from Maven Central, in one run, on one broker. See README.md beside this file.
 *
 * @module
 */

import { writeFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { deleteTopics } from "../tests/support/kafka/mod.ts";
import { contestantsOf, type ContestName, CONTESTS } from "./consumers/contests.ts";
import type { CpuReading } from "./consumers/cpu.ts";
import { findPeer, type PeerName, PEERS, type Reading } from "./peers/peers.ts";
import { list, positive } from "./support/arguments.ts";
import { compare, comparisonTable, type Standing, type Timing } from "./support/comparison.ts";
import { benchKafka } from "./support/kafka.ts";
import { payloadSum } from "./support/payload.ts";
import { findRuntime, type Runtime, RUNTIMES } from "./support/runtimes.ts";
import { fillTopic } from "./support/topic.ts";

const { values } = parseArgs({
  options: {
    runtimes: { type: "string", default: RUNTIMES.join(",") },
    contests: { type: "string", default: CONTESTS.join(",") },
    peers: { type: "string", default: PEERS.join(",") },
    messages: { type: "string", default: "300000" },
    "baseplate-messages": { type: "string", default: "30000" },
    "async-messages": { type: "string", default: "100000" },
    "cpu-messages": { type: "string", default: "2000" },
    keys: { type: "string", default: "12000" },
    partitions: { type: "string", default: "3" },
    size: { type: "string", default: "100" },
    "batch-bytes": { type: "string", default: "16384" },
    rounds: { type: "string", default: "3" },
    "timeout-ms": { type: "string", default: "60000" },
    bootstrap: { type: "string" },
    json: { type: "string" },
  },
});

const TITLES: Record<ContestName, string> = {
  ordered: "Ordered, trivial handlers, offsets committed every 5 s",
  parallel: "Parallel, trivial handlers",
  async: "Parallel, handlers that wait 10 ms",
  cpu: "Parallel, handlers that compute",
};

/** One run of one contestant. */
interface Run extends Timing {
  contest: ContestName;
  name: string;
  runtime: string;
  reading: Reading | CpuReading;
}

const contests = list<ContestName>(values.contests, CONTESTS);
const messagesOf: Record<ContestName, number> = {
  ordered: positive("messages", values.messages),
  parallel: positive("messages", values.messages),
  async: positive("async-messages", values["async-messages"]),
  cpu: positive("cpu-messages", values["cpu-messages"]),
};
const baseplateMessages = positive("baseplate-messages", values["baseplate-messages"]);
const keys = positive("keys", values.keys);
const partitions = positive("partitions", values.partitions);
const size = positive("size", values.size);
const batchBytes = positive("batch-bytes", values["batch-bytes"]);
const rounds = positive("rounds", values.rounds);
const timeoutMs = positive("timeout-ms", values["timeout-ms"]);
const runtimes: Runtime[] = [];
for (const name of list(values.runtimes, RUNTIMES)) runtimes.push(await findRuntime(name));
const asked = values.peers === "none" ? [] : list<PeerName>(values.peers, PEERS);
const [baseplate, parallelConsumer] = await Promise.all(
  PEERS.map((name) => asked.includes(name) ? findPeer(name) : undefined),
);

await using kafka = await benchKafka(values.bootstrap);
const machine = {
  cores: availableParallelism(),
  cpu: cpus()[0]?.model ?? "unknown",
  kafka: kafka.version,
  runtimes: Object.fromEntries(runtimes.map(({ name, version }) => [name, version])),
};
const runName = `bench-${Date.now().toString(36)}`;
const topics = new Map<number, string>();
const runs: Run[] = [];
const failures: string[] = [];
const standings: Partial<Record<ContestName, Standing[]>> = {};
let groups = 0;
/** Beside the speed, in every round: whether the work was shared, and the membership kept. */
const membership = {
  head: ["by thread", "heartbeats", "oldest heartbeat ms", "rebalances"],
  cells(row: number): string[] {
    const readings = runs.filter(({ contest, contender }) => contest === "cpu" && contender === row)
      .map(({ reading }) => reading as CpuReading);
    const each = (pick: (reading: CpuReading) => number | string): string =>
      readings.map(pick).join("; ") || "-";
    return [
      each(({ byThread }) => byThread.join(" + ")),
      each(({ heartbeats }) => heartbeats),
      each(({ heartbeatAgeMs }) => heartbeatAgeMs),
      each(({ rebalances }) => rebalances),
    ];
  },
};
try {
  for (const contest of contests) standings[contest] = await hold(contest);
} finally {
  await deleteTopics(kafka.bootstrapServers, ...topics.values());
}

console.log(
  `${machine.kafka}, ${machine.cores} cores (${machine.cpu}), ` +
    `${runtimes.map(({ name, version }) => `${name} ${version}`).join(", ")}; ` +
    `${partitions} partitions, ${keys} keys, messages of ${size} bytes; rounds: ${rounds}`,
);
for (const contest of contests) {
  console.log(`\n${TITLES[contest]}: ${messagesOf[contest].toLocaleString("en")} messages\n`);
  console.log(comparisonTable(standings[contest]!, contest === "cpu" ? membership : undefined));
}
for (const failure of failures) console.log(`\n${failure}`);
if (failures.length > 0) process.exitCode = 1;
const date = new Date().toISOString();
const report = { date, machine, partitions, keys, size, batchBytes, rounds, standings, runs };
if (values.json === undefined) {
  console.log(`\n${JSON.stringify(report)}`);
} else {
  await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
}

/** Lets all contestants of a contest run, in turns; one that fails is told of at the end. */
async function hold(contest: ContestName): Promise<Standing[]> {
  const messages = messagesOf[contest];
  const contestants = contestantsOf(contest, {
    ...{ runtimes, baseplate, parallelConsumer, messages, baseplateMessages },
  });
  const topic = await filledTopic(messages);
  const where = () => ({
    bootstrap: kafka.bootstrapServers,
    // Baseplate's names: service and group.
    group: `bench.${runName}-${++groups}`,
    topic,
  });
  for (let round = 1; round <= rounds; round++) {
    for (const [contender, contestant] of contestants.entries()) {
      if (contestant.missing !== undefined) continue;
      const { name, runtime } = contestant;
      const title = `${contest}, round ${round}: ${name} (${runtime})`;
      try {
        const reading = await contestant.read(where(), timeoutMs + contestant.messages);
        check(reading, contestant.messages, messages);
        const messagesPerSecond = reading.messages / reading.seconds;
        const cpuMicroseconds = 1e6 * reading.cpuSeconds / reading.messages;
        const speed = { messagesPerSecond, cpuMicroseconds };
        runs.push({ contest, round, contender, name, runtime, ...speed, reading });
        progress(`${title} ${Math.round(messagesPerSecond)} messages/s`);
      } catch (error) {
        failures.push(`Failed: ${title}: ${(error as Error).message.trim()}`);
        progress(failures.at(-1)!);
      }
    }
  }
  return compare(contestants, runs.filter((run) => run.contest === contest));
}

/** Contests with as many messages share a topic. */
async function filledTopic(messages: number): Promise<string> {
  const made = topics.get(messages);
  if (made !== undefined) return made;
  const topic = `${runName}-${messages}`;
  topics.set(messages, topic);
  progress(`Filling a topic with ${messages} messages of ${size} bytes`);
  await fillTopic(kafka.bootstrapServers, { topic, partitions, messages, size, batchBytes, keys });
  return topic;
}

/** A run counts only if each message has been handled once. */
function check(reading: Reading, expected: number, ofTopic: number): void {
  if (reading.messages !== expected) {
    throw new Error(`Wrong number of messages: expected ${expected}, got ${reading.messages}`);
  }
  // Who reads a part of the topic may read any part.
  const sum = payloadSum(expected);
  if (expected === ofTopic && reading.sum !== sum) {
    throw new Error(`Wrong sum: expected ${sum}, got ${reading.sum}`);
  }
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}
