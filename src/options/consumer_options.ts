/**
 * Options of `createOrderedConsumer` and `createParallelConsumer`.
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
import type { Logger, LogLevel } from "../logger.ts";
import type { KafkaOptions, ResolvedKafkaOptions } from "./kafka_options.ts";
import type {
  MaxInFlightOptions,
  ResolvedMaxInFlightOptions,
  ResolvedRetryOptions,
  RetryOptions,
} from "./shared_options.ts";

/**
 * When the offsets of finished messages are committed. Whatever it is, they are also committed before
 * partitions go to another consumer, and at stop.
 *
 * - `"each"`: after each message (or batch, with `handlerBatch`), before the next one of its partition
 *   starts. In `createOrderedConsumer` only.
 * - `"continuous"`: one commit always under way, with the newest offsets.
 * - `{ intervalMs }`: at most every so many milliseconds; 1 to 3,600,000.
 */
export type CommitPolicy = "each" | "continuous" | { intervalMs: number };

/** How long a failed message waits for its next attempt: longer each time, spread at random. */
export interface BackoffOptions {
  /** Milliseconds before the second attempt; 0 to 3,600,000 and not above `maxMs`. Default: 1,000. */
  initialMs?: number;
  /** Most milliseconds before any attempt; 0 to 3,600,000. Default: 60,000. */
  maxMs?: number;
  /** How many times longer each wait is than the one before; 1 to 100. Default: 2. */
  factor?: number;
}

/** What happens to a message whose handler has failed. */
export interface ErrorPolicy {
  /**
   * How many more attempts it gets; 0 to 1,000,000, or `null`: no limit. Errors with `retriable: false`,
   * and those `retryIf` says no to, get none. Default: 0.
   */
  retries?: number | null;
  /** How long it waits in between. Other keys and partitions go on meanwhile. */
  backoff?: BackoffOptions;
  /**
   * What happens when there are no attempts left. `stop`: the consumer fails, and the message comes again
   * after a restart. `skip`: it is logged and counts as finished. `dead-letter`: it counts as finished
   * when its copy in another topic is acknowledged. Default: `stop`.
   */
  then?: "stop" | "skip" | "dead-letter";
  /**
   * The topic of dead letters, also of those of `onInvalid`; `{topic}` stands for the topic of the
   * message. It cannot be a topic that is consumed here, and it is refused where nothing is sent to it.
   * Default: `{topic}.dead-letter`.
   */
  deadLetterTopic?: string;
}

/** How messages are gathered into batches for the handler. */
export interface HandlerBatchOptions {
  /**
   * Most messages of a batch; 1 to 10,000, and not above `maxInFlight.messages`. They are of one
   * partition, and of one key where the order is by key.
   */
  size: number;
  /**
   * Most milliseconds that a message waits for its batch to fill; 0 to 3,600,000. 0: a batch is what is
   * there already. Default: 0.
   */
  waitMs?: number;
}

/** How often handler threads may be replaced. */
export interface RestartOptions {
  /** Most replacements within the time, after which the consumer fails; 0 to 10,000. Default: 20. */
  max?: number;
  /** The time, in milliseconds; 1 to 2,147,483,647. Default: 60,000. */
  withinMs?: number;
}

