/**
 * Every error that this library throws, rejects with or logs.
 *
 * All of them extend {@link KafkaThreadsError}, carry a stable `code`, say whether trying again may
 * help (`retriable`) and, where a message was involved, name its `topic`, `partition` and `offset`.
 * They keep all of this when they cross from one thread to another.
 *
 * @module
 */

// On the prototypes, so that errors of another realm, or of a second copy of this library in the
// same program, are recognised where `instanceof` fails. Its value is the name of the class.
const BRAND: unique symbol = Symbol.for("kafka-threads.error") as never;

/** What every error of this library can be given beside its message. */
export interface KafkaThreadsErrorOptions {
  /** Replaces the class's default code. */
  readonly code?: string | undefined;
  /** What was caught, and led to this error. */
  readonly cause?: unknown;
  /** Topic of the message, or of the partition, that the error is about. */
  readonly topic?: string | undefined;
  /** Partition of the message that the error is about. */
  readonly partition?: number | undefined;
  /** Offset of the message that the error is about. */
  readonly offset?: number | undefined;
  /** Whether doing the same again may succeed; each class has its default. */
  readonly retriable?: boolean | undefined;
}

/** The class all errors of this library extend; it is also thrown itself, with code `FAILED`. */
export class KafkaThreadsError extends Error {
  static {
    brand(this, "KafkaThreadsError");
  }

  /** Says what happened, for programs: upper case, stable across versions. */
  readonly code: string;
  /** Whether doing the same again may succeed. */
  readonly retriable: boolean;
  /** Topic of the message, or of the partition, that the error is about, if there is one. */
  declare readonly topic?: string;
  /** Partition of the message that the error is about, if there is one. */
  declare readonly partition?: number;
  /** Offset of the message that the error is about, if there is one. */
  declare readonly offset?: number;

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options Code, cause, and the message that it is about.
   */
  constructor(message: string, options: KafkaThreadsErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = options.code ?? "FAILED";
    this.retriable = options.retriable ?? false;
    // Set only where known: an absent position should not be printed as `offset: undefined`.
    if (options.topic !== undefined) this.topic = options.topic;
    if (options.partition !== undefined) this.partition = options.partition;
    if (options.offset !== undefined) this.offset = options.offset;
  }

  /**
   * Tells whether a value is an error of this class or of one that extends it. It looks at a brand
   * and not at the prototype, so that it also knows errors of another realm or another copy of this
   * library: `HandlerError.is(error)`.
   *
   * @param value Anything.
   * @returns Whether it is such an error.
   */
  static is<Class extends abstract new (...args: never[]) => unknown>(
    this: Class,
    value: unknown,
  ): value is InstanceType<Class> {
    const name = brandOf(value);
    if (name === undefined) return false;
    // A class made outside of this file has no brand of its own.
    if (!Object.hasOwn(this.prototype as object, BRAND)) return value instanceof this;
    return this === (KafkaThreadsError as unknown) || name === brandOf(this.prototype);
  }
}

/**
 * Tells whether a value is an error of this library, also where it comes from another realm or
 * another copy of the library. It never throws.
 *
 * @param value Anything.
 * @returns Whether it is one.
 */
export function isKafkaThreadsError(value: unknown): value is KafkaThreadsError {
  return brandOf(value) !== undefined;
}

/** One option that is wrong. */
export interface OptionIssue {
  /** Path of the option, such as `consumer.topics[0]`; empty where the whole argument is wrong. */
  readonly option: string;
  /** What it was, printed and shortened; `[hidden]` where it is a secret. */
  readonly value: string;
  /** What is allowed, such as `an integer from 1 to 65535`. */
  readonly expected: string;
}

/** Thrown before anything starts, by whatever takes options. Default code: `INVALID_OPTIONS`. */
export class OptionsError extends KafkaThreadsError {
  static {
    brand(this, "OptionsError");
  }

  /** Every option that is wrong, in the order of the options. */
  readonly issues: readonly OptionIssue[];

