/** What a consumer is doing, in figures. */

import type { ConsumerRun } from "./consumer_run.ts";
import { type ConsumerStats, statsOf } from "./stats.ts";

/** One of those who run handlers: a handler thread, or the program's thread. */
export interface HandlerThreadStats {
  /** Number of the thread, from 0; null for the program's own. */
  thread: number | null;
  /** What it is at. */
  state: string;
  /** Times it was replaced. */
  restarts: number;
}

/** What handlers are doing. */
export interface HandlerStats {
  /** Whether the consumer is paused. */
  paused: boolean;
  /** Messages handed to handlers and not finished. */
  underWay: number;
  /** Milliseconds for which the oldest of them has been, or null. */
  oldestUnderWayMs: number | null;
  /** Messages that were handled. */
  handled: number;
  /** Attempts that failed. */
  failed: number;
  /** Messages that could not be decoded, or that the schema refused. */
  invalid: number;
  /** Attempts after a failed one. */
  retries: number;
  /** Messages that were skipped by policy. */
  skipped: number;
  /** Messages that were stored as dead letters. */
  deadLetters: number;
  /** Messages that were known to be finished before they were read, and not handled again. */
  leftOut: number;
  /** Milliseconds that handlers have taken in all. */
  busyMs: number;
  /** Each handler thread. */
  threads: HandlerThreadStats[];
  /** Threads that hang and could not be ended. */
  abandonedThreads: number;
}

/** What an ordered or parallel consumer is doing. */
export interface WorkerStats extends ConsumerStats {
  /** Its handlers. */
  handlers: HandlerStats;
}

/** Puts the figures together. */
export function consumerStatsOf(
  name: string,
  state: string,
  run: ConsumerRun | null,
): WorkerStats {
  const work = run?.work ?? null;
  const threads = run?.threads?.stats() ?? null;
  return {
    ...statsOf(name, state, run),
    handlers: {
      paused: run?.paused ?? false,
      underWay: work?.underWay ?? 0,
      oldestUnderWayMs: work?.oldestUnderWayMs ?? null,
      handled: work?.finished ?? 0,
      failed: work?.failed ?? 0,
      invalid: work?.invalid ?? 0,
      retries: work?.retried ?? 0,
      skipped: work?.skipped ?? 0,
      deadLetters: work?.deadLettered ?? 0,
      leftOut: work?.leftOut ?? 0,
      busyMs: work?.busyMs ?? 0,
      threads: threads?.map(({ thread, state, restarts }) => ({ thread, state, restarts })) ??
        (run === null ? [] : [{ thread: null, state: "running", restarts: 0 }]),
      abandonedThreads: run?.threads?.abandoned ?? 0,
    },
  };
}
