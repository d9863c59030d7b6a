/** What a handler and its middleware are given beside the data. */

import { INVALID_SPAN_CONTEXT, type Span, trace } from "@opentelemetry/api";
import type { ConsumerIdentity, MiddlewareContext } from "../handler.ts";
import { type Logger, withFields } from "../logger.ts";
import type { Message } from "../message.ts";
import type { ObservedCall } from "../telemetry/process_telemetry.ts";

/** What all calls of an executor share. */
export interface CallScope {
  /** The consumer. */
  readonly consumer: ConsumerIdentity;
  /** The consumer's logger. */
  readonly logger: Logger;
}

/** Aborts a call's signal; the first reason stays. */
export let abortCall: (context: CallContext, reason: Error) => void;

/** Why a call's signal has aborted; null if it has not. */
export let abortReason: (context: CallContext) => Error | null;

/** Says that a call is observed. */
export let setObserved: (context: CallContext, call: ObservedCall) => void;

/** How a call is observed; null if it is not. */
export let observedOf: (context: CallContext) => ObservedCall | null;

/** Takes everything and keeps nothing. */
const NO_SPAN: Span = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);

/**
 * The context of one call. Signal and logger are made when they are first asked for: most handlers ask
 * for neither, and an AbortController costs more than a short handler does.
 */
export class CallContext implements MiddlewareContext {
  readonly #scope: CallScope;
  readonly #messages: Message | readonly Message[];
  readonly attempt: number;
  #controller: AbortController | null = null;
  #reason: Error | null = null;
  #logger: Logger | null = null;
  #observed: ObservedCall | null = null;

  /**
   * Makes a context.
   *
   * @param scope What all calls share.
   * @param messages The message, or those of the batch.
   * @param attempt Which attempt it is, from 1.
   */
  constructor(scope: CallScope, messages: Message | readonly Message[], attempt: number) {
    this.#scope = scope;
    this.#messages = messages;
    this.attempt = attempt;
  }

  get consumer(): ConsumerIdentity {
    return this.#scope.consumer;
  }

  get message(): Message {
    return this.messages[0]!;
  }

  get messages(): readonly Message[] {
    return (Array.isArray(this.#messages)
      ? this.#messages
      : [this.#messages]) as readonly Message[];
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#reason !== null) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get logger(): Logger {
    if (this.#logger === null) {
      const { topic, partition, offset } = this.message;
      this.#logger = withFields(this.#scope.logger, { topic, partition, offset });
    }
    return this.#logger;
  }

  get span(): Span {
    return this.#observed?.span ?? NO_SPAN;
  }

  static {
    setObserved = (context, call) => void (context.#observed = call);
    observedOf = (context) => context.#observed;
    abortCall = (context, reason) => {
      context.#reason ??= reason;
      context.#controller?.abort(reason);
    };
    abortReason = (context) => context.#reason;
  }
}