  /**
   * Makes an error whose message lists all issues, one per line.
   *
   * @param issues Every option that is wrong.
   * @param options Code and cause.
   */
  constructor(issues: readonly OptionIssue[], options: KafkaThreadsErrorOptions = {}) {
    super(listIssues(issues), withDefaults(options, "INVALID_OPTIONS"));
    this.issues = issues;
  }
}

/**
 * The user's callback or handler threw; `cause` is what it threw, `topic`, `partition` and `offset`
 * are the message's. Default code: `HANDLER_FAILED`.
 */
export class HandlerError extends KafkaThreadsError {
  static {
    brand(this, "HandlerError");
  }

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options The cause, and the message that was being handled.
   */
  constructor(message: string, options: KafkaThreadsErrorOptions = {}) {
    super(message, withDefaults(options, "HANDLER_FAILED"));
  }
}

/**
 * No broker could be reached, or the connection broke and stayed broken. Default code:
 * `CONNECTION_FAILED`; retriable.
 */
export class ConnectionError extends KafkaThreadsError {
  static {
    brand(this, "ConnectionError");
  }

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options Code and cause.
   */
  constructor(message: string, options: KafkaThreadsErrorOptions = {}) {
    super(message, withDefaults(options, "CONNECTION_FAILED", true));
  }
}

/**
 * The broker refused the credentials, the certificate or the mechanism. Default code:
 * `AUTHENTICATION_FAILED`; not retriable, because the same credentials are refused again.
 */
export class AuthenticationError extends KafkaThreadsError {
  static {
    brand(this, "AuthenticationError");
  }

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options Code and cause.
   */
  constructor(message: string, options: KafkaThreadsErrorOptions = {}) {
    super(message, withDefaults(options, "AUTHENTICATION_FAILED"));
  }
}

/** What a {@link TopicNotFoundError} can be given. */
export interface TopicNotFoundErrorOptions extends KafkaThreadsErrorOptions {
  /** The topics that do not exist. */
  readonly topics?: readonly string[] | undefined;
}

/** At start, one or more of the topics do not exist. Default code: `TOPIC_NOT_FOUND`. */
export class TopicNotFoundError extends KafkaThreadsError {
  static {
    brand(this, "TopicNotFoundError");
  }

  /** The topics that do not exist. */
  readonly topics: readonly string[];

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop, which names the topics.
   * @param options The topics; without them, `topic` alone, if given, is the list.
   */
  constructor(message: string, options: TopicNotFoundErrorOptions = {}) {
    super(message, withDefaults(options, "TOPIC_NOT_FOUND"));
    this.topics = options.topics ?? (options.topic === undefined ? [] : [options.topic]);
  }
}

/**
 * Why a {@link ThreadError} was thrown: the thread did not come up, ended by itself, does not
 * answer, or the host has no Worker at all.
 */
export type ThreadErrorCode =
  | "THREAD_START_FAILED"
  | "THREAD_DIED"
  | "THREAD_UNRESPONSIVE"
  | "NO_WORKER";

/** What a {@link ThreadError} can be given. */
export interface ThreadErrorOptions extends KafkaThreadsErrorOptions {
  /** Default `THREAD_DIED`. */
  readonly code?: ThreadErrorCode | undefined;
}

/**
 * A thread did not start (`THREAD_START_FAILED`), ended by itself (`THREAD_DIED`, the default), does
 * not answer (`THREAD_UNRESPONSIVE`), or cannot exist because the host has no Worker (`NO_WORKER`).
 */
export class ThreadError extends KafkaThreadsError {
  static {
    brand(this, "ThreadError");
  }

  /** What has happened to the thread. */
  declare readonly code: ThreadErrorCode;

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options Code and cause.
   */
  constructor(message: string, options: ThreadErrorOptions = {}) {
    super(message, withDefaults(options, "THREAD_DIED"));
  }
}

/**
 * Why a {@link DriverError} was thrown: the module could not be loaded, what it exports is no
 * driver, or the driver threw something that no other class describes.
 */
