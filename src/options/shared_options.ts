/**
 * Options that a `ThreadManager` and the other consumers have in common.
 *
 * @module
 */
import * as v from "valibot";
import { LOG_LEVELS, type Logger, type LogLevel } from "../logger.ts";
import {
  checked,
  integer,
  maybe,
  oneOf,
  type OptionSchema,
  optionsObject,
  type Rule,
  withDefault,
} from "./validate.ts";

/** How much may be handed over to callbacks or handlers and not finished yet. */
export interface MaxInFlightOptions {
  /** Most messages; 1 to 10,000,000. Default: 50,000. */
  messages?: number;
  /** Most bytes of keys, values and headers; 1 to 4,294,967,296. Default: 16,777,216 (16 MiB). */
  bytes?: number;
}

/** How polling goes on after an error: with a pause that doubles, up to a limit. */
export interface RetryOptions {
  /** First pause in milliseconds; 1 to 3,600,000 and not above `maxMs`. Default: 250. */
  initialMs?: number;
  /** Longest pause in milliseconds; 1 to 3,600,000. Default: 10,000. */
  maxMs?: number;
  /**
   * Longest time in milliseconds without one good poll, after which the consumer fails; 1 to
   * 2,147,483,647, or `null`: it never does. Default: 300,000.
   */
  budgetMs?: number | null;
}

/** {@link MaxInFlightOptions} after validation. */
export interface ResolvedMaxInFlightOptions {
  /** Most messages. */
  readonly messages: number;
  /** Most bytes. */
  readonly bytes: number;
}

/** {@link RetryOptions} after validation. */
export interface ResolvedRetryOptions {
  /** First pause, in milliseconds. */
  readonly initialMs: number;
  /** Longest pause, in milliseconds. */
  readonly maxMs: number;
  /** Longest time without one good poll, in milliseconds; `null`: for ever. */
  readonly budgetMs: number | null;
}

/** What timers can count; beyond it they fire at once, in milliseconds. */
export const MAX_TIMER_MS = 2_147_483_647;
/** Longest of the shorter times, in milliseconds: what is above it is a mistake in the unit. */
export const HOUR_MS = 3_600_000;
/** The unit of all times. */
export const MS = "milliseconds";

/** The rule of pauses that grow. */
export const initialBelowMax: Rule<{ readonly initialMs: number; readonly maxMs: number }> = {
  reads: ["initialMs", "maxMs"],
  holds: ({ initialMs, maxMs }) => initialMs <= maxMs,
  blame: ["initialMs"],
  expected: ({ maxMs }) => `at most maxMs, which is ${maxMs}`,
};

/**
 * Makes the schema of a time limit.
 *
 * @param fallback Its default, in milliseconds.
 * @returns The schema.
 */
export function time(fallback: number): OptionSchema<number> {
  return withDefault(integer(1, MAX_TIMER_MS, MS), () => fallback);
}

/**
 * Makes the schema of `{ intervalMs }`.
 *
 * @param expected What is allowed in its place, for where something else is given.
 * @returns The schema.
 */
export function commitInterval(expected: string): OptionSchema<{ readonly intervalMs: number }> {
  return optionsObject<{ readonly intervalMs: number }>({
    intervalMs: integer(1, HOUR_MS, MS),
  }, { expected });
}

/** The schema of `maxInFlight`. */
export const maxInFlight: OptionSchema<ResolvedMaxInFlightOptions> = withDefault(
  optionsObject<ResolvedMaxInFlightOptions>({
    messages: withDefault(integer(1, 10_000_000, "messages"), () => 50_000),
    bytes: withDefault(integer(1, 4_294_967_296, "bytes"), () => 16_777_216),
  }),
  () => ({}),
);

const budget: OptionSchema<number | null> = v.nullable(
  integer(1, MAX_TIMER_MS, MS, ", or null: for ever"),
);

/** The schema of `retry`. */
export const retry: OptionSchema<ResolvedRetryOptions> = withDefault(
  optionsObject<ResolvedRetryOptions>({
    initialMs: withDefault(integer(1, HOUR_MS, MS), () => 250),
    maxMs: withDefault(integer(1, HOUR_MS, MS), () => 10_000),
    budgetMs: withDefault(budget, () => 300_000),
  }, { rules: [initialBelowMax] }),
  () => ({}),
);

/** The schema of `logger`. */
export const logger: OptionSchema<Logger> = withDefault(
  checked(
    (value) => hasMethods(value, ["debug", "info", "warn", "error"]),
    "an object with the methods debug, info, warn and error, such as console",
  ),
  () => console,
);

/** The schema of `logLevel`. */
export const logLevel: OptionSchema<LogLevel> = withDefault(oneOf(LOG_LEVELS), () => "info");

/** The schema of `signal`. */
export const signal: OptionSchema<AbortSignal | undefined> = maybe(checked(
  // By its methods, because a polyfill or another realm has another AbortSignal.
  (value) =>
    hasMethods(value, ["addEventListener", "removeEventListener"]) &&
    typeof (value as { aborted?: unknown }).aborted === "boolean",
  "an AbortSignal",
));

/**
 * Tells whether a value is a function.
 *
 * @param value Anything.
 * @returns Whether it is one.
 */
export function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === "function");
}
