// What must hold for every driver, with a thread and without one.
import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { HandlerError, StateError, StopTimeoutError, TopicNotFoundError } from "../../mod.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { describeGroup, fillTopic, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import {
  collectMessages,
  Collector,
  committedFor,
  type ManagedTest,
  type ManagerOverrides,
  newTopic,
  take,
  untilCommitted,
  untilStats,
} from "../support/manager.ts";
import { bootstrapServers, managed, numbers, produceNumbers, rejection, texts } from "./shared.ts";
import { VARIANTS_HERE } from "./variants.ts";

for (const { name, consumer: variant } of VARIANTS_HERE) {
  describe(`ThreadManager ${name}`, needsKafka, () => {
    const scenario = sideBySide(4);

    const variantFor = (
      scope: AsyncDisposableStack,
      topic: string | string[],
      { consumer, ...overrides }: ManagerOverrides = {},
    ): Promise<ManagedTest> =>
      managed(scope, topic, { ...overrides, consumer: { ...variant, ...consumer } });

    scenario("start() resolves when what is produced arrives", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 1);
      const messages = collectMessages();
      const { manager } = await variantFor(scope, topic, {
        onMessage: messages.add,
        consumer: { startFrom: "latest" },
      });
      assert.equal(manager.state, "idle");
      const starting = manager.start();
      assert.equal(manager.state, "starting");
      assert.equal(await starting, manager);
      assert.equal(manager.state, "running");
      await produceNumbers(topic, 1, 2);
      assert.equal((await messages.next()).text(), "1");
    });

    scenario("gives every message once, each partition in order", async (scope) => {
      const topic = uniqueName("manager");
      await fillTopic(bootstrapServers, topic, { messages: 6_000, bytes: 100, partitions: 3 });
      const messages = collectMessages();
      const { manager, groupId } = await variantFor(scope, topic, { onMessage: messages.add });
      await manager.start();
      await messages.atLeast(6_000);
      await manager.stop();
      assert.equal(manager.state, "stopped");
      for (const partition of [0, 1, 2]) {
        const of = messages.items.filter((message) => message.partition === partition);
        assert.deepEqual(
          of.map(({ offset }) => offset),
          Array.from({ length: 2_000 }, (_, n) => n),
        );
        assert(of.every((message) => message.json<{ n: number }>()?.n === message.offset));
      }
      assert.deepEqual(await committedFor(groupId, topic), [2_000, 2_000, 2_000]);
    });

    scenario("goes on after a restart, as a new member, where it was", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 5);
      const messages = collectMessages();
      const { manager, groupId } = await variantFor(scope, topic, { onMessage: messages.add });
      await manager.start();
      await messages.atLeast(5);
      const { members: [first] } = await describeGroup(bootstrapServers, groupId);
      await manager.stop();
      assert.equal(await manager.closed, "stopped");
      const between = await describeGroup(bootstrapServers, groupId);
      assert.deepEqual(between.members, [], "it has left the group");
      await produceNumbers(topic, 5, 8);

      assert.equal(await manager.start(), manager);
      await messages.atLeast(8);
      const { members: [second] } = await describeGroup(bootstrapServers, groupId);
      assert.notEqual(first?.memberId, second?.memberId);
      await manager.stop();
      assert.deepEqual(texts(messages.items), numbers(0, 8));
      assert.deepEqual(await committedFor(groupId, topic), [8]);
    });

    scenario("awaits the callback under way and begins nothing more", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 10);
      const begun = new Collector<string>();
      const gate = Promise.withResolvers<void>();
      let finished = 0;
      const { manager, groupId } = await variantFor(scope, topic, {
        onMessage: async (message) => {
          begun.add(message.text()!);
          if (message.offset === 3) await gate.promise;
          finished++;
        },
      });
      await manager.start();
      await begun.atLeast(4);
      let stopped = false;
      const stopping = manager.stop().then(() => stopped = true);
      assert.equal(manager.state, "stopping");
      await manager.health();
      assert.equal(stopped, false);
      gate.resolve();
      await stopping;
      assert.equal(finished, 4);
      assert.deepEqual(begun.items, numbers(0, 4));
      assert.deepEqual(await committedFor(groupId, topic), [4]);
    });

    scenario("fails with what the callback throws, and it comes again", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 6);
      const cause = new RangeError("no");
      const seen = new Collector<string>();
      let failing = true;
      const { manager, log, groupId } = await variantFor(scope, topic, {
        onMessage: (message) => {
          seen.add(message.text()!);
          if (failing && message.offset === 3) throw cause;
        },
      });
      await manager.start();
      const error = await rejection(manager.closed);
      assert(HandlerError.is(error));
      assert.equal(error.cause, cause);
      assert.deepEqual([error.topic, error.partition, error.offset], [topic, 0, 3]);
      assert.equal(manager.state, "failed");
      assert.deepEqual((await describeGroup(bootstrapServers, groupId)).members, []);
      assert.deepEqual(await committedFor(groupId, topic), [3]);
      assert.equal(log.messages("error").length, 1);

      failing = false;
      await manager.start();
      await seen.atLeast(7);
      await manager.stop();
      assert.deepEqual(seen.items, [...numbers(0, 4), ...numbers(3, 6)]);
      assert.equal(await manager.closed, "stopped");
    });

    scenario("can be iterated, and left", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 10);
      const { manager, groupId } = await variantFor(scope, topic);
      assert.deepEqual(texts(await take(manager, 4)), numbers(0, 4));
      assert.equal(manager.state, "stopped");
      assert.deepEqual(await committedFor(groupId, topic), [3], "what is in hand is not finished");
      assert.deepEqual(texts(await take(manager, 7)), numbers(3, 10));
    });

    scenario("commits on request and not otherwise", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 10);
      const messages = collectMessages();
      const { manager, groupId } = await variantFor(scope, topic, {
        onMessage: messages.add,
        commit: "manual",
      });
      await manager.start();
      await messages.atLeast(10);
      assert.deepEqual(await committedFor(groupId, topic), [-1]);
      await manager.commit(messages.items[4]!);
      assert.deepEqual(await committedFor(groupId, topic), [5]);
      await manager.stop();
      assert.deepEqual(await committedFor(groupId, topic), [5]);
      await assert.rejects(manager.commit(messages.items[5]!), StateError);
    });

    scenario("ends with its lifetime and leaves the group", async (scope) => {
      const topic = await newTopic();
      const { manager, groupId } = await variantFor(scope, topic, {
        onMessage: () => {},
        lifetimeMs: 100,
      });
      await manager.start();
      assert.equal(await manager.closed, "lifetime");
      assert.equal(manager.state, "stopped");
      assert.deepEqual((await describeGroup(bootstrapServers, groupId)).members, []);
    });

    scenario("is stopped by its own callback", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 10);
      const begun = new Collector<string>();
      const { manager, groupId } = await variantFor(scope, topic, {
        onMessage: async (message) => {
          begun.add(message.text()!);
          if (message.offset === 2) await manager.stop();
        },
      });
      await manager.start();
      assert.equal(await manager.closed, "stopped");
      assert.deepEqual(begun.items, numbers(0, 3));
      assert.deepEqual(await committedFor(groupId, topic), [3], "that message was finished");
    });

    scenario("gives up a callback that never ends", async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 5);
      const begun = collectMessages();
      const { manager, groupId } = await variantFor(scope, topic, {
        onMessage: (message) => {
          begun.add(message);
          if (message.offset === 2) return new Promise(() => {});
        },
        stopTimeoutMs: 300,
      });
      await manager.start();
      await begun.atLeast(3);
      const started = performance.now();
      await manager.stop();
      assert(performance.now() - started < 5_000);
      const error = await rejection(manager.closed);
      assert(StopTimeoutError.is(error));
      assert.equal(manager.state, "failed");
      assert.deepEqual((await describeGroup(bootstrapServers, groupId)).members, []);
      assert.deepEqual(await committedFor(groupId, topic), [2], "what was finished is committed");
    });

    scenario("stops before it has started", async (scope) => {
      const topic = await newTopic();
      const { manager, groupId } = await variantFor(scope, topic, { onMessage: () => {} });
      const starting = rejection(manager.start());
      const started = performance.now();
      await manager.stop();
      assert(StateError.is(await starting));
      assert(performance.now() - started < 3_000);
      assert.equal(await manager.closed, "stopped");
      assert.deepEqual((await describeGroup(bootstrapServers, groupId)).members, []);
      await manager.start();
      assert.equal(manager.state, "running");
    });

    scenario("holds no more than it may, however slow the callback is", async (scope) => {
      const topic = uniqueName("manager");
      await fillTopic(bootstrapServers, topic, { messages: 4_000, bytes: 500, partitions: 2 });
      const messages = collectMessages();
      let gate = Promise.withResolvers<void>();
      const { manager } = await variantFor(scope, topic, {
        onMessage: async (message) => {
          messages.add(message);
          await gate.promise;
        },
        maxInFlight: { messages: 50, bytes: 100_000 },
      });
      await manager.start();
      await messages.next();
      const held = await untilStats(
        manager,
        "both partitions are full",
        ({ partitions }) => partitions.length === 2 && partitions.every(({ paused }) => paused),
      );
      assert.equal(held.inFlight, 50);
      assert.equal(messages.items.length, 1);
      gate.resolve();
      gate = Promise.withResolvers();
      gate.resolve();
      let most = 0;
      await messages.until("all of them", ({ length }) => {
        if (length % 10 === 0) most = Math.max(most, manager.stats().inFlight);
        return length === 4_000;
      });
      assert(most <= 50, `${most} were in flight`);
      for (const partition of [0, 1]) {
        const of = messages.items.filter((message) => message.partition === partition);
        assert.deepEqual(
          of.map(({ offset }) => offset),
          Array.from({ length: 2_000 }, (_, n) => n),
        );
      }
      await untilStats(
        manager,
        "nothing is paused",
        ({ partitions }) => !partitions.some(({ paused }) => paused),
      );
    });

    scenario("commits by itself what is finished, and tells figures", async (scope) => {
      const topic = await newTopic({ partitions: 2 });
      await produceNumbers(topic, 0, 5);
      const { manager, groupId } = await variantFor(scope, topic, {
        onMessage: () => {},
        commit: { intervalMs: 50 },
      });
      await manager.start();
      await untilCommitted(groupId, topic, [5, 0]);
      const stats = await untilStats(
        manager,
        "all is seen",
        ({ partitions, messages }) =>
          messages === 5 &&
          partitions.some(({ partition, committed }) => partition === 0 && committed === 5),
      );
      const [first] = stats.partitions.toSorted((a, b) => a.partition - b.partition);
      assert.deepEqual(
        [first?.position, first?.committed, first?.endOffset, first?.lag],
        [5, 5, 5, 0],
      );
      assert.equal(stats.group, "stable");
      assert.equal((await manager.health()).status, "UP");
      await manager.stop();
      assert.equal((await manager.health()).status, "DOWN");
    });

    scenario("names the topics that do not exist", async (scope) => {
      const [topic, ...missing] = [await newTopic(), uniqueName("missing"), uniqueName("missing")];
      const { manager } = await variantFor(scope, [topic, ...missing], { onMessage: () => {} });
      const started = performance.now();
      const error = await rejection(manager.start());
      assert(performance.now() - started < 10_000);
      assert(TopicNotFoundError.is(error), `${error}`);
      assert.deepEqual(error.topics.toSorted(), missing.toSorted());
      for (const name of missing) assert(error.message.includes(name));
      assert(!error.message.includes(topic));
      assert.equal(manager.state, "failed");
      assert.equal(await rejection(manager.closed), error);
    });
  });
}
