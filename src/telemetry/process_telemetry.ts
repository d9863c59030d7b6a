/** Spans and metrics of handled messages. */

import {
  type Attributes,
  type Context,
  context as contexts,
  type Histogram,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type SpanOptions,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import type { Logger } from "../logger.ts";
import type { Message } from "../message.ts";
import { isThenable } from "../threads/thenable.ts";
import { errorType, noteError } from "./errors.ts";
import { Guard } from "./guard.ts";
import { ATTRIBUTES, DURATION_BOUNDS, METRICS } from "./names.ts";
import { findTracer, Instruments } from "./providers.ts";
import { remoteContext } from "./remote_context.ts";

const OPERATION = "process";
/** A key that is no text has no form that everybody would agree on. */
const strictly = new TextDecoder("utf-8", { fatal: true });

/** Whose messages they are. */
export interface ProcessSource {
  /** Its group. */
  readonly groupId: string;
  /** Name that its client gives itself. */
  readonly clientId: string;
}

/** A call of a handler that is observed. */
export interface ObservedCall {
  /** Its span; null where there is no tracer. */
  readonly span: Span | null;
  /** What was read from the headers: the trace that it is a part of, and baggage. */
  readonly context: Context;
  /** When it began, by the clock of `performance.now()`. */
  readonly beganAt: number;
  /** Attributes of its figures. */
  readonly figures: Attributes;
  /** Whether it has been told how it ended. */
  ended: boolean;
}

/** What is known of a call beside its messages. */
export interface CallFacts {
  /** Which attempt it is, from 1. */
  readonly attempt: number;
  /** Takes note of the call before it begins. */
  readonly begins?: (call: ObservedCall) => void;
  /** Why it was told to give up; null if it was not. */
  readonly reason?: () => Error | null;
}

/** Attributes of all calls about one partition. */
interface Place {
  readonly span: Attributes;
  readonly figures: Attributes;
}

/**
 * Observes calls of a handler, where an SDK is registered in this thread. Whether one is, is looked up
 * when told to, and not for each message.
 */
export class ProcessTelemetry {
  readonly #source: ProcessSource;
  readonly #guard: Guard;
  readonly #instruments = new Instruments((meter): Histogram =>
    meter.createHistogram(METRICS.process, {
      unit: "s",
      description: "How long handling messages has taken",
      advice: { explicitBucketBoundaries: [...DURATION_BOUNDS] },
    })
  );
  readonly #places = new Map<string, Place[]>();
  #tracer: Tracer | null = null;
  #duration: Histogram | null = null;

  /**
   * Observes nothing before the first `look()`.
   *
   * @param source Whose messages they are.
   * @param logger The consumer's logger; it is warned once of an SDK that throws.
   */
  constructor(source: ProcessSource, logger: Logger) {
    this.#source = source;
    this.#guard = new Guard(logger);
  }

  /** Looks for an SDK; whether there is one, so that calls are to be observed. */
  look(): boolean {
    this.#tracer = this.#guard.try(findTracer, null);
    this.#duration = this.#guard.try(() => this.#instruments.find(), null);
    return this.#tracer !== null || this.#duration !== null;
  }

  /**
   * Calls a handler, with its span active.
   *
   * @param messages What it is about: a message, or those of a batch.
   * @param facts What else is known of it.
   * @param handle Calls the handler.
   * @returns What the handler returns, or a promise of it. It throws, or rejects with, what the handler does.
   */
  call(
    messages: Message | readonly Message[],
    facts: CallFacts,
    handle: () => unknown,
  ): unknown {
    const call = this.#begin(messages, facts.attempt);
    facts.begins?.(call);
    let outcome: unknown;
    let failed = false;
    let begun = false;
    const run = () => {
      begun = true;
      try {
        outcome = handle();
      } catch (error) {
        failed = true;
        outcome = error;
      }
    };
    const { span } = call;
    if (span !== null) {
      this.#guard.try(() => contexts.with(trace.setSpan(call.context, span), run), undefined);
    }
    // What the SDK does or does not do, the handler is called, and once.
    if (!begun) run();
    if (failed) {
      this.#fail(call, outcome, facts);
      throw outcome;
    }
    if (!isThenable(outcome)) {
      this.#end(call, null);
      return outcome;
    }
    return Promise.resolve(outcome).then((value) => {
      this.#end(call, null);
      return value;
    }, (error) => {
      this.#fail(call, error, facts);
      throw error;
    });
  }

  /** A message is not what it should be, so that no handler is called; it took so long to find out. */
  invalid(message: Message, attempt: number, error: unknown, ms: number): void {
    if (this.#tracer === null && this.#duration === null) return;
    const call = this.#begin(message, attempt, ms);
    this.#fail(call, error, {});
  }

  /** Nobody waits for the call any more: its span ends, though it may go on. */
  abandon(call: ObservedCall, reason: Error | null): void {
    this.#fail(call, reason ?? new Error("The call has been abandoned"), {});
  }

  #begin(messages: Message | readonly Message[], attempt: number, ms = 0): ObservedCall {
    const first = (Array.isArray(messages) ? messages[0] : messages) as Message;
    const place = this.#placeOf(first);
    const tracer = this.#tracer;
    let context = ROOT_CONTEXT;
    let span: Span | null = null;
    if (tracer !== null) {
      // The messages of a batch may be of as many traces: they are linked to.
      if (first === messages) context = this.#guard.try(() => remoteContext(first), ROOT_CONTEXT);
      span = this.#guard.try(
        () => startSpan(tracer, context, messages, attempt, place.span, ms),
        null,
      );
    }
    const { figures } = place;
    return { span, context, beganAt: performance.now() - ms, figures, ended: false };
  }

  #fail(call: ObservedCall, error: unknown, { reason }: Pick<CallFacts, "reason">): void {
    if (call.ended) return;
    // A handler that gives up says so in words of its own, or not at all.
    const type = errorType(reason?.() ?? error);
    this.#end(call, type, error);
  }

  #end(call: ObservedCall, type: string | null, error?: unknown): void {
    if (call.ended) return;
    call.ended = true;
    const { span, figures } = call;
    this.#guard.try(() => {
      this.#duration?.record(
        (performance.now() - call.beganAt) / 1_000,
        type === null ? figures : { ...figures, [ATTRIBUTES.errorType]: type },
      );
    }, undefined);
    if (span === null) return;
    if (type !== null) this.#guard.try(() => noteError(span, error, type), undefined);
    this.#guard.try(() => span.end(), undefined);
  }

  /** Made once for each partition: an object for each message would be most of the cost. */
  #placeOf({ topic, partition }: Message): Place {
    let places = this.#places.get(topic);
    if (places === undefined) this.#places.set(topic, places = []);
    return places[partition] ??= this.#makePlace(topic, partition);
  }

  #makePlace(topic: string, partition: number): Place {
    const { groupId, clientId } = this.#source;
    const figures: Attributes = {
      [ATTRIBUTES.system]: "kafka",
      [ATTRIBUTES.operationName]: OPERATION,
      [ATTRIBUTES.topic]: topic,
      [ATTRIBUTES.partition]: `${partition}`,
      [ATTRIBUTES.group]: groupId,
    };
    const span: Attributes = {
      ...figures,
      [ATTRIBUTES.operationType]: OPERATION,
      [ATTRIBUTES.clientId]: clientId,
    };
    return { span, figures };
  }
}

