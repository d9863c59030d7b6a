import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { parseThreadManagerOptions } from "../../src/options/thread_manager_options.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { fillTopic, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { collectMessages, committedFor, newTopic } from "../support/manager.ts";
import { bootstrapServers, managed, produceNumbers } from "./shared.ts";

const consumer = { bootstrapServers: "localhost:9092", groupId: "g", topics: ["t"] };

describe("ThreadManager's lifetime", () => {
  it("is 40 seconds, or what is given, or endless", () => {
    assert.equal(parseThreadManagerOptions({ consumer }).lifetimeMs, 40_000);
    assert.equal(parseThreadManagerOptions({ consumer, lifetimeMs: 7 }).lifetimeMs, 7);
    assert.equal(parseThreadManagerOptions({ consumer, lifetimeMs: null }).lifetimeMs, null);
    assert.equal(parseThreadManagerOptions({ consumer, lifetimeMs: 0 }).lifetimeMs, null);
  });
});

describe("ThreadManager's lifetime, over", needsKafka, () => {
  const scenario = sideBySide(6);

  scenario("never cuts a callback short", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 5);
    let finished = 0;
    const { manager, log, groupId } = await managed(scope, topic, {
      onMessage: async () => {
        // Longer than the lifetime and the time that a stop may take.
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        finished++;
      },
      // Enough for the first message to arrive, however slow the machine.
      lifetimeMs: 1_500,
      stopTimeoutMs: 200,
    });
    await manager.start();
    assert.equal(await manager.closed, "lifetime");
    assert.equal(finished, 1);
    assert.deepEqual(await committedFor(groupId, topic), [1]);
    assert.deepEqual(log.messages("error"), []);
  });

  scenario("ends it however much there is to do, and begins anew at a start", async (scope) => {
    const topic = uniqueName("manager");
    await fillTopic(bootstrapServers, topic, { messages: 20_000, bytes: 50 });
    const messages = collectMessages();
    const { manager, groupId } = await managed(scope, topic, {
      onMessage: async (message) => {
        messages.add(message);
        await new Promise((resolve) => setTimeout(resolve, 1));
      },
      lifetimeMs: 1_500,
    });
    for (let run = 1; run <= 2; run++) {
      const before = messages.items.length;
      await manager.start();
      assert.equal(await manager.closed, "lifetime");
      const { length } = messages.items;
      assert(length > before && length < 20_000);
      assert.deepEqual(await committedFor(groupId, topic), [length]);
    }
    const offsets = messages.items.map(({ offset }) => offset);
    assert.deepEqual(offsets, offsets.map((_, index) => index));
  });

  for (const lifetimeMs of [0, null]) {
    scenario(`does not come to be where it is ${lifetimeMs}`, async (scope) => {
      const topic = await newTopic();
      const messages = collectMessages();
      const { manager } = await managed(scope, topic, { onMessage: messages.add, lifetimeMs });
      await manager.start();
      await manager.health();
      await produceNumbers(topic, 0, 1);
      await messages.next();
      assert.equal(manager.state, "running");
    });
  }

  scenario("does not outlive a stop", async (scope) => {
    const { manager } = await managed(scope, await newTopic(), {
      onMessage: () => {},
      lifetimeMs: 40_000,
    });
    await manager.start();
    await manager.stop();
    assert.equal(await manager.closed, "stopped");
  });
});
