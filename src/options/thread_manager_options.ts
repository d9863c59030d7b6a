/**
 * Options of a `ThreadManager`.
 *
 * @module
 */
import * as v from "valibot";
import type { Logger, LogLevel } from "../logger.ts";
import type { Message } from "../message.ts";
import {
  type KafkaOptions,
  kafkaOptions,
  kafkaSchemas,
  type ResolvedKafkaOptions,
  yesOrNo,
} from "./kafka_options.ts";
import {
  commitInterval,
  isFunction,
  logger,
  logLevel,
  MAX_TIMER_MS,
  maxInFlight,
  type MaxInFlightOptions,
  MS,
  type ResolvedMaxInFlightOptions,
  type ResolvedRetryOptions,
  retry,
  type RetryOptions,
  signal,
  time,
} from "./shared_options.ts";
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

export type {
  MaxInFlightOptions,
  ResolvedMaxInFlightOptions,
  ResolvedRetryOptions,
  RetryOptions,
} from "./shared_options.ts";

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

const lifetime: OptionSchema<number | null> = v.pipe(
  v.nullable(integer(0, MAX_TIMER_MS, MS, ", or null or 0: until stop()")),
  v.transform((value) => value === 0 ? null : value),
);

const eachInterval: OptionSchema<{ readonly intervalMs: number }> = commitInterval(
  '"auto" or "manual" or an object { intervalMs }',
);

const commit: OptionSchema<ResolvedCommitOption> = v.lazy((value): OptionSchema<
  ResolvedCommitOption
> => {
  if (value === "manual") return oneOf(["manual"]);
  if (value !== "auto") return eachInterval;
  return v.pipe(v.unknown(), v.transform(() => ({ intervalMs: 5_000 })));
});

type Unnamed = Omit<ResolvedThreadManagerOptions, "name"> & { readonly name: string | undefined };

const schema: OptionSchema<Unnamed> = optionsObject<Unnamed>({
  consumer: kafkaOptions,
  onMessage: maybe(checked(isFunction, "a function")),
  lifetimeMs: withDefault(lifetime, () => 40_000),
  daemon: withDefault(yesOrNo, () => false),
  commit: withDefault(commit, () => "auto"),
  name: maybe(nonBlankText(255)),
  logger,
  logLevel,
  signal,
  maxInFlight,
  startTimeoutMs: time(30_000),
  stopTimeoutMs: time(30_000),
  retry,
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
