// What an SDK is told of handled messages, by an executor on the test's clock.
import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { context, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AlwaysOffSampler, type ReadableSpan } from "@opentelemetry/sdk-trace-node";
import { BatchError } from "../../src/errors.ts";
import type { HandlerContext } from "../../src/handler.ts";
import { Message } from "../../src/message.ts";
import { observedCallback } from "../../src/telemetry/callback_telemetry.ts";
import { DURATION_BOUNDS, METRICS, SCOPE } from "../../src/telemetry/names.ts";
import { ExecutorRig } from "../executor/rig.ts";
import { recordingLogger, type TestHeader, workBatch } from "../executor/work.ts";
import { origin, TestSdk } from "./sdk.ts";

// deno-lint-ignore no-explicit-any
type AnyHandler = any;

const boom = () => {
  throw new RangeError("boom");
};

/** Runs these messages through a handler, with an SDK. */
async function run(
  handler: (context: HandlerContext, data: AnyHandler, message: AnyHandler) => unknown,
  values: readonly unknown[] = [1],
  { rig: options = {}, shape = {}, sdk: sdkOptions = {} }: {
    rig?: Partial<ConstructorParameters<typeof ExecutorRig>[0]>;
    shape?: Parameters<typeof workBatch>[2];
    sdk?: ConstructorParameters<typeof TestSdk>[0];
  } = {},
) {
  using sdk = new TestSdk(sdkOptions);
  const rig = new ExecutorRig({ handler: handler as AnyHandler, ...options });
  await rig.work(workBatch(0, values, shape));
  return { rig, spans: sdk.spans, figures: await sdk.figures() };
}

function typesOf(spans: ReadableSpan[]): unknown[] {
  return spans.map(({ attributes }) => attributes["error.type"]);
}