/** What ordered and parallel consumers take beside the handler, and what decodes its data. */
export interface ConsumerOptions extends KafkaOptions {
  /**
   * Name of the consumer in logs, metrics and health. Default: `kafka_consumer.${group}`, where the group
   * is what is behind the first dot of `groupId`, or with `naming: "free"` all of it.
   */
  name?: string;
  /**
   * Guards against services that take each other's groups. `strict`: `groupId` is `{service}.{group}`,
   * split at its first dot, and `name`, if given, is `kafka_consumer.{group}`. `free`: any text will do.
   * Default: `strict`.
   */
  naming?: "strict" | "free";
  /**
   * Around every call of the handler, outermost first. A handler module exports its own `middleware`.
   * Default: none.
   */
  middleware?: readonly Middleware[];
  /**
   * Tells whether a failure is worth another attempt. A handler module exports its own `retryIf`.
   * Default: every failure is.
   */
  retryIf?: RetryIf;
  /**
   * Most messages that are posted to where the handler runs at a time; it asks for as many as it is
   * quick with. They are handled one by one all the same: fewer only cost time. 1 to 100,000, not above
   * `maxInFlight.messages` and not below `handlerBatch.size`. Where an ordered consumer commits each
   * message it has no effect. Default: 1,000, within those limits.
   */
  batchSize?: number;
  /** What happens to a message whose handler has failed. */
  onError?: ErrorPolicy;
  /**
   * What happens to a message that cannot be decoded, or whose data the schema refuses; the handler never
   * gets it. `skip`: it is logged, counted and counts as finished. `stop` and `dead-letter`: as in
   * `onError`. Default: `skip`.
   */
  onInvalid?: "skip" | "stop" | "dead-letter";
  /**
   * Most milliseconds of one call of the handler, after which its signal aborts; what goes on regardless
   * brings `onStuck` about. 1 to 2,147,483,647. Default: 300,000.
   */
  handlerTimeoutMs?: number;
  /**
   * What happens when a handler thread does not end at its time and cannot be ended by force either, as
   * on Deno where it is in an endless loop. `replace`: it is abandoned, which health and stats report, and
   * another one takes its place. `exit`: the process ends with code 1, for whatever supervises it to start
   * it again. Only with a handler module. Default: `replace`.
   */
  onStuck?: "replace" | "exit";
  /** How often handler threads may be replaced. Only with a handler module. */
  restarts?: RestartOptions;
  /** How much may be handed over to handlers and not finished yet. */
  maxInFlight?: MaxInFlightOptions;
  /**
   * A check of the user's own. Where it gives false, or throws, the consumer is not healthy; it cannot
   * make a consumer healthy that is not. Default: none.
   */
  healthCheck?: () => boolean | Promise<boolean>;
  /** Where logs go. Default: `console`. */
  logger?: Logger;
  /** Lowest level that is logged. Default: `info`. */
  logLevel?: LogLevel;
  /** Stops the consumer when it aborts. Default: none. */
  signal?: AbortSignal;
  /** Milliseconds until consuming must have begun; 1 to 2,147,483,647. Default: 30,000. */
  startTimeoutMs?: number;
  /**
   * Milliseconds that a stop may take before what is left is ended by force; 1 to 2,147,483,647.
   * Default: 30,000.
   */
  stopTimeoutMs?: number;
  /** How polling goes on after an error; what happens after an error of the handler is `onError`. */
  retry?: RetryOptions;
}

/** What an ordered consumer takes beside the handler. */
export interface OrderedOptions extends ConsumerOptions {
  /** When offsets are committed. Default: `each`. */
  commit?: CommitPolicy;
}

/** What a parallel consumer takes beside the handler. */
export interface ParallelOptions extends ConsumerOptions {
  /** When offsets are committed. Default: `{ intervalMs: 5_000 }`. */
  commit?: Exclude<CommitPolicy, "each">;
  /**
   * Most calls of the handler that are under way at once, on all threads together; 1 to 100,000 and not
   * above `maxInFlight.messages`. Default: 64, within that limit.
   */
  maxConcurrency?: number;
  /**
   * How many threads run the handler module; 1 to 256 and not above `maxConcurrency`. Only with a handler
   * module: a function runs on the program's own thread. Default: as many as there are cores, within that
   * limit.
   */
  threads?: number;
  /**
   * What is handled one after the other, in the order of offsets: messages of one key, of one partition,
   * or none. By key, messages without a key are free of each other. Default: `key`.
   */
  order?: "key" | "partition" | "none";
  /**
   * What is committed. `at-least-once`: what is finished. `interval`: what was read, finished or not, so
   * that a crash may lose messages; it needs `commit` to be `{ intervalMs }`. Default: `at-least-once`.
   */
  delivery?: "at-least-once" | "interval";
}

