/**
 * `deno task demo`: a quarter of a minute of a shop's orders on Apache Kafka, and what happens when
 * the code that handles them keeps the program's thread busy for three seconds.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Message, ThreadManager } from "@kafka-threads/kafka-threads";
import {
  committedOffsets,
  createTopic,
  endOffsets,
  uniqueName,
} from "../tests/support/kafka/mod.ts";
import { borrowKafka } from "./support/kafka.ts";

/** How long the shop is open, and when in that time the callback blocks for how long. */
const OPEN_MS = 9_000;
const BLOCK_AFTER_MS = 3_000;
const BLOCK_MS = 3_000;
const HEARTBEAT_MS = 500;
const PARTITIONS = 3;

async function main(): Promise<number> {
  console.log(
    "kafka-threads: one thread polls Kafka, the program's own thread handles the messages\n",
  );
  if (!process.env["KAFKA_BOOTSTRAP_SERVERS"]) console.log("Starting Apache Kafka …");
  const borrowed = await borrowKafka();
  if ("reason" in borrowed) {
    console.error(`The demo needs a Kafka: ${borrowed.reason}.
Install Java 17 and Maven, or name a Kafka: KAFKA_BOOTSTRAP_SERVERS=host:9092 deno task demo`);
    return 1;
  }
  await using kafka = borrowed;
  const { bootstrapServers } = kafka;
  console.log(`Kafka is at ${bootstrapServers}, ${kafka.source}`);
  const topic = uniqueName("demo.orders");
  await createTopic(bootstrapServers, topic, { partitions: PARTITIONS });

  const seen = new Ledger();
  const groupId = uniqueName("demo.shipping");
  const manager = new ThreadManager({
    consumer: {
      bootstrapServers,
      groupId,
      topics: [topic],
      startFrom: "earliest",
      heartbeatIntervalMs: HEARTBEAT_MS,
    },
    name: "orders",
    lifetimeMs: null,
    onMessage: (message) => {
      seen.add(message);
      if (began !== null && !blocked && performance.now() - began > BLOCK_AFTER_MS) {
        blocked = true;
        console.log(
          `\n  A callback now computes for ${BLOCK_MS / 1_000} s; nothing else runs here …`,
        );
        block(BLOCK_MS);
        telling = true;
        void tellOfBlock(manager).finally(() => telling = false);
      }
    },
    logger: {
      debug: () => {},
      info: (text) => console.log(`  log: ${text}`),
      warn: (text) => console.warn(`  warning: ${text}`),
      error: (text) => console.error(`  error: ${text}`),
    },
  });
  let began: number | null = null;
  let blocked = false;
  let telling = false;
  // Asking a fresh Kafka for commits has it make the topic they are kept in, which takes a moment.
  await committedOffsets(bootstrapServers, groupId, topic);
  await manager.start();

  const shop = openShop(bootstrapServers, topic);
  began = performance.now();
  console.log(
    `\n  time   orders   per second   lag by partition   thread answered   heartbeat    commits   revenue`,
  );
  const ticks = setInterval(() => telling || printLine(manager, seen, began!), 1_000);
  await new Promise((resolve) => setTimeout(resolve, OPEN_MS));
  const made = await shop.close();
  // What the shop has produced last is still on its way.
  while (seen.count < made && manager.state === "running") {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  clearInterval(ticks);
  const { rebalances } = manager.stats();
  console.log();
  await manager.stop();
  await manager.closed;

  const ends = await endOffsets(bootstrapServers, topic);
  const committed = await committedOffsets(bootstrapServers, groupId, topic);
  const checks: [string, boolean][] = [
    [`${made} orders produced, ${seen.count} handled, each once`, seen.count === made],
    [`every partition in offset order`, seen.misplaced === 0],
    [`committed up to the end: ${committed.join(", ")}`, committed.join() === ends.join()],
    [
      `${BLOCK_MS / 1_000} s of a blocked thread, ${rebalances} rebalances`,
      blocked && rebalances === 0,
    ],
  ];
  console.log();
  for (const [text, holds] of checks) console.log(`  ${holds ? "ok    " : "WRONG "} ${text}`);
  return checks.every(([, holds]) => holds) ? 0 : 1;
}

/** What has been handled. */
class Ledger {
  count = 0;
  revenue = 0;
  /** Messages that were not the one behind the last of their partition. */
  misplaced = 0;
  readonly #next = new Map<number, number>();

  add(message: Message): void {
    this.count++;
    this.revenue += message.json<{ total: number }>()!.total;
    if (message.offset !== (this.#next.get(message.partition) ?? 0)) this.misplaced++;
    this.#next.set(message.partition, message.offset + 1);
  }
}

function printLine(manager: ThreadManager, seen: Ledger, began: number): void {
  const { messagesPerSecond, partitions, thread, heartbeatAgeMs, commits } = manager.stats();
  const lags = partitions.toSorted((a, b) => a.partition - b.partition).map(({ lag }) => `${lag}`);
  console.log([
    `${((performance.now() - began) / 1_000).toFixed(1)} s`.padStart(7),
    `${seen.count}`.padStart(7),
    `${Math.round(messagesPerSecond)}`.padStart(11),
    lags.map((lag) => lag.padStart(4)).join(" ").padStart(17),
    age(thread.silentMs).padStart(16),
    age(heartbeatAgeMs).padStart(10),
    `${commits}`.padStart(9),
    `${seen.revenue.toFixed(2)} EUR`.padStart(14),
  ].join("  "));
}

function age(ms: number | null): string {
  return ms === null ? "-" : `${ms} ms ago`;
}

/** What a callback should not do, and some must: compute without a pause. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

async function tellOfBlock(manager: ThreadManager): Promise<void> {
  // Asks the thread, so that the figures are of now.
  const { status } = await manager.health();
  const { heartbeatAgeMs, group, lag } = manager.stats();
  console.log(`  … and is done. Meanwhile the thread has polled on: its last heartbeat was answered
  ${heartbeatAgeMs} ms ago (one every ${HEARTBEAT_MS} ms), the group is ${group}, health is ${status}, \
${lag} orders wait.\n`);
}

interface Shop {
  /** Ends the sale; resolves with how many orders were produced. */
  close(): Promise<number>;
}

function openShop(bootstrapServers: string, topic: string): Shop {
  const program = fileURLToPath(new URL("./support/shop.ts", import.meta.url));
  const shop = spawn(process.execPath, [
    ...("Deno" in globalThis ? ["run", "--quiet", "--allow-all"] : []),
    program,
    bootstrapServers,
    topic,
  ], { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  shop.stdout.setEncoding("utf8").on("data", (text: string) => output += text);
  const ended = once(shop, "close");
  return {
    async close() {
      shop.stdin.end();
      const [code] = await ended;
      if (code !== 0) throw new Error(`The shop has failed: exit code ${code}`);
      return Number(output);
    },
  };
}

// kafkajs, with which topics are made here, arms timers with negative delays (kafkajs #1751).
process.removeAllListeners("warning");
process.exit(await main());