describe("a handled message", () => {
  it("has a span as the conventions have it", async () => {
    const { spans, rig } = await run(() => {}, [{ id: 1 }, null]);
    const [span, tombstone] = spans as [ReadableSpan, ReadableSpan];
    assert.equal(span.name, "process orders");
    assert.equal(span.kind, SpanKind.CONSUMER);
    assert.deepEqual(span.attributes, {
      "messaging.system": "kafka",
      "messaging.operation.name": "process",
      "messaging.operation.type": "process",
      "messaging.destination.name": "orders",
      "messaging.destination.partition.id": "3",
      "messaging.consumer.group.name": "shop.orders",
      "messaging.client.id": "kafka-threads",
      "messaging.kafka.offset": 0,
      "messaging.kafka.message.key": "0:0",
      "messaging.message.body.size": 8,
      "kafka_threads.attempt": 1,
    });
    assert.equal(span.status.code, SpanStatusCode.UNSET);
    assert.equal(span.parentSpanContext, undefined);
    assert.deepEqual(span.instrumentationScope, SCOPE);
    assert.equal(tombstone.attributes["messaging.kafka.message.tombstone"], true);
    assert.equal(tombstone.attributes["messaging.message.body.size"], 0);
    assert.deepEqual(rig.finished, ["0:0", "0:1"]);
  });

  it("continues the trace of its headers, of which the last counts, and takes baggage along", async () => {
    const seen: unknown[] = [];
    const { spans } = await run(
      () => {
        seen.push(propagation.getBaggage(context.active())?.getEntry("tenant")?.value);
      },
      [1],
      {
        shape: {
          headers: [[
            ["traceparent", origin(6).traceparent],
            ["baggage", "tenant=blue"],
            ["traceparent", origin(7).traceparent],
          ]],
        },
      },
    );
    const { traceId, spanId } = origin(7);
    assert.equal(spans[0]!.spanContext().traceId, traceId);
    assert.equal(spans[0]!.parentSpanContext?.spanId, spanId);
    assert.deepEqual(seen, ["blue"]);
  });

  it("begins a trace where the headers are damaged or foreign", async () => {
    const headers = [
      [["traceparent", new Uint8Array([0xff, 0xfe, 0])]],
      [["traceparent", null]],
      [["traceparent", "00-zz-zz-01"], ["tracestate", "=,,;"]],
      [["traceparent", ""], ["baggage", "%%%=;;=%E0%A4%A"]],
      [["b3", "1"]],
    ] satisfies TestHeader[][];
    const { spans, rig } = await run(() => {}, [0, 1, 2, 3, 4], { shape: { headers } });
    assert.deepEqual(spans.map(({ parentSpanContext }) => parentSpanContext), [
      ...headers.map(() => undefined),
    ]);
    assert.equal(rig.finished.length, 5);
    assert.deepEqual(rig.logger.lines, []);
  });

  it("has its span active and in its context, in asynchronous code too", async () => {
    const ids: string[][] = [];
    const { spans } = await run(async ({ span }, data) => {
      await Promise.resolve();
      ids.push([span.spanContext().spanId, trace.getActiveSpan()!.spanContext().spanId]);
      span.setAttribute("mine", data);
      trace.getTracer("test").startSpan(`child of ${data}`).end();
    }, [1, 2]);
    const child = (n: number) => spans.find(({ name }) => name === `child of ${n}`)!;
    const handled = (n: number) => spans.find(({ attributes }) => attributes.mine === n)!;
    for (const n of [1, 2]) {
      const { spanId } = handled(n).spanContext();
      assert.equal(child(n).parentSpanContext?.spanId, spanId);
      assert.deepEqual(ids[n - 1], [spanId, spanId]);
    }
  });

  it("has a span for each attempt, around middleware, that tells what was thrown", async () => {
    const inside: unknown[] = [];
    const { spans, rig } = await run(boom, [1], {
      shape: { attempts: [3] },
      rig: {
        middleware: [(context, next) => {
          inside.push(context.span === trace.getActiveSpan());
          return next();
        }],
      },
    });
    const [span] = spans as [ReadableSpan];
    assert.equal(span.attributes["kafka_threads.attempt"], 3);
    assert.equal(span.attributes["error.type"], "RangeError");
    assert.deepEqual(span.status, { code: SpanStatusCode.ERROR, message: "boom" });
    assert.equal(span.events[0]!.name, "exception");
    assert.equal(span.events[0]!.attributes?.["exception.message"], "boom");
    assert.deepEqual(inside, [true]);
    assert.deepEqual(rig.failed, ["0:0 failed"]);
  });

  it("tells errors by code, by name, or not at all", async () => {
    const errors = [
      Object.assign(new Error("refused"), { code: "ECONNREFUSED" }),
      Object.assign(new Error("odd"), { code: "no code at all" }),
      new TypeError("type"),
      "text",
      {
        get code() {
          throw new Error("a getter");
        },
      },
      null,
    ];
    const { spans, rig } = await run((_context, index) => {
      throw errors[index];
    }, errors.map((_, index) => index));
    assert.deepEqual(typesOf(spans), [
      ...["ECONNREFUSED", "Error", "TypeError", "_OTHER", "_OTHER", "_OTHER"],
    ]);
    assert.equal(rig.failures.length, 6);
  });

  it("has a span where it is invalid, and no handler is called", async () => {
    const schema = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: () => ({ issues: [{ message: "no" }] }),
      },
    } as const;
    const sync = await run(boom, ["{"]);
    assert.deepEqual(typesOf(sync.spans), ["INVALID_MESSAGE"]);
    assert.match(sync.spans[0]!.status.message!, /^Cannot parse the value at "orders" partition 3/);
    const later = await run(boom, [1], {
      rig: { schema, decode: () => Promise.resolve(1) },
    });
    assert.deepEqual(typesOf(later.spans), ["INVALID_MESSAGE"]);
    assert.deepEqual(later.rig.failed, ["0:0 invalid"]);
  });

  it("ends as timed out where it gives up after its time, whatever it throws", async () => {
    using sdk = new TestSdk();
    const rig = new ExecutorRig({
      handler: ({ signal }: HandlerContext) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(new Error("gave up")));
        }),
      options: { handlerTimeoutMs: 1_000 },
    });
    await rig.work(workBatch(0, [1]));
    assert.equal(sdk.spans.length, 0);
    await rig.time.pass(1_000);
    assert.deepEqual(typesOf(sdk.spans), ["HANDLER_TIMEOUT"]);
    assert.equal(sdk.spans[0]!.status.message, "gave up");
    assert.deepEqual(rig.failed, ["0:0 timeout"]);
  });

  it("ends when nobody waits for it any more, and once", async () => {
    using sdk = new TestSdk();
    const calls: PromiseWithResolvers<void>[] = [];
    const rig = new ExecutorRig({
      handler: () => {
        const call = Promise.withResolvers<void>();
        calls.push(call);
        return call.promise;
      },
      options: { handlerTimeoutMs: 1_000 },
    });
    await rig.work(workBatch(0, [1]));
    await rig.time.pass(2_000);
    assert.deepEqual(rig.overdue, ["0:0"]);
    assert.deepEqual(typesOf(sdk.spans), ["HANDLER_TIMEOUT"]);
    await rig.work(workBatch(1, [2]));
    rig.send({ type: "abort", assignments: null, reason: "stopped" });
    rig.executor.close();
    assert.deepEqual(typesOf(sdk.spans), ["HANDLER_TIMEOUT", "STOPPED"]);
    for (const { resolve } of calls) resolve();
    await rig.time.turns();
    assert.equal(sdk.spans.length, 2);
  });
});