function startSpan(
  tracer: Tracer,
  context: Context,
  messages: Message | readonly Message[],
  attempt: number,
  attributes: Attributes,
  ms: number,
): Span {
  const isBatch = Array.isArray(messages);
  const message = (isBatch ? messages[0] : messages) as Message;
  const options: SpanOptions = { kind: SpanKind.CONSUMER, attributes };
  if (isBatch) options.links = linksTo(messages);
  if (ms > 0) options.startTime = Date.now() - ms;
  const span = tracer.startSpan(`${OPERATION} ${message.topic}`, options, context);
  // What follows is of no use to a sampler, and not free.
  if (!span.isRecording()) return span;
  span.setAttribute(ATTRIBUTES.attempt, attempt);
  if (isBatch) return span.setAttribute(ATTRIBUTES.batchCount, messages.length);
  const { offset, value } = message;
  span.setAttribute(ATTRIBUTES.offset, offset);
  const key = textOf(message.key);
  if (key !== null) span.setAttribute(ATTRIBUTES.key, key);
  if (value === null) span.setAttribute(ATTRIBUTES.tombstone, true);
  return span.setAttribute(ATTRIBUTES.bodySize, value?.length ?? 0);
}

/** Links to what has produced the messages, as far as they tell. */
function linksTo(messages: readonly Message[]): Link[] {
  return messages.flatMap((message) => {
    const origin = trace.getSpanContext(remoteContext(message));
    if (origin === undefined) return [];
    return { context: origin, attributes: { [ATTRIBUTES.offset]: message.offset } };
  });
}

function textOf(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null;
  try {
    return strictly.decode(bytes);
  } catch {
    return null;
  }
}