/** A handler that gets its messages one by one. */
export interface MessageHandlerOptions<Data = unknown> {
  /** A function, which runs on the program's thread, or the URL of a module, for handler threads. */
  handler: Handler<Data> | URL;
  /** Left out: the handler gets one message at a time. */
  handlerBatch?: undefined;
}

/** A handler that gets several messages at once. */
export interface BatchHandlerOptions<Data = unknown> {
  /** A function, which runs on the program's thread, or the URL of a module, for handler threads. */
  handler: BatchHandler<Data> | URL;
  /** How messages are gathered into batches. */
  handlerBatch: HandlerBatchOptions;
}

/** A schema says what the handler's data is. */
export interface SchemaOptions<Data = unknown, Decoded = unknown> {
  /**
   * A Standard Schema (of valibot, zod, arktype, …), which checks what was decoded, and makes the data of
   * it. A handler module exports its own `schema`.
   */
  schema: StandardSchema<Data>;
  /** Makes of bytes what the schema checks. A handler module exports its own. Default: JSON. */
  decode?: Decode<Decoded>;
}

/** No schema: the data is what `decode` returns, or parsed JSON, which can be anything. */
export interface DecodeOptions<Data = unknown, Decoded = Data> {
  /** Left out: data can be anything. */
  schema?: undefined;
  /** Makes the data of bytes. A handler module exports its own. Default: JSON. */
  decode?: Decode<Decoded> & Decode<NoInfer<Data>>;
}

/**
 * Options of `createOrderedConsumer`.
 *
 * @typeParam Data What the handler gets: what `schema` gives, or else what `decode` returns.
 * @typeParam Decoded What `decode` returns.
 */
export type OrderedConsumerOptions<Data = unknown, Decoded = Data> =
  & OrderedOptions
  & (SchemaOptions<Data, Decoded> | DecodeOptions<Data, Decoded>)
  & (MessageHandlerOptions<Data> | BatchHandlerOptions<Data>);

/**
 * Options of `createParallelConsumer`.
 *
 * @typeParam Data What the handler gets: what `schema` gives, or else what `decode` returns.
 * @typeParam Decoded What `decode` returns.
 */
export type ParallelConsumerOptions<Data = unknown, Decoded = Data> =
  & ParallelOptions
  & (SchemaOptions<Data, Decoded> | DecodeOptions<Data, Decoded>)
  & (MessageHandlerOptions<Data> | BatchHandlerOptions<Data>);

/** {@link BackoffOptions} after validation. */
export interface ResolvedBackoffOptions {
  /** Milliseconds before the second attempt. */
  readonly initialMs: number;
  /** Most milliseconds before any attempt. */
  readonly maxMs: number;
  /** How many times longer each wait is than the one before. */
  readonly factor: number;
}

/** {@link ErrorPolicy} after validation. */
export interface ResolvedErrorPolicy {
  /** How many more attempts a failed message gets; `null`: no limit. */
  readonly retries: number | null;
  /** How long it waits in between. */
  readonly backoff: ResolvedBackoffOptions;
  /** What happens when there are no attempts left. */
  readonly then: "stop" | "skip" | "dead-letter";
  /** Topic of dead letters; `{topic}` stands for the topic of the message: see {@link deadLetterTopicOf}. */
  readonly deadLetterTopic: string;
}

/** {@link HandlerBatchOptions} after validation. */
export interface ResolvedHandlerBatchOptions {
  /** Most messages of a batch. */
  readonly size: number;
  /** Most milliseconds that a message waits for its batch to fill. */
  readonly waitMs: number;
}

/** {@link RestartOptions} after validation. */
export interface ResolvedRestartOptions {
  /** Most replacements within the time. */
  readonly max: number;
  /** The time, in milliseconds. */
  readonly withinMs: number;
}

/** {@link CommitPolicy} after validation. */
export type ResolvedCommitPolicy = "each" | "continuous" | { readonly intervalMs: number };

