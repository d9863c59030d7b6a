import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe } from "#std/testing/bdd";
import { StateError, StopTimeoutError, TopicNotFoundError } from "../../mod.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { describeGroup, fillTopic, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { collectMessages, committedFor, managerFor, newTopic } from "../support/manager.ts";
import {
  bootstrapServers,
  isPending,
  managed,
  numbers,
  produceNumbers,
  rejection,
  texts,
} from "./shared.ts";

describe("ThreadManager.stop()", needsKafka, () => {
  const scenario = sideBySide(6);

  scenario("does nothing to an idle manager", async (scope) => {
    const { manager, log } = await managed(scope, await newTopic(), { onMessage: () => {} });
    await manager.stop();
    assert.equal(manager.state, "idle");
    assert(await isPending(manager.closed));
    assert.deepEqual(log.items, []);
    await manager.start();
    assert.equal(manager.state, "running");
  });

  scenario("ends a connecting that gets no answer", async (scope) => {
    const server = createServer((socket) => socket.on("error", () => {}));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    scope.defer(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const connected = once(server, "connection");
    const { manager } = await managed(scope, "any", {
      onMessage: () => {},
      consumer: { bootstrapServers: `127.0.0.1:${port}` },
    });
    const starting = rejection(manager.start());
    await connected;
    const stopped = performance.now();
    await manager.stop();
    assert(performance.now() - stopped < 3_000);
    assert(StateError.is(await starting));
    assert.equal(await manager.closed, "stopped");
  });

  scenario("ends a joining that others hold up", async (scope) => {
    const topic = await newTopic({ partitions: 2 });
    await produceNumbers(topic, 0, 1);
    const gate = Promise.withResolvers<void>();
    const messages = collectMessages();
    const first = await managed(scope, topic, {
      onMessage: (message) => {
        messages.add(message);
        return gate.promise;
      },
    });
    await first.manager.start();
    await messages.next();
    // The first one lets go of nothing until its message is finished.
    const { manager } = await managed(scope, topic, {
      onMessage: () => {},
      consumer: { groupId: first.groupId },
    });
    const starting = rejection(manager.start());
    let group = await describeGroup(bootstrapServers, first.groupId);
    while (group.state !== "PreparingRebalance") {
      group = await describeGroup(bootstrapServers, first.groupId);
    }
    const stopped = performance.now();
    await manager.stop();
    assert(performance.now() - stopped < 3_000);
    assert(StateError.is(await starting));
    gate.resolve();
    await first.manager.stop();
    assert.equal(await first.manager.closed, "stopped");
    assert.deepEqual(await committedFor(first.groupId, topic), [1, 0]);
  });

  scenario("is one stop, however often it is called", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 1);
    const gate = Promise.withResolvers<void>();
    const messages = collectMessages();
    const { manager, log } = await managed(scope, topic, {
      onMessage: (message) => {
        messages.add(message);
        return gate.promise;
      },
    });
    await manager.start();
    await messages.next();
    const stops = [manager.stop(), manager.stop()];
    await manager.health();
    stops.push(manager.stop(), manager[Symbol.asyncDispose]());
    for (const stop of stops) assert(await isPending(stop));
    gate.resolve();
    await Promise.all(stops);
    await manager.stop();
    assert.equal(manager.state, "stopped");
    const lines = log.messages().filter((line) => line === "Kafka consumer thread stopped.");
    assert.equal(lines.length, 1);
  });

  scenario("begins nothing more once it is called", async (scope) => {
    const topic = uniqueName("manager");
    await fillTopic(bootstrapServers, topic, { messages: 5_000, bytes: 50, partitions: 2 });
    const messages = collectMessages();
    const { manager, groupId } = await managed(scope, topic, {
      onMessage: (message) => {
        messages.add(message);
        if (messages.items.length === 1_234) void manager.stop();
      },
    });
    await manager.start();
    assert.equal(await manager.closed, "stopped");
    assert.equal(messages.items.length, 1_234);
    const handled = [0, 1].map((number) =>
      messages.items.filter(({ partition }) => partition === number).length
    );
    const committed = await committedFor(groupId, topic);
    assert.deepEqual(committed.map((offset) => Math.max(0, offset)), handled);
  });

  scenario("commits exactly what is handled when it comes from elsewhere", async (scope) => {
    const topic = uniqueName("manager");
    await fillTopic(bootstrapServers, topic, { messages: 20_000, bytes: 50 });
    const messages = collectMessages();
    const { manager, groupId } = await managed(scope, topic, {
      onMessage: async (message) => {
        messages.add(message);
        if (message.offset % 100 === 0) await null;
      },
    });
    for (const count of [1, 3_000, 9_000]) {
      await manager.start();
      await messages.atLeast(count);
      await manager.stop();
      const { length } = messages.items;
      assert.deepEqual(await committedFor(groupId, topic), [length]);
    }
    const offsets = messages.items.map(({ offset }) => offset);
    assert.deepEqual(offsets, offsets.map((_, index) => index));
  });

  for (const count of [1, 4]) {
    scenario(`may be awaited in the body of a loop, at message ${count}`, async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 10);
      const { manager, groupId } = await managed(scope, topic);
      const seen: (string | null)[] = [];
      for await (const message of manager) {
        seen.push(message.text());
        if (seen.length === count) await manager.stop();
      }
      assert.equal(await manager.closed, "stopped");
      assert.deepEqual(seen, numbers(0, count));
      assert.deepEqual(await committedFor(groupId, topic), [count], "the body went on to its end");
    });
  }

  scenario("does nothing to a manager that has failed", async (scope) => {
    const { manager } = await managed(scope, uniqueName("missing"), { onMessage: () => {} });
    await rejection(manager.start());
    await manager.stop();
    assert.equal(manager.state, "failed");
    assert(TopicNotFoundError.is(await rejection(manager.closed)));
  });

  scenario("ends with `await using`", async () => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const { manager, groupId } = await managerFor(topic);
    const seen: (string | null)[] = [];
    {
      await using used = await manager.start();
      for await (const message of used) if (seen.push(message.text()) === 3) break;
      await used.start();
      assert.equal(manager.state, "running");
    }
    assert.equal(manager.state, "stopped");
    assert.deepEqual(seen, numbers(0, 3));
    assert.deepEqual(await committedFor(groupId, topic), [2]);
  });

  scenario("keeps its limit also after the lifetime is over", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 1);
    const messages = collectMessages();
    const { manager, log } = await managed(scope, topic, {
      onMessage: (message) => {
        messages.add(message);
        return new Promise(() => {});
      },
      lifetimeMs: 1_500,
      stopTimeoutMs: 200,
    });
    await manager.start();
    await messages.next();
    while (manager.state === "running") await manager.health();
    assert.equal(manager.state, "stopping");
    await manager.stop();
    assert(StopTimeoutError.is(await rejection(manager.closed)));
    assert.equal(log.messages("error").length, 1);
    assert.deepEqual(texts(messages.items), ["0"]);
  });
});
