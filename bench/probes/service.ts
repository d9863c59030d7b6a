/** A service that consumes as fast as it can for some seconds, and is probed meanwhile. */

import process from "node:process";
import { parseArgs } from "node:util";
import { createOrderedConsumer, createParallelConsumer } from "../../mod.ts";
import { serve } from "../../src/server/mod.ts";
import { quietLogger } from "../support/quiet_logger.ts";

/** What it prints in the end. */
export interface ServiceReading {
  /** Messages that were handled in one second, while it was probed. */
  messagesPerSecond: number;
  /** How many were left to read: none, if it had nothing to do at the end. */
  lag: number;
}

const LOOK_MS = 10;
/** It ends before it has nothing to do: figures are as old as the last answer of the thread. */
const MOST_OF_ALL = 0.8;

const { values } = parseArgs({
  options: {
    bootstrap: { type: "string", default: "" },
    group: { type: "string", default: "" },
    topic: { type: "string", default: "" },
    kind: { type: "string", default: "parallel" },
    handler: { type: "string", default: "counts" },
    threads: { type: "string", default: "2" },
    messages: { type: "string", default: "1" },
    seconds: { type: "string", default: "3" },
  },
});

const options = {
  bootstrapServers: values.bootstrap,
  groupId: values.group,
  topics: [values.topic],
  startFrom: "earliest" as const,
  logger: quietLogger,
  handler: new URL(`./${values.handler}.ts`, import.meta.url),
};
const consumer = values.kind === "ordered"
  ? createOrderedConsumer({ ...options, commit: { intervalMs: 5_000 } })
  : createParallelConsumer({ ...options, threads: Number(values.threads) });

const stop = new AbortController();
const reading: ServiceReading = { messagesPerSecond: 0, lag: 0 };
let url = "";
let begun: { at: number; handled: number } | null = null;
const look = setInterval(() => {
  const { handlers: { handled }, partitions } = consumer.stats();
  const now = performance.now();
  if (begun === null) {
    if (handled === 0) return;
    begun = { at: now, handled };
    console.log(`probe ${url}`);
  } else if (
    now - begun.at >= Number(values.seconds) * 1_000 ||
    handled >= Number(values.messages) * MOST_OF_ALL
  ) {
    clearInterval(look);
    reading.messagesPerSecond = Math.round((handled - begun.handled) / (now - begun.at) * 1_000);
    reading.lag = partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0);
    console.log("enough");
    stop.abort();
  }
}, LOOK_MS);

const code = await serve(consumer, {
  port: 0,
  hostname: "127.0.0.1",
  logger: quietLogger,
  signal: stop.signal,
  exit: false,
  onListen: (address) => void (url = address.url),
});
console.log(JSON.stringify(reading));
process.exit(code);
