// SDKs in threads: registered there by a module, or by a handler module's setup.
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "#std/testing/bdd";
import {
  createOrderedConsumer,
  createParallelConsumer,
  type KafkaThreadsError,
  ThreadManager,
} from "../../mod.ts";
import { Instrumentation } from "../../src/telemetry/instrumentation.ts";
import { anyKafka, createTopic, produce, uniqueName } from "../support/kafka/mod.ts";
import { recordingLogger } from "../executor/work.ts";
import type { SentSpan } from "./fixtures/register.ts";
import { type Receiver, startReceiver } from "./receiver.ts";
import { origin, TestSdk } from "./sdk.ts";

const slow = { timeout: 60_000 };

function fixture(name: string): URL {
  return new URL(`./fixtures/${name}.ts`, import.meta.url);
}

/** A receiver that threads find by the environment: Bun drops the query of a module's address. */
async function receiverIn(scope: AsyncDisposableStack): Promise<Receiver> {
  const receiver = scope.use(await startReceiver());
  process.env["TELEMETRY_RECEIVER"] = receiver.url;
  scope.defer(() => void delete process.env["TELEMETRY_RECEIVER"]);
  return receiver;
}

async function topicOf(values: readonly number[]): Promise<[string, string]> {
  const { bootstrapServers } = await anyKafka();
  const topic = uniqueName("telemetry");
  await createTopic(bootstrapServers, topic);
  await produce(
    bootstrapServers,
    topic,
    values.map((value) => ({
      key: `${value}`,
      value: `${value}`,
      headers: { traceparent: origin(value).traceparent },
    })),
  );
  return [bootstrapServers, topic];
}

describe("a module that registers an SDK", () => {
  it("does so in the poller thread and in each handler thread, and sends before they end", {
    ...slow,
  }, async () => {
    await using scope = new AsyncDisposableStack();
    const receiver = await receiverIn(scope);
    const values = [0, 1, 2, 3, 4, 5];
    const [bootstrapServers, topic] = await topicOf(values);
    const logger = recordingLogger();
    const consumer = createParallelConsumer({
      bootstrapServers,
      groupId: `shop.${topic}`,
      topics: [topic],
      startFrom: "earliest",
      clientId: "traced",
      threads: 2,
      handler: fixture("handler"),
      instrumentation: fixture("instrumentation"),
      logger,
    });
    await consumer.start();
    await receiver.until((all) => all.filter(({ path }) => path === "/handled").length === 6);
    assert(receiver.received.every(({ path }) => path === "/handled"));
    await consumer.stop();
    await consumer.closed;
    const threads = receiver.received.filter(({ path }) => path === "/spans")
      .map(({ body }) => body as SentSpan[]);
    assert.equal(threads.length, 3);
    const named = (spans: SentSpan[], name: string) => spans.filter((span) => span.name === name);

    const [poller, ...others] = threads.filter((spans) => named(spans, "early").length === 0);
    assert.equal(others.length, 0);
    const [pump] = named(poller!, `kafka_consumer.${topic}.pump`);
    for (const name of ["kafka.consume", "kafka.work_queue_put"]) {
      assert.equal(named(poller!, name)[0]?.parentId, pump?.spanId, name);
    }
    assert.equal(pump?.parentId, undefined);
    assert.equal(named(poller!, "kafka.consume")[0]?.attributes["messaging.client.id"], "traced");
    assert(named(poller!, "kafka.commit").length > 0);

    const handled = threads.filter((spans) => spans !== poller).flat();
    const process = named(handled, `process ${topic}`);
    assert.deepEqual(
      process.map(({ attributes }) => attributes["shop.number"]).toSorted(),
      values,
    );
    for (const { traceId, spanId, parentId, attributes } of process) {
      const produced = origin(attributes["shop.number"] as number);
      assert.deepEqual([traceId, parentId], [produced.traceId, produced.spanId]);
      assert.equal(named(handled, "booking").filter((span) => span.parentId === spanId).length, 1);
    }
    assert.deepEqual(logger.lines.filter(({ level }) => level === "warn"), []);
  });

  it("may be a handler module's setup", slow, async () => {
    await using scope = new AsyncDisposableStack();
    const receiver = await receiverIn(scope);
    const [bootstrapServers, topic] = await topicOf([7]);
    const consumer = createParallelConsumer({
      bootstrapServers,
      groupId: `shop.${topic}`,
      topics: [topic],
      startFrom: "earliest",
      threads: 1,
      handler: fixture("setup_handler"),
      logger: recordingLogger(),
    });
    await consumer.start();
    await receiver.until((all) => all.some(({ path }) => path === "/handled"));
    await consumer.stop();
    const { body } = receiver.received.find(({ path }) => path === "/spans")!;
    const [{ name, traceId }] = body as [SentSpan];
    assert.equal(name, `process ${topic}`);
    assert.equal(traceId, origin(7).traceId);
  });

  it("ends the start where it cannot be loaded, in each kind of thread", slow, async () => {
    const instrumentation = fixture("broken/throws");
    const kafka = { bootstrapServers: "127.0.0.1:1", groupId: "shop.none", topics: ["none"] };
    const logger = recordingLogger();
    const managed = new ThreadManager({ consumer: { ...kafka, instrumentation }, logger });
    const consumer = createParallelConsumer({
      ...kafka,
      instrumentation,
      threads: 1,
      handler: fixture("handler"),
      logger,
    });
    for (const { start } of [managed, consumer].map((it) => ({ start: () => it.start() }))) {
      await assert.rejects(start, (error: KafkaThreadsError) => {
        assert.equal(error.code, "INSTRUMENTATION_FAILED");
        assert.match(error.message, /Cannot load the instrumentation ".*": no SDK today$/);
        return true;
      });
    }
    assert.equal(managed.state, "failed");
    assert.equal(consumer.state, "failed");
    for (const { closed } of [managed, consumer]) await assert.rejects(closed);
  });
});

