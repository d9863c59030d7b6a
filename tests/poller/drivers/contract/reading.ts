import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ProduceAcks, Producer } from "@platformatic/kafka";
import { brokerHas, produce, uniqueName } from "../../../support/kafka/mod.ts";
import { quietClient } from "../../../support/kafka/client.ts";
import { range, type Read } from "./member.ts";
import type { Place } from "./place.ts";

/** A record to produce: kafkajs can make neither null headers nor interleaved names. */
interface Made {
  key: Buffer | null;
  value: Buffer | null;
  timestamp: number;
  headers: [string, string | null][];
}

/** Scenarios about what is read. */
export function reading({ scenario, member, subscription, kafka }: Place): void {
  scenario("hands over exactly what was produced", async (scope) => {
    const subscribed = await subscription();
    const [topic] = subscribed.topics;
    const text = Buffer.from("grüße, 世界 🌍");
    const large = Buffer.alloc(1_000_000, "0123456789");
    const made: Made[] = [
      { key: null, value: null, timestamp: 1, headers: [] },
      { key: Buffer.alloc(0), value: Buffer.alloc(0), timestamp: 2, headers: [["", ""]] },
      { key: text, value: text, timestamp: 1_700_000_000_123, headers: [["ключ", "значение"]] },
      {
        key: Buffer.from([0, 255, 128]),
        value: Buffer.from([255, 0, 254]),
        timestamp: 1_700_000_000_122,
        headers: [["a", "1"], ["b", null], ["a", "2"], ["a", null], ["b", ""]],
      },
      { key: null, value: large, timestamp: 1_600_000_000_000, headers: [] },
      { key: Buffer.from("k"), value: null, timestamp: 0, headers: [["tombstone", "yes"]] },
    ];
    // @platformatic/dynamic-buffer 0.3.1 garbles timestamps that lie 25 days or more apart in a batch.
    for (const [start, end] of [[0, 2], [2, 4], [4, 5], [5, 6]]) {
      await produceExactly(scope, subscribed.bootstrapServers[0], topic, made.slice(start, end));
    }

    const reader = await member(scope, subscribed);
    await reader.run().untilRead(made.length);
    assert.deepEqual(reader.of(topic).map(plain), made.map(expected));
  });

  for (const codec of ["gzip", "snappy", "lz4", "zstd"] as const) {
    scenario(`reads records compressed with ${codec}`, async (scope) => {
      const subscribed = await subscription();
      const [topic] = subscribed.topics;
      const made: Made[] = range(0, 100).map((n) => ({
        key: Buffer.from(`k${n}`),
        value: Buffer.from(`value ${n}`.repeat(20)),
        timestamp: 1_700_000_000_000 + n,
        headers: [["n", `${n}`]],
      }));
      const { bootstrapServers: [server] } = subscribed;
      for (const half of [made.slice(0, 50), made.slice(50)]) {
        await produceExactly(scope, server, topic, half, codec);
      }
      const reader = await member(scope, subscribed);
      await reader.run().untilRead(made.length);
      assert.deepEqual(reader.of(topic).map(plain), made.map(expected));
    });
  }

  const transactionScenario: typeof scenario = (...test) => {
    if (brokerHas.transactions) scenario(...test);
  };
  transactionScenario(
    "never shows what a transaction has aborted, nor its markers",
    async (scope) => {
      const subscribed = await subscription();
      const [topic] = subscribed.topics;
      const { bootstrapServers: [server] } = subscribed;
      const producer = quietClient(server).producer({
        transactionalId: uniqueName("contract"),
        idempotent: true,
        maxInFlightRequests: 1,
      });
      await producer.connect();
      scope.defer(() => producer.disconnect());
      const send = async (values: string[], end: "commit" | "abort") => {
        const transaction = await producer.transaction();
        // Each value is a batch of its own; what is aborted does not fit into one fetch.
        for (const value of values) {
          await transaction.send({ topic, messages: [{ value }] });
        }
        await transaction[end]();
      };
      const large = "x".repeat(400_000);
      await send(["a", "b"], "commit");
      await send(["no", large, large, large, large, "no"], "abort");
      await send(["c"], "commit");
      await send(["no"], "abort");
      await send(["no"], "abort");
      await produce(server, topic, [{ value: "d" }]);
      await send(["e"], "commit");

      const reader = await member(scope, subscribed);
      // 13 values and 6 markers; a broker writes the last of these after it has answered.
      const end = 19;
      await reader.run().until(
        "it has got behind the last marker",
        () => reader.positions.get(`${topic}/0`)?.offset === end,
      );
      const values = reader.of(topic).map(({ value }) => text(value));
      assert.deepEqual(values, ["a", "b", "c", "d", "e"]);
      await reader.commitAll();
      assert.deepEqual(await reader.driver.endOffsets?.([{ topic, partition: 0 }]), [end]);
    },
  );

  scenario("reads what lies in the midst of a batch, and nothing before it", async (scope) => {
    const subscribed = await subscription();
    const [topic] = subscribed.topics;
    const { bootstrapServers: [server] } = subscribed;
    await produce(server, topic, range(0, 20).map((n) => ({ value: `${n}` })));
    const first = await member(scope, subscribed);
    await first.run().untilAssigned();
    await first.driver.commit([{ topic, partition: 0, offset: 13 }]);
    await first.close();
    const second = await member(scope, subscribed);
    await second.run().untilRead(7);
    assert.deepEqual(second.offsets(topic), range(13, 20));
  });

  scenario("tells the ends of the logs, in the order asked for", async (scope) => {
    const subscribed = await subscription({ partitions: 3 });
    const [topic] = subscribed.topics;
    const { bootstrapServers: [server] } = subscribed;
    await produce(server, topic, [
      { partition: 1, value: "1" },
      { partition: 2, value: "2" },
      { partition: 2, value: "3" },
    ]);
    const reader = await member(scope, subscribed);
    await reader.poll(0);
    const asked = [2, 0, 1].map((partition) => ({ topic, partition }));
    assert.deepEqual(await reader.driver.endOffsets?.(asked) ?? [2, 0, 1], [2, 0, 1]);
  });

  scenario(
    "gives nothing of a paused partition, and all of it when it is resumed",
    async (scope) => {
      const subscribed = await subscription({ partitions: 2 });
      const [topic] = subscribed.topics;
      const { bootstrapServers: [server] } = subscribed;
      const quiet = [{ topic, partition: 0 }];
      const reader = await member(scope, {
        ...subscribed,
        onAssigned: ({ driver }) => {
          driver.pause(quiet);
          driver.pause(quiet);
        },
      });
      await reader.run().untilAssigned();
      const send = (start: number, end: number) =>
        produce(
          server,
          topic,
          range(start, end).flatMap((n) =>
            [0, 1].map((partition) => ({ partition, value: `${n}` }))
          ),
        );
      await send(0, 50);
      await reader.until("it has read the other", () => reader.of(topic, 1).length === 50);
      assert.deepEqual(reader.offsets(topic, 0), []);

      const resumed = performance.now();
      reader.driver.resume(quiet);
      await reader.until("it reads the resumed one", () => reader.of(topic, 0).length > 0);
      const delay = performance.now() - resumed;
      assert(delay < 1_500, `a long poll holds a resume back by ${delay} ms`);

      // Paused while fetches are under way, again and again.
      await send(50, 100);
      const sending = send(100, 2_000);
      for (let turn = 0; turn < 20; turn++) {
        const before = reader.read;
        reader.driver.pause(quiet);
        reader.driver.resume(quiet);
        reader.driver.pause([{ topic, partition: 1 }]);
        await reader.until(
          "it goes on",
          () => reader.read > before || reader.of(topic, 0).length > 99,
        );
        reader.driver.resume([{ topic, partition: 1 }]);
      }
      await sending;
      await reader.untilRead(4_000);
      assert.deepEqual(reader.offsets(topic, 0), range(0, 2_000));
      assert.deepEqual(reader.offsets(topic, 1), range(0, 2_000));
      assert.deepEqual(reader.errors, []);
    },
  );

  scenario("does not let a full partition starve the others", async (scope) => {
    const subscribed = await subscription({ partitions: 3 });
    const [topic] = subscribed.topics;
    const { bootstrapServers: [server] } = subscribed;
    for (const partition of [0, 1, 2]) {
      for (let batch = 0; batch < 4; batch++) {
        const value = "x".repeat(200_000);
        await produce(server, topic, range(0, 4).map(() => ({ partition, value })));
      }
    }
    const reader = await member(scope, { ...subscribed, maxBytes: 1024 * 1024 });
    await reader.run().until(
      "each partition has been read",
      () => [0, 1, 2].every((partition) => reader.of(topic, partition).length > 0),
    );
    const most = Math.max(...[0, 1, 2].map((partition) => reader.of(topic, partition).length));
    assert(most < 16, "one partition was read to its end before another began");
    await reader.untilRead(48);
  });

  async function produceExactly(
    scope: AsyncDisposableStack,
    server: string,
    topic: string,
    made: readonly Made[],
    compression: "none" | "gzip" | "snappy" | "lz4" | "zstd" = "none",
  ): Promise<void> {
    await kafka();
    const producer = new Producer<Buffer, Buffer, Buffer, Buffer>({
      clientId: "kafka-threads-tests",
      bootstrapBrokers: [server],
    });
    scope.defer(() => producer.close());
    await producer.send({
      acks: ProduceAcks.ALL,
      compression,
      messages: made.map(({ key, value, timestamp, headers }) => ({
        topic,
        partition: 0,
        // Its types do not know of null.
        key: key as Buffer,
        value: value as Buffer,
        timestamp: BigInt(timestamp),
        // Buffers are different keys of a map even where they read the same.
        headers: new Map(
          headers.map(([name, value]) => [
            Buffer.from(name),
            (value === null ? null : Buffer.from(value)) as Buffer,
          ]),
        ),
      })),
    });
  }
}

function expected({ key, value, timestamp, headers }: Made, offset: number): unknown {
  return {
    offset,
    timestamp,
    key: key === null ? null : [...key],
    value: value === null ? null : digest(value),
    headers,
  };
}

function plain({ offset, timestamp, key, value, headers }: Read): unknown {
  return {
    offset,
    timestamp,
    key: key === null ? null : [...key],
    value: value === null ? null : digest(value),
    headers: headers.map(({ key, value }) => [key, value === null ? null : text(value)]),
  };
}

/** A megabyte is not worth a line each in the report of a failure. */
function digest(value: Uint8Array): string {
  return value.length < 1_000 ? [...value].join() : `${value.length}: ${text(value.slice(-100))}`;
}

function text(value: Uint8Array | null): string {
  return new TextDecoder().decode(value ?? new Uint8Array(0));
}
