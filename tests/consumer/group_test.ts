// Consumers in a group that changes, and those that end without a word.
import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { LostPartitionError } from "../../mod.ts";
import { decodeOffsetMap } from "../../src/poller/work/offset_map.ts";
import { runChild } from "../support/child.ts";
import { committedMetadata, describeGroup, produce } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { Collector, newTopic, untilCommitted, untilStats } from "../support/manager.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { evict } from "../thread_manager/fault/evict.ts";
import { seededRandom } from "../thread_manager/fault/random.ts";
import { remoteHandler } from "./remote.ts";
import {
  bootstrapServers,
  committed,
  eventsOf,
  newGroup,
  ordered,
  parallel,
  produceNumbers,
  range,
  type TestHandler,
  Watch,
  work,
} from "./shared.ts";

const QUICK = { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 100 };

describe("Ordered and parallel consumers in a group that changes", needsKafka, () => {
  const scenario = sideBySide(4);

  for (const handlers of ["function", "module"] as const) {
    scenario(
      `members come and go, and each message is handled once, ${handlers}`,
      async (scope) => {
        const topic = await newTopic({ partitions: 4 });
        const produceMessages = (from: number, to: number) =>
          produce(
            bootstrapServers,
            topic,
            range(from, to).map((n) => ({ partition: n % 4, key: `${n % 40}`, value: `${n}` })),
          );
        await produceMessages(0, 600);
        const random = seededRandom(3);
        const groupId = newGroup();
        const watch = new Watch("key");
        const handle: TestHandler = (_context, _data, message) =>
          watch.around(message, () => work(Math.floor(random() * 20)));
        const handler = handlers === "module" ? remoteHandler(scope, groupId, handle) : handle;
        const member = (driver: "kafkajs" | "platformatic") =>
          parallel(scope, topic, handler, { groupId, driver, maxConcurrency: 8, ...QUICK });
        const first = await member("kafkajs");
        const second = await member("platformatic");
        const revoked = eventsOf(first, "revoked");
        const assigned = eventsOf(second, "assigned");
        await first.consumer.start();
        await watch.ended.atLeast(50);
        await second.consumer.start();
        assert((await revoked.next()).partitions.length > 0);
        await assigned.until("it has some", (items) => (items.at(-1)?.partitions.length ?? 0) > 0);
        await produceMessages(600, 1_200);
        await watch.ended.atLeast(700);
        assert.equal((await second.consumer.health()).status, "UP");
        await first.consumer.stop();
        assert.equal(await first.consumer.closed, "stopped");
        await watch.ended.atLeast(1_200);
        await second.consumer.stop();
        watch.assertOnce([300, 300, 300, 300]);
        assert.deepEqual(await committed(groupId, topic), [300, 300, 300, 300]);
      },
    );
  }

  scenario("an ordered consumer hands over behind the message under way", async (scope) => {
    const topic = await newTopic({ partitions: 2 });
    await produce(
      bootstrapServers,
      topic,
      range(0, 60).map((n) => ({ partition: n % 2, value: `${n}` })),
    );
    const groupId = newGroup();
    const watch = new Watch("partition");
    const gate = Promise.withResolvers<void>();
    const first = await ordered(
      scope,
      topic,
      (_context, _data, message) =>
        watch.around(message, () => watch.begun.items.length > 10 ? gate.promise : work(1)),
      { groupId, ...QUICK },
    );
    const second = await ordered(
      scope,
      topic,
      (_context, _data, message) => watch.around(message, () => work(1)),
      { groupId, ...QUICK },
    );
    await first.consumer.start();
    await watch.begun.atLeast(11);
    const joining = second.consumer.start();
    await untilGroup(groupId, "PreparingRebalance");
    assert.equal(second.consumer.state, "starting");
    assert.equal(watch.begun.items.length, 11);
    gate.resolve();
    await joining;
    await watch.ended.atLeast(60);
    await first.consumer.stop();
    await second.consumer.stop();
    watch.assertOnce([30, 30]);
    assert.deepEqual(await committed(groupId, topic), [30, 30]);
  });

  scenario("a handler is told when its partition goes, and it is no failure", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 2);
    const groupId = newGroup();
    const begun = new Collector<number>();
    const reasons: unknown[] = [];
    const first = await ordered(scope, topic, ({ signal }, data) => {
      begun.add(data);
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          reasons.push(signal.reason);
          reject(signal.reason);
        })
      );
    }, { groupId, ...QUICK, driverOptions: { rebalanceTimeout: 3_000 }, onError: { retries: 0 } });
    await first.consumer.start();
    await begun.atLeast(1);
    const got = new Collector<string>();
    const second = await ordered(
      scope,
      topic,
      (context, data) => got.add(`${data}: ${context.attempt}`),
      { groupId, ...QUICK },
    );
    await second.consumer.start();
    await untilStats(second.consumer, "it is in", ({ group }) => group !== "joining");
    assert.equal(reasons.length, 1);
    assert(LostPartitionError.is(reasons[0]), `${reasons[0]}`);
    assert.equal(first.consumer.stats().handlers.failed, 0);
    assert.equal(first.consumer.state, "running");
    // One of both has the partition now; the other has to go.
    await first.consumer.stop();
    await got.atLeast(2);
    assert.deepEqual(got.items, ["0: 1", "1: 1"]);
  });

  scenario("what ends after its partition was lost is not committed", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    const begun = new Collector<number>();
    const gate = Promise.withResolvers<void>();
    const test = await parallel(scope, topic, async (_context, data) => {
      begun.add(data);
      if (begun.items.length <= 3) await gate.promise;
    }, { ...QUICK, commit: { intervalMs: 20 }, order: "partition" });
    const lost = eventsOf(test, "lost");
    const assigned = eventsOf(test, "assigned");
    await test.consumer.start();
    await begun.atLeast(1);
    const { members: [member] } = await describeGroup(bootstrapServers, test.groupId);
    await evict(bootstrapServers, test.groupId, member!.memberId);
    assert.deepEqual((await lost.next()).partitions, [{ topic, partition: 0 }]);
    await assigned.atLeast(2);
    assert.deepEqual(begun.items, [0], "its order is kept: the new owner is this one");
    const [offset] = await committed(test.groupId, topic);
    assert(offset! <= 0, `${offset} is committed, and nothing is finished`);
    gate.resolve();
    await untilCommitted(test.groupId, topic, [3]);
    assert.deepEqual(begun.items, [0, 0, 1, 2], "the late result did not count");
    await test.consumer.stop();
  });

  scenario("a pause lasts through rebalances", async (scope) => {
    const topic = await newTopic({ partitions: 2 });
    const groupId = newGroup();
    const got = new Collector<string>();
    const member = (name: string) =>
      ordered(scope, topic, (_context, data) => got.add(`${name} ${data}`), { groupId, ...QUICK });
    const first = await member("first");
    const second = await member("second");
    await first.consumer.start();
    first.consumer.pause();
    const revoked = eventsOf(first, "revoked");
    const assigned = eventsOf(first, "assigned");
    await second.consumer.start();
    await revoked.next();
    await assigned.next();
    await produce(
      bootstrapServers,
      topic,
      range(0, 10).map((n) => ({ partition: n % 2, value: `${n}` })),
    );
    await got.atLeast(5);
    const { heartbeats } = first.consumer.stats();
    await untilStats(first.consumer, "heartbeats", (stats) => stats.heartbeats > heartbeats + 3);
    assert(got.items.every((item) => item.startsWith("second")), got.items.join());
    await second.consumer.stop();
    await untilStats(
      first.consumer,
      "all is its own",
      ({ partitions }) => partitions.length === 2 && partitions.every(({ paused }) => paused),
    );
    assert.equal(got.items.length, 5);
    first.consumer.resume();
    await got.atLeast(10);
    await first.consumer.stop();
    assert.deepEqual(await committed(groupId, topic), [5, 5]);
  });

  scenario("a killed process leaves what had finished beyond a stuck one noted", async (scope) => {
    const topic = await newTopic();
    const count = 2_000;
    await produceNumbers(topic, 0, count, (n) => `${n}`);
    const groupId = newGroup();
    await using child = runChild(
      new URL("./fixtures/dies.ts", import.meta.url),
      [topic, groupId, `${count - 1}`],
      { KAFKA_BOOTSTRAP_SERVERS: bootstrapServers },
    );
    await child.line("finished");
    for (let noted = ""; noted !== `1,${count}`;) {
      const [metadata] = await committedMetadata(bootstrapServers, groupId, topic);
      const map = decodeOffsetMap(metadata!, 0, count);
      noted = map.kind === "map" ? map.ranges.join() : map.kind;
    }
    child.kill("SIGKILL");
    await child.ended;
    const got = new Collector<number>();
    const { consumer } = await parallel(scope, topic, (_context, data) => got.add(data), {
      groupId,
      sessionTimeoutMs: 1_500,
    });
    await consumer.start();
    await untilCommitted(groupId, topic, [count]);
    await consumer.stop();
    assert.deepEqual(got.items, [0]);
    assert.equal(consumer.stats().handlers.leftOut, count - 1);
  });
});

async function untilGroup(groupId: string, state: string): Promise<void> {
  while ((await describeGroup(bootstrapServers, groupId)).state !== state);
}