/** A function that handles messages on the program's thread, and what belongs to it. */
export interface ResolvedHandlerFunction {
  /** Says that it is a function. */
  readonly kind: "function";
  /** The function; a `BatchHandler` if there is `handlerBatch`, else a `Handler`. */
  readonly handle: Handler | BatchHandler;
  /** Makes data of bytes; `undefined`: JSON. */
  readonly decode: Decode | undefined;
  /** Checks what was decoded, if given. */
  readonly schema: StandardSchema | undefined;
  /** Around every call, outermost first. */
  readonly middleware: readonly Middleware[];
  /** Tells whether a failure is worth another attempt; `undefined`: it is. */
  readonly retryIf: RetryIf | undefined;
}

/** A module that handles messages on handler threads; it exports what else belongs to it. */
export interface ResolvedHandlerModule {
  /** Says that it is a module. */
  readonly kind: "module";
  /** Address of the module. */
  readonly module: string;
}

/** Options of an ordered or a parallel consumer after validation, with all defaults filled in. */
export interface ResolvedConsumerOptions {
  /** Which of the two. */
  readonly kind: "ordered" | "parallel";
  /** The connection to Kafka, the group and its topics. */
  readonly kafka: ResolvedKafkaOptions;
  /** Name of the consumer. */
  readonly name: string;
  /** What handles messages. */
  readonly handler: ResolvedHandlerFunction | ResolvedHandlerModule;
  /** How messages are gathered into batches; `undefined`: the handler gets one at a time. */
  readonly handlerBatch: ResolvedHandlerBatchOptions | undefined;
  /** Most messages per post to an executor; 1 (or `handlerBatch.size`) where each is committed. */
  readonly batchSize: number;
  /** When offsets are committed; never "each" if parallel. */
  readonly commit: ResolvedCommitPolicy;
  /** What is committed; "at-least-once" if ordered. */
  readonly delivery: "at-least-once" | "interval";
  /** What is handled one after the other; "partition" if ordered. */
  readonly order: "key" | "partition" | "none";
  /** Most calls of the handler under way at once; 1 if ordered. */
  readonly maxConcurrency: number;
  /**
   * How many handler threads: 0 with a function, 1 if ordered, `undefined`: as many as there are cores,
   * and not above `maxConcurrency`.
   */
  readonly threads: number | undefined;
  /** What happens to a message whose handler has failed. */
  readonly onError: ResolvedErrorPolicy;
  /** What happens to a message that cannot be decoded, or that the schema refuses. */
  readonly onInvalid: "skip" | "stop" | "dead-letter";
  /** Most milliseconds of one call of the handler. */
  readonly handlerTimeoutMs: number;
  /** What happens when a handler thread cannot be ended. */
  readonly onStuck: "replace" | "exit";
  /** How often handler threads may be replaced. */
  readonly restarts: ResolvedRestartOptions;
  /** How much may be handed over and not finished yet. */
  readonly maxInFlight: ResolvedMaxInFlightOptions;
  /** The user's own check, if given. */
  readonly healthCheck: (() => boolean | Promise<boolean>) | undefined;
  /** Where logs go; as the user gave it, so wrap it with `safeLogger`. */
  readonly logger: Logger;
  /** Lowest level that is logged. */
  readonly logLevel: LogLevel;
  /** Stops the consumer when it aborts, if given. */
  readonly signal: AbortSignal | undefined;
  /** Milliseconds until consuming must have begun. */
  readonly startTimeoutMs: number;
  /** Milliseconds that a stop may take. */
  readonly stopTimeoutMs: number;
  /** How polling goes on after an error. */
  readonly retry: ResolvedRetryOptions;
}

/**
 * Makes the name of the topic that dead letters of a topic go to.
 *
 * @param template Name in which `{topic}` stands for the topic.
 * @param topic The topic of the message.
 * @returns The name.
 */
export function deadLetterTopicOf(template: string, topic: string): string {
  return template.replaceAll("{topic}", () => topic);
}
