/**
 * Options of a `ThreadManager`.
 *
 * @module
 */
import * as v from "valibot";
import { LOG_LEVELS, type Logger, type LogLevel } from "../logger.ts";
import type { Message } from "../message.ts";
import {
  type KafkaOptions,
  kafkaOptions,
  kafkaSchemas,
  type ResolvedKafkaOptions,
} from "./kafka_options.ts";
import {
  checked,
  integer,
  maybe,
  nonBlankText,
  oneOf,
  type OptionSchema,
  optionsObject,
  parseOptions,
  withDefault,
} from "./validate.ts";

/** How much may be handed over to the callback's thread and not finished yet. */
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
   * Longest time in milliseconds without one good poll, after which the manager fails; 1 to
   * 2,147,483,647, or `null`: it never does. Default: 300,000.
   */
  budgetMs?: number | null;
}

/** Options of a `ThreadManager`. */
export interface ThreadManagerOptions {
  /** The connection to Kafka, the group and its topics. */
  consumer: KafkaOptions;
  /**
   * Called with each message, in order, on the program's thread; what it returns is awaited before the
   * next call. What it throws stops the manager. Default: none, for `for await (const message of manager)`.
   */
  onMessage?: (message: Message) => unknown | Promise<unknown>;
  /**
   * After how many milliseconds the manager stops by itself; up to 2,147,483,647. `null` or 0: it runs
   * until `stop()`. Default: 40,000.
   */
  lifetimeMs?: number | null;
  /**
   * Whether the program may end while the manager runs. Not with `thread: "inline"`: that has no
   * thread to leave behind. Default: `false`.
   */
  daemon?: boolean;
  /**
   * When the position of finished messages is committed: by itself, at most every `intervalMs` (1 to
   * 3,600,000 milliseconds) and at stop, or only by `manager.commit(message)`. Default: `auto`, which
   * is `{ intervalMs: 5_000 }`.
   */
  commit?: "auto" | "manual" | { intervalMs: number };
  /** Name of the thread in logs, stats and health. Default: `kafka_consumer.${groupId}`. */
  name?: string;
  /** Where logs go. Default: `console`. */
  logger?: Logger;
  /** Lowest level that is logged. Default: `info`. */
  logLevel?: LogLevel;
  /** Stops the manager when it aborts. Default: none. */
  signal?: AbortSignal;
  /** How much may be handed over and not finished yet. */
  maxInFlight?: MaxInFlightOptions;
  /** Milliseconds until polling must have begun; 1 to 2,147,483,647. Default: 30,000. */
  startTimeoutMs?: number;
  /**
   * Milliseconds that a stop may take before what is left is ended by force; 1 to 2,147,483,647.
   * Default: 30,000.
   */
  stopTimeoutMs?: number;
  /** How polling goes on after an error. */
  retry?: RetryOptions;
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

/** When positions are committed, after validation. */
export type ResolvedCommitOption = "manual" | { readonly intervalMs: number };

/** {@link ThreadManagerOptions} after validation, with all defaults filled in. */
export interface ResolvedThreadManagerOptions {
  /** The connection to Kafka. */
  readonly consumer: ResolvedKafkaOptions;
  /** Called with each message, if given. */
  readonly onMessage: ((message: Message) => unknown | Promise<unknown>) | undefined;
  /** Milliseconds until the manager stops by itself; `null`: it does not. */
  readonly lifetimeMs: number | null;
  /** Whether the program may end while the manager runs. */
  readonly daemon: boolean;
  /** When positions are committed. */
  readonly commit: ResolvedCommitOption;
  /** Name of the thread. */
  readonly name: string;
  /** Where logs go; as the user gave it, so wrap it with `safeLogger`. */
  readonly logger: Logger;
  /** Lowest level that is logged. */
  readonly logLevel: LogLevel;
  /** Stops the manager when it aborts, if given. */
  readonly signal: AbortSignal | undefined;
  /** How much may be handed over and not finished yet. */
  readonly maxInFlight: ResolvedMaxInFlightOptions;
  /** Milliseconds until polling must have begun. */
  readonly startTimeoutMs: number;
  /** Milliseconds that a stop may take. */
  readonly stopTimeoutMs: number;
  /** How polling goes on after an error. */
  readonly retry: ResolvedRetryOptions;
}

// What timers can count; beyond it they fire at once.
const MAX_TIMER_MS = 2_147_483_647;
const HOUR_MS = 3_600_000;
const MS = "milliseconds";

const lifetime: OptionSchema<number | null> = v.pipe(
  v.nullable(integer(0, MAX_TIMER_MS, MS, ", or null or 0: until stop()")),
  v.transform((value) => value === 0 ? null : value),
);

const commitInterval: OptionSchema<{ readonly intervalMs: number }> = optionsObject<
  { readonly intervalMs: number }
>({
  intervalMs: integer(1, HOUR_MS, MS),
}, {
  expected: '"auto" or "manual" or an object { intervalMs }',
});

const commit: OptionSchema<ResolvedCommitOption> = v.lazy((value): OptionSchema<
  ResolvedCommitOption
> => {
  if (value === "manual") return oneOf(["manual"]);
  if (value !== "auto") return commitInterval;
  return v.pipe(v.unknown(), v.transform(() => ({ intervalMs: 5_000 })));
});

const maxInFlight: OptionSchema<ResolvedMaxInFlightOptions> = optionsObject<
  ResolvedMaxInFlightOptions
>({
  messages: withDefault(integer(1, 10_000_000, "messages"), () => 50_000),
  bytes: withDefault(integer(1, 4_294_967_296, "bytes"), () => 16_777_216),
});

const budget: OptionSchema<number | null> = v.nullable(
  integer(1, MAX_TIMER_MS, MS, ", or null: for ever"),
);

const retry: OptionSchema<ResolvedRetryOptions> = optionsObject<ResolvedRetryOptions>({
  initialMs: withDefault(integer(1, HOUR_MS, MS), () => 250),
  maxMs: withDefault(integer(1, HOUR_MS, MS), () => 10_000),
  budgetMs: withDefault(budget, () => 300_000),
}, {
  rules: [{
    reads: ["initialMs", "maxMs"],
    holds: ({ initialMs, maxMs }) => initialMs <= maxMs,
    blame: ["initialMs"],
    expected: ({ maxMs }) => `at most maxMs, which is ${maxMs}`,
  }],
});

const logger: OptionSchema<Logger> = checked(
  (value) => hasMethods(value, ["debug", "info", "warn", "error"]),
  "an object with the methods debug, info, warn and error, such as console",
);

// By its methods, because a polyfill or another realm has another AbortSignal.
const signal: OptionSchema<AbortSignal> = checked(
  (value) =>
    hasMethods(value, ["addEventListener", "removeEventListener"]) &&
    typeof (value as { aborted?: unknown }).aborted === "boolean",
  "an AbortSignal",
);

type Unnamed = Omit<ResolvedThreadManagerOptions, "name"> & { readonly name: string | undefined };

const schema: OptionSchema<Unnamed> = optionsObject<Unnamed>({
  consumer: kafkaOptions,
  onMessage: maybe(checked((value) => typeof value === "function", "a function")),
  lifetimeMs: withDefault(lifetime, () => 40_000),
  daemon: withDefault(
    checked<boolean>((value) => typeof value === "boolean", "true or false"),
    () => false,
  ),
  commit: withDefault(commit, () => "auto"),
  name: maybe(nonBlankText(255)),
  logger: withDefault(logger, () => console),
  logLevel: withDefault(oneOf(LOG_LEVELS), () => "info"),
  signal: maybe(signal),
  maxInFlight: withDefault(maxInFlight, () => ({})),
  startTimeoutMs: withDefault(integer(1, MAX_TIMER_MS, MS), () => 30_000),
  stopTimeoutMs: withDefault(integer(1, MAX_TIMER_MS, MS), () => 30_000),
  retry: withDefault(retry, () => ({})),
}, {
  rules: [{
    reads: ["daemon", "consumer"],
    holds: ({ daemon, consumer }) => !(daemon && consumer.thread === "inline"),
    blame: ["daemon"],
    expected: () => 'false, because consumer.thread is "inline" and a daemon needs a thread',
  }],
  aliases: {
    callback: "onMessage",
    handler: "onMessage",
    eachmessage: "onMessage",
    // Options of the connection that were given beside it.
    ...Object.fromEntries(
      Object.keys(kafkaSchemas).map((name) => [name.toLowerCase(), `consumer.${name}`]),
    ),
  },
});

/**
 * Checks the options of a `ThreadManager` and fills in the defaults.
 *
 * @param input What the user gave.
 * @returns The options, complete.
 * @throws {OptionsError} If any option is wrong; it lists all that are.
 */
export function parseThreadManagerOptions(input: unknown): ResolvedThreadManagerOptions {
  const options = parseOptions(schema, input);
  return { ...options, name: options.name ?? `kafka_consumer.${options.consumer.groupId}` };
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === "function");
}
