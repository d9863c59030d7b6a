import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { ThreadManager } from "../../mod.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { collectMessages, newTopic, untilStats } from "../support/manager.ts";
import { managed, numbersManager, produceNumbers, rejection } from "./shared.ts";

describe("stats() and health() of an idle ThreadManager", () => {
  it("tell that nothing is there", async () => {
    const consumer = { bootstrapServers: "localhost:9092", groupId: "g", topics: ["t"] };
    const manager = new ThreadManager({ consumer });
    assert.deepEqual(manager.stats(), {
      name: "kafka_consumer.g",
      state: "idle",
      thread: { name: "kafka_consumer.g", alive: false, silentMs: null },
      group: "none",
      heartbeatAgeMs: null,
      heartbeats: 0,
      messages: 0,
      bytes: 0,
      messagesPerSecond: 0,
      bytesPerSecond: 0,
      inFlight: 0,
      lag: 0,
      partitions: [],
      commits: 0,
      commitErrors: 0,
      pollErrors: 0,
      rebalances: 0,
      polls: { count: 0, messages: 0, sizes: [0, 0, 0, 0, 0, 0, 0, 0, 0] },
      times: [],
    });
    assert.deepEqual(await manager.health(), {
      status: "DOWN",
      checks: [{ name: "state", status: "DOWN", data: { state: "idle" } }],
    });
  });
});

describe("stats() of a ThreadManager", needsKafka, () => {
  const scenario = sideBySide(6);

  scenario("tells where each partition stands", async (scope) => {
    const topic = await newTopic({ partitions: 2 });
    await produceNumbers(topic, 0, 10);
    const messages = collectMessages();
    const gate = Promise.withResolvers<void>();
    const { manager } = await managed(scope, topic, {
      name: "named",
      onMessage: (message) => {
        messages.add(message);
        if (message.offset === 4) return gate.promise;
      },
      commit: { intervalMs: 30 },
    });
    await manager.start();
    await messages.atLeast(5);
    const stats = await untilStats(
      manager,
      "the commit is seen",
      ({ partitions }) =>
        partitions.some(({ partition, committed }) => partition === 0 && committed === 4),
    );
    const first = stats.partitions.find(({ partition }) => partition === 0)!;
    assert.deepEqual(first, {
      topic,
      partition: 0,
      position: 4,
      committed: 4,
      endOffset: 10,
      lag: 6,
      queued: 0,
      inFlight: 6,
      paused: false,
    });
    assert.equal(stats.partitions.length, 2);
    assert.deepEqual([stats.name, stats.thread.name, stats.state], ["named", "named", "running"]);
    assert.deepEqual([stats.messages, stats.inFlight, stats.lag], [4, 6, 6]);
    assert(stats.bytes >= 4 && stats.bytes < 100, `${stats.bytes} bytes`);
    assert.equal(stats.group, "stable");
    assert(stats.thread.alive);
    assert(stats.thread.silentMs! < 5_000);
    assert(stats.heartbeatAgeMs! >= 0 && stats.heartbeatAgeMs! < 10_000);
    assert(stats.commits >= 1);
    assert.deepEqual([stats.commitErrors, stats.pollErrors, stats.rebalances], [0, 0, 0]);

    first.position = 99;
    assert.notEqual(manager.stats().partitions[0]?.position, 99, "it is a copy");
    gate.resolve();
    await untilStats(
      manager,
      "all is finished",
      (stats) => stats.messages === 10 && stats.inFlight === 0 && stats.lag === 0,
    );
    await manager.stop();
    const after = manager.stats();
    assert.deepEqual([after.state, after.thread.alive, after.messages], ["stopped", false, 10]);
  });

  scenario("tells how fast it goes", async (scope) => {
    const { manager } = await numbersManager(scope, { bytes: 100 }, { onMessage: () => {} });
    await manager.start();
    const flowing = await untilStats(
      manager,
      "it flows",
      (stats) => stats.messagesPerSecond > 0 && stats.bytesPerSecond > 0,
    );
    const ratio = flowing.bytesPerSecond / flowing.messagesPerSecond;
    assert(ratio >= 100 && ratio < 110, `${ratio} bytes a message`);
    // Checked against what is counted, over some seconds of a flow that goes on.
    const since = manager.stats().messages;
    const began = performance.now();
    while (performance.now() - began < 1_500) await manager.health();
    const stats = manager.stats();
    const rate = (stats.messages - since) / (performance.now() - began) * 1_000;
    assert(stats.messagesPerSecond > rate / 5 && stats.messagesPerSecond < rate * 5);
  });

  scenario("begins anew with each run", async (scope) => {
    const { manager } = await numbersManager(scope, { count: 3 }, { onMessage: () => {} });
    for (let run = 0; run < 2; run++) {
      await manager.start();
      await untilStats(manager, "all is finished", ({ messages }) => messages === 3);
      await manager.stop();
    }
  });
});

