/**
 * Rules across the options of ordered and parallel consumers, and what they are given to judge.
 *
 * @module
 */
import type {
  BatchHandler,
  Decode,
  Handler,
  Middleware,
  RetryIf,
  StandardSchema,
} from "../handler.ts";
import type { ResolvedConsumerOptions, ResolvedRestartOptions } from "./consumer_options.ts";
import { deadLetterRules, type GivenErrorPolicy } from "./error_policy.ts";
import { kafkaRules, type ResolvedKafkaOptions } from "./kafka_options.ts";
import type { Rule } from "./validate.ts";

type AsResolved = Pick<
  ResolvedConsumerOptions,
  | "handlerBatch"
  | "commit"
  | "onInvalid"
  | "handlerTimeoutMs"
  | "maxInFlight"
  | "healthCheck"
  | "logger"
  | "logLevel"
  | "signal"
  | "startTimeoutMs"
  | "stopTimeoutMs"
  | "retry"
>;

/** Options of either consumer, each valid by itself; `undefined` where the default depends on others. */
export interface GivenConsumerOptions extends ResolvedKafkaOptions, AsResolved {
  /** Name of the consumer, if given. */
  readonly name: string | undefined;
  /** Whether names are checked. */
  readonly naming: "strict" | "free";
  /** The function, or the module. */
  readonly handler: Handler | BatchHandler | URL;
  /** Makes data of bytes, if given. */
  readonly decode: Decode | undefined;
  /** Checks what was decoded, if given. */
  readonly schema: StandardSchema | undefined;
  /** Around every call, if given. */
  readonly middleware: readonly Middleware[] | undefined;
  /** Tells whether a failure is worth another attempt, if given. */
  readonly retryIf: RetryIf | undefined;
  /** Most messages per post, if given. */
  readonly batchSize: number | undefined;
  /** What happens to a message whose handler has failed. */
  readonly onError: GivenErrorPolicy;
  /** What happens when a handler thread cannot be ended, if given. */
  readonly onStuck: "replace" | "exit" | undefined;
  /** How often handler threads may be replaced, if given. */
  readonly restarts: ResolvedRestartOptions | undefined;
}

/** Options of a parallel consumer, each valid by itself. */
export interface GivenParallelOptions extends GivenConsumerOptions {
  /** Most calls under way at once, if given. */
  readonly maxConcurrency: number | undefined;
  /** How many handler threads, if given. */
  readonly threads: number | undefined;
  /** What is handled one after the other. */
  readonly order: "key" | "partition" | "none";
  /** What is committed. */
  readonly delivery: "at-least-once" | "interval";
}

/** How many calls of the handler are under way at once in a parallel consumer if nothing is said. */
const DEFAULT_CONCURRENCY = 64;
const PREFIX = "kafka_consumer.";

/** The rules of both consumers. */
export const consumerRules: readonly Rule<GivenConsumerOptions>[] = [
  ...kafkaRules,
  {
    reads: ["groupId", "naming"],
    holds: ({ groupId, naming }) => naming === "free" || groupOf(groupId) !== undefined,
    blame: ["groupId"],
    expected: () => '"{service}.{group}", such as "shop.orders", or any text with naming: "free"',
  },
  {
    reads: ["groupId", "naming", "name"],
    holds: ({ groupId, naming, name }) => {
      const group = groupOf(groupId);
      return naming === "free" || name === undefined || group === undefined ||
        name === PREFIX + group;
    },
    blame: ["name"],
    expected: ({ groupId }) =>
      `"${PREFIX}${groupOf(groupId)}", as groupId says, or any text with naming: "free"`,
  },
  ...(["decode", "schema", "middleware", "retryIf"] as const).map((
    name,
  ): Rule<GivenConsumerOptions> => ({
    reads: ["handler", name],
    holds: (options) => !(options.handler instanceof URL) || options[name] === undefined,
    blame: [name],
    expected: () =>
      `left out, because handler is a URL: export const ${name} from the module of the handler`,
  })),
  onlyWithModule("onStuck"),
  onlyWithModule("restarts"),
  {
    reads: ["batchSize", "maxInFlight"],
    holds: ({ batchSize = 1, maxInFlight }) => batchSize <= maxInFlight.messages,
    blame: ["batchSize"],
    expected: atMostInFlight,
  },
  {
    reads: ["handlerBatch", "maxInFlight"],
    holds: ({ handlerBatch, maxInFlight }) => (handlerBatch?.size ?? 1) <= maxInFlight.messages,
    blame: ["handlerBatch", "size"],
    expected: atMostInFlight,
  },
  {
    reads: ["batchSize", "handlerBatch"],
    holds: ({ batchSize, handlerBatch }) =>
      batchSize === undefined || handlerBatch === undefined || batchSize >= handlerBatch.size,
    blame: ["batchSize"],
    expected: ({ handlerBatch }) => `at least handlerBatch.size, which is ${handlerBatch?.size}`,
  },
  ...deadLetterRules,
];

/** The rules of a parallel consumer. */
export const parallelRules: readonly Rule<GivenParallelOptions>[] = [
  ...consumerRules,
  {
    reads: ["maxConcurrency", "maxInFlight"],
    holds: ({ maxConcurrency = 1, maxInFlight }) => maxConcurrency <= maxInFlight.messages,
    blame: ["maxConcurrency"],
    expected: atMostInFlight,
  },
  onlyWithModule("threads"),
  {
    reads: ["threads", "maxConcurrency", "maxInFlight"],
    holds: (options) => (options.threads ?? 1) <= concurrencyOf(options),
    blame: ["threads"],
    expected: (options) => `at most maxConcurrency, which is ${concurrencyOf(options)}`,
  },
  {
    reads: ["delivery", "commit"],
    holds: ({ delivery, commit }) => delivery === "at-least-once" || typeof commit === "object",
    blame: ["commit"],
    expected: () => 'an object { intervalMs }, because delivery is "interval"',
  },
];

/**
 * Tells the name of a consumer.
 *
 * @param options The options that it depends on.
 * @returns The name that was given, or the default.
 */
export function nameOf({ name, naming, groupId }: GivenConsumerOptions): string {
  return name ?? PREFIX + (naming === "strict" ? groupOf(groupId) : groupId);
}

/**
 * Tells how many calls of the handler a parallel consumer has under way at once.
 *
 * @param options The options that it depends on.
 * @returns The number that was given, or the default.
 */
export function concurrencyOf({ maxConcurrency, maxInFlight }: GivenParallelOptions): number {
  return maxConcurrency ?? Math.min(DEFAULT_CONCURRENCY, maxInFlight.messages);
}

function groupOf(groupId: string): string | undefined {
  const dot = groupId.indexOf(".");
  const [service, group] = [groupId.slice(0, dot), groupId.slice(dot + 1)];
  return dot !== -1 && service.trim() !== "" && group.trim() !== "" ? group : undefined;
}

function onlyWithModule<Value extends { readonly handler: unknown }>(
  name: keyof Value & string,
): Rule<Value> {
  return {
    reads: ["handler", name],
    holds: (options) => options.handler instanceof URL || options[name] === undefined,
    blame: [name],
    expected: () =>
      "left out, because handler is a function, which runs on the program's own thread; handler " +
      'threads run modules: new URL("./handler.ts", import.meta.url)',
  };
}

function atMostInFlight({ maxInFlight }: GivenConsumerOptions): string {
  return `at most maxInFlight.messages, which is ${maxInFlight.messages}`;
}
