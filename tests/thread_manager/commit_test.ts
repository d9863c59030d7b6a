import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { LostPartitionError, Message, StateError } from "../../mod.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import {
  collectMessages,
  Collector,
  committedFor,
  newTopic,
  untilCommitted,
  untilStats,
} from "../support/manager.ts";
import { managed, numbers, produceNumbers, rejection, texts } from "./shared.ts";

describe("ThreadManager commits by itself", needsKafka, () => {
  const scenario = sideBySide(6);

  scenario("what is finished, and not what is under way", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 10);
    const messages = collectMessages();
    const gate = Promise.withResolvers<void>();
    const { manager, groupId } = await managed(scope, topic, {
      onMessage: (message) => {
        messages.add(message);
        if (message.offset === 6) return gate.promise;
      },
      commit: { intervalMs: 30 },
    });
    await manager.start();
    await untilCommitted(groupId, topic, [6]);
    const { commits } = await untilStats(
      manager,
      "it knows",
      ({ partitions }) => partitions[0]?.committed === 6,
    );
    // More intervals go by than the time that it takes to ask.
    for (let turn = 0; turn < 20; turn++) {
      assert.deepEqual(await committedFor(groupId, topic), [6]);
    }
    assert.equal(manager.stats().commits, commits, "nothing new, no commit");
    gate.resolve();
    await untilCommitted(groupId, topic, [10]);
  });

  scenario("at a stop, however long the interval", async (scope) => {
    const topic = await newTopic({ partitions: 2 });
    await produceNumbers(topic, 0, 3);
    const messages = collectMessages();
    const { manager, groupId } = await managed(scope, topic, { onMessage: messages.add });
    await manager.start();
    await messages.atLeast(3);
    assert.deepEqual(await committedFor(groupId, topic), [-1, -1]);
    await manager.stop();
    assert.deepEqual((await committedFor(groupId, topic))[0], 3);
  });

  scenario("every 5 seconds unless told otherwise", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const { manager, groupId } = await managed(scope, topic, { onMessage: () => {} });
    await manager.start();
    const started = performance.now();
    await untilCommitted(groupId, topic, [3]);
    const seconds = (performance.now() - started) / 1_000;
    assert(seconds > 4 && seconds < 10, `after ${seconds} s`);
  });

  scenario(
    "where it begins, if that is the latest message and it is a new group",
    async (scope) => {
      const topic = await newTopic({ partitions: 2 });
      await produceNumbers(topic, 0, 7);
      const messages = collectMessages();
      const { manager, groupId } = await managed(scope, topic, {
        onMessage: messages.add,
        // Even so: without it, what comes before the first commit would be lost at a restart.
        commit: "manual",
        consumer: { startFrom: "latest" },
      });
      await manager.start();
      await untilCommitted(groupId, topic, [7, 0]);
      await produceNumbers(topic, 7, 9);
      await messages.atLeast(2);
      await manager.stop();
      assert.deepEqual(await committedFor(groupId, topic), [7, 0], "nothing else");
      await manager.start();
      await messages.atLeast(4);
      assert.deepEqual(texts(messages.items), ["7", "8", "7", "8"]);
    },
  );
});