describe("health() of a ThreadManager", needsKafka, () => {
  const scenario = sideBySide(6);

  scenario("is UP while it runs", async (scope) => {
    const { manager } = await managed(scope, await newTopic(), { onMessage: () => {} });
    await manager.start();
    const { status, checks } = await manager.health();
    assert.equal(status, "UP", JSON.stringify(checks));
    assert.deepEqual(
      checks.map(({ name }) => name),
      ["state", "thread", "poll", "heartbeat", "commits", "message"],
    );
    assert(checks.every((check) => check.status === "UP"));
    await manager.stop();
    const after = await manager.health();
    assert.deepEqual(after, {
      status: "DOWN",
      checks: [{ name: "state", status: "DOWN", data: { state: "stopped" } }],
    });
  });

  scenario("is UP for a source without a group", async (scope) => {
    const { manager } = await numbersManager(scope, {}, { onMessage: () => {} });
    await manager.start();
    const { status, checks } = await manager.health();
    assert.equal(status, "UP");
    assert.deepEqual(
      checks.map(({ name }) => name),
      ["state", "thread", "poll", "commits", "message"],
    );
  });

  scenario("is UP for a member without partitions", async (scope) => {
    const topic = await newTopic();
    const first = await managed(scope, topic, { onMessage: () => {} });
    await first.manager.start();
    const second = await managed(scope, topic, {
      onMessage: () => {},
      consumer: { groupId: first.groupId },
    });
    await second.manager.start();
    const groups = () => [first, second].map(({ manager }) => manager.stats().group).toSorted();
    await untilStats(
      second.manager,
      "both have their places",
      () => groups().join() === "stable,standby",
    );
    for (const { manager } of [first, second]) {
      assert.equal((await manager.health()).status, "UP");
    }
  });

  scenario("is UP, and says since when, while a message takes long", async (scope) => {
    const gate = Promise.withResolvers<void>();
    const { manager } = await numbersManager(scope, { count: 1 }, {
      onMessage: () => gate.promise,
    });
    await manager.start();
    const seconds = async () =>
      (await manager.health()).checks.find(({ name }) => name === "message")!.data[
        "underWaySeconds"
      ] as number;
    while (await seconds() < 1);
    assert.equal((await manager.health()).status, "UP");
    gate.resolve();
    while (await seconds() > 0);
  });

  scenario("is DOWN and names the error once it has failed", async (scope) => {
    const { manager } = await managed(scope, uniqueName("missing"), { onMessage: () => {} });
    const error = await rejection(manager.start()) as Error;
    assert.deepEqual(await manager.health(), {
      status: "DOWN",
      checks: [{
        name: "state",
        status: "DOWN",
        data: {
          state: "failed",
          error: { name: "TopicNotFoundError", code: "TOPIC_NOT_FOUND", message: error.message },
        },
      }],
    });
    assert.equal(manager.stats().state, "failed");
    assert.equal(manager.stats().thread.alive, false);
  });
});
