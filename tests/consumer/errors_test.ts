// What becomes of messages whose handler fails, takes too long, or is wrapped in something that does.
import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import {
  BatchError,
  HandlerError,
  HandlerTimeoutError,
  type Message,
  type Middleware,
} from "../../mod.ts";
import { rejection } from "../thread_manager/shared.ts";
import { createTopic, produce, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { Collector, newTopic, untilCommitted, untilStats } from "../support/manager.ts";
import { sideBySide } from "../support/side_by_side.ts";
import {
  bootstrapServers,
  committed,
  eventsOf,
  ordered,
  parallel,
  produceNumbers,
  range,
  readTopic,
  Watch,
  work,
} from "./shared.ts";

describe("Failures in ordered and parallel consumers", needsKafka, () => {
  const scenario = sideBySide(4);

  scenario("a retry holds up its own key, and no other, and no stop", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 30, (n) => `${n % 3}`);
    const watch = new Watch("key");
    let failing = true;
    const { consumer, groupId } = await parallel(
      scope,
      topic,
      (_context, data, message) =>
        watch.around(message, () => {
          if (failing && data === 0) throw new Error("no");
        }),
      { onError: { retries: null, backoff: { initialMs: 600_000, maxMs: 600_000 } } },
    );
    await consumer.start();
    await watch.ended.atLeast(20);
    await work(20);
    assert.equal(watch.ended.items.filter((name) => Number(name.slice(2)) % 3 === 0).length, 0);
    const started = performance.now();
    await consumer.stop();
    assert(performance.now() - started < 5_000, "the stop has waited for the retry");
    assert.equal(await consumer.closed, "stopped");
    assert.deepEqual(await committed(groupId, topic), [0]);
    failing = false;
    await consumer.start();
    await watch.ended.atLeast(30);
    await consumer.stop();
    // What had finished beyond it was noted with the commit.
    watch.assertOnce([30]);
    assert.equal(consumer.stats().handlers.leftOut, 20);
    assert.deepEqual(await committed(groupId, topic), [30]);
  });

  scenario("a retry holds up its partition where that is the order", async (scope) => {
    const topic = await newTopic({ partitions: 2 });
    await produce(
      bootstrapServers,
      topic,
      range(0, 20).map((n) => ({ partition: n % 2, value: `${n}` })),
    );
    const watch = new Watch("partition");
    const order: number[] = [];
    const { consumer } = await ordered(
      scope,
      topic,
      (context, data, message) =>
        watch.around(message, () => {
          order.push(data);
          if (data === 4 && context.attempt < 4) throw new Error("no");
        }),
      { onError: { retries: 5, backoff: { initialMs: 30, factor: 1 } } },
    );
    await consumer.start();
    await watch.ended.atLeast(20);
    await consumer.stop();
    watch.assertOnce([10, 10]);
    assert.deepEqual(
      order.filter((n) => n % 2 === 0),
      [0, 2, 4, 4, 4, 4, 6, 8, 10, 12, 14, 16, 18],
    );
    assert.equal(watch.most, 1);
  });

  scenario("without an order a retry holds up nothing", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 30, () => "one key");
    const watch = new Watch("none");
    const { consumer, groupId } = await parallel(
      scope,
      topic,
      (context, data, message) =>
        watch.around(message, async () => {
          await work(2);
          if (data === 3 && context.attempt === 1) throw new Error("no");
        }),
      { order: "none", onError: { retries: 1, backoff: { initialMs: 300 } }, maxConcurrency: 7 },
    );
    await consumer.start();
    await watch.ended.atLeast(30);
    await consumer.stop();
    watch.assertOnce([30]);
    assert.equal(watch.ended.items.at(-1), "0/3");
    assert.equal(watch.most, 7);
    assert.deepEqual(await committed(groupId, topic), [30]);
  });

  scenario("what says that it is not worth a retry gets none", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 4, (n) => `${n}`);
    const attempts = new Collector<string>();
    const asked: [number, string][] = [];
    const test = await parallel(scope, topic, (context, data) => {
      attempts.add(`${data}: ${context.attempt}`);
      if (data === 0) throw Object.assign(new Error("zero"), { retriable: false });
      if (data === 1) throw new TypeError("one");
      if (data === 2) throw "two";
    }, {
      onError: { retries: 2, backoff: { initialMs: 1 }, then: "skip" },
      retryIf: (error, message) => {
        asked.push([message.offset, String(error)]);
        return !(error instanceof TypeError);
      },
    });
    const skips = eventsOf(test, "skip");
    await test.consumer.start();
    await skips.atLeast(3);
    await test.consumer.stop();
    assert.deepEqual(attempts.items.toSorted(), ["0: 1", "1: 1", "2: 1", "2: 2", "2: 3", "3: 1"]);
    assert.deepEqual(asked.map(([offset]) => offset).toSorted(), [1, 2, 2, 2]);
    const byOffset = skips.items.toSorted((a, b) => a.offset - b.offset);
    assert.deepEqual(byOffset.map(({ attempt }) => attempt), [1, 1, 3]);
    assert.deepEqual(byOffset.map(({ error }) => HandlerError.is(error)), [true, true, true]);
    assert.equal(byOffset[2]!.error.cause, "two");
    const { handlers } = test.consumer.stats();
    assert.deepEqual([handlers.handled, handlers.skipped, handlers.failed, handlers.retries], [
      1,
      3,
      5,
      2,
    ]);
    assert.deepEqual(await committed(test.groupId, topic), [4]);
    const lines = test.log.items.filter(({ level }) => level === "warn");
    assert.deepEqual(
      lines.map(({ fields }) => `${fields?.["offset"]}: ${fields?.["attempt"]}`).toSorted(),
      ["0: 1", "1: 1", "2: 1", "2: 2", "2: 3"],
    );
  });

  scenario("waits longer before each attempt", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 1);
    const test = await ordered(scope, topic, ({ attempt }) => {
      if (attempt < 6) throw new Error("no");
    }, { onError: { retries: 10, backoff: { initialMs: 10, factor: 3, maxMs: 100 } } });
    const retries = eventsOf(test, "retry");
    await test.consumer.start();
    await untilCommitted(test.groupId, topic, [1]);
    const ceilings = [10, 30, 90, 100, 100];
    assert.equal(retries.items.length, 5);
    for (const [index, { delayMs, attempt }] of retries.items.entries()) {
      const ceiling = ceilings[index]!;
      assert(delayMs >= ceiling / 2 && delayMs <= ceiling, `${index}: ${delayMs}`);
      assert.equal(attempt, index + 1);
    }
  });

  scenario("dead letters of several topics go where they are told to", async (scope) => {
    const topics = [await newTopic(), await newTopic()];
    const name = uniqueName("letters");
    for (const topic of topics) await createTopic(bootstrapServers, `${name}.${topic}.dead`);
    for (const topic of topics) await produceNumbers(topic, 0, 3);
    const { consumer, groupId } = await parallel(scope, topics, (_context, data) => {
      if (data !== 0) throw new Error(`not ${data}`);
    }, { onError: { then: "dead-letter", deadLetterTopic: `${name}.{topic}.dead` } });
    await consumer.start();
    const { handlers } = await untilStats(
      consumer,
      "all are stored",
      ({ handlers }) => handlers.deadLetters === 4,
    );
    assert.equal(handlers.handled, 2);
    for (const topic of topics) {
      const letters = readTopic(`${name}.${topic}.dead`);
      assert.deepEqual((await letters).map((letter) => letter.text()).toSorted(), ["1", "2"]);
    }
    await consumer.stop();
    for (const topic of topics) assert.deepEqual(await committed(groupId, topic), [3]);
  });

  scenario("a failure that stops it leaves what is finished noted", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 100, (n) => `${n % 10}`);
    const watch = new Watch("key");
    let failing = true;
    const others = new Collector<number>();
    const { consumer, groupId } = await parallel(
      scope,
      topic,
      (_context, data, message) =>
        watch.around(message, async () => {
          if (data % 10 !== 5) return others.add(data);
          if (!failing) return;
          await others.atLeast(90);
          throw new Error("no");
        }),
    );
    await consumer.start();
    const error = await rejection(consumer.closed);
    assert(HandlerError.is(error));
    assert.deepEqual([error.topic, error.partition, error.offset], [topic, 0, 5]);
    assert.deepEqual(await committed(groupId, topic), [5]);
    failing = false;
    await consumer.start();
    await watch.ended.atLeast(100);
    await consumer.stop();
    watch.assertOnce([100]);
    assert.equal(watch.begun.items.length, 101);
    assert.deepEqual(await committed(groupId, topic), [100]);
  });

  scenario("one that takes too long is told to give up, and that is a failure", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const got = new Collector<string>();
    const reasons: unknown[] = [];
    const test = await ordered(scope, topic, async ({ attempt, signal }, data) => {
      got.add(`${data}: ${attempt}`);
      if (data !== 1 || attempt > 1) return;
      await new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      );
    }, { handlerTimeoutMs: 60, onError: { retries: 1, backoff: { initialMs: 1 } } });
    const retries = eventsOf(test, "retry");
    await test.consumer.start();
    await got.atLeast(4);
    await test.consumer.stop();
    assert.deepEqual(got.items, ["0: 1", "1: 1", "1: 2", "2: 1"]);
    const { error } = await retries.next();
    assert(HandlerTimeoutError.is(error), `${error}`);
    assert.deepEqual(reasons, []);
    const line = await test.log.line("trying again");
    assert.equal(line.fields?.["kind"], "timeout");
    assert.deepEqual(await committed(test.groupId, topic), [3]);
  });

  scenario("a function that never ends ends the consumer, where failures do", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const { consumer, groupId } = await ordered(scope, topic, (_context, data) => {
      if (data === 1) return new Promise(() => {});
    }, { handlerTimeoutMs: 50, stopTimeoutMs: 500 });
    await consumer.start();
    const error = await rejection(consumer.closed);
    assert(HandlerTimeoutError.is(error), `${error}`);
    assert.deepEqual([error.topic, error.partition, error.offset], [topic, 0, 1]);
    assert.equal(consumer.state, "failed");
    assert.deepEqual(await committed(groupId, topic), [1]);
  });

  scenario(
    "a function that never ends holds up its key, where failures do not end",
    async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 20, (n) => `${n % 2}`);
      const got = new Collector<number>();
      const { consumer, groupId, log } = await parallel(scope, topic, (_context, data) => {
        got.add(data);
        if (data === 1) return new Promise(() => {});
      }, {
        handlerTimeoutMs: 50,
        stopTimeoutMs: 500,
        onError: { retries: 3, then: "skip" },
      });
      await consumer.start();
      await log.line("wait for it");
      await got.atLeast(11);
      assert.deepEqual(got.items.filter((n) => n % 2 === 1), [1], "two attempts would be at once");
      await consumer.stop();
      assert.deepEqual(await committed(groupId, topic), [1]);
      await rejection(consumer.closed);
    },
  );

  scenario("a BatchError tells what is finished, what failed and what is next", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 10);
    const batches = new Collector<string>();
    const test = await ordered(scope, topic, (context, data) => {
      batches.add(`${data} ${context.attempt}`);
      if (data.includes(3) && context.attempt === 1) {
        throw new BatchError(data.indexOf(3), { cause: new RangeError("three") });
      }
    }, {
      handlerBatch: { size: 5, waitMs: 1_000 },
      onError: { retries: 1, backoff: { initialMs: 1 } },
    });
    const retries = eventsOf(test, "retry");
    await test.consumer.start();
    await untilCommitted(test.groupId, topic, [10]);
    await test.consumer.stop();
    assert.equal(batches.items[0], "0,1,2,3,4 1");
    assert.equal(batches.items[1]!.startsWith("3,4"), true, batches.items.join(" | "));
    assert.equal(batches.items.join().includes(" 3"), false);
    assert.deepEqual(retries.items.map(({ offset, attempt }) => [offset, attempt]), [[3, 1]]);
    const { handlers } = test.consumer.stats();
    assert.deepEqual([handlers.handled, handlers.failed], [10, 1]);
  });

  scenario("a batch that fails as a whole has had an attempt as a whole", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 6);
    const batches = new Collector<string>();
    const test = await ordered(scope, topic, (context, data) => {
      batches.add(`${data} ${context.attempt}`);
      if (data.includes(1)) throw new Error("all of them");
    }, {
      handlerBatch: { size: 3, waitMs: 1_000 },
      onError: { retries: 1, backoff: { initialMs: 1 }, then: "skip" },
    });
    const skips = eventsOf(test, "skip");
    await test.consumer.start();
    await untilCommitted(test.groupId, topic, [6]);
    await test.consumer.stop();
    assert.deepEqual(batches.items, ["0,1,2 1", "0,1,2 2", "3,4,5 1"]);
    assert.deepEqual(skips.items.map(({ offset }) => offset), [0, 1, 2]);
    const { handlers } = test.consumer.stats();
    assert.deepEqual([handlers.handled, handlers.failed, handlers.skipped], [3, 6, 3]);
  });

  scenario("a batch waits no longer than it may", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 2);
    const batches = new Collector<number[]>();
    const { consumer } = await ordered(scope, topic, (_context, data) => batches.add(data), {
      handlerBatch: { size: 100, waitMs: 300 },
    });
    await consumer.start();
    assert.deepEqual(await batches.next(), [0, 1]);
    await produceNumbers(topic, 2, 3);
    assert.deepEqual(await batches.next(), [2]);
  });

  scenario("middleware is around each attempt, outermost first", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const steps = new Collector<string>();
    const step = (name: string): Middleware => async (context, next) => {
      const { message, messages, attempt } = context;
      assert.equal(messages[0]!.offset, message.offset);
      steps.add(`${name} ${message.offset}.${attempt}`);
      try {
        await next();
      } catch (error) {
        steps.add(`${name} caught ${(error as Error).message}`);
        throw error;
      }
      steps.add(`${name} end`);
    };
    const leaveOut: Middleware = async ({ message }, next) => {
      if (message.offset !== 2) await next();
    };
    const { consumer } = await ordered(scope, topic, (context, data) => {
      steps.add(`handler ${data}`);
      if (data === 1 && context.attempt === 1) throw new Error("one");
    }, {
      middleware: [step("a"), step("b"), leaveOut],
      onError: { retries: 1, backoff: { initialMs: 1 } },
    });
    await consumer.start();
    await steps.until("all of it", (steps) => steps.filter((one) => one === "a end").length === 3);
    await consumer.stop();
    assert.deepEqual(steps.items, [
      ...["a 0.1", "b 0.1", "handler 0", "b end", "a end"],
      ...["a 1.1", "b 1.1", "handler 1", "b caught one", "a caught one"],
      ...["a 1.2", "b 1.2", "handler 1", "b end", "a end"],
      ...["a 2.1", "b 2.1", "b end", "a end"],
    ]);
    assert.equal(consumer.stats().handlers.handled, 3);
  });

  scenario("middleware may swallow failures, and have its own", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const test = await ordered(scope, topic, (_context, data) => {
      if (data === 0) throw new Error("zero");
    }, {
      middleware: [async ({ message }, next) => {
        await next().catch(() => {});
        if (message.offset === 1) throw new Error("its own");
      }],
      onError: { then: "skip" },
    });
    const skips = eventsOf(test, "skip");
    await test.consumer.start();
    await untilCommitted(test.groupId, topic, [3]);
    await test.consumer.stop();
    assert.deepEqual(skips.items.map(({ offset }) => offset), [1]);
    assert.match(skips.items[0]!.error.message, /its own/);
    assert.equal(test.consumer.stats().handlers.handled, 2);
  });

  scenario("middleware is around batches", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 4);
    const got = new Collector<string>();
    const seen: number[][] = [];
    const { consumer } = await ordered(scope, topic, (_context, data) => got.add(`${data}`), {
      handlerBatch: { size: 4, waitMs: 1_000 },
      middleware: [async ({ message, messages }, next) => {
        seen.push([message.offset, ...messages.map(({ offset }: Message) => offset)]);
        await next();
      }],
    });
    await consumer.start();
    assert.equal(await got.next(), "0,1,2,3");
    await consumer.stop();
    assert.deepEqual(seen, [[0, 0, 1, 2, 3]]);
  });
});
