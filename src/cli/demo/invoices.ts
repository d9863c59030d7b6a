/**
 * A handler module: the demo's parallel consumer runs it on its handler threads.
 *
 * @module
 */
import { createHash } from "node:crypto";
import * as v from "valibot";
import { KafkaThreadsError } from "../../errors.ts";
import type { HandlerContext, SetupContext } from "../../handler.ts";
import { type Order, taxOfficeIsBusy } from "./orders.ts";

/** What an invoice's seal takes: about 2 ms of computing. */
const SEAL_ROUNDS = 1_500;

/** What the line says with which a thread tells of an invoice. */
export const INVOICE_MADE = "An invoice is made";

/** An invoice, as its line tells of it. */
export interface InvoiceMade {
  /** Number of the order. */
  id: number;
  customer: string;
  /** Number of the handler thread. */
  thread: number;
  /** When it was begun, and when it was done: by the wall clock, which all threads share. */
  began: number;
  done: number;
}

let thread = -1;

/** Checks what was decoded. */
export const schema = v.looseObject({
  id: v.number(),
  customer: v.string(),
  address: v.nullable(v.string()),
  total: v.number(),
});

/** Runs once in each thread, before its first message. */
export function setup(context: SetupContext): void {
  thread = context.thread;
}

/** Makes the invoice of an order, and computes without a pause for it. */
export default function makeInvoice({ attempt, logger }: HandlerContext, order: Order): void {
  const began = Date.now();
  if (order.address === null) {
    // No attempt will find one.
    throw new KafkaThreadsError(`Order ${order.id} has no address`, {
      code: "NO_ADDRESS",
      retriable: false,
    });
  }
  if (attempt === 1 && taxOfficeIsBusy(order.id)) throw new Error("The tax office does not answer");
  let seal = JSON.stringify(order);
  for (let round = 0; round < SEAL_ROUNDS; round++) {
    seal = createHash("sha256").update(seal).digest("hex");
  }
  const { id, customer } = order;
  const made: InvoiceMade = { id, customer, thread, began, done: Date.now() };
  // Threads share no memory: what one has to tell goes through its logger.
  logger.info(INVOICE_MADE, { ...made });
}
