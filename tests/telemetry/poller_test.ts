// What an SDK is told of polls and commits, by a poller whose driver is the test's.
import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { type HrTime, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-node";
import { CommitError } from "../../src/errors.ts";
import { METRICS } from "../../src/telemetry/names.ts";
import { batch, type FakeDriver, PollerRig } from "../poller/poller_rig.ts";
import { TestSdk } from "./sdk.ts";

const common = { "messaging.system": "kafka", "messaging.consumer.group.name": "group" };
const client = { ...common, "messaging.client.id": "client" };

/** Answers a poll, and waits until what it has brought was handed over. */
async function poll(driver: FakeDriver, batches: Parameters<typeof batch>[]): Promise<void> {
  (await driver.polls.next()).answer(batches.map((some) => batch(...some)));
  await pollAgain(driver);
}

async function pollAgain(driver: FakeDriver): Promise<void> {
  const { polls } = driver;
  const next = await polls.next();
  // It waits for the next one of its own.
  polls.note(next);
}

const ms = ([seconds, nanos]: HrTime) => seconds * 1e3 + nanos / 1e6;

describe("a poll", () => {
  it("that brings messages has a span around it, and around handing them over", async () => {
    using sdk = new TestSdk();
    const rig = new PollerRig();
    const driver = await rig.begin(0, 1);
    await poll(driver, [[0, [0, 1, 2]], [1, [0]]]);
    const [consume, put, pump] = sdk.spans as [ReadableSpan, ReadableSpan, ReadableSpan];
    assert.equal(sdk.spans.length, 3, "an empty poll has none");
    assert.deepEqual([consume.name, put.name, pump.name], [
      ...["kafka.consume", "kafka.work_queue_put", "test.pump"],
    ]);
    assert.deepEqual(consume.attributes, {
      ...client,
      "messaging.operation.name": "poll",
      "messaging.operation.type": "receive",
      "messaging.destination.name": "t",
      "messaging.batch.message_count": 4,
    });
    assert.deepEqual(put.attributes, { ...common, "messaging.batch.message_count": 4 });
    assert.deepEqual(pump.attributes, common);
    assert.deepEqual([consume.kind, put.kind, pump.kind], [
      ...[SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.INTERNAL],
    ]);
    const { spanId } = pump.spanContext();
    assert.equal(consume.parentSpanContext?.spanId, spanId);
    assert.equal(put.parentSpanContext?.spanId, spanId);
    assert.equal(pump.parentSpanContext, undefined);
    const times = [pump.startTime, consume.startTime, consume.endTime, put.endTime, pump.endTime];
    assert.deepEqual(times.map(ms), times.map(ms).toSorted((a, b) => a - b));
    assert.equal(ms(consume.endTime), ms(put.startTime));
    await rig.end();
  });

  it("that fails has a span that says so", async () => {
    using sdk = new TestSdk();
    const rig = new PollerRig();
    const driver = await rig.begin(0);
    (await driver.polls.next()).fail(Object.assign(new Error("gone"), { code: "ECONNRESET" }));
    await pollAgain(driver);
    const [span] = sdk.spans as [ReadableSpan];
    assert.equal(span.name, "kafka.consume");
    assert.equal(span.attributes["error.type"], "ECONNRESET");
    assert.deepEqual(span.status, { code: SpanStatusCode.ERROR, message: "gone" });
    await rig.end();
  });

  it("is counted with its messages, by partition", async () => {
    using sdk = new TestSdk({ tracing: false });
    const rig = new PollerRig();
    const driver = await rig.begin(0, 1);
    await poll(driver, [[0, [0, 1, 2]], [1, [0]]]);
    await poll(driver, [[0, [3]]]);
    (await driver.polls.next()).fail(new TypeError("odd"));
    await pollAgain(driver);
    const figures = await sdk.figures();
    const about = { ...common, "messaging.operation.name": "poll" };
    const at = (partition: string) => ({
      ...about,
      "messaging.destination.name": "t",
      "messaging.destination.partition.id": partition,
    });
    const consumed = figures.filter(({ name }) => name === METRICS.consumed);
    assert.deepEqual(consumed, [
      { name: METRICS.consumed, unit: "{message}", attributes: at("0"), value: 4 },
      { name: METRICS.consumed, unit: "{message}", attributes: at("1"), value: 1 },
    ]);
    const durations = figures.filter(({ name }) => name === METRICS.operation);
    const type = { "messaging.operation.type": "receive" };
    assert.deepEqual(durations.map(({ attributes, value, unit }) => [attributes, value, unit]), [
      [{ ...about, ...type, "messaging.destination.name": "t" }, 1, "s"],
      [{ ...at("0"), ...type }, 1, "s"],
      [{ ...about, ...type, "error.type": "TypeError" }, 1, "s"],
    ]);
    await rig.end();
  });
});

describe("a commit", () => {
  it("has a span, which says what was wrong with it", async () => {
    using sdk = new TestSdk();
    const rig = new PollerRig({ commitIntervalMs: null });
    const driver = await rig.begin(0);
    driver.commitsAtOnce = false;
    await poll(driver, [[0, [0, 1]]]);
    const { epoch } = await rig.next("batch");
    const commit = async (id: number) => {
      rig.post({ type: "commit", id, topic: "t", partition: 0, epoch, offset: id });
      return await driver.commits.next();
    };
    (await commit(0)).answer();
    await rig.next("committed");
    (await commit(1)).fail(new CommitError("no"));
    await rig.next("commit-failed");
    const spans = sdk.spans.filter(({ name }) => name === "kafka.commit");
    const about = {
      ...client,
      "messaging.operation.name": "commit",
      "messaging.operation.type": "settle",
      "messaging.destination.name": "t",
      "messaging.destination.partition.id": "0",
    };
    assert.deepEqual(spans.map(({ attributes }) => attributes), [
      about,
      { ...about, "error.type": "COMMIT_FAILED" },
    ]);
    assert.deepEqual(spans.map(({ kind }) => kind), [SpanKind.CLIENT, SpanKind.CLIENT]);
    assert.deepEqual(spans.map(({ status }) => status.code), [
      ...[SpanStatusCode.UNSET, SpanStatusCode.ERROR],
    ]);
    const settled = (await sdk.figures()).filter(({ attributes }) =>
      attributes["messaging.operation.type"] === "settle"
    );
    assert.deepEqual(settled.map(({ name, value }) => [name, value]), [
      [METRICS.operation, 1],
      [METRICS.operation, 1],
    ]);
    await rig.end();
  });
});

describe("an SDK that throws", () => {
  it("does nothing to polls and commits, and is warned of once", async () => {
    trace.setGlobalTracerProvider({
      getTracer: () => {
        throw new Error("no tracer");
      },
    });
    try {
      const rig = new PollerRig({ commitIntervalMs: null });
      const driver = await rig.begin(0);
      await poll(driver, [[0, [0]]]);
      await poll(driver, [[0, [1]]]);
      const { epoch } = await rig.next("batch");
      rig.post({ type: "commit", id: 1, topic: "t", partition: 0, epoch, offset: 0 });
      await rig.next("committed");
      const { ending } = await rig.end();
      assert.deepEqual(ending, { reason: "stopped" });
      assert.deepEqual(
        rig.all("log").filter(({ level }) => level === "warn").map(({ message }) => message),
        ["Telemetry has failed, which does nothing to messages; more of it is not told: no tracer"],
      );
    } finally {
      trace.disable();
    }
  });
});

describe("the shutdown of what registers an SDK", () => {
  const module = (name: string) => new URL(`./fixtures/broken/${name}.ts`, import.meta.url).href;

  it("fits into the time of a stop, and does not make it fail", async () => {
    for (
      const [name, stopTimeoutMs, reason] of [
        ["shutdown_hangs", 100, /^it has not ended within \d+ ms$/],
        ["shutdown_fails", 10_000, /^nobody listens$/],
      ] as const
    ) {
      const rig = new PollerRig({ instrumentation: { module: module(name), stopTimeoutMs } });
      await rig.begin(0);
      const { ending } = await rig.end();
      assert.deepEqual(ending, { reason: "stopped" });
      const [warning] = rig.all("log").filter(({ level }) => level === "warn");
      const [what, why] = warning!.message.split(": ");
      assert.equal(what, "Cannot shut the instrumentation down");
      assert.match(why!, reason);
      assert((await rig.driver).closed, "the group is left before");
    }
  });
});
