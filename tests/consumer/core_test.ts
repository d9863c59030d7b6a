// What must hold with every driver, with a thread of the poller's own and without one, for handlers that
// are functions and for those that are modules.
import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { DeadLetterError, HandlerError, StateError, StopTimeoutError } from "../../mod.ts";
import { seededRandom } from "../thread_manager/fault/random.ts";
import { rejection } from "../thread_manager/shared.ts";
import { describeGroup, endOffsets, produce } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { Collector, newTopic, untilCommitted, untilStats } from "../support/manager.ts";
import { sideBySide } from "../support/side_by_side.ts";
import {
  bootstrapServers,
  committed,
  type ConsumerTest,
  eventsOf,
  ordered,
  type OrderedOverrides,
  parallel,
  type ParallelOverrides,
  produceNumbers,
  range,
  readTopic,
  type TestHandler,
  topicWithDeadLetters,
  VARIANTS_HERE,
  Watch,
  work,
} from "./shared.ts";

for (const { name, handlers, kafka } of VARIANTS_HERE) {
  describe(`Ordered and parallel consumers ${name}`, needsKafka, () => {
    const scenario = sideBySide(4);

    const orderedFor = (
      scope: AsyncDisposableStack,
      topic: string,
      handler: TestHandler,
      overrides: OrderedOverrides = {},
    ): Promise<ConsumerTest> =>
      ordered(scope, topic, handler, { ...kafka, ...overrides }, handlers);
    const parallelFor = (
      scope: AsyncDisposableStack,
      topic: string,
      handler: TestHandler,
      overrides: ParallelOverrides = {},
    ): Promise<ConsumerTest> =>
      parallel(scope, topic, handler, { ...kafka, ...overrides }, handlers);

    scenario("start() resolves when what is produced arrives", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 1);
      const got = new Collector<number>();
      const { consumer } = await orderedFor(scope, topic, (_context, data) => got.add(data), {
        startFrom: "latest",
      });
      assert.equal(consumer.state, "idle");
      const starting = consumer.start();
      assert.equal(consumer.state, "starting");
      assert.equal(await starting, consumer);
      assert.equal(consumer.state, "running");
      await produceNumbers(topic, 1, 2);
      assert.equal(await got.next(), 1);
      await consumer.stop();
      assert.equal(consumer.state, "stopped");
      assert.equal(await consumer.closed, "stopped");
    });

    scenario("ordered: each offset is on the broker before the next message", async (scope) => {
      const topic = await newTopic({ partitions: 2 });
      const messages = range(0, 12).map((n) => ({ partition: n % 2, value: `${n}` }));
      await produce(bootstrapServers, topic, messages);
      const watch = new Watch("partition");
      const seen: number[] = [];
      const { consumer, groupId } = await orderedFor(
        scope,
        topic,
        (_context, _data, message) =>
          watch.around(message, async () => {
            const offsets = await committed(groupId, topic);
            seen.push(offsets.reduce((sum, offset) => sum + Math.max(0, offset), 0));
          }),
      );
      await consumer.start();
      await watch.ended.atLeast(12);
      await untilCommitted(groupId, topic, [6, 6]);
      await consumer.stop();
      assert.deepEqual(seen, range(0, 12), "what is committed as each message is handled");
      assert.equal(watch.most, 1);
      watch.assertOnce([6, 6]);
    });

    scenario("ordered: commits one after the other, continuously", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 50);
      const got = new Collector<number>();
      const gate = Promise.withResolvers<void>();
      const { consumer, groupId } = await orderedFor(scope, topic, async (_context, data) => {
        got.add(data);
        if (data === 49) await gate.promise;
      }, { commit: "continuous" });
      await consumer.start();
      await got.atLeast(50);
      await untilCommitted(groupId, topic, [49]);
      gate.resolve();
      await untilCommitted(groupId, topic, [50]);
      assert.deepEqual(got.items, range(0, 50));
    });

    scenario("ordered: commits in intervals, and at stop", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 20);
      const got = new Collector<number>();
      const { consumer, groupId } = await orderedFor(
        scope,
        topic,
        (_context, data) => got.add(data),
        { commit: { intervalMs: 600_000 } },
      );
      await consumer.start();
      await got.atLeast(20);
      assert.deepEqual(await committed(groupId, topic), [-1]);
      await consumer.stop();
      assert.deepEqual(await committed(groupId, topic), [20]);
      await produceNumbers(topic, 20, 25);
      await consumer.start();
      await got.atLeast(25);
      await consumer.stop();
      assert.deepEqual(got.items, range(0, 25), "no duplicates after a clean stop");
      assert.deepEqual(await committed(groupId, topic), [25]);
    });

    scenario("parallel: by key, many at once, each key in order", async (scope) => {
      const topic = await newTopic({ partitions: 3 });
      const random = seededRandom(1);
      const messages = range(0, 900).map((n) => ({
        partition: n % 3,
        key: random() < 0.2 ? null : `key ${Math.floor(random() * 30)}`,
        value: `${n}`,
      }));
      await produce(bootstrapServers, topic, messages);
      const watch = new Watch("key");
      const { consumer, groupId } = await parallelFor(
        scope,
        topic,
        (_context, _data, message) => watch.around(message, () => work(Math.floor(random() * 6))),
        { maxConcurrency: 16 },
      );
      await consumer.start();
      await watch.ended.atLeast(900);
      await consumer.stop();
      watch.assertOnce([300, 300, 300]);
      assert.equal(watch.most, 16);
      assert(watch.mostKeyless > 1, "messages without a key are free of each other");
      assert.deepEqual(await committed(groupId, topic), [300, 300, 300]);
    });

    scenario("no duplicates over clean restarts, whatever was under way", async (scope) => {
      const topic = await newTopic({ partitions: 2 });
      const messages = range(0, 400).map((n) => ({
        partition: n % 2,
        key: `${n % 25}`,
        value: `${n}`,
      }));
      await produce(bootstrapServers, topic, messages);
      const random = seededRandom(2);
      const watch = new Watch("key");
      const { consumer, groupId } = await parallelFor(
        scope,
        topic,
        (_context, _data, message) => watch.around(message, () => work(Math.floor(random() * 4))),
        { maxConcurrency: 8 },
      );
      for (const count of [60, 200]) {
        await consumer.start();
        await watch.ended.atLeast(count);
        await consumer.stop();
        assert.equal(watch.begun.items.length, watch.ended.items.length, "nothing is under way");
      }
      await consumer.start();
      await watch.ended.atLeast(400);
      await consumer.stop();
      watch.assertOnce([200, 200]);
      assert.deepEqual(await committed(groupId, topic), [200, 200]);
    });

    scenario("a message that fails comes again, in its turn", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 30, (n) => `${n % 3}`);
      const attempts: string[] = [];
      const watch = new Watch("key");
      const test = await parallelFor(
        scope,
        topic,
        (context, data, message) =>
          watch.around(message, () => {
            if (data % 7 !== 0) return assert.equal(context.attempt, 1);
            attempts.push(`${data}: ${context.attempt}`);
            if (context.attempt < 3) throw new Error("not yet");
          }),
        { onError: { retries: 2, backoff: { initialMs: 20 } } },
      );
      const retries = eventsOf(test, "retry");
      await test.consumer.start();
      await watch.ended.atLeast(30);
      await test.consumer.stop();
      watch.assertOnce([30]);
      const failing = range(0, 30).filter((n) => n % 7 === 0);
      assert.deepEqual(
        attempts.toSorted(),
        failing.flatMap((n) => [1, 2, 3].map((attempt) => `${n}: ${attempt}`)).toSorted(),
      );
      assert.deepEqual(await committed(test.groupId, topic), [30]);
      const { handlers: { handled, failed, retries: retried } } = test.consumer.stats();
      assert.deepEqual([handled, failed, retried], [30, 10, 10]);
      assert.equal(retries.items.length, 10);
      const [{ error, attempt, offset, delayMs }] = retries.items as [typeof retries.items[0]];
      assert.deepEqual([attempt, offset % 7], [1, 0]);
      assert(delayMs >= 10 && delayMs <= 20, `${delayMs}`);
      assert(HandlerError.is(error));
      const line = await test.log.line("trying again");
      assert.equal(line.level, "warn");
      assert.deepEqual([line.fields?.["topic"], line.fields?.["partition"]], [topic, 0]);
    });

    scenario("stops with what the handler throws, and it comes again", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 8);
      const got = new Collector<number>();
      let failing = true;
      const { consumer, groupId, log } = await orderedFor(scope, topic, (_context, data) => {
        got.add(data);
        if (failing && data === 3) throw new RangeError("no");
      });
      await consumer.start();
      const error = await rejection(consumer.closed);
      assert(HandlerError.is(error));
      assert.equal((error.cause as Error).message, "no");
      assert.equal((error.cause as Error).name, "RangeError");
      assert.deepEqual([error.topic, error.partition, error.offset], [topic, 0, 3]);
      assert.equal(consumer.state, "failed");
      assert.deepEqual(await committed(groupId, topic), [3]);
      assert.deepEqual((await describeGroup(bootstrapServers, groupId)).members, []);
      const [line, ...more] = log.items.filter(({ level }) => level === "error");
      assert.equal(more.length, 0);
      const { fields } = line!;
      assert.deepEqual([fields?.["topic"], fields?.["partition"], fields?.["offset"]], [
        topic,
        0,
        3,
      ]);

      failing = false;
      await consumer.start();
      await got.atLeast(9);
      await consumer.stop();
      assert.equal(await consumer.closed, "stopped");
      assert.deepEqual(got.items, [0, 1, 2, 3, 3, 4, 5, 6, 7]);
      assert.deepEqual(await committed(groupId, topic), [8]);
    });

    scenario("stores what cannot be handled, as it was, before it counts", async (scope) => {
      const topic = await topicWithDeadLetters();
      const headers = { colour: "green", twice: ["a", "b"] };
      await produce(bootstrapServers, topic, [
        { key: "a", value: "1" },
        { key: "b", value: "2", headers, timestamp: "1234567890123" },
        { key: "c", value: "not JSON" },
        { key: "a", value: "3" },
      ]);
      const { consumer, groupId, log } = await parallelFor(scope, topic, (_context, data) => {
        if (data === 2) throw new TypeError("cannot be handled");
      }, {
        onError: { retries: 1, backoff: { initialMs: 1 }, then: "dead-letter" },
        onInvalid: "dead-letter",
        commit: "continuous",
      });
      await consumer.start();
      await untilCommitted(groupId, topic, [4]);
      const letters = (await readTopic(`${topic}.dead-letter`))
        .toSorted((one, other) =>
          Number(text(one.header("dead-letter-offset"))) -
          Number(text(other.header("dead-letter-offset")))
        );
      assert.equal(letters.length, 2);
      const [failed, invalid] = letters as [typeof letters[0], typeof letters[0]];
      assert.deepEqual([text(failed.key), failed.text()], ["b", "2"]);
      // Its own time might be too old for it to be kept.
      assert(failed.timestamp > 1234567890123);
      assert.deepEqual(failed.headers.map(({ key, value }) => [key, text(value)]), [
        ["colour", "green"],
        ["twice", "a"],
        ["twice", "b"],
        ["dead-letter-topic", topic],
        ["dead-letter-partition", "0"],
        ["dead-letter-offset", "1"],
        ["dead-letter-timestamp", "1234567890123"],
        ["dead-letter-group", groupId],
        ["dead-letter-attempts", "2"],
        ["dead-letter-reason", "failed"],
        ["dead-letter-error-name", "TypeError"],
        ["dead-letter-error-message", "cannot be handled"],
      ]);
      assert.equal(invalid.text(), "not JSON");
      assert.equal(text(invalid.header("dead-letter-reason")), "invalid");
      assert.equal(text(invalid.header("dead-letter-attempts")), "1");
      await consumer.stop();
      const { handlers } = consumer.stats();
      assert.deepEqual(
        [handlers.handled, handlers.deadLetters, handlers.invalid, handlers.failed],
        [2, 2, 1, 2],
      );
      const line = await log.line("cannot be handled");
      assert.equal(line.level, "warn");
    });

    // The driver waits 5 s for a topic that may be about to be made: once for each driver is enough.
    const first = VARIANTS_HERE.find(({ kafka: { driver } }) => driver === kafka.driver);
    if (name === first?.name) {
      scenario("fails where dead letters cannot be stored, and loses nothing", async (scope) => {
        const topic = await newTopic();
        await produceNumbers(topic, 0, 4);
        let failing = true;
        const got = new Collector<number>();
        const { consumer, groupId } = await orderedFor(scope, topic, (_context, data) => {
          got.add(data);
          if (failing && data === 2) throw new Error("no");
        }, {
          // It does not exist.
          onError: { then: "dead-letter", deadLetterTopic: "{topic}.nowhere" },
        });
        await consumer.start();
        const error = await rejection(consumer.closed);
        assert(DeadLetterError.is(error), `${error}`);
        assert.deepEqual([error.topic, error.partition, error.offset], [topic, 0, 2]);
        assert.deepEqual(await committed(groupId, topic), [2]);
        assert.equal(consumer.state, "failed");
        failing = false;
        await consumer.start();
        await got.atLeast(5);
        await consumer.stop();
        assert.deepEqual(got.items, [0, 1, 2, 2, 3]);
      });
    }

    scenario("skips and counts what is no JSON, and takes a tombstone for null", async (scope) => {
      const topic = await newTopic();
      await produce(bootstrapServers, topic, [
        { value: "1" },
        { value: "{" },
        { value: null },
        { value: "" },
        { value: '{"two":[2]}' },
      ]);
      const got = new Collector<unknown>();
      const test = await orderedFor(scope, topic, (_context, data) => got.add(data));
      const skips = eventsOf(test, "skip");
      await test.consumer.start();
      await untilCommitted(test.groupId, topic, [5]);
      await test.consumer.stop();
      assert.deepEqual(got.items, [1, null, { two: [2] }]);
      const { handlers } = test.consumer.stats();
      assert.deepEqual([handlers.invalid, handlers.skipped, handlers.handled], [2, 2, 3]);
      assert.deepEqual(skips.items.map(({ offset }) => offset), [1, 3]);
      const lines = test.log.items.filter(({ message }) => message.includes("as JSON"));
      assert.deepEqual(
        lines.map((
          { level, fields },
        ) => [level, fields?.["topic"], fields?.["partition"], fields?.["offset"]]),
        [["warn", topic, 0, 1], ["warn", topic, 0, 3]],
      );
    });

    scenario("waits for what is under way at a stop, and begins nothing more", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 40, (n) => `${n % 10}`);
      const watch = new Watch("key");
      const gate = Promise.withResolvers<void>();
      const { consumer, groupId } = await parallelFor(
        scope,
        topic,
        (_context, _data, message) => watch.around(message, () => gate.promise),
        { maxConcurrency: 5 },
      );
      await consumer.start();
      await watch.begun.atLeast(5);
      let stopped = false;
      const stopping = consumer.stop().then(() => stopped = true);
      assert.equal(consumer.state, "stopping");
      await consumer.health();
      assert.equal(stopped, false);
      gate.resolve();
      await stopping;
      assert.equal(consumer.state, "stopped");
      // What had been handed over when the poller heard of it may still have begun.
      const { length } = watch.begun.items;
      assert.equal(watch.ended.items.length, length);
      assert.equal(consumer.stats().handlers.handled, length);
      assert.deepEqual((await describeGroup(bootstrapServers, groupId)).members, []);
      await consumer.start();
      await watch.ended.atLeast(40);
      await consumer.stop();
      watch.assertOnce([40]);
    });

    scenario("gives up at a stop what never ends, after having told it", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 5);
      const begun = new Collector<number>();
      const aborted = new Collector<string>();
      const { consumer, groupId } = await orderedFor(scope, topic, (context, data) => {
        begun.add(data);
        if (data !== 2) return;
        context.signal.addEventListener(
          "abort",
          () => aborted.add((context.signal.reason as Error).message),
        );
        return new Promise(() => {});
      }, { stopTimeoutMs: 400 });
      await consumer.start();
      await begun.atLeast(3);
      const started = performance.now();
      await consumer.stop();
      assert(performance.now() - started < 8_000);
      const error = await rejection(consumer.closed);
      assert(StopTimeoutError.is(error), `${error}`);
      assert.match(await aborted.next(), /stops while/);
      assert.equal(consumer.state, "failed");
      assert.deepEqual(await committed(groupId, topic), [2]);
      assert.deepEqual((await describeGroup(bootstrapServers, groupId)).members, []);
    });

    scenario("stops before it has started", async (scope) => {
      const topic = await newTopic();
      const { consumer, groupId } = await orderedFor(scope, topic, () => {});
      const starting = rejection(consumer.start());
      await consumer.stop();
      assert(StateError.is(await starting));
      assert.equal(await consumer.closed, "stopped");
      assert.deepEqual((await describeGroup(bootstrapServers, groupId)).members, []);
      await consumer.start();
      assert.equal(consumer.state, "running");
    });

    scenario("starts nothing while it is paused, and stays in the group", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 3);
      const got = new Collector<number>();
      const { consumer, groupId } = await orderedFor(
        scope,
        topic,
        (_context, data) => got.add(data),
        {
          sessionTimeoutMs: 6_000,
        },
      );
      consumer.pause();
      await consumer.start();
      assert.equal(consumer.stats().handlers.paused, true);
      const { heartbeats } = consumer.stats();
      await untilStats(consumer, "heartbeats", (stats) => stats.heartbeats > heartbeats + 3);
      assert.deepEqual(got.items, []);
      assert.equal((await describeGroup(bootstrapServers, groupId)).members.length, 1);
      assert.equal((await consumer.health()).status, "UP");
      consumer.resume();
      await got.atLeast(3);
      consumer.pause();
      await untilStats(
        consumer,
        "it is paused",
        ({ partitions }) => partitions.every(({ paused }) => paused),
      );
      await produceNumbers(topic, 3, 6);
      await consumer.stop();
      await consumer.start();
      const again = consumer.stats().heartbeats;
      await untilStats(consumer, "heartbeats", (stats) => stats.heartbeats > again + 3);
      assert.deepEqual(got.items, range(0, 3), "a pause lasts through a restart");
      consumer.resume();
      await got.atLeast(6);
      await consumer.stop();
      assert.deepEqual(got.items, range(0, 6));
    });

    scenario(
      "batches are of one partition and key, and a BatchError tells them apart",
      async (scope) => {
        const topic = await newTopic({ partitions: 2 });
        await produce(
          bootstrapServers,
          topic,
          range(0, 60).map((n) => ({ partition: n % 2, key: `${n % 6}`, value: `${n}` })),
        );
        const batches: number[][] = [];
        const finished = new Collector<number>();
        const { consumer, groupId } = await parallelFor(
          scope,
          topic,
          (_context, data, messages) => {
            const lanes = messages.map((one: { partition: number; key: Uint8Array }) =>
              `${one.partition} ${one.key}`
            );
            assert.equal(new Set(lanes).size, 1);
            assert.equal(data.length, messages.length);
            batches.push(data);
            data.forEach(finished.add);
          },
          { handlerBatch: { size: 5, waitMs: 200 } },
        );
        await consumer.start();
        await finished.atLeast(60);
        await consumer.stop();
        assert.deepEqual(finished.items.toSorted((a, b) => a - b), range(0, 60));
        assert(batches.every(({ length }) => length <= 5));
        assert.equal(batches.length, 12, JSON.stringify(batches));
        assert.deepEqual(await committed(groupId, topic), [30, 30]);
      },
    );

    scenario("commits what was read, finished or not, where it is told so", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 10);
      const begun = new Collector<number>();
      const gate = Promise.withResolvers<void>();
      const { consumer, groupId } = await parallelFor(scope, topic, async (_context, data) => {
        begun.add(data);
        await gate.promise;
      }, { delivery: "interval", commit: { intervalMs: 50 } });
      await consumer.start();
      await begun.atLeast(10);
      await untilCommitted(groupId, topic, [10]);
      gate.resolve();
      await consumer.stop();
      assert.deepEqual(await endOffsets(bootstrapServers, topic), [10]);
    });
  });
}

/** Bytes as text. */
function text(bytes: Uint8Array | null | undefined): string | null | undefined {
  return bytes instanceof Uint8Array ? new TextDecoder().decode(bytes) : bytes;
}
