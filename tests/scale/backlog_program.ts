// A consumer whose callback is far slower than its topic, in a process of its own. Prints how much
// memory that took, as JSON.
import process from "node:process";
import { parseArgs } from "node:util";
import { peakMemory } from "../../bench/support/memory.ts";
import { quietLogger } from "../../bench/support/quiet_logger.ts";
import { ThreadManager } from "../../mod.ts";

/** What a slow consumer of a backlog took. */
export interface BacklogFigures {
  /** Messages that the callback got. */
  messages: number;
  /** Messages in the topic that it did not get to. */
  lag: number;
  /** Most messages handed over and not finished, of those moments at which that was asked. */
  inFlight: number;
  /** Whether fetching paused. */
  paused: boolean;
  /** Bytes of resident memory when it had started. */
  startRss: number;
  /** Most bytes of resident memory of the whole process, from its beginning on. */
  peakRss: number;
  /** Bytes of resident memory at the end. */
  endRss: number;
}

const { values } = parseArgs({
  options: {
    bootstrap: { type: "string" },
    group: { type: "string" },
    topic: { type: "string" },
    "run-ms": { type: "string" },
  },
});
const { bootstrap, group, topic } = values;
if (!bootstrap || !group || !topic || !values["run-ms"]) {
  throw new Error("Usage: --bootstrap HOST:PORT --group NAME --topic NAME --run-ms N");
}
const pass = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

let messages = 0;
const manager = new ThreadManager({
  consumer: { bootstrapServers: bootstrap, groupId: group, topics: [topic], startFrom: "earliest" },
  lifetimeMs: null,
  logger: quietLogger,
  onMessage: async (message) => {
    // As a handler does: it reads the message.
    if (message.json<{ n: number }>()!.n !== message.offset) throw new Error("Wrong message");
    await pass(1);
    messages++;
  },
});
await manager.start();
const startRss = process.memoryUsage().rss;
const until = performance.now() + Number(values["run-ms"]);
let inFlight = 0;
let paused = false;
while (performance.now() < until) {
  await pass(100);
  await manager.health();
  const stats = manager.stats();
  inFlight = Math.max(inFlight, stats.inFlight);
  paused ||= stats.partitions.every((partition) => partition.paused);
}
const { lag } = manager.stats();
const figures: BacklogFigures = {
  messages,
  lag,
  inFlight,
  paused,
  startRss,
  peakRss: peakMemory().bytes,
  endRss: process.memoryUsage().rss,
};
await manager.stop();
process.stdout.write(`${JSON.stringify(figures)}\n`);
