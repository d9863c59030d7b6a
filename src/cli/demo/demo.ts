import { randomBytes } from "node:crypto";
import { ThreadManager } from "../../../mod.ts";
import type { Message } from "../../message.ts";
import { EXIT } from "../exit.ts";
import type { FromWorld } from "./messages.ts";
import type { Order } from "./orders.ts";
import { table } from "./table.ts";
import { startWorld, type WorldThread } from "./world_thread.ts";

/** How long the shop is open, and when in that time the callback blocks for how long. */
const OPEN_MS = 9_000;
const BLOCK_AFTER_MS = 3_000;
const BLOCK_MS = 3_000;
const HEARTBEAT_MS = 500;
const PARTITIONS = 3;

/**
 * Runs the demo: a `ThreadManager` handles a shop's orders, each within the program's own thread, and
 * one of them keeps that thread busy for three seconds.
 *
 * @param bootstrapServers A Kafka; null: a broker in this process.
 * @returns The exit code.
 */
export async function runDemo(bootstrapServers: string | null): Promise<number> {
  console.log(
    "kafka-threads: one thread polls Kafka, the program's own thread handles the messages\n",
  );
  const id = randomBytes(4).toString("hex");
  const topic = `demo.orders.${id}`;
  const groupId = `demo.shipping.${id}`;
  const world = await startWorld();
  try {
    world.post({ type: "open", bootstrapServers, groupId, topic, partitions: PARTITIONS });
    const opened = await world.next("opened");
    console.log(whereKafkaIs(opened));
    return await runShop(world, opened.bootstrapServers, groupId, topic);
  } catch (error) {
    console.error(`The demo has failed: ${(error as Error).message}`);
    return EXIT.FAILED;
  } finally {
    world.terminate();
  }
}

function whereKafkaIs({ bootstrapServers, startMs }: Extract<FromWorld, { type: "opened" }>) {
  return startMs === null
    ? `Kafka is at ${bootstrapServers}`
    : `A Kafka broker in this process listens on ${bootstrapServers}, after ${
      Math.round(startMs)
    } ms; it keeps everything in memory`;
}

async function runShop(
  world: WorldThread,
  bootstrapServers: string,
  groupId: string,
  topic: string,
): Promise<number> {
  const seen = new Ledger();
  const block = new Block();
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
      block.maybe(manager);
    },
    logger: {
      debug: () => {},
      info: (text) => console.log(`  log: ${text}`),
      warn: (text) => console.warn(`  warning: ${text}`),
      error: (text) => console.error(`  error: ${text}`),
    },
  });
  await manager.start();
  // A manager that fails must not leave the demo waiting.
  const failed = manager.closed.then(() => new Promise<never>(() => {}));
  failed.catch(() => {});

  world.post({ type: "sell" });
  const began = performance.now();
  block.begin(began);
  console.log(`\n${table.head()}`);
  const ticks = setInterval(() => {
    if (!block.telling) console.log(table.line(manager.stats(), performance.now() - began, seen));
  }, 1_000);
  let made: number;
  try {
    await Promise.race([new Promise((resolve) => setTimeout(resolve, OPEN_MS)), failed]);
    world.post({ type: "close" });
    ({ made } = await Promise.race([world.next("closed"), failed]));
    // What the shop has produced last is still on its way.
    await Promise.race([seen.when(made), failed]);
  } finally {
    clearInterval(ticks);
  }
  const { rebalances } = manager.stats();
  console.log();
  await manager.stop();
  await manager.closed;

  world.post({ type: "audit" });
  const { committed, ends } = await world.next("audited");
  const checks: [string, boolean][] = [
    [`${made} orders produced, ${seen.count} handled, each once`, seen.count === made],
    ["every partition in offset order", seen.misplaced === 0],
    [`committed up to the end: ${committed.join(", ")}`, committed.join() === ends.join()],
    [
      `${
        BLOCK_MS / 1_000
      } s of a blocked thread: ${block.heartbeats} heartbeats meanwhile, ${rebalances} rebalances`,
      block.done && block.heartbeats > 1 && rebalances === 0,
    ],
  ];
  console.log();
  for (const [text, holds] of checks) console.log(`  ${holds ? "ok    " : "WRONG "} ${text}`);
  return checks.every(([, holds]) => holds) ? EXIT.DONE : EXIT.FAILED;
}

/** What has been handled. */
class Ledger {
  count = 0;
  revenue = 0;
  /** Messages that were not the one behind the last of their partition. */
  misplaced = 0;
  readonly #next = new Map<number, number>();
  #waiting: { count: number; resolve: () => void } | undefined;

  add(message: Message): void {
    this.count++;
    this.revenue += message.json<Order>()!.total;
    if (message.offset !== (this.#next.get(message.partition) ?? 0)) this.misplaced++;
    this.#next.set(message.partition, message.offset + 1);
    if (this.#waiting !== undefined && this.count >= this.#waiting.count) this.#waiting.resolve();
  }

  /** Waits until so many have been handled. */
  when(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { count, resolve };
    if (this.count >= count) resolve();
    return promise;
  }
}

/** What a callback should not do, and some must: compute without a pause. */
class Block {
  done = false;
  /** Whether it is being told of, so that nothing else should be. */
  telling = false;
  /** How many heartbeats were answered while nothing ran on the program's thread. */
  heartbeats = 0;
  #at = Infinity;

  /** Sets the time for it. */
  begin(now: number): void {
    this.#at = now + BLOCK_AFTER_MS;
  }

  /** Blocks, if it is time and has not been done. */
  maybe(manager: ThreadManager): void {
    if (this.done || performance.now() < this.#at) return;
    this.done = true;
    this.telling = true;
    console.log(`\n  A callback now computes for ${BLOCK_MS / 1_000} s; nothing else runs here …`);
    const before = manager.stats().heartbeats;
    const end = performance.now() + BLOCK_MS;
    while (performance.now() < end);
    void this.#tell(manager, before).finally(() => this.telling = false);
  }

  async #tell(manager: ThreadManager, before: number): Promise<void> {
    // Asks the thread, so that the figures are of now.
    const { status } = await manager.health();
    const { heartbeats, group, lag } = manager.stats();
    this.heartbeats = heartbeats - before;
    console.log(`  … and is done. Meanwhile the thread has polled on and had ${this.heartbeats} \
heartbeats answered,
  the group is ${group}, health is ${status}, ${lag} orders wait.\n`);
  }
}
