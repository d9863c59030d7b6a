/**
 * Validation of the options of ordered and parallel consumers.
 *
 * @module
 */
import * as v from "valibot";
import type {
  ResolvedCommitPolicy,
  ResolvedConsumerOptions,
  ResolvedHandlerFunction,
  ResolvedHandlerModule,
  ResolvedRestartOptions,
} from "./consumer_options.ts";
import {
  concurrencyOf,
  consumerRules,
  type GivenConsumerOptions,
  type GivenParallelOptions,
  nameOf,
  parallelRules,
} from "./consumer_rules.ts";
import { DEFAULT_DEAD_LETTER_TOPIC, onError, onInvalid } from "./error_policy.ts";
import {
  decode,
  handler,
  handlerAliases,
  handlerBatch,
  middleware,
  retryIf,
  schema,
} from "./handler_schemas.ts";
import { kafkaAliases, kafkaSchemas, type ResolvedKafkaOptions } from "./kafka_options.ts";
import {
  commitInterval,
  isFunction,
  logger,
  logLevel,
  MAX_TIMER_MS,
  maxInFlight,
  MS,
  retry,
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
  type OptionSchemas,
  optionsObject,
  parseOptions,
  withDefault,
} from "./validate.ts";

const RESTARTS: ResolvedRestartOptions = { max: 20, withinMs: 60_000 };

const restarts: OptionSchema<ResolvedRestartOptions> = optionsObject<ResolvedRestartOptions>({
  max: withDefault(integer(0, 10_000, "replacements"), () => RESTARTS.max),
  withinMs: withDefault(integer(1, MAX_TIMER_MS, MS), () => RESTARTS.withinMs),
}, { expected: "an object { max, withinMs }" });

const healthCheck: OptionSchema<(() => boolean | Promise<boolean>) | undefined> = maybe(
  checked(isFunction, "a function () => boolean or a promise of one"),
);

function commitPolicy<const Word extends "each" | "continuous">(
  words: readonly Word[],
  expected: string,
): OptionSchema<Word | { readonly intervalMs: number }> {
  const word: OptionSchema<Word> = oneOf(words);
  const interval = commitInterval(expected);
  return v.lazy((value): OptionSchema<Word | { readonly intervalMs: number }> =>
    words.some((known) => known === value) ? word : interval
  );
}

const shared: Omit<OptionSchemas<GivenConsumerOptions>, "commit"> = {
  ...kafkaSchemas,
  name: maybe(nonBlankText(255)),
  naming: withDefault(oneOf(["strict", "free"]), () => "strict"),
  handler,
  handlerBatch,
  decode,
  schema,
  middleware,
  retryIf,
  batchSize: maybe(integer(1, 100_000, "messages")),
  onError,
  onInvalid,
  handlerTimeoutMs: time(300_000),
  onStuck: maybe(oneOf(["replace", "exit"])),
  restarts: maybe(restarts),
  maxInFlight,
  healthCheck,
  logger,
  logLevel,
  signal,
  startTimeoutMs: time(30_000),
  stopTimeoutMs: time(30_000),
  retry,
};

const aliases: Readonly<Record<string, string>> = {
  ...kafkaAliases,
  ...handlerAliases,
  autocommit: "commit",
  enableautocommit: "commit",
  autocommitinterval: "commit.intervalMs",
  autocommitintervalms: "commit.intervalMs",
  commitinterval: "commit.intervalMs",
  commitintervalms: "commit.intervalMs",
  maxpollrecords: "batchSize",
  maxbatchsize: "batchSize",
  retries: "onError.retries",
  maxretries: "onError.retries",
  maxattempts: "onError.retries",
  backoff: "onError.backoff",
  retrydelay: "onError.backoff",
  deadletter: "onError.deadLetterTopic",
  deadletters: "onError.deadLetterTopic",
  deadlettertopic: "onError.deadLetterTopic",
  deadletterqueue: "onError.deadLetterTopic",
  dlq: "onError.deadLetterTopic",
  dlqtopic: "onError.deadLetterTopic",
  onfailure: "onError",
  errorpolicy: "onError",
  errorhandler: "onError",
  timeout: "handlerTimeoutMs",
  timeoutms: "handlerTimeoutMs",
  healthcheckfn: "healthCheck",
  queuesize: "maxInFlight.messages",
  maxqueuesize: "maxInFlight.messages",
};

const parallelAliases: Readonly<Record<string, string>> = {
  ...aliases,
  concurrency: "maxConcurrency",
  parallelism: "maxConcurrency",
  maxparallel: "maxConcurrency",
  maxconcurrent: "maxConcurrency",
  partitionsconsumedconcurrently: "maxConcurrency",
  maxconcurrentmessages: "maxConcurrency",
  workerthreads: "threads",
  handlerthreads: "threads",
  workercount: "threads",
  ordering: "order",
  orderby: "order",
  processingorder: "order",
  guarantee: "delivery",
  semantics: "delivery",
};

const strangers: Readonly<Record<string, string>> = {
  consumer: "left out: the options of the connection stand beside the others, not in an object",
  lifetimems: "left out: a consumer runs until stop(), or until its signal aborts",
  daemon: "left out: a consumer keeps the program running until it stops",
};

