// Deno's own OpenTelemetry: no code registers it, in no thread.
import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { runChild } from "../../support/child.ts";
import { createTopic, produce } from "../../support/kafka/mod.ts";
import { type Received, startReceiver } from "../../telemetry/receiver.ts";
import { origin } from "../../telemetry/sdk.ts";
import { smallTopic } from "../small_topic.ts";

/** A span as OTLP has it in JSON. */
interface OtlpSpan {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  attributes: { key: string; value: Record<string, unknown> }[];
}

function spansOf(received: readonly Received[]): OtlpSpan[] {
  return received.filter(({ path }) => path === "/v1/traces")
    .flatMap(({ body }) => body.resourceSpans as { scopeSpans: { spans: OtlpSpan[] }[] }[])
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

/** The sums of the last figures: of histograms, how often they were recorded. */
function lastFigures(received: readonly Received[]): Map<string, number> {
  const { body } = received.findLast(({ path }) => path === "/v1/metrics")!;
  const figures = new Map<string, number>();
  for (const { scopeMetrics } of body.resourceMetrics) {
    for (const { metrics } of scopeMetrics) {
      for (const { name, sum, histogram } of metrics) {
        for (const { count, asInt, asDouble } of (sum ?? histogram)?.dataPoints ?? []) {
          const value = Number(count ?? asInt ?? asDouble);
          figures.set(name, (figures.get(name) ?? 0) + value);
        }
      }
    }
  }
  return figures;
}

describe("Deno's own OpenTelemetry", () => {
  it("is told by the poller thread and by handler threads", { timeout: 60_000 }, async () => {
    const env = await smallTopic();
    const { KAFKA_BOOTSTRAP_SERVERS: kafka, TOPIC: topic } = env;
    await createTopic(kafka, `${topic}.dead-letter`);
    const { traceparent, traceId, spanId } = origin(1);
    await produce(kafka, topic, [{ value: `{"id":20}`, headers: { traceparent } }]);
    await using receiver = await startReceiver();
    await using child = runChild(new URL("../../../examples/parallel.ts", import.meta.url), [], {
      ...env,
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_BSP_SCHEDULE_DELAY: "50",
      OTEL_METRIC_EXPORT_INTERVAL: "50",
    });
    await child.line("Order 20 is sealed");
    child.kill("SIGTERM");
    await child.ended;
    const spans = spansOf(receiver.received);
    const handled = spans.filter(({ name }) => name === `process ${topic}`);
    assert.equal(handled.length, 21);
    const [continued, ...more] = handled.filter((span) => span.traceId === traceId);
    assert.equal(more.length, 0);
    assert.equal(continued?.parentSpanId, spanId);
    const offset = continued?.attributes.find(({ key }) => key === "messaging.kafka.offset");
    // Deno takes every number for one with fractions.
    assert.deepEqual(Object.values(offset!.value).map(Number), [20]);
    const pumps = spans.filter(({ name }) => name === "kafka_consumer.invoices.pump");
    const consumed = spans.filter(({ name }) => name === "kafka.consume");
    assert(pumps.length > 0);
    assert(consumed.every((span) => pumps.some((pump) => pump.spanId === span.parentSpanId)));
    assert(spans.some(({ name }) => name === "kafka.commit"));
    const figures = lastFigures(receiver.received);
    assert.deepEqual(figures.get("messaging.client.consumed.messages"), 21);
    assert.deepEqual(figures.get("messaging.process.duration"), 21);
    assert(figures.get("messaging.client.operation.duration")! >= 2);
  });
});
