// What can go wrong while a driver produces, on the broker of ./testing, where it goes wrong when told.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { describe } from "#std/testing/bdd";
import type { CreateDriver, ProducedRecord } from "../../../src/driver.ts";
import { AuthenticationError, DriverError, type KafkaThreadsError } from "../../../src/errors.ts";
import createKafkajs from "../../../src/poller/drivers/kafkajs/driver.ts";
import createPlatformatic from "../../../src/poller/drivers/platformatic/driver.ts";
import { KafkaBroker, type KafkaBrokerOptions } from "../../../src/testing/mod.ts";
import { sideBySide } from "../../support/side_by_side.ts";
import { Member, range } from "./contract/member.ts";

const DRIVERS: Record<string, CreateDriver> = {
  kafkajs: createKafkajs,
  platformatic: createPlatformatic,
};
const WIDTH = 4;

const record = (value: string, given: Partial<ProducedRecord> = {}): ProducedRecord => ({
  topic: "t",
  key: null,
  value: Buffer.from(value),
  headers: [],
  ...given,
});

for (const [name, createDriver] of Object.entries(DRIVERS)) {
  describe(`what the ${name} driver produces`, () => {
    const scenario = sideBySide(WIDTH);

    async function rig(scope: AsyncDisposableStack, options: KafkaBrokerOptions = {}) {
      const broker = scope.use(
        await KafkaBroker.start({
          topics: { t: 1 },
          autoCreateTopics: false,
          logLevel: "error",
          ...options,
        }),
      );
      const writer = scope.use(
        await Member.create(createDriver, {
          bootstrapServers: broker.bootstrapServers.split(","),
          groupId: "g",
          topics: ["t"],
        }),
      );
      const produce = (...records: ProducedRecord[]) => writer.driver.produce!(records);
      const values = (topic = "t", partition = 0) =>
        broker.log(topic, partition).map(({ value }) => `${value}`);
      return { broker, writer, produce, values };
    }

    scenario("needs connections of its own only when there is something", async (scope) => {
      const { broker, writer, produce } = await rig(scope);
      const allowed: unknown[] = [];
      broker.control("Metadata", ({ body }) => void allowed.push(body["allowAutoTopicCreation"]));
      await writer.poll(0);
      await produce();
      const before = broker.connections.length;
      // What is read is not made by asking for it.
      assert(allowed.length > 0 && !allowed.includes(true), String(allowed));
      await produce(record("1"));
      assert(broker.connections.length > before);
      assert(allowed.includes(true));
      const after = broker.connections.length;
      await produce(record("2"));
      assert.equal(broker.connections.length, after);
      await writer.close();
    });

    scenario("is acknowledged by all in-sync replicas before it resolves", async (scope) => {
      const { broker, produce, values } = await rig(scope, { nodes: 3, topics: { t: 3 } });
      const arrived = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      const bodies: Record<string, unknown>[] = [];
      broker.control("Produce", async ({ body }) => {
        bodies.push(body);
        arrived.resolve();
        await released.promise;
      });
      let done = false;
      const produced = produce(...range(0, 3).map((n) => record(`${n}`, { partition: n })))
        .then(() => done = true);
      await arrived.promise;
      assert.equal(done, false);
      released.resolve();
      await produced;
      for (const n of range(0, 3)) assert.deepEqual(values("t", n), [`${n}`]);
      // One request for each leader.
      assert.equal(bodies.length, 3);
      for (const { acks, timeoutMs } of bodies) {
        assert.equal(acks, -1);
        assert(Number(timeoutMs) > 0);
      }
    });

    const passing = [
      "NOT_LEADER_OR_FOLLOWER",
      "LEADER_NOT_AVAILABLE",
      "UNKNOWN_TOPIC_OR_PARTITION",
      "NOT_ENOUGH_REPLICAS",
      "REQUEST_TIMED_OUT",
      "CORRUPT_MESSAGE",
      "KAFKA_STORAGE_ERROR",
    ];
    scenario("is tried again after errors that pass", async (scope) => {
      const { broker, produce, values } = await rig(scope);
      for (const error of passing) {
        const control = broker.control("Produce", () => ({ error }), { times: 2 });
        await produce(record(error));
        assert.equal(control.hits, 2, error);
      }
      for (const error of ["LEADER_NOT_AVAILABLE", "UNKNOWN_TOPIC_OR_PARTITION"]) {
        broker.control("Produce", () => ({ error: "NOT_LEADER_OR_FOLLOWER" }), { times: 1 });
        const control = broker.control("Metadata", () => ({ error }), { times: 2 });
        await produce(record(error));
        assert.equal(control.hits, 2, error);
      }
      assert.deepEqual(values(), [...passing, ...passing.slice(1, 3)]);
    });

    scenario("is tried again where connections break", async (scope) => {
      const { broker, produce, values } = await rig(scope);
      for (const drop of ["request", "response"] as const) {
        const control = broker.control("Produce", () => ({ drop }), { times: 1 });
        await produce(record(drop));
        assert.equal(control.hits, 1, drop);
      }
      // Whoever gets no answer cannot know.
      assert.deepEqual(values(), ["request", "response", "response"]);
      const metadata = broker.control("Metadata", () => ({ drop: "request" }), { times: 1 });
      broker.control("Produce", () => ({ error: "NOT_LEADER_OR_FOLLOWER" }), { times: 1 });
      await produce(record("metadata"));
      assert.equal(metadata.hits, 1);
      await broker.disconnectAll();
      await produce(record("reconnected"));
      assert.deepEqual(values().slice(3), ["metadata", "reconnected"]);
    });

    scenario("waits for brokers that come back", async (scope) => {
      const { broker, produce, values } = await rig(scope);
      await produce(record("before"));
      await broker.takeDown();
      const produced = produce(...range(0, 10).map((n) => record(`${n}`)));
      await broker.bringUp();
      await produced;
      assert.deepEqual([...new Set(values())], ["before", ...range(0, 10).map(String)]);
    });

    scenario("follows a leader that moves", async (scope) => {
      const { broker, produce, values } = await rig(scope, { nodes: 3 });
      for (const n of range(0, 4)) {
        await produce(record(`${n}`));
        broker.moveLeader("t", 0);
      }
      assert.deepEqual(values(), range(0, 4).map(String));
      // The one that leads is gone, and with it the connection to it.
      await broker.takeDown(broker.moveLeader("t", 0, 2));
      await produce(record("4"));
      assert.equal(values().at(-1), "4");
    });

    scenario("goes to partitions that have a leader, where it has no key", async (scope) => {
      const { broker, produce, values } = await rig(scope, {
        nodes: 2,
        topics: { t: { partitions: 4, replicationFactor: 1 } },
      });
      await broker.takeDown(2);
      await produce(...range(0, 8).map((n) => record(`${n}`)));
      const counts = range(0, 4).map((partition) => values("t", partition).length);
      assert.deepEqual(counts.toSorted(), [0, 0, 4, 4]);
    });

    scenario("is made a topic for, where brokers do so", async (scope) => {
      const { broker, produce, values } = await rig(scope, {
        autoCreateTopics: true,
        defaultPartitions: 1,
      });
      await produce(record("1", { topic: "t.dead-letter" }), record("2"));
      assert.deepEqual(values("t.dead-letter"), ["1"]);
      assert.deepEqual(values(), ["2"]);
      assert.deepEqual(broker.topics(), { t: 1, "t.dead-letter": 1 });
    });

    scenario("is given up at once where trying again is pointless", async (scope) => {
      const { broker, produce, values } = await rig(scope, { topics: { t: 2, u: 1 } });
      const cases = [
        ["TOPIC_AUTHORIZATION_FAILED", AuthenticationError, "AUTHORIZATION_FAILED"],
        ["CLUSTER_AUTHORIZATION_FAILED", AuthenticationError, "AUTHORIZATION_FAILED"],
        ["INVALID_RECORD", DriverError, "DRIVER_FAILED"],
        ["POLICY_VIOLATION", DriverError, "DRIVER_FAILED"],
      ] as const;
      for (const api of ["Produce", "Metadata"] as const) {
        for (const [error, Type, code] of cases) {
          if (api === "Metadata" && Type === DriverError) continue;
          // Makes it ask again.
          if (api === "Metadata") {
            broker.control("Produce", () => ({ error: "NOT_LEADER_OR_FOLLOWER" }), { times: 1 });
          }
          const control = broker.control(api, () => ({ error }), { times: 1 });
          const failure = await failureOf(produce(record(error, { partition: 0 })));
          assert(Type.is(failure), `${error}: ${failure}`);
          assert.equal(failure.code, code);
          assert.equal(failure.retriable, false, error);
          assert.equal(failure.topic, "t");
          assert.match(failure.message, /^Cannot produce to "t"[^]*[^.]$/);
          assert.equal(control.hits, 1);
        }
      }
      assert.deepEqual(values(), []);

      // What goes elsewhere at the same time is stored.
      const tooLarge = record("", { partition: 1, value: randomBytes(2_000_000) });
      const failure = await failureOf(
        produce(tooLarge, record("0", { partition: 0 }), record("u", { topic: "u" })),
      );
      assert.equal(failure.retriable, false);
      assert.equal(failure.partition, 1);
      assert.deepEqual([values("t", 0), values("t", 1), values("u")], [["0"], [], ["u"]]);
    });

    scenario("is given up after a while where it does not get better", async (scope) => {
      const { broker, produce, values } = await rig(scope);
      const control = broker.control("Produce", () => ({ error: "NOT_ENOUGH_REPLICAS" }));
      const started = performance.now();
      const failure = await failureOf(produce(record("1")));
      const took = performance.now() - started;
      assert(took > 7_000 && took < 11_000, `${took} ms`);
      assert(DriverError.is(failure), String(failure));
      assert.equal(failure.retriable, true);
      assert.deepEqual([failure.topic, failure.partition], ["t", 0]);
      // Not in a busy loop.
      assert(control.hits > 5 && control.hits < 20, `${control.hits} attempts`);
      control.remove();
      await produce(record("2"));
      assert.deepEqual(values(), ["2"]);
    });
  });
}

async function failureOf(promise: Promise<unknown>): Promise<KafkaThreadsError> {
  const failure = await promise.then(() => null, (error) => error);
  if (failure === null) throw new Error("It was to fail, and it has not");
  return failure;
}