describe("a handled batch", () => {
  const batches = { batches: true, batchSize: 10 };

  it("has one span, linked to what has produced its messages", async () => {
    const ids: unknown[] = [];
    const { spans } = await run(
      (context) => ids.push(context.span === trace.getActiveSpan()),
      [1, 2, 3],
      {
        rig: { options: batches },
        shape: {
          runs: [3],
          headers: [
            [["traceparent", origin(1).traceparent]],
            [],
            [["traceparent", origin(2).traceparent]],
          ],
        },
      },
    );
    const [span] = spans as [ReadableSpan];
    assert.equal(spans.length, 1);
    assert.equal(span.parentSpanContext, undefined);
    assert.equal(span.attributes["messaging.batch.message_count"], 3);
    assert.equal(span.attributes["messaging.kafka.offset"], undefined);
    assert.deepEqual(
      span.links.map(({ context, attributes }) => [context.spanId, attributes]),
      [1, 2].map((n) => [origin(n).spanId, { "messaging.kafka.offset": n === 1 ? 0 : 2 }]),
    );
    assert.deepEqual(ids, [true]);
  });

  it("fails by its own error, and invalid messages have spans of their own", async () => {
    const { spans, rig } = await run(
      () => {
        throw new BatchError(1, { cause: new RangeError("second") });
      },
      [1, "{", 2],
      { rig: { options: batches }, shape: { runs: [3] } },
    );
    assert.deepEqual(typesOf(spans), ["BATCH_FAILED", "INVALID_MESSAGE"]);
    assert.equal(spans[0]!.attributes["messaging.batch.message_count"], 2);
    assert.equal(spans[1]!.attributes["messaging.kafka.offset"], 1);
    assert.deepEqual(rig.finished, ["0:0"]);
  });
});

describe("messaging.process.duration", () => {
  it("has the time of each call, by topic, partition and error", async () => {
    const { figures, spans } = await run((_context, data) => data < 0 ? boom() : undefined, [
      ...[1, 2, -1],
    ], { sdk: { tracing: false } });
    assert.deepEqual(spans, []);
    const about = {
      "messaging.system": "kafka",
      "messaging.operation.name": "process",
      "messaging.destination.name": "orders",
      "messaging.destination.partition.id": "3",
      "messaging.consumer.group.name": "shop.orders",
    };
    assert.deepEqual(
      figures.map(({ sum, ...figure }) => {
        assert(sum! >= 0 && sum! < 1);
        return figure;
      }),
      [{ attributes: about, value: 2 }, {
        attributes: { ...about, "error.type": "RangeError" },
        value: 1,
      }].map((figure) => ({
        name: METRICS.process,
        unit: "s",
        bounds: [...DURATION_BOUNDS],
        ...figure,
      })),
    );
  });
});

