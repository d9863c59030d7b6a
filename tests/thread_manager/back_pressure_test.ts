import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { sideBySide } from "../support/side_by_side.ts";
import { fillTopic, produce, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { collectMessages, newTopic, untilStats } from "../support/manager.ts";
import { bootstrapServers, managed, numbersManager } from "./shared.ts";

/** What the poller counts for a message beside its bytes. */
const OVERHEAD = 36;

describe("ThreadManager's back-pressure", needsKafka, () => {
  const scenario = sideBySide(6);

  scenario("keeps to the most bytes, and goes on", async (scope) => {
    const topic = uniqueName("manager");
    await fillTopic(bootstrapServers, topic, { messages: 6_000, bytes: 1_000, partitions: 3 });
    const messages = collectMessages();
    const gate = Promise.withResolvers<void>();
    const { manager } = await managed(scope, topic, {
      onMessage: async (message) => {
        messages.add(message);
        await gate.promise;
      },
      maxInFlight: { bytes: 100_000 },
    });
    await manager.start();
    const { inFlight, partitions } = await untilStats(
      manager,
      "all partitions are full",
      ({ partitions }) => partitions.length === 3 && partitions.every(({ paused }) => paused),
    );
    assert(inFlight * (1_000 + OVERHEAD) <= 100_000 && inFlight > 50, `${inFlight} in flight`);
    assert.equal(partitions.reduce((sum, { inFlight }) => sum + inFlight, 0), inFlight);
    // What waits in the thread is bounded as well: a fetch more than what makes it pause.
    const queued = partitions.reduce((sum, { queued }) => sum + queued, 0);
    assert(queued < 6_000 - inFlight, `${queued} are queued`);

    gate.resolve();
    let most = 0;
    await messages.until("all of them", ({ length }) => {
      most = Math.max(most, manager.stats().inFlight);
      return length === 6_000;
    });
    assert(most * 1_000 <= 100_000, `${most} were in flight`);
    await untilStats(
      manager,
      "all is resumed",
      ({ partitions, lag }) => lag === 0 && partitions.every(({ paused }) => !paused),
    );
    for (const partition of [0, 1, 2]) {
      const of = messages.items.filter((message) => message.partition === partition);
      assert.deepEqual(of.map(({ offset }) => offset), Array.from({ length: 2_000 }, (_, n) => n));
    }
  });

  scenario("holds a slow loop's messages back", async (scope) => {
    const topic = uniqueName("manager");
    await fillTopic(bootstrapServers, topic, { messages: 3_000, bytes: 500, partitions: 2 });
    const { manager } = await managed(scope, topic, {
      maxInFlight: { messages: 20, bytes: 50_000 },
    });
    const next = [0, 0];
    let count = 0;
    for await (const { partition, offset } of manager) {
      assert.equal(offset, next[partition]!++);
      if (++count === 1) {
        await untilStats(
          manager,
          "both are full",
          ({ partitions }) => partitions.length === 2 && partitions.every(({ paused }) => paused),
        );
      }
      assert(manager.stats().inFlight <= 20);
      if (count === 3_000) break;
    }
    assert.deepEqual(next, [1_500, 1_500]);
  });

  scenario("lets a message through that is larger than all the room", async (scope) => {
    const topic = await newTopic();
    const values = ["a", "b".repeat(200_000), "c", "d".repeat(300_000), "e"];
    await produce(bootstrapServers, topic, values.map((value) => ({ partition: 0, value })));
    const messages = collectMessages();
    const { manager } = await managed(scope, topic, {
      onMessage: messages.add,
      maxInFlight: { messages: 1, bytes: 1_000 },
    });
    await manager.start();
    await messages.atLeast(5);
    assert.deepEqual(
      messages.items.map((message) => message.text()!.length),
      values.map(({ length }) => length),
    );
  });

  scenario("holds an endless source back", async (scope) => {
    const messages = collectMessages();
    const gate = Promise.withResolvers<void>();
    const { manager } = await numbersManager(scope, { partitions: 2, bytes: 100 }, {
      onMessage: async (message) => {
        messages.add(message);
        await gate.promise;
      },
      maxInFlight: { messages: 1_000, bytes: 1_000_000 },
    });
    await manager.start();
    const full = await untilStats(
      manager,
      "it is full",
      ({ partitions }) => partitions.length === 2 && partitions.every(({ paused }) => paused),
    );
    assert.equal(full.inFlight, 1_000);
    await manager.health();
    const still = manager.stats();
    assert.deepEqual(still.partitions, full.partitions);
    gate.resolve();
    await messages.atLeast(20_000);
    assert(manager.stats().inFlight <= 1_000);
  });
});
