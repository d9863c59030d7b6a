import { createOrderedConsumer, createParallelConsumer, ThreadManager } from "../../../mod.ts";
import type { Consumer } from "../../consumer.ts";
import type { Logger } from "../../logger.ts";
import { siblingModule } from "../../program/runtime.ts";
import { Block } from "./block.ts";
import { INVOICE_MADE, type InvoiceMade } from "./invoices.ts";
import type { Order, Payment } from "./orders.ts";
import type { Shop } from "./shop.ts";
import { InvoiceTally, PartitionTally } from "./tallies.ts";

/** How many threads make invoices. */
export const HANDLER_THREADS = 2;

const HEARTBEAT_MS = 500;

/** Those who work in the shop: the library's three kinds, and what each of them has done. */
export interface Staff {
  /** Counts the revenue of the orders, on the program's thread. */
  readonly manager: ThreadManager;
  readonly counted: PartitionTally;
  /** Blocks the program's thread, within the manager's callback. */
  readonly block: Block;
  /** Books payments, one at a time, on the program's thread. */
  readonly ledger: Consumer;
  readonly booked: PartitionTally;
  /** Makes invoices, on handler threads. */
  readonly invoices: Consumer;
  readonly made: InvoiceTally;
}

/**
 * Makes them; none has started.
 *
 * @param bootstrapServers Where Kafka is.
 * @param shop Where they read.
 */
export function hireStaff(bootstrapServers: string, { groups }: Shop): Staff {
  const reads = ({ groupId, topic }: Shop["groups"]["ledger"]) => ({
    bootstrapServers,
    groupId,
    topics: [topic],
    startFrom: "earliest" as const,
    heartbeatIntervalMs: HEARTBEAT_MS,
  });
  const block = new Block();

  const counted = new PartitionTally();
  const manager = new ThreadManager({
    consumer: reads(groups.revenue),
    name: "revenue",
    lifetimeMs: null,
    onMessage: (message) => {
      counted.revenue += message.json<Order>()!.total;
      counted.add(message);
      block.maybe({ manager, invoices, made });
    },
    logger: printing(),
  });

  const booked = new PartitionTally();
  const ledger = createOrderedConsumer({
    ...reads(groups.ledger),
    naming: "free",
    name: "ledger",
    handler: (_context, payment: Payment, message) => {
      booked.revenue += payment.amount;
      booked.add(message);
    },
    logger: printing(),
  });

  const made = new InvoiceTally();
  const invoices = createParallelConsumer({
    ...reads(groups.invoices),
    naming: "free",
    name: "invoices",
    handler: siblingModule("./invoices", import.meta.url),
    threads: HANDLER_THREADS,
    onError: { retries: 3, backoff: { initialMs: 100 }, then: "dead-letter" },
    logger: {
      ...printing(),
      info: (text, fields) => {
        if (text === INVOICE_MADE) made.add(fields as unknown as InvoiceMade);
        else printing().info(text);
      },
      // The table counts what has failed; below, one of each kind is told.
      warn: (text, fields) => fields?.["attempt"] === undefined && printing().warn(text),
    },
  });
  invoices.addEventListener("retry", ({ detail: { error, delayMs } }) => {
    if (++made.retries === 1) {
      console.log(`  first retry: ${error.message}; again in ${Math.round(delayMs)} ms`);
    }
  });
  invoices.addEventListener("dead-letter", ({ detail: { error } }) => {
    made.addDeadLetter();
    if (made.deadLetters === 1) console.log(`  first dead letter: ${error.message}`);
  });
  return { manager, counted, block, ledger, booked, invoices, made };
}

function printing(): Logger {
  return {
    debug: () => {},
    info: (text) => console.log(`  log: ${text}`),
    warn: (text) => console.warn(`  warning: ${text}`),
    error: (text) => console.error(`  error: ${text}`),
  };
}
