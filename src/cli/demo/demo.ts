import { randomBytes } from "node:crypto";
import { EXIT } from "../exit.ts";
import { BLOCK_MS } from "./block.ts";
import type { FromWorld } from "./messages.ts";
import { troubleIn } from "./orders.ts";
import { nameShop, type Shop } from "./shop.ts";
import { hireStaff, type Staff } from "./staff.ts";
import { Table } from "./table.ts";
import { startWorld, type WorldThread } from "./world_thread.ts";

/** How long the shop is open. */
const OPEN_MS = 9_000;

type Closed = Extract<FromWorld, { type: "closed" }>;
type Audited = Extract<FromWorld, { type: "audited" }>;

/**
 * Runs the demo: a `ThreadManager`, an ordered and a parallel consumer handle what a shop produces, and
 * a callback keeps the program's thread busy for three seconds.
 *
 * @param bootstrapServers A Kafka; null: a broker in this process.
 * @returns The exit code.
 */
export async function runDemo(bootstrapServers: string | null): Promise<number> {
  console.log(
    "kafka-threads: threads poll Kafka, threads run handlers, the program's own thread stays free\n",
  );
  const shop = nameShop(randomBytes(4).toString("hex"));
  const world = await startWorld();
  try {
    world.post({ type: "open", bootstrapServers, shop });
    const opened = await world.next("opened");
    console.log(whereKafkaIs(opened));
    return await runShop(world, opened.bootstrapServers, shop);
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

async function runShop(world: WorldThread, bootstrapServers: string, shop: Shop): Promise<number> {
  const staff = hireStaff(bootstrapServers, shop);
  const { manager, ledger, invoices, block, counted, booked, made } = staff;
  const everybody = [manager, ledger, invoices];
  try {
    await Promise.all(everybody.map((one) => one.start()));
    // One that fails must not leave the demo waiting.
    const failed = Promise.all(everybody.map(({ closed }) => closed))
      .then(() => new Promise<never>(() => {}));
    failed.catch(() => {});

    world.post({ type: "sell" });
    const began = performance.now();
    block.begin(began);
    const table = new Table(staff, began);
    console.log(`\n${table.head()}`);
    const ticks = setInterval(() => block.telling || console.log(table.line()), 1_000);
    let closed: Closed;
    try {
      await Promise.race([new Promise((resolve) => setTimeout(resolve, OPEN_MS)), failed]);
      world.post({ type: "close" });
      closed = await Promise.race([world.next("closed"), failed]);
      // What the shop has produced last is still on its way.
      const { orders, payments } = closed;
      const all = Promise.all([
        counted.count.reaches(orders),
        booked.count.reaches(payments),
        made.count.reaches(orders),
      ]);
      await Promise.race([all, failed]);
    } finally {
      clearInterval(ticks);
    }
    // Asks the threads, so that the last figures are of now.
    await Promise.all(everybody.map((one) => one.health()));
    console.log(table.line());
    const rebalances = everybody.reduce((sum, one) => sum + one.stats().rebalances, 0);
    console.log();
    await Promise.all(everybody.map((one) => one.stop()));
    await Promise.all(everybody.map((one) => one.closed));

    world.post({ type: "audit" });
    const checks = checksOf(staff, closed, await world.next("audited"), rebalances);
    console.log();
    for (const [text, holds] of checks) console.log(`  ${holds ? "ok    " : "WRONG "} ${text}`);
    return checks.every(([, holds]) => holds) ? EXIT.DONE : EXIT.FAILED;
  } finally {
    // Nothing, where they have stopped.
    await Promise.all(everybody.map((one) => one.stop()));
  }
}

function checksOf(
  { counted, booked, made, block }: Staff,
  { orders, payments }: Closed,
  { groups, deadLetters }: Audited,
  rebalances: number,
): [string, boolean][] {
  const expected = troubleIn(orders);
  const meanwhile = block.invoicesIn(made);
  const isCommitted = Object.values(groups).every(({ committed, ends }) =>
    committed.join() === ends.join()
  );
  return [
    [
      `ThreadManager: ${orders} orders produced, ${counted.count.value} counted, each once, every \
partition in offset order`,
      counted.count.value === orders && counted.misplaced === 0,
    ],
    [
      `ordered: ${payments} payments produced, ${booked.count.value} booked, each once and committed \
before the next, every partition in offset order`,
      booked.count.value === payments && booked.misplaced === 0,
    ],
    [
      `parallel: ${made.made} invoices made, ${made.deadLetters} dead letters, each order once, every \
customer in order and one at a time`,
      made.made + made.deadLetters === orders && made.twice === 0 && made.misplaced === 0,
    ],
    [
      `${made.retries} retries, as the tax office was busy that often; ${deadLetters} dead letters in \
their topic, as that many orders have no address`,
      made.retries === expected.retries && deadLetters === expected.deadLetters,
    ],
    ["all groups have committed up to the end", isCommitted],
    [
      `${
        BLOCK_MS / 1_000
      } s of a blocked thread: ${block.heartbeats} heartbeats and ${meanwhile} invoices meanwhile, \
${rebalances} rebalances`,
      block.done && block.heartbeats > 1 && meanwhile > 0 && rebalances === 0,
    ],
  ];
}