const ORDERED_ONLY =
  "left out: an ordered consumer handles one message at a time, unlike those of " +
  "createParallelConsumer";

const orderedSchema: OptionSchema<GivenConsumerOptions> = optionsObject<GivenConsumerOptions>({
  ...shared,
  commit: withDefault(
    commitPolicy(["each", "continuous"], '"each" or "continuous" or an object { intervalMs }'),
    () => "each",
  ),
}, {
  rules: consumerRules,
  aliases,
  strangers: {
    ...strangers,
    ...Object.fromEntries(
      [
        "maxconcurrency",
        "concurrency",
        "partitionsconsumedconcurrently",
        "threads",
        "order",
        "delivery",
      ].map((name) => [name, ORDERED_ONLY]),
    ),
  },
});

const parallelSchema: OptionSchema<GivenParallelOptions> = optionsObject<GivenParallelOptions>({
  ...shared,
  commit: withDefault<ResolvedCommitPolicy>(
    commitPolicy(
      ["continuous"],
      '"continuous" or an object { intervalMs } ("each" is for createOrderedConsumer)',
    ),
    () => ({ intervalMs: 5_000 }),
  ),
  maxConcurrency: maybe(integer(1, 100_000, "calls of the handler")),
  threads: maybe(integer(1, 256, "threads")),
  order: withDefault(oneOf(["key", "partition", "none"]), () => "key"),
  delivery: withDefault(oneOf(["at-least-once", "interval"]), () => "at-least-once"),
}, { rules: parallelRules, aliases: parallelAliases, strangers });

/**
 * Checks the options of an ordered consumer and fills in the defaults.
 *
 * @param input What the user gave.
 * @returns The options, complete.
 * @throws {OptionsError} If any option is wrong; it lists all that are.
 */
export function parseOrderedConsumerOptions(input: unknown): ResolvedConsumerOptions {
  const options = parseOptions(orderedSchema, input);
  return {
    ...resolveShared(options),
    kind: "ordered",
    // What comes behind a message waits for its commit, so that more of them would only lie there.
    batchSize: options.commit === "each"
      ? options.handlerBatch?.size ?? 1
      : options.batchSize ?? usualBatchSize(options),
    delivery: "at-least-once",
    order: "partition",
    maxConcurrency: 1,
    threads: options.handler instanceof URL ? 1 : 0,
  };
}

/**
 * Checks the options of a parallel consumer and fills in the defaults.
 *
 * @param input What the user gave.
 * @returns The options, complete.
 * @throws {OptionsError} If any option is wrong; it lists all that are.
 */
export function parseParallelConsumerOptions(input: unknown): ResolvedConsumerOptions {
  const options = parseOptions(parallelSchema, input);
  const { delivery, order } = options;
  return {
    ...resolveShared(options),
    kind: "parallel",
    batchSize: options.batchSize ?? usualBatchSize(options),
    delivery,
    order,
    maxConcurrency: concurrencyOf(options),
    threads: options.handler instanceof URL ? options.threads : 0,
  };
}

function usualBatchSize({ handlerBatch, maxInFlight }: GivenConsumerOptions): number {
  return Math.max(handlerBatch?.size ?? 1, Math.min(1_000, maxInFlight.messages));
}

type ResolvedByKind = "kind" | "batchSize" | "delivery" | "order" | "maxConcurrency" | "threads";

function resolveShared(
  options: GivenConsumerOptions,
): Omit<ResolvedConsumerOptions, ResolvedByKind> {
  const { deadLetterTopic = DEFAULT_DEAD_LETTER_TOPIC } = options.onError;
  return {
    kafka: kafkaOf(options),
    name: nameOf(options),
    handler: handlerOf(options),
    handlerBatch: options.handlerBatch,
    commit: options.commit,
    onError: { ...options.onError, deadLetterTopic },
    onInvalid: options.onInvalid,
    handlerTimeoutMs: options.handlerTimeoutMs,
    onStuck: options.onStuck ?? "replace",
    restarts: options.restarts ?? RESTARTS,
    maxInFlight: options.maxInFlight,
    healthCheck: options.healthCheck,
    logger: options.logger,
    logLevel: options.logLevel,
    signal: options.signal,
    startTimeoutMs: options.startTimeoutMs,
    stopTimeoutMs: options.stopTimeoutMs,
    retry: options.retry,
  };
}

function kafkaOf(options: GivenConsumerOptions): ResolvedKafkaOptions {
  const names = Object.keys(kafkaSchemas) as (keyof ResolvedKafkaOptions)[];
  return Object.fromEntries(
    names.map((name) => [name, options[name]]),
  ) as unknown as ResolvedKafkaOptions;
}

function handlerOf(
  { handler, decode, schema, middleware = [], retryIf }: GivenConsumerOptions,
): ResolvedHandlerFunction | ResolvedHandlerModule {
  if (handler instanceof URL) return { kind: "module", module: handler.href };
  return { kind: "function", handle: handler, decode, schema, middleware, retryIf };
}
