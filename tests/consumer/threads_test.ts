// What holds for handler modules only: what they export, and what becomes of their threads.
import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { HandlerTimeoutError, isKafkaThreadsError } from "../../mod.ts";
import { rejection } from "../thread_manager/shared.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { Collector, newTopic, untilCommitted, untilStats } from "../support/manager.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { remoteHandler } from "./remote.ts";
import {
  committed,
  type ConsumerTest,
  eventsOf,
  newGroup,
  ordered,
  parallel,
  type ParallelOverrides,
  produceNumbers,
  range,
  type TestHandler,
  Watch,
  work,
} from "./shared.ts";

describe("Consumers with a handler module", needsKafka, () => {
  const scenario = sideBySide(3);

  /** A consumer whose module is one of the fixtures, and does what a function says. */
  const withModule = (
    scope: AsyncDisposableStack,
    topic: string,
    module: string,
    handler: TestHandler,
    overrides: ParallelOverrides = {},
  ): Promise<ConsumerTest> => {
    const groupId = newGroup();
    const url = new URL(`./fixtures/${module}.ts`, import.meta.url);
    return parallel(scope, topic, remoteHandler(scope, groupId, handler, url), {
      groupId,
      threads: 2,
      ...overrides,
    });
  };

  scenario("decode, schema, middleware and retryIf are the module's", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 6);
    const got = new Collector<string>();
    const test = await withModule(scope, topic, "exporting", (context, data, message) => {
      got.add(`${JSON.stringify(data)} ${context.attempt}`);
      if (message.offset === 4) throw new Error("for good");
      if (message.offset === 5 && context.attempt === 1) throw new Error("for now");
    }, { onError: { retries: 3, backoff: { initialMs: 1 }, then: "skip" } });
    const skips = eventsOf(test, "skip");
    await test.consumer.start();
    await untilCommitted(test.groupId, topic, [6]).catch(() => {});
    await test.consumer.stop();
    assert.deepEqual(got.items.toSorted(), [
      '{"n":0} 1',
      '{"n":1} 1',
      '{"n":4} 1',
      '{"n":5} 1',
      '{"n":5} 2',
    ]);
    const byOffset = skips.items.toSorted((a, b) => a.offset - b.offset);
    assert.deepEqual(byOffset.map(({ offset }) => offset), [3, 4]);
    assert.match(byOffset[0]!.error.message, /three is refused/);
    const { handlers } = test.consumer.stats();
    assert.deepEqual([handlers.handled, handlers.invalid, handlers.retries, handlers.skipped], [
      4,
      1,
      1,
      2,
    ]);
    assert.equal(handlers.threads.length, 2);
  });

  scenario(
    "a thread that crashes is replaced, and only its messages had an attempt",
    async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 60, (n) => `${n % 20}`);
      const watch = new Watch("none");
      const attempts = new Map<number, number[]>();
      const test = await withModule(scope, topic, "crashing", (context, data, message) => {
        attempts.set(data, [...attempts.get(data) ?? [], context.attempt]);
        if (data === 7 && context.attempt === 1) throw new Error("out of it all");
        return watch.around(message, () => work(1));
      }, { maxConcurrency: 4, onError: { retries: 5, backoff: { initialMs: 1 } } });
      const retries = eventsOf(test, "retry");
      await test.consumer.start();
      await watch.ended.until("each of them", (ended) => new Set(ended).size === 60);
      await untilStats(
        test.consumer,
        "the thread is replaced",
        ({ handlers: { threads, handled } }) =>
          handled === 60 && threads.every(({ state }) => state === "running"),
      );
      const { handlers } = test.consumer.stats();
      // Twice where the thread dies without a word, as in `bun test`: then several messages may be to
      // blame, and the one that is gets its attempt back once.
      const restarts = handlers.threads.reduce((sum, { restarts }) => sum + restarts, 0);
      assert(restarts === 1 || restarts === 2, `${restarts}`);
      await test.consumer.stop();
      assert.deepEqual(await committed(test.groupId, topic), [60]);
      assert(
        retries.items.some(({ offset, error }) =>
          offset === 7 && isKafkaThreadsError(error) && /out of it all/.test(error.message)
        ),
      );
      // Up to four were under way.
      assert(retries.items.length <= 4, `${retries.items.length}`);
      assert.equal(Math.max(...attempts.get(7)!), 2);
    },
  );

  scenario("a module that crashes again and again ends the consumer", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const test = await withModule(scope, topic, "crashing", () => {
      throw new Error("every time");
    }, {
      threads: 1,
      restarts: { max: 2, withinMs: 60_000 },
      onError: { retries: null, backoff: { initialMs: 1, maxMs: 1 } },
    });
    await test.consumer.start();
    const error = await rejection(test.consumer.closed);
    assert(isKafkaThreadsError(error), `${error}`);
    assert.equal(test.consumer.state, "failed");
    const [offset] = await committed(test.groupId, topic);
    assert(offset! <= 0, "nothing is finished");
  });

  scenario("each line of the log says whose it is, and what it is about", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 2);
    const module = new URL("./fixtures/logging.ts", import.meta.url);
    const { consumer, groupId, log } = await ordered(scope, topic, module, {
      onError: { retries: 1, backoff: { initialMs: 1 } },
    });
    await consumer.start();
    await untilCommitted(groupId, topic, [2]);
    await consumer.stop();
    for (const { message, fields } of log.items) {
      assert.equal(fields?.["consumer"], consumer.name, message);
    }
    const fieldsOf = (text: string) =>
      log.items.filter(({ message }) => message.includes(text)).map(({ fields }) => fields);
    const own = { consumer: consumer.name };
    assert.deepEqual(fieldsOf("set up"), [{ ...own, thread: "handler 0" }]);
    assert.deepEqual(
      fieldsOf("handled"),
      [[0, 1], [0, 2], [1, 1]].map(([offset, attempt]) => ({
        ...own,
        thread: "handler 0",
        topic,
        partition: 0,
        offset,
        attempt,
      })),
    );
    assert.deepEqual(fieldsOf("not now"), [{
      ...own,
      thread: "poller",
      topic,
      partition: 0,
      offset: 0,
      attempt: 1,
      kind: "failed",
    }]);
    assert.equal(fieldsOf("Assigned")[0]?.["thread"], "poller");
  });

  scenario("one that does not give up has its thread replaced", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 20, (n) => `${n % 4}`);
    const got = new Collector<string>();
    const test = await withModule(scope, topic, "remote_handler", (context, data) => {
      got.add(`${data} ${context.attempt}`);
      if (data === 5 && context.attempt === 1) return new Promise(() => {});
    }, { handlerTimeoutMs: 300, onError: { retries: 2, backoff: { initialMs: 1 } } });
    const retries = eventsOf(test, "retry");
    await test.consumer.start();
    await untilStats(
      test.consumer,
      "all are handled, by new threads too",
      ({ handlers: { handled, threads } }) =>
        handled === 20 && threads.some(({ restarts }) => restarts > 0),
    );
    await test.consumer.stop();
    assert.deepEqual(await committed(test.groupId, topic), [20]);
    // On a machine that is busy elsewhere others may take that long as well.
    assert(retries.items.some(({ offset }) => offset === 5));
    for (const { error } of retries.items) assert(HandlerTimeoutError.is(error), `${error}`);
    assert(got.items.includes("5 2"));
  });

  scenario("an ordered consumer has one thread, and keeps the order", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 30);
    const got: number[] = [];
    const { consumer, groupId } = await ordered(
      scope,
      topic,
      async (_context, data) => {
        await work(data % 3);
        got.push(data);
      },
      { commit: { intervalMs: 50 } },
      "module",
    );
    await consumer.start();
    await untilCommitted(groupId, topic, [30]);
    assert.equal(consumer.stats().handlers.threads.length, 1);
    assert.equal((await consumer.health()).status, "UP");
    await consumer.stop();
    assert.deepEqual(got, range(0, 30));
  });
});
