// From the checks at the start to the end, whichever it is.
import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import {
  type Consumer,
  createOrderedConsumer,
  createParallelConsumer,
  HandlerError,
  isKafkaThreadsError,
  OptionsError,
  StateError,
  StopTimeoutError,
  TopicNotFoundError,
} from "../../mod.ts";
import { isPending, rejection } from "../thread_manager/shared.ts";
import { runChild } from "../support/child.ts";
import { describeGroup, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { Collector, newTopic, untilCommitted, untilStats } from "../support/manager.ts";
import { sideBySide } from "../support/side_by_side.ts";
import {
  bootstrapServers,
  committed,
  eventsOf,
  newGroup,
  ordered,
  parallel,
  produceNumbers,
  range,
  work,
} from "./shared.ts";

describe("The life of ordered and parallel consumers", needsKafka, () => {
  const scenario = sideBySide(4);
  const fixture = (name: string) => new URL(`./fixtures/broken/${name}.ts`, import.meta.url);

  /** Nobody has ever joined it. */
  const assertNoGroup = async (groupId: string) => {
    const { state, members } = await describeGroup(bootstrapServers, groupId);
    assert.deepEqual([state, members], ["Dead", []]);
  };

  scenario("a topic that does not exist is found before the group is joined", async (scope) => {
    const topic = await newTopic();
    const missing = [uniqueName("missing"), uniqueName("missing")];
    const check = async (make: typeof ordered, driver: "kafkajs" | "platformatic") => {
      const { consumer, groupId } = await make(scope, [topic, ...missing], () => {}, { driver });
      const error = await rejection(consumer.start());
      assert(TopicNotFoundError.is(error), `${driver}: ${error}`);
      assert.deepEqual(error.topics.toSorted(), missing.toSorted());
      for (const name of missing) assert(error.message.includes(name));
      assert.equal(await rejection(consumer.closed), error);
      assert.equal(consumer.state, "failed");
      await assertNoGroup(groupId);
    };
    await Promise.all([
      check(ordered, "kafkajs"),
      check(ordered, "platformatic"),
      check(parallel as typeof ordered, "kafkajs"),
      check(parallel as typeof ordered, "platformatic"),
    ]);
  });

  scenario("a module that cannot be used is found before the group is joined", async (scope) => {
    const topic = await newTopic();
    for (const name of ["throws", "no_function", "no_schema", "setup_throws", "not_there"]) {
      const { consumer, groupId, log } = await parallel(scope, topic, fixture(name), {
        threads: 1,
      });
      const error = await rejection(consumer.start());
      assert(isKafkaThreadsError(error), `${name}: ${error}`);
      assert(error.message.includes(name), `${name}: ${error.message}`);
      assert.equal(consumer.state, "failed");
      assert.equal(await rejection(consumer.closed), error);
      assert.equal(log.messages("error").length, 1, `${name}: ${log.messages("error")}`);
      await assertNoGroup(groupId);
    }
  });

  scenario("names are checked, so that no service takes another's group", async () => {
    const options = (more: object) => ({
      bootstrapServers,
      topics: ["orders"],
      handler: () => {},
      ...more,
    });
    const create = (more: object): Consumer[] => [
      createOrderedConsumer(options(more) as never),
      createParallelConsumer(options(more) as never),
    ];
    for (const groupId of ["orders", ".orders", "shop.", "."]) {
      assert.throws(() => create({ groupId }), (error) => {
        assert(OptionsError.is(error));
        assert.deepEqual(error.issues.map(({ option }) => option), ["groupId"]);
        return true;
      });
    }
    assert.throws(() => create({ groupId: "shop.a.b", name: "kafka_consumer.b" }), OptionsError);
    for (const { name } of create({ groupId: "shop.a.b" })) {
      assert.equal(name, "kafka_consumer.a.b");
    }
    create({ groupId: "shop.a.b", name: "kafka_consumer.a.b" });
    for (const { name } of create({ groupId: "orders", naming: "free", name: "anything" })) {
      assert.equal(name, "anything");
    }
    for (const { name } of create({ groupId: "orders", naming: "free" })) {
      assert.equal(name, "kafka_consumer.orders");
    }
    // Nothing has begun: a consumer that nobody starts leaves nothing behind.
    for (const consumer of create({ groupId: "shop.a" })) {
      assert.equal(consumer.state, "idle");
      assert.equal(await isPending(consumer.closed), true);
      await consumer.stop();
      assert.equal((await consumer.health()).status, "DOWN");
    }
  });

  scenario("start() again changes nothing", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const got = new Collector<number>();
    const { consumer, groupId } = await ordered(scope, topic, (_context, data) => got.add(data));
    const [first, second] = await Promise.all([consumer.start(), consumer.start()]);
    assert.equal(first, second);
    await got.atLeast(3);
    await consumer.start();
    assert.equal((await describeGroup(bootstrapServers, groupId)).members.length, 1);
    const { closed } = consumer;
    await consumer.stop();
    assert.equal(await closed, "stopped");
    await consumer.start();
    assert.equal(await isPending(consumer.closed), true, "a new run, a new promise");
    await consumer.stop();
    await consumer.stop();
    assert.equal(await consumer.closed, "stopped");
    assert.deepEqual(got.items, range(0, 3));
  });

  scenario("stop() during a start, and twice, and start() right behind it", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const got = new Collector<number>();
    const { consumer } = await parallel(scope, topic, (_context, data) => got.add(data));
    const starting = rejection(consumer.start());
    await Promise.all([consumer.stop(), consumer.stop()]);
    assert(StateError.is(await starting));
    assert.equal(consumer.state, "stopped");
    await consumer.start();
    const stopping = consumer.stop();
    await consumer.start();
    await stopping;
    assert.equal(consumer.state, "running");
    await got.atLeast(3);
    await consumer.stop();
    assert.deepEqual(got.items.toSorted(), range(0, 3));
  });

  scenario("stop() within a handler does not wait for itself", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 5);
    const got = new Collector<number>();
    const { consumer, groupId } = await ordered(scope, topic, async (_context, data) => {
      got.add(data);
      if (data === 2) await consumer.stop();
    });
    await consumer.start();
    assert.equal(await consumer.closed, "stopped");
    assert.deepEqual(got.items, [0, 1, 2]);
    assert.deepEqual(await committed(groupId, topic), [3]);
  });

  scenario("a signal stops it, also before it is started", async (scope) => {
    const topic = await newTopic();
    const abort = new AbortController();
    const { consumer, groupId } = await ordered(scope, topic, () => {}, { signal: abort.signal });
    await consumer.start();
    abort.abort(new Error("enough"));
    assert.equal(await consumer.closed, "stopped");
    assert.equal(consumer.state, "stopped");
    assert.deepEqual((await describeGroup(bootstrapServers, groupId)).members, []);
    assert.match(String(await rejection(consumer.start())), /enough/);
  });

  scenario("a handler hears of the end of a stop's time, and may end in it", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const begun = new Collector<number>();
    let listens = true;
    const { consumer, groupId } = await ordered(scope, topic, ({ signal }, data) => {
      begun.add(data);
      if (data !== 1 || !listens) return;
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    }, { stopTimeoutMs: 2_000 });
    await consumer.start();
    await begun.atLeast(2);
    await consumer.stop();
    assert.equal(await consumer.closed, "stopped", "that is a clean stop");
    assert.deepEqual(await committed(groupId, topic), [1], "and no attempt");
    assert.equal(consumer.stats().handlers.failed, 0);
    listens = false;
    await consumer.start();
    await begun.atLeast(4);
    await consumer.stop();
    assert.deepEqual(begun.items, [0, 1, 1, 2]);
  });

  scenario("what does not hear is abandoned, and what it does then is nobody's", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 10, (n) => `${n}`);
    const begun = new Collector<number>();
    const late = Promise.withResolvers<void>();
    const { consumer, groupId } = await parallel(scope, topic, async (_context, data) => {
      begun.add(data);
      if (data === 4) await late.promise;
    }, { stopTimeoutMs: 300 });
    await consumer.start();
    await begun.atLeast(10);
    await consumer.stop();
    const error = await rejection(consumer.closed);
    assert(StopTimeoutError.is(error), `${error}`);
    assert.deepEqual(await committed(groupId, topic), [4]);
    late.resolve();
    assert.deepEqual((await describeGroup(bootstrapServers, groupId)).members, []);
    await consumer.start();
    await untilCommitted(groupId, topic, [10]);
    await consumer.stop();
    assert.deepEqual(begun.items.slice(10), [4], "the others were noted as finished");
  });

  scenario("what fails during a stop is told, and comes again", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const got = new Collector<string>();
    const gate = Promise.withResolvers<void>();
    const test = await ordered(scope, topic, async ({ attempt }, data) => {
      got.add(`${data}: ${attempt}`);
      if (got.items.length !== 2) return;
      await gate.promise;
      throw new Error("on the way out");
    }, { thread: "inline" });
    const { consumer, log, groupId } = test;
    const retries = eventsOf(test, "retry");
    await consumer.start();
    await got.atLeast(2);
    const stopping = consumer.stop();
    // The poller, which is in this thread here, has heard of it by then.
    await work(20);
    gate.resolve();
    await stopping;
    const error = await rejection(consumer.closed);
    assert.ok(HandlerError.is(error));
    assert.equal(error.offset, 1);
    assert.equal(consumer.state, "failed");
    assert.deepEqual(await committed(groupId, topic), [1]);
    const { level, fields } = await log.line("on the way out");
    assert.deepEqual([level, fields?.["offset"], fields?.["attempt"]], ["error", 1, 1]);
    assert.deepEqual(retries.items, []);
    await consumer.start();
    await got.atLeast(4);
    await consumer.stop();
    assert.deepEqual(got.items, ["0: 1", "1: 1", "1: 1", "2: 1"]);
  });

  scenario("starts again after it has failed", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    let attempts = 0;
    const { consumer, groupId } = await parallel(scope, topic, (_context, data) => {
      if (data === 1 && ++attempts < 3) throw new Error("no");
    });
    for (const attempt of [1, 2]) {
      await consumer.start();
      const error = await rejection(consumer.closed);
      assert(HandlerError.is(error), `${attempt}: ${error}`);
      assert.equal(consumer.state, "failed");
      const health = await consumer.health();
      assert.equal(health.status, "DOWN");
      assert.match(JSON.stringify(health.checks), /The handler failed/);
    }
    await consumer.start();
    await consumer.stop();
    await consumer.start();
    await untilCommitted(groupId, topic, [3]);
    await consumer.stop();
    assert.equal(await consumer.closed, "stopped");
  });

  scenario("tells of what it is given and of what it does", async (scope) => {
    const topic = await newTopic({ partitions: 2 });
    await produceNumbers(topic, 0, 6);
    const gate = Promise.withResolvers<void>();
    const begun = new Collector<number>();
    const test = await parallel(scope, topic, async (_context, data) => {
      begun.add(data);
      if (data === 5) await gate.promise;
    }, { commit: { intervalMs: 20 } });
    const { consumer, groupId } = test;
    const assigned = eventsOf(test, "assigned");
    const before = consumer.stats();
    assert.deepEqual([before.name, before.state, before.messages], [consumer.name, "idle", 0]);
    await consumer.start();
    const { partitions } = await assigned.next();
    assert.deepEqual(
      partitions.map(({ partition }) => partition).toSorted(),
      [0, 1],
    );
    assert(partitions.every((one) => one.topic === topic));
    await begun.atLeast(6);
    await untilCommitted(groupId, topic, [5, 0]);
    const stats = await untilStats(
      consumer,
      "all but one is finished",
      ({ handlers, partitions }) => handlers.handled === 5 && partitions[0]?.committed === 5,
    );
    assert.equal(stats.state, "running");
    assert.equal(stats.group, "stable");
    assert.equal(stats.messages, 5);
    assert.equal(stats.handlers.underWay, 1);
    assert(stats.handlers.oldestUnderWayMs! >= 0);
    const [first, second] = stats.partitions.toSorted((a, b) => a.partition - b.partition);
    assert.deepEqual(
      [first!.position, first!.endOffset, first!.lag, first!.inFlight],
      [5, 6, 1, 1],
    );
    assert.deepEqual([second!.lag, second!.inFlight], [0, 0]);
    assert(stats.commits > 0);
    assert.deepEqual(stats.handlers.threads.map(({ thread }) => thread), [null]);
    gate.resolve();
    await untilCommitted(groupId, topic, [6, 0]);
    await consumer.stop();
    const after = consumer.stats();
    assert.deepEqual([after.state, after.handlers.underWay, after.messages], ["stopped", 0, 6]);
  });

  scenario(
    "its health is what it does, and the user's check can only make it worse",
    async (scope) => {
      const topic = await newTopic();
      let own: () => boolean | Promise<boolean> = () => true;
      const { consumer } = await ordered(scope, topic, () => {}, { healthCheck: () => own() });
      assert.equal((await consumer.health()).status, "DOWN");
      await consumer.start();
      const up = await consumer.health();
      assert.equal(up.status, "UP", JSON.stringify(up));
      for (
        const name of [
          "state",
          "thread",
          "poll",
          "heartbeat",
          "commits",
          "handlers",
          "progress",
          "own check",
        ]
      ) {
        assert(up.checks.some((check) => check.name === name), name);
      }
      const worse: (typeof own)[] = [
        () => false,
        () => Promise.resolve(false),
        () => {
          throw new Error("no");
        },
        () => Promise.reject(new Error("no")),
        () => "yes" as never,
      ];
      for (own of worse) {
        const { status, checks } = await consumer.health();
        assert.equal(status, "DOWN");
        assert.deepEqual(
          checks.filter(({ status }) => status === "DOWN").map(({ name }) => name),
          ["own check"],
        );
      }
      own = () => true;
      assert.equal((await consumer.health()).status, "UP");
      await consumer.stop();
      assert.equal((await consumer.health()).status, "DOWN");
    },
  );

  scenario("listeners and loggers that throw harm nobody", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 4);
    const fails = () => {
      throw new Error("logger");
    };
    const { consumer, groupId } = await ordered(scope, topic, (context, data) => {
      context.logger.info("from the handler");
      if (data === 1) throw new Error("no");
    }, {
      onError: { then: "skip" },
      logger: { debug: fails, info: fails, warn: fails, error: fails },
    });
    await consumer.start();
    await untilCommitted(groupId, topic, [4]);
    await consumer.stop();
    assert.equal(await consumer.closed, "stopped");
  });

  scenario("a handler's lines say which message they are about", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 1);
    const { consumer, log, groupId } = await ordered(scope, topic, (context) => {
      context.logger.warn("careful", { more: 1 });
      assert.deepEqual(context.consumer, { name: consumer.name, groupId });
    });
    await consumer.start();
    const { level, fields } = await log.line("careful");
    assert.equal(level, "warn");
    assert.deepEqual(
      [fields?.["topic"], fields?.["partition"], fields?.["offset"], fields?.["more"]],
      [topic, 0, 0, 1],
    );
    await untilCommitted(groupId, topic, [1]);
  });

  scenario("after stop() nothing keeps the program from its end", async () => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 2);
    await using child = runChild(
      new URL("./fixtures/ends.ts", import.meta.url),
      [topic, uniqueName("ends")],
      { KAFKA_BOOTSTRAP_SERVERS: bootstrapServers },
    );
    const { code, stdout, stderr } = await child.ended;
    assert.deepEqual([code, stdout.trim().split("\n")], [
      0,
      Array.from({ length: 3 }, () => "stopped stopped"),
    ], stderr);
  });

  scenario("a broker that is not there is told at the start", async (scope) => {
    const { consumer } = await ordered(scope, "orders", () => {}, {
      bootstrapServers: "127.0.0.1:1",
      startTimeoutMs: 4_000,
      // A thread may take longer than that to be there.
      thread: "inline",
      groupId: newGroup(),
    });
    const error = await rejection(consumer.start());
    assert(isKafkaThreadsError(error));
    assert.equal(error.code, "START_TIMEOUT", `${error}`);
    assert.equal(await rejection(consumer.closed), error);
  });
});