describe("a callback", () => {
  it("has a span for each message, as a handler has", async () => {
    const source = { groupId: "shop.orders", clientId: "kafka-threads" };
    const { lines, ...logger } = recordingLogger();
    const seen: unknown[] = [];
    const chosen = observedCallback(
      async ({ offset }) => {
        await Promise.resolve();
        seen.push(trace.getActiveSpan()?.spanContext().spanId);
        if (offset === 1) boom();
      },
      source,
      logger,
    );
    const message = (offset: number) =>
      Message.from({ topic: "orders", partition: 3, offset, value: "1" });
    await chosen()(message(0));
    using sdk = new TestSdk();
    await chosen()(message(0));
    await assert.rejects(async () => await chosen()(message(1)), RangeError);
    assert.deepEqual(sdk.spans.map(({ name }) => name), ["process orders", "process orders"]);
    assert.deepEqual(typesOf(sdk.spans), [undefined, "RangeError"]);
    assert.deepEqual(seen, [undefined, ...sdk.spans.map((span) => span.spanContext().spanId)]);
    assert.deepEqual(lines, []);
  });
});

describe("telemetry", () => {
  it("costs nothing where no SDK is registered: the handler is called as it is", async () => {
    const stacks: string[] = [];
    const rig = new ExecutorRig({ handler: () => void stacks.push(new Error().stack!) });
    await rig.work(workBatch(0, [1]));
    assert.doesNotMatch(stacks[0]!, /src.telemetry/);
    using _sdk = new TestSdk();
    await rig.work(workBatch(1, [1]));
    assert.match(stacks[1]!, /src.telemetry/);
  });

  it("gives a span that keeps nothing where no SDK is registered", async () => {
    const rig = new ExecutorRig({
      handler: ({ span }: HandlerContext) => {
        assert.equal(span.setAttribute("a", 1).isRecording(), false);
        span.end();
      },
    });
    await rig.work(workBatch(0, [1]));
    assert.deepEqual(rig.finished, ["0:0"]);
  });

  it("lets samplers have their way", async () => {
    const { spans, rig } = await run(() => {}, [1], { sdk: { sampler: new AlwaysOffSampler() } });
    assert.deepEqual(spans, []);
    assert.deepEqual(rig.finished, ["0:0"]);
  });

  it("keeps what an SDK throws away from messages, and warns once", async () => {
    const broken = new Proxy({}, { get: () => boom });
    for (
      const provider of [
        { getTracer: boom },
        { getTracer: () => ({ startSpan: boom }) },
        { getTracer: () => ({ startSpan: () => broken }) },
        { getTracer: () => ({ startSpan: () => ({ isRecording: () => false, end: boom }) }) },
      ]
    ) {
      try {
        trace.setGlobalTracerProvider(provider as never);
        context.setGlobalContextManager(
          { with: boom, active: boom, disable: () => {} } as never,
        );
        propagation.setGlobalPropagator({ extract: boom } as never);
        const rig = new ExecutorRig({
          handler: (_context: HandlerContext, data: number) => {
            if (data === 2) throw new Error("the handler's own");
            return data === 3 ? Promise.resolve() : undefined;
          },
        });
        await rig.work(workBatch(0, [1, 2, 3, "{"]));
        assert.deepEqual(rig.finished, ["0:0", "0:2"]);
        assert.deepEqual(rig.failed, ["0:1 failed", "0:3 invalid"]);
        assert.match(JSON.stringify(rig.failures[0]!.error), /the handler's own/);
        assert.deepEqual(rig.logger.lines.map(({ level }) => level), ["warn"]);
      } finally {
        trace.disable();
        propagation.disable();
        context.disable();
      }
    }
  });
});
