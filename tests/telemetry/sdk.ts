// OpenTelemetry's own SDK, registered in this thread as long as a test runs.
import { context, metrics, propagation, trace } from "@opentelemetry/api";
import { type DataPoint, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";

class Reader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }

  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

/** One stream of a metric: what it is about, and its figure, of a histogram how often it was recorded. */
export interface Figure {
  name: string;
  unit: string;
  attributes: Record<string, unknown>;
  value: number;
  /** The sum of a histogram. */
  sum?: number;
  bounds?: readonly number[];
}

/** An SDK that keeps what it is given. */
export class TestSdk implements Disposable {
  readonly #exporter = new InMemorySpanExporter();
  readonly #reader = new Reader();

  constructor({ sampler, tracing = true, measuring = true }: {
    sampler?: Sampler;
    tracing?: boolean;
    measuring?: boolean;
  } = {}) {
    if (tracing) {
      new NodeTracerProvider({
        ...sampler && { sampler },
        spanProcessors: [new SimpleSpanProcessor(this.#exporter)],
      }).register();
    }
    if (measuring) {
      metrics.setGlobalMeterProvider(new MeterProvider({ readers: [this.#reader] }));
    }
  }

  /** Spans that have ended. */
  get spans(): ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  /** All figures. */
  async figures(): Promise<Figure[]> {
    const { resourceMetrics } = await this.#reader.collect();
    return resourceMetrics.scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap(({ descriptor: { name, unit }, dataPoints }) =>
        (dataPoints as DataPoint<unknown>[]).map(({ attributes, value }): Figure => {
          const about = { name, unit, attributes };
          if (typeof value === "number") return { ...about, value };
          const { count, sum, buckets } = value as {
            count: number;
            sum: number;
            buckets: { boundaries: number[] };
          };
          return { ...about, value: count, sum, bounds: buckets.boundaries };
        })
      )
    );
  }

  [Symbol.dispose](): void {
    trace.disable();
    context.disable();
    propagation.disable();
    metrics.disable();
  }
}

/** Ids of a trace and of a span in it, and the header that says so. */
export function origin(n: number): { traceId: string; spanId: string; traceparent: string } {
  const traceId = `${n}`.padStart(32, "a");
  const spanId = `${n}`.padStart(16, "b");
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}
