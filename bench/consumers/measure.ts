import process from "node:process";
import { parseArgs } from "node:util";
import type { Logger } from "../../mod.ts";
import type { Reading } from "../peers/peers.ts";
import { quietLogger } from "../support/quiet_logger.ts";

/** What a contestant of `consumers.ts` is told. */
export interface Assignment {
  /** Options that all consumers share: the group has never committed, and the topic is filled already. */
  kafka: {
    bootstrapServers: string;
    groupId: string;
    topics: string[];
    startFrom: "earliest";
    logger: Logger;
  };
  /** How many messages the topic has. */
  messages: number;
  /** What is handled one after the other. */
  order: "key" | "none";
  /** Most handlers under way at once, if given. */
  concurrency: number | undefined;
  /** Milliseconds that each handler waits. */
  handlerMs: number;
  /** How many handler threads. */
  threads: number;
}

/** Reads the arguments of a contestant. */
export function readAssignment(): Assignment {
  const { values } = parseArgs({
    options: {
      bootstrap: { type: "string", default: "" },
      group: { type: "string", default: "" },
      topic: { type: "string", default: "" },
      messages: { type: "string" },
      order: { type: "string", default: "key" },
      concurrency: { type: "string" },
      "handler-ms": { type: "string", default: "0" },
      threads: { type: "string", default: "1" },
    },
  });
  return {
    kafka: {
      bootstrapServers: values.bootstrap,
      groupId: values.group,
      topics: [values.topic],
      startFrom: "earliest",
      logger: quietLogger,
    },
    messages: Number(values.messages),
    order: values.order as Assignment["order"],
    concurrency: values.concurrency === undefined ? undefined : Number(values.concurrency),
    handlerMs: Number(values["handler-ms"]),
    threads: Number(values.threads),
  };
}

/** Counts the messages of one run and takes the time. */
export interface Counter {
  /** Resolves when the last message has been handled. */
  readonly done: Promise<void>;
  /** A handler begins. */
  begin(): void;
  /** A handler ends; `n` is the field of its message. */
  end(n: number): void;
  /** What came out. */
  reading(): Reading;
}

/**
 * Makes a counter.
 *
 * @param expected How many messages there are.
 * @returns The counter.
 */
export function createCounter(expected: number): Counter {
  let begun = 0;
  let ended = 0;
  let sum = 0;
  let firstAt = 0;
  let lastAt = 0;
  let cpu = process.cpuUsage();
  let resolve!: () => void;
  const done = new Promise<void>((yes) => resolve = yes);
  return {
    done,
    begin() {
      if (begun++ > 0) return;
      cpu = process.cpuUsage();
      firstAt = performance.now();
    },
    end(n) {
      sum += n;
      if (++ended !== expected) return;
      lastAt = performance.now();
      cpu = process.cpuUsage(cpu);
      resolve();
    },
    reading: () => ({
      messages: ended,
      sum,
      seconds: (lastAt - firstAt) / 1_000,
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
    }),
  };
}

/** What is measured here of a consumer. */
export interface MeasuredConsumer {
  /** Begins to consume. */
  start(): Promise<unknown>;
  /** Ends. */
  stop(): Promise<unknown>;
  /** Settles when it has ended; rejects with what it failed of. */
  readonly closed: Promise<unknown>;
}

/**
 * Runs a consumer until the counter has them all, and prints the reading.
 *
 * @param consumer The consumer, not started yet.
 * @param counter What its handler counts with.
 */
export async function measure(consumer: MeasuredConsumer, counter: Counter): Promise<void> {
  await consumer.start();
  await Promise.race([counter.done, consumer.closed]);
  await consumer.stop();
  process.stdout.write(`${JSON.stringify(counter.reading())}\n`);
}