describe("the program's own SDK", () => {
  it("is told of what runs on the program's thread", slow, async () => {
    const [bootstrapServers, topic] = await topicOf([1, 2]);
    using sdk = new TestSdk();
    const kafka = (groupId: string) => ({
      bootstrapServers,
      groupId,
      topics: [topic],
      startFrom: "earliest" as const,
      thread: "inline" as const,
    });
    const logger = recordingLogger();
    let booked = Promise.withResolvers<void>();
    const book = (n: unknown) => {
      if (n === 2) booked.resolve();
    };
    const consumer = createOrderedConsumer({
      ...kafka(`shop.${topic}`),
      handler: (_context, n) => book(n),
      logger,
    });
    const managed = new ThreadManager({
      consumer: kafka(`managed.${topic}`),
      onMessage: (message) => book(message.json()),
      name: "managed",
      logger,
    });
    for (const [runs, name] of [[consumer, consumer.name], [managed, "managed"]] as const) {
      const before = sdk.spans.length;
      await runs.start();
      await booked.promise;
      await runs.stop();
      booked = Promise.withResolvers();
      const spans = sdk.spans.slice(before);
      const parents = spans.filter((span) => span.name === `process ${topic}`)
        .map(({ parentSpanContext }) => parentSpanContext?.spanId);
      assert.deepEqual(parents, [1, 2].map((n) => origin(n).spanId));
      const names = new Set(spans.map((span) => span.name));
      for (const own of [`${name}.pump`, "kafka.consume", "kafka.work_queue_put", "kafka.commit"]) {
        assert(names.has(own), own);
      }
    }
    const figures = await sdk.figures();
    const sum = (metric: string) =>
      figures.filter(({ name }) => name === metric).reduce((sum, { value }) => sum + value, 0);
    assert.equal(sum("messaging.client.consumed.messages"), 4);
    assert.equal(sum("messaging.process.duration"), 4);
  });
});

describe("Instrumentation", () => {
  it("refuses a shutdown that is no function", async () => {
    await assert.rejects(
      Instrumentation.load(fixture("broken/shutdown_is_text").href),
      (error: KafkaThreadsError) => {
        assert.equal(error.code, "INSTRUMENTATION_FAILED");
        assert.match(error.message, /its export "shutdown" must be a function, it is of type/);
        return true;
      },
    );
  });

  it("tells of a shutdown that fails, or takes too long", async () => {
    const failing = await Instrumentation.load(fixture("broken/shutdown_fails").href);
    assert.equal((await failing.shutdown(10_000))?.message, "nobody listens");
    const hanging = await Instrumentation.load(fixture("broken/shutdown_hangs").href);
    assert.equal((await hanging.shutdown(5))?.message, "it has not ended within 5 ms");
    const none = await Instrumentation.load(undefined);
    assert.equal(await none.shutdown(5), null);
  });
});
