/** How far a consumer is, for people and for logs. */

import type { WorkerStats } from "../../program/consumer_stats.ts";
import { printable } from "./text_line.ts";

const FIGURE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** Figures of a record of progress. */
export interface ProgressFields extends Record<string, unknown> {
  /** Where the consumer is in its life. */
  state: string;
  /** Messages finished per second. */
  messagesPerSecond: number;
  /** Messages finished. */
  messages: number;
  /** Messages that wait in Kafka. */
  lag: number;
  /** Messages handed to handlers and not finished. */
  inFlight: number;
  /** Attempts that failed. */
  failed: number;
  /** Attempts after a failed one. */
  retries: number;
  /** Messages that were skipped. */
  skipped: number;
  /** Messages that were invalid. */
  invalid: number;
  /** Messages that were stored as dead letters. */
  deadLetters: number;
}

/**
 * Makes a record of progress.
 *
 * @param stats What the consumer is doing.
 * @returns Its fields.
 */
export function progressFields(stats: WorkerStats): ProgressFields {
  const { handlers } = stats;
  return {
    state: stats.state,
    messagesPerSecond: Math.round(stats.messagesPerSecond),
    messages: stats.messages,
    lag: stats.lag,
    inFlight: stats.inFlight,
    failed: handlers.failed,
    retries: handlers.retries,
    skipped: handlers.skipped,
    invalid: handlers.invalid,
    deadLetters: handlers.deadLetters,
  };
}

/**
 * Tells whether there is anything to log: whoever has nothing to do need not say so again and again.
 *
 * @param now The figures.
 * @param before Those of the time before.
 * @returns Whether they differ in more than the state and the rate.
 */
export function hasMoved(now: ProgressFields, before: ProgressFields): boolean {
  const { state: _state, messagesPerSecond: _rate, ...counts } = now;
  return Object.keys(counts).some((name) => now[name] !== before[name]);
}

/**
 * Makes the line that a terminal shows.
 *
 * @param stats What the consumer is doing.
 * @param width How many columns there are.
 * @returns One line that fits: first what does not matter as much is left out, then the rest is cut.
 */
export function progressLine(stats: WorkerStats, width: number): string {
  const { state, lag, inFlight, messages, messagesPerSecond, failed, retries, ...rest } =
    progressFields(stats);
  const words = state === "running"
    ? [`${count(messagesPerSecond)}/s`, `lag ${count(lag)}`, `in flight ${count(inFlight)}`]
    : [state];
  if (stats.handlers.paused) words.push("paused");
  if (failed > 0 || retries > 0) {
    words.push(`failed ${count(failed)}`, `retries ${count(retries)}`);
  }
  if (rest.deadLetters > 0) words.push(`dead letters ${count(rest.deadLetters)}`);
  if (rest.skipped > 0) words.push(`skipped ${count(rest.skipped)}`);
  if (rest.invalid > 0) words.push(`invalid ${count(rest.invalid)}`);
  words.push(`${count(messages)} done`, partitionsOf(stats), nameOf(stats));
  // One column stays free: in the last one some terminals begin a new line.
  const room = Math.max(0, width - 1);
  let line = "";
  for (const word of words) {
    const longer = line === "" ? word : `${line}  ${word}`;
    if (columnsOf(longer) > room) break;
    line = longer;
  }
  return line === "" ? cut(words[0]!, room) : line;
}

function partitionsOf({ partitions: { length } }: WorkerStats): string {
  return `${length} partition${length === 1 ? "" : "s"}`;
}

function nameOf({ name }: WorkerStats): string {
  return printable(name).replace(/\s+/g, " ");
}

function count(number: number): string {
  return FIGURE.format(number);
}

function cut(text: string, room: number): string {
  let line = "";
  for (const letter of text) {
    if (columnsOf(line + letter) > room) break;
    line += letter;
  }
  return line;
}

/** How wide a text is at most: what is not ASCII may be twice as wide. */
function columnsOf(text: string): number {
  let columns = 0;
  for (const letter of text) columns += letter >= " " && letter <= "~" ? 1 : 2;
  return columns;
}
