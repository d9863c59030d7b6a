/**
 * What a user's handler is, and what it is given: the same whether it is a function, which runs on the
 * program's thread, or a module, which runs on handler threads.
 *
 * @module
 */

import type { Logger } from "./logger.ts";
import type { Message } from "./message.ts";

/** Which consumer a message came through. */
export interface ConsumerIdentity {
  /** Name of the consumer. */
  readonly name: string;
  /** Its group. */
  readonly groupId: string;
}

/** A span of OpenTelemetry's API: its `Span`. */
// Not by that name: for it, `deno doc --lint` wants the documentation of all that a span is made of.
export type HandlerSpan = ReturnType<
  typeof import("@opentelemetry/api")["trace"]["wrapSpanContext"]
>;

/** What a handler is given beside the message. */
export interface HandlerContext {
  /**
   * Aborts when the handler should give up: after `handlerTimeoutMs`, when the partition is about to go
   * to another consumer and its time is over, and at the end of a stop's time. Its reason is an error of
   * this library that says which.
   */
  readonly signal: AbortSignal;
  /** How often this message is being handled: 1, then 2 after the first failure, and so on. */
  readonly attempt: number;
  /** The consumer's logger; what it is given carries topic, partition and offset. */
  readonly logger: Logger;
  /**
   * The call's OpenTelemetry span, which is also the active one. Where no SDK is registered in the thread
   * it is one that takes everything and keeps nothing.
   */
  readonly span: HandlerSpan;
  /** The consumer. */
  readonly consumer: ConsumerIdentity;
}

/**
 * Handles one message. What it returns is awaited; what it throws, or rejects with, is a failed attempt.
 *
 * @typeParam Data What `decode` and `schema` make of the value.
 */
export type Handler<Data = unknown> = (
  context: HandlerContext,
  data: Data,
  message: Message,
) => unknown | Promise<unknown>;

/**
 * Handles several messages of one partition (and key, where the order is by key) at once; both lists
 * have the same length. To say that those before one of them are finished, throw a `BatchError`.
 *
 * @typeParam Data What `decode` and `schema` make of each value.
 */
export type BatchHandler<Data = unknown> = (
  context: HandlerContext,
  data: Data[],
  messages: Message[],
) => unknown | Promise<unknown>;

/**
 * Makes data of a value's bytes. It is not called for a null value, whose data is `null`. What it throws
 * makes the message an invalid one.
 */
export type Decode<Data = unknown> = (bytes: Uint8Array, message: Message) => Data | Promise<Data>;

/**
 * Something around every call of the handler, outermost first. It calls `next` once, or not at all to
 * leave the handler out; what `next` rejects with is what the handler threw.
 */
export type Middleware = (
  context: MiddlewareContext,
  next: () => Promise<void>,
) => unknown | Promise<unknown>;

/** What middleware sees: the handler's context, and what the handler is about to be given. */
export interface MiddlewareContext extends HandlerContext {
  /** The message; the first one of a batch. */
  readonly message: Message;
  /** All messages of the call: one, or those of the batch. */
  readonly messages: readonly Message[];
}

/**
 * Tells whether a failure is worth another attempt. Errors with a property `retriable: false` are not,
 * without being asked about.
 */
export type RetryIf = (error: unknown, message: Message) => boolean;

/** The part of a Standard Schema (standardschema.dev, version 1) that is used here. */
export interface StandardSchema<Output = unknown> {
  /** The standard's own property. */
  readonly "~standard": {
    /** Version of the standard. */
    readonly version: 1;
    /** Library the schema is of. */
    readonly vendor: string;
    /** Checks a value. */
    readonly validate: (
      value: unknown,
    ) => StandardSchemaResult<Output> | Promise<StandardSchemaResult<Output>>;
    /** The types it goes between; never there at run time. */
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

/** What a {@linkcode StandardSchema} says of a value. */
export type StandardSchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | {
    readonly issues: readonly {
      readonly message: string;
      readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
    }[];
  };

/** What a handler thread is told about itself when it begins. */
export interface SetupContext {
  /** The consumer. */
  readonly consumer: ConsumerIdentity;
  /** Number of the thread, from 0; one that replaces another has the same. */
  readonly thread: number;
  /** The consumer's logger. */
  readonly logger: Logger;
  /** Aborts when the thread is to end. */
  readonly signal: AbortSignal;
}

/** Undoes what `setup` did, before the thread ends. */
export type Teardown = () => unknown | Promise<unknown>;

/** What a handler module exports. */
export interface HandlerModule<Data = unknown> {
  /** The handler. */
  readonly default: Handler<Data> | BatchHandler<Data>;
  /** Makes data of bytes. Default: JSON. */
  readonly decode?: Decode;
  /** What data has to be. Default: anything. */
  readonly schema?: StandardSchema<Data>;
  /** Around every call of the handler. Default: none. */
  readonly middleware?: readonly Middleware[];
  /** Whether a failure is worth another attempt. Default: yes. */
  readonly retryIf?: RetryIf;
  /** Called once in each thread before it gets messages; what it returns is called before the thread ends. */
  readonly setup?: (context: SetupContext) => Teardown | void | Promise<Teardown | void>;
}