export type DriverErrorCode = "DRIVER_LOAD_FAILED" | "DRIVER_INVALID" | "DRIVER_FAILED";

/** What a {@link DriverError} can be given. */
export interface DriverErrorOptions extends KafkaThreadsErrorOptions {
  /** Default `DRIVER_FAILED`. */
  readonly code?: DriverErrorCode | undefined;
}

/**
 * The driver's module could not be loaded (`DRIVER_LOAD_FAILED`), does not keep the driver contract
 * (`DRIVER_INVALID`), or the Kafka client behind it failed (`DRIVER_FAILED`, the default).
 */
export class DriverError extends KafkaThreadsError {
  static {
    brand(this, "DriverError");
  }

  /** What is wrong with the driver. */
  declare readonly code: DriverErrorCode;

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options Code and cause.
   */
  constructor(message: string, options: DriverErrorOptions = {}) {
    super(message, withDefaults(options, "DRIVER_FAILED"));
  }
}

/**
 * The broker did not take a commit. Default code: `COMMIT_FAILED`; retriable, because the same or a
 * newer offset can be committed later.
 */
export class CommitError extends KafkaThreadsError {
  static {
    brand(this, "CommitError");
  }

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options Cause, and the position that was to be committed.
   */
  constructor(message: string, options: KafkaThreadsErrorOptions = {}) {
    super(message, withDefaults(options, "COMMIT_FAILED", true));
  }
}

/**
 * A message was to be committed whose partition is no longer assigned to this consumer; whoever owns
 * the partition now gets the message again. Default code: `PARTITION_LOST`.
 */
export class LostPartitionError extends KafkaThreadsError {
  static {
    brand(this, "LostPartitionError");
  }

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options The message's position.
   */
  constructor(message: string, options: KafkaThreadsErrorOptions = {}) {
    super(message, withDefaults(options, "PARTITION_LOST"));
  }
}

/**
 * The thread was not polling within `startTimeoutMs`. Default code: `START_TIMEOUT`; retriable.
 */
export class StartTimeoutError extends KafkaThreadsError {
  static {
    brand(this, "StartTimeoutError");
  }

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options Code and cause.
   */
  constructor(message: string, options: KafkaThreadsErrorOptions = {}) {
    super(message, withDefaults(options, "START_TIMEOUT", true));
  }
}

/**
 * A stop was not done within `stopTimeoutMs`, and what was left was ended by force. Default code:
 * `STOP_TIMEOUT`.
 */
export class StopTimeoutError extends KafkaThreadsError {
  static {
    brand(this, "StopTimeoutError");
  }

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options Code and cause.
   */
  constructor(message: string, options: KafkaThreadsErrorOptions = {}) {
    super(message, withDefaults(options, "STOP_TIMEOUT"));
  }
}

/**
 * Polling failed for longer than `retry.budgetMs` without one good poll; `cause` is the last
 * failure. Default code: `RETRY_BUDGET_EXHAUSTED`.
 */
export class RetryBudgetError extends KafkaThreadsError {
  static {
    brand(this, "RetryBudgetError");
  }

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options The last failure, as the cause.
   */
  constructor(message: string, options: KafkaThreadsErrorOptions = {}) {
    super(message, withDefaults(options, "RETRY_BUDGET_EXHAUSTED"));
  }
}

/**
 * A method was called in a state that does not allow it, such as `commit()` before `start()`.
 * Default code: `INVALID_STATE`.
 */
export class StateError extends KafkaThreadsError {
  static {
    brand(this, "StateError");
  }

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options Code and cause.
   */
  constructor(message: string, options: KafkaThreadsErrorOptions = {}) {
    super(message, withDefaults(options, "INVALID_STATE"));
  }
}

/**
 * A message is not what it is read as, such as `json()` of a value that is not JSON. Default code:
 * `INVALID_MESSAGE`.
 */
export class MessageError extends KafkaThreadsError {
  static {
    brand(this, "MessageError");
  }

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options The cause, and the message's position.
   */
  constructor(message: string, options: KafkaThreadsErrorOptions = {}) {
    super(message, withDefaults(options, "INVALID_MESSAGE"));
  }
}