describe("ThreadManager.commit()", needsKafka, () => {
  const scenario = sideBySide(6);
  const commit = "manual";

  scenario("resolves when the broker has it, and nothing else is committed", async (scope) => {
    const topic = await newTopic({ partitions: 2 });
    await produceNumbers(topic, 0, 10);
    const messages = collectMessages();
    const { manager, groupId } = await managed(scope, topic, { onMessage: messages.add, commit });
    await manager.start();
    await messages.atLeast(10);
    for (const offset of [0, 4, 7]) {
      assert.equal(await manager.commit(messages.items[offset]!), undefined);
      assert.deepEqual(await committedFor(groupId, topic), [offset + 1, -1]);
    }
    await manager.stop();
    assert.deepEqual(await committedFor(groupId, topic), [8, -1]);
    await manager.start();
    await messages.atLeast(12);
    assert.deepEqual(texts(messages.items.slice(10)), ["8", "9"]);
  });

  scenario("never goes back", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 10);
    const messages = collectMessages();
    const { manager, groupId } = await managed(scope, topic, { onMessage: messages.add, commit });
    await manager.start();
    await messages.atLeast(10);
    const of = (offset: number) => manager.commit(messages.items[offset]!);
    await of(5);
    await of(2);
    assert.deepEqual(await committedFor(groupId, topic), [6]);
    await Promise.all([of(8), of(3), of(7)]);
    assert.deepEqual(await committedFor(groupId, topic), [9]);
  });

  scenario("shares round trips when it is called often", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 300);
    const messages = collectMessages();
    const { manager, groupId } = await managed(scope, topic, { onMessage: messages.add, commit });
    await manager.start();
    await messages.atLeast(300);
    await Promise.all(messages.items.map((message) => manager.commit(message)));
    assert.deepEqual(await committedFor(groupId, topic), [300]);
    await manager.health();
    const { commits } = manager.stats();
    assert(commits >= 1 && commits < 100, `${commits} commits`);
  });

  scenario("is right within the callback, and while it stops", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 5);
    const committed = new Collector<number>();
    const { manager, groupId } = await managed(scope, topic, {
      onMessage: async (message) => {
        if (message.offset === 3) void manager.stop();
        await manager.commit(message);
        committed.add(message.offset);
      },
      commit,
    });
    await manager.start();
    assert.equal(await manager.closed, "stopped");
    assert.deepEqual(committed.items, [0, 1, 2, 3]);
    assert.deepEqual(await committedFor(groupId, topic), [4]);
  });

  scenario("works beside commits of its own", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 5);
    const messages = collectMessages();
    const { manager, groupId } = await managed(scope, topic, { onMessage: messages.add });
    await manager.start();
    await messages.atLeast(5);
    await manager.commit(messages.items[1]!);
    assert.deepEqual(await committedFor(groupId, topic), [2]);
    await manager.stop();
    assert.deepEqual(await committedFor(groupId, topic), [5]);
  });

  scenario("is refused where there is no consumer", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 1);
    const messages = collectMessages();
    const { manager } = await managed(scope, topic, { onMessage: messages.add, commit });
    const made = Message.from({ topic, partition: 0, offset: 0, value: "" });
    assert(StateError.is(await rejection(manager.commit(made))));
    const starting = manager.start();
    assert(StateError.is(await rejection(manager.commit(made))));
    await starting;
    const message = await messages.next();
    await manager.stop();
    assert(StateError.is(await rejection(manager.commit(message))));
  });

  scenario("is refused for messages that are not this consumer's", async (scope) => {
    const [topic, other] = [await newTopic(), await newTopic()];
    await produceNumbers(topic, 0, 3);
    const messages = collectMessages();
    const { manager, groupId } = await managed(scope, topic, { onMessage: messages.add, commit });
    await manager.start();
    await messages.atLeast(3);
    for (const place of [{ topic: other, partition: 0 }, { topic, partition: 5 }]) {
      const made = Message.from({ ...place, offset: 1, value: "" });
      const error = await rejection(manager.commit(made));
      assert(LostPartitionError.is(error));
      assert.deepEqual(
        { topic: error.topic, partition: error.partition, offset: error.offset },
        { ...place, offset: 1 },
      );
    }
    await manager.stop();
    await manager.start();
    await messages.atLeast(6);
    // Of the run before.
    assert(LostPartitionError.is(await rejection(manager.commit(messages.items[2]!))));
    assert.deepEqual(await committedFor(groupId, topic), [-1]);
    await manager.commit(messages.items[5]!);
    assert.deepEqual(await committedFor(groupId, topic), [3]);
    assert.deepEqual(texts(messages.items), [...numbers(0, 3), ...numbers(0, 3)]);
  });
});
