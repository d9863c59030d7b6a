import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { type Message, StateError, TopicNotFoundError } from "../../mod.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { createTopic, fillTopic, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { Collector, committedFor, newTopic, take } from "../support/manager.ts";
import {
  bootstrapServers,
  managed,
  numbers,
  numbersManager,
  produceNumbers,
  rejection,
  texts,
} from "./shared.ts";

describe("iterating over a ThreadManager", needsKafka, () => {
  const scenario = sideBySide(6);

  scenario("gives every message, one at a time", async (scope) => {
    const topic = uniqueName("manager");
    await fillTopic(bootstrapServers, topic, { messages: 6_000, bytes: 50, partitions: 3 });
    const { manager, groupId } = await managed(scope, topic);
    const seen = [0, 0, 0];
    let count = 0;
    for await (const { partition, offset } of manager) {
      assert.equal(offset, seen[partition]!);
      seen[partition] = offset + 1;
      if (++count === 6_000) void manager.stop();
    }
    assert.equal(manager.state, "stopped");
    assert.equal(await manager.closed, "stopped");
    assert.deepEqual(await committedFor(groupId, topic), [2_000, 2_000, 2_000]);
  });

  scenario("goes over a manager that runs", async (scope) => {
    const topic = await newTopic();
    const { manager } = await managed(scope, topic);
    await manager.start();
    const { closed } = manager;
    await produceNumbers(topic, 0, 3);
    assert.deepEqual(texts(await take(manager, 3)), numbers(0, 3));
    assert.equal(await closed, "stopped");
  });

  scenario("stops where the body throws, and the message comes again", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 6);
    const { manager, groupId } = await managed(scope, topic);
    const failure = new Error("no");
    const loop = (async () => {
      for await (const message of manager) if (message.offset === 4) throw failure;
    })();
    assert.equal(await rejection(loop), failure);
    assert.equal(manager.state, "stopped");
    assert.deepEqual(await committedFor(groupId, topic), [4]);
    assert.deepEqual(texts(await take(manager, 2)), ["4", "5"]);
  });

  scenario("ends when somebody else stops the manager", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const { manager, groupId } = await managed(scope, topic);
    const seen = new Collector<string | null>();
    const loop = (async () => {
      for await (const message of manager) seen.add(message.text());
    })();
    await seen.atLeast(3);
    await manager.stop();
    await loop;
    assert.deepEqual(seen.items, numbers(0, 3));
    assert.deepEqual(await committedFor(groupId, topic), [3]);
  });

  scenario("lets the body finish when somebody else stops the manager", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const { manager, groupId } = await managed(scope, topic);
    const seen = new Collector<string | null>();
    const gate = Promise.withResolvers<void>();
    const loop = (async () => {
      for await (const message of manager) {
        seen.add(message.text());
        await gate.promise;
      }
    })();
    await seen.next();
    const stopping = manager.stop();
    await manager.health();
    assert.equal(manager.state, "stopping");
    gate.resolve();
    await Promise.all([stopping, loop]);
    assert.deepEqual(seen.items, ["0"]);
    assert.deepEqual(await committedFor(groupId, topic), [1]);
  });

  scenario("ends with the lifetime", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const { manager, groupId } = await managed(scope, topic, { lifetimeMs: 3_000 });
    const seen: (string | null)[] = [];
    for await (const message of manager) seen.push(message.text());
    assert.equal(await manager.closed, "lifetime");
    assert.deepEqual(seen, numbers(0, 3));
    assert.deepEqual(await committedFor(groupId, topic), [3]);
  });

  scenario("throws what the manager fails with", async (scope) => {
    const { manager } = await numbersManager(scope, { failAt: 700 });
    let count = 0;
    const loop = (async () => {
      for await (const _ of manager) count++;
    })();
    const error = await rejection(loop) as Error;
    assert.match(error.message, /There is no more/);
    assert(count <= 700);
    assert.equal(await rejection(manager.closed), error);
    assert.equal(manager.state, "failed");
  });

  scenario("throws what the start fails with, and can be tried again", async (scope) => {
    const topic = uniqueName("manager");
    const { manager } = await managed(scope, topic);
    for (let turn = 0; turn < 2; turn++) {
      assert(TopicNotFoundError.is(await rejection(take(manager, 1))));
    }
    await createTopic(bootstrapServers, topic);
    await produceNumbers(topic, 0, 1);
    assert.deepEqual(texts(await take(manager, 1)), ["0"]);
  });

  scenario("is refused beside another, and beside a callback", async (scope) => {
    const { manager } = await numbersManager(scope, { count: 3 });
    const messages = manager[Symbol.asyncIterator]();
    assert.throws(() => manager[Symbol.asyncIterator](), StateError);
    assert.equal((await messages.next()).value?.text(), "0");
    assert.throws(() => manager[Symbol.asyncIterator](), StateError);
    await messages.return?.();

    const other = await numbersManager(scope, {}, { onMessage: () => {} });
    assert.throws(() => other.manager[Symbol.asyncIterator](), StateError);
  });

  scenario("can begin again after a stop, whatever became of the last one", async (scope) => {
    const { manager } = await numbersManager(scope, { count: 5 });
    const forgotten = manager[Symbol.asyncIterator]();
    assert.equal((await forgotten.next()).value?.text(), "0");
    assert.equal((await forgotten.next()).value?.text(), "1");
    void manager.stop();
    assert.deepEqual(await forgotten.next(), { done: true, value: undefined });
    await manager.stop();
    const messages = manager[Symbol.asyncIterator]();
    assert.equal((await messages.next()).value?.text(), "0");
    // The one before is over, and has no say in this one.
    assert.deepEqual(await forgotten.next(), { done: true, value: undefined });
    assert.throws(() => manager[Symbol.asyncIterator](), StateError);
    assert.equal((await messages.next()).value?.text(), "1");
    await messages.return?.();
    assert.deepEqual(await messages.next(), { done: true, value: undefined });
    assert.equal(manager.state, "stopped");
  });

  scenario("answers calls of next() in their order", async (scope) => {
    const { manager } = await numbersManager(scope, { count: 5 });
    const messages = manager[Symbol.asyncIterator]();
    const asked = await Promise.all([messages.next(), messages.next(), messages.next()]);
    assert.deepEqual(texts(asked.map(({ value }) => value as Message)), numbers(0, 3));
    await messages.return?.();
  });

  scenario("can be left before it has begun", async (scope) => {
    const { manager } = await numbersManager(scope);
    const messages = manager[Symbol.asyncIterator]();
    assert.deepEqual(await messages.return?.(), { done: true, value: undefined });
    assert.equal(manager.state, "idle");
    assert.equal((await take(manager, 1)).length, 1);
  });
});
