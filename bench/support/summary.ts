import type { Figures, Work } from "./recorder.ts";
import type { RuntimeName } from "./runtimes.ts";

/** Names of the contestants; each is a file of `contestants/`. */
export type ContestantName = "kafkajs_each_batch" | "kafkajs_each_message" | "thread_manager";

/** The contestants, in the order in which each round runs them; the first is the measure. */
export const CONTESTANTS: readonly ContestantName[] = [
  "kafkajs_each_batch",
  "kafkajs_each_message",
  "thread_manager",
];

/** What is compared: all the contestants under the same conditions. */
export interface Condition {
  /** In which runtime. */
  runtime: RuntimeName;
  /** Bytes of each value. */
  size: number;
  /** What is done with each message. */
  work: Work;
}

/** One run of one contestant. */
export interface Run extends Condition {
  /** Which round, from 1. */
  round: number;
  /** Who. */
  contestant: ContestantName;
  /** What it gave. */
  figures: Figures;
}

/** Middle and ends of one figure over the rounds. */
export interface Spread {
  /** The median. */
  median: number;
  /** The smallest. */
  min: number;
  /** The largest. */
  max: number;
}

/** All the rounds of one contestant under one condition. */
export interface Summary extends Condition {
  /** Who. */
  contestant: ContestantName;
  /** How many rounds. */
  rounds: number;
  /** Messages per second. */
  messagesPerSecond: Spread;
  /** Messages per second by those of `kafkajs_each_batch` in the same round. */
  ratio: Spread;
  /** The longest stall of each round, milliseconds. */
  stallMaxMs: Spread;
  /** The same, less the time that the thread waited for a core, milliseconds. */
  stallOwnMaxMs: Spread;
  /** The stall that 99 of 100 timers stayed under, milliseconds. */
  stallP99Ms: Spread;
  /** CPU seconds. */
  cpuSeconds: Spread;
  /** Bytes of resident memory at its peak. */
  peakMemoryBytes: Spread;
}

/**
 * Sums up runs: one row per condition and contestant, in the order of the runs.
 *
 * The ratio is taken pair by pair within a round, and only then its median: what slows the machine
 * down for a while slows both of a pair down.
 *
 * @param runs The runs of all rounds.
 * @returns The rows.
 */
export function summarize(runs: readonly Run[]): Summary[] {
  const rows = new Map<string, Run[]>();
  for (const run of runs) {
    const key = JSON.stringify([run.runtime, run.size, run.work, run.contestant]);
    rows.set(key, [...rows.get(key) ?? [], run]);
  }
  return [...rows.values()].map((rounds) => {
    const { runtime, size, work, contestant } = rounds[0]!;
    const each = (pick: (figures: Figures) => number): Spread =>
      spread(rounds.map(({ figures }) => pick(figures)));
    const ratios = rounds.flatMap((run) => {
      const measure = runs.find((other) =>
        other.contestant === CONTESTANTS[0] && other.round === run.round &&
        other.runtime === runtime && other.size === size && other.work === work
      );
      return measure ? [run.figures.messagesPerSecond / measure.figures.messagesPerSecond] : [];
    });
    return {
      runtime,
      size,
      work,
      contestant,
      rounds: rounds.length,
      messagesPerSecond: each((figures) => figures.messagesPerSecond),
      ratio: spread(ratios),
      stallMaxMs: each((figures) => figures.stall.maxMs),
      stallOwnMaxMs: each((figures) => figures.stall.ownMaxMs),
      stallP99Ms: each((figures) => figures.stall.p99Ms),
      cpuSeconds: each((figures) => figures.cpuSeconds),
      peakMemoryBytes: each((figures) => figures.peakMemory.bytes),
    };
  });
}

/**
 * Middle and ends of some values.
 *
 * @param values The values.
 * @returns Their median, least and greatest; NaN of none.
 */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
  return { median, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN };
}
