/** Spans and metrics of polls and commits. */

import {
  type Attributes,
  type Counter,
  type Histogram,
  ROOT_CONTEXT,
  SpanKind,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import type { DriverBatch, TopicPartition } from "../driver.ts";
import type { Logger } from "../logger.ts";
import { countMessages } from "../poller/poll_sizes.ts";
import { errorType, noteError } from "./errors.ts";
import { Guard } from "./guard.ts";
import { ATTRIBUTES, DURATION_BOUNDS, METRICS, SPANS } from "./names.ts";
import { findTracer, Instruments } from "./providers.ts";
import type { ProcessSource } from "./process_telemetry.ts";

/** Whose polls they are. */
export interface PollerSource extends ProcessSource {
  /** Name of the consumer. */
  readonly name: string;
}

/** When the parts of a cycle began and ended, by the clock of `performance.now()`. */
export interface PollTimes {
  /** It was polled. */
  readonly beganAt: number;
  /** The driver had answered. */
  readonly polledAt: number;
}

interface PollerInstruments {
  readonly duration: Histogram;
  readonly consumed: Counter;
}

const RECEIVE = operation("poll", "receive");
const SETTLE = operation("commit", "settle");

/**
 * Observes a poller, where an SDK is registered in this thread.
 *
 * A poll that brings nothing is no cycle: as in Baseplate, there is a span `{name}.pump` around the poll
 * (`kafka.consume`) and the handing over (`kafka.work_queue_put`) only where there are messages.
 */
export class PollerTelemetry {
  readonly #source: PollerSource;
  readonly #guard: Guard;
  readonly #common: Attributes;
  readonly #instruments = new Instruments((meter): PollerInstruments => ({
    duration: meter.createHistogram(METRICS.operation, {
      unit: "s",
      description: "How long polls that brought messages, and commits, have taken",
      advice: { explicitBucketBoundaries: [...DURATION_BOUNDS] },
    }),
    consumed: meter.createCounter(METRICS.consumed, {
      unit: "{message}",
      description: "Messages that polls have brought",
    }),
  }));

  /**
   * Looks for an SDK with each poll that brings messages, and with each commit.
   *
   * @param source Whose polls they are.
   * @param logger The consumer's logger; it is warned once of an SDK that throws.
   */
  constructor(source: PollerSource, logger: Logger) {
    this.#source = source;
    this.#guard = new Guard(logger);
    this.#common = { [ATTRIBUTES.system]: "kafka", [ATTRIBUTES.group]: source.groupId };
  }

  /** A poll has ended, and what it has brought is handed over now. */
  polled(batches: readonly DriverBatch[], { beganAt, polledAt }: PollTimes): void {
    this.#guard.try(() => {
      const count = countMessages(batches);
      if (count === 0) return;
      this.#cycle(findTracer(), batches, count, { beganAt, polledAt });
      const instruments = this.#instruments.find();
      if (instruments === null) return;
      const figures = { ...this.#common, ...RECEIVE, ...placeOf(batches) };
      instruments.duration.record((polledAt - beganAt) / 1_000, figures);
      for (const batch of batches) {
        instruments.consumed.add(countMessages([batch]), {
          ...this.#common,
          [ATTRIBUTES.operationName]: RECEIVE[ATTRIBUTES.operationName]!,
          ...placeOf([batch]),
        });
      }
    }, undefined);
  }

  /** A poll has failed. */
  pollFailed(error: unknown, beganAt: number): void {
    this.#ended(SPANS.consume, () => RECEIVE, beganAt, { error });
  }

  /**
   * Commits.
   *
   * @param offsets What is committed.
   * @param commit Does it.
   * @throws What that rejects with.
   */
  async committing(offsets: readonly TopicPartition[], commit: () => Promise<void>): Promise<void> {
    const beganAt = performance.now();
    const attributes = () => ({ ...SETTLE, ...placeOf(offsets) });
    try {
      await commit();
    } catch (error) {
      this.#ended(SPANS.commit, attributes, beganAt, { error });
      throw error;
    }
    this.#ended(SPANS.commit, attributes, beganAt, null);
  }

  #cycle(
    tracer: Tracer | null,
    batches: readonly DriverBatch[],
    count: number,
    { beganAt, polledAt }: PollTimes,
  ): void {
    if (tracer === null) return;
    const epochMs = Date.now() - performance.now();
    const began = epochMs + beganAt;
    const polled = epochMs + polledAt;
    const ended = epochMs + performance.now();
    const pump = tracer.startSpan(`${this.#source.name}.pump`, {
      startTime: began,
      attributes: this.#common,
    }, ROOT_CONTEXT);
    const inside = trace.setSpan(ROOT_CONTEXT, pump);
    tracer.startSpan(SPANS.consume, {
      kind: SpanKind.CLIENT,
      startTime: began,
      attributes: {
        ...this.#spanAttributes(RECEIVE),
        ...placeOf(batches),
        [ATTRIBUTES.batchCount]: count,
      },
    }, inside).end(polled);
    tracer.startSpan(SPANS.put, {
      startTime: polled,
      attributes: { ...this.#common, [ATTRIBUTES.batchCount]: count },
    }, inside).end(ended);
    pump.end(ended);
  }

  /** Something has ended that nothing else belongs to. */
  #ended(
    name: string,
    attributes: () => Attributes,
    beganAt: number,
    failed: { error: unknown } | null,
  ): void {
    this.#guard.try(() => {
      const tracer = findTracer();
      const instruments = this.#instruments.find();
      if (tracer === null && instruments === null) return;
      const ms = performance.now() - beganAt;
      const own = attributes();
      const type = failed === null ? {} : { [ATTRIBUTES.errorType]: errorType(failed.error) };
      instruments?.duration.record(ms / 1_000, { ...this.#common, ...own, ...type });
      const span = tracer?.startSpan(name, {
        kind: SpanKind.CLIENT,
        startTime: Date.now() - ms,
        attributes: this.#spanAttributes(own),
      }, ROOT_CONTEXT);
      if (span === undefined) return;
      if (failed !== null) noteError(span, failed.error, errorType(failed.error));
      span.end();
    }, undefined);
  }

  #spanAttributes(own: Attributes): Attributes {
    return { ...this.#common, [ATTRIBUTES.clientId]: this.#source.clientId, ...own };
  }
}

function operation(name: string, type: string): Attributes {
  return { [ATTRIBUTES.operationName]: name, [ATTRIBUTES.operationType]: type };
}

/** The topic and the partition, each where there is only one. */
function placeOf(places: readonly TopicPartition[]): Attributes {
  const [first, ...others] = places;
  if (first === undefined || others.some(({ topic }) => topic !== first.topic)) return {};
  const topic = { [ATTRIBUTES.topic]: first.topic };
  return others.every(({ partition }) => partition === first.partition)
    ? { ...topic, [ATTRIBUTES.partition]: `${first.partition}` }
    : topic;
}