/**
 * A handler took longer than `handlerTimeoutMs`. Also the reason of its signal's abort. Default code:
 * `HANDLER_TIMEOUT`; retriable.
 */
export class HandlerTimeoutError extends KafkaThreadsError {
  static {
    brand(this, "HandlerTimeoutError");
  }

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options The message's position.
   */
  constructor(message: string, options: KafkaThreadsErrorOptions = {}) {
    super(message, withDefaults(options, "HANDLER_TIMEOUT", true));
  }
}

/**
 * A dead letter could not be stored, so that its message stays unfinished and the consumer stops.
 * Default code: `DEAD_LETTER_FAILED`.
 */
export class DeadLetterError extends KafkaThreadsError {
  static {
    brand(this, "DeadLetterError");
  }

  /**
   * Makes an error.
   *
   * @param message A sentence without a full stop.
   * @param options The cause, and the message's position.
   */
  constructor(message: string, options: KafkaThreadsErrorOptions = {}) {
    super(message, withDefaults(options, "DEAD_LETTER_FAILED"));
  }
}

/** What a {@link BatchError} can be given. */
export interface BatchErrorOptions {
  /** What went wrong with the message. */
  readonly cause?: unknown;
}

/**
 * Thrown by a handler of batches to say which message failed: those before it are finished, it has had
 * an attempt, and those behind it come again as if they had not been handed over. Its `retriable` is
 * that of its cause, else true. Code: `BATCH_FAILED`.
 *
 * @example
 * ```ts
 * import { BatchError, type BatchHandler } from "@kafka-threads/kafka-threads";
 *
 * const handler: BatchHandler<{ id: number }> = async (_context, orders) => {
 *   for (const [index, order] of orders.entries()) {
 *     try {
 *       await Promise.resolve(order.id);
 *     } catch (cause) {
 *       throw new BatchError(index, { cause });
 *     }
 *   }
 * };
 * ```
 */
export class BatchError extends KafkaThreadsError {
  static {
    brand(this, "BatchError");
  }

  /** Which message of the batch failed, from 0. */
  readonly index: number;

  /**
   * Makes an error.
   *
   * @param index Which message of the batch failed, from 0.
   * @param options The cause.
   */
  constructor(index: number, options: BatchErrorOptions = {}) {
    const { cause } = options;
    const { message, retriable } = Object(cause) as { message?: unknown; retriable?: unknown };
    super(`Cannot handle message ${index} of the batch${message ? `: ${message}` : ""}`, {
      code: "BATCH_FAILED",
      retriable: retriable !== false,
      ...("cause" in options ? { cause } : {}),
    });
    this.index = index;
  }
}

// Names the class by a string, which no minifier renames, and on the prototype, because engines
// print the stack's first line while the base constructor runs, before an own field would exist.
// A function declaration: the static blocks above run before any constant below them would.
function brand(constructor: { readonly prototype: object }, name: string): void {
  Object.defineProperties(constructor.prototype, {
    name: { value: name, configurable: true, writable: true },
    [BRAND]: { value: name },
  });
}

function brandOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  try {
    const name = (value as { [BRAND]?: unknown })[BRAND];
    return typeof name === "string" ? name : undefined;
  } catch {
    return undefined; // A revoked proxy, or a getter that throws.
  }
}

function withDefaults<Options extends KafkaThreadsErrorOptions>(
  options: Options,
  code: string,
  retriable = false,
): Options {
  return { ...options, code: options.code ?? code, retriable: options.retriable ?? retriable };
}

function listIssues(issues: readonly OptionIssue[]): string {
  const lines = issues.map(({ option, value, expected }) => {
    const subject = option === "" ? "the options are" : `option "${option}" is`;
    return `  ${subject} ${value}, expected ${expected}`;
  });
  return [`Cannot use the given options: ${issues.length} wrong`, ...lines].join("\n");
}
