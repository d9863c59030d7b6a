/** What a consumer is doing, in figures, and whether it does what it is there for. */

import type { ConsumerRun } from "./consumer_run.ts";
import { type Health, type HealthCheck, healthOf } from "./health.ts";
import { type ConsumerStats, statsOf } from "./stats.ts";

/** How long the group may stand still with something to read and nothing under way. */
const STANDSTILL_MS = 60_000;
/** What a handler may take beyond its time until its signal has been heard and its thread replaced. */
const OVERTIME_MS = 10_000;

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

/** Judges; see `healthOf`. */
export async function consumerHealthOf(
  state: string,
  run: ConsumerRun | null,
  { sessionTimeoutMs, handlerTimeoutMs, healthCheck }: {
    sessionTimeoutMs: number;
    handlerTimeoutMs: number;
    healthCheck: (() => boolean | Promise<boolean>) | undefined;
  },
): Promise<Health> {
  const { checks } = await healthOf(state, run, { sessionTimeoutMs });
  const check = (name: string, up: boolean, data: Record<string, unknown>): HealthCheck => {
    const entry: HealthCheck = { name, status: up ? "UP" : "DOWN", data };
    checks.push(entry);
    return entry;
  };
  if (run !== null && state === "running") {
    const oldestUnderWayMs = run.work?.oldestUnderWayMs ?? null;
    check("handlers", (oldestUnderWayMs ?? 0) <= handlerTimeoutMs + OVERTIME_MS, {
      oldestUnderWayMs,
      handlerTimeoutMs,
    });
    const { threads } = run;
    if (threads !== null) {
      const running = threads.stats().filter(({ state }) => state === "running").length;
      check("handler threads", running > 0 && threads.abandoned === 0, {
        running,
        abandoned: threads.abandoned,
      });
    }
    const { standingStillMs } = run;
    const idle = run.inFlight === 0;
    check("progress", standingStillMs < STANDSTILL_MS || !idle, {
      standingStillMs: Math.round(standingStillMs),
    });
  }
  if (healthCheck !== undefined) {
    // It can only make things worse: a check of the user's own says nothing of what Kafka does.
    try {
      check("own check", await healthCheck() === true, {});
    } catch (error) {
      check("own check", false, { error: (error as Error)?.message ?? String(error) });
    }
  }
  return { status: checks.every(({ status }) => status === "UP") ? "UP" : "DOWN", checks };
}
