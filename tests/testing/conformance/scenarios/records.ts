import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import type { Codec, Read, ToWrite } from "../client.ts";
import { refusal } from "../errors.ts";
import { type Scenario, scenario } from "../scenario.ts";

/** Kafka's limit is a little over a million bytes, headers of the batch included. */
const LARGE_BYTES = 900_000;
const TOO_LARGE_BYTES = 1_100_000;
/** Long enough to tell an answer to new data from an answer because the time is over. */
const LONG_POLL_MS = 5_000;

const CODECS: readonly Codec[] = ["none", "gzip", "snappy", "lz4", "zstd"];

/** What a broker does with records: takes them, keeps them, gives them. */
export const recordScenarios: readonly Scenario[] = [
  scenario("gives back what it was given", {}, async ({ client, topic }) => {
    const records: ToWrite[] = [
      { key: "key", value: "value" },
      { value: "no key" },
      { key: "", value: "empty key" },
      { key: "empty value", value: "" },
      { key: "no value", value: null },
      { key: "ключ", value: "значение, 値, 🎏" },
      {
        key: "headers",
        value: "headers",
        headers: [["one", "1"], ["two", "zwei – dos"], ["two", "again"]],
      },
    ];
    const where = await topic();
    await client.write(where, records);
    const read = await client.read(where, { count: records.length });
    assert.deepEqual(
      read.map(({ key, value, headers }) => ({ key, value, headers })),
      records.map(({ key = null, value, headers = [] }) => ({
        key,
        value,
        headers: headers.map(([name, text]) => [name, text]),
      })),
    );
    assertOffsets(read, 0);
  }),

  scenario("gives back bytes that are no text", { features: ["bytes"] }, async (scene) => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString("base64");
    const topic = await scene.topic();
    const options = { encoding: "base64" } as const;
    await scene.client.write(topic, [{ key: bytes, value: bytes }], options);
    const [record] = await scene.client.read(topic, { count: 1, ...options });
    assert.deepEqual([record!.key, record!.value], [bytes, bytes]);
  }),

  scenario("keeps a record's timestamp", { features: ["timestamps"] }, async (scene) => {
    const topic = await scene.topic();
    const timestamps = [1_500_000_000_000, 1_500_000_000_123, 1_499_999_999_001];
    await scene.client.write(
      topic,
      timestamps.map((timestamp) => ({ value: "then", timestamp })),
    );
    const read = await scene.client.read(topic, { count: 3 });
    assert.deepEqual(read.map(({ timestamp }) => timestamp), timestamps);
  }),

  scenario("stamps a record with the time of its writer", {}, async ({ client, topic }) => {
    const where = await topic();
    const from = Date.now();
    await client.write(where, [{ value: "now" }]);
    const [{ timestamp }] = await client.read(where, { count: 1 }) as [Read];
    assert(from <= timestamp && timestamp <= Date.now(), `${timestamp}, from ${from}`);
  }),

  scenario(
    "stamps a record with its own time where the topic says so",
    { features: ["timestamps", "append time"] },
    async ({ client, topic }) => {
      const where = await topic({ config: { "message.timestamp.type": "LogAppendTime" } });
      const from = Date.now();
      await client.write(where, [{ value: "then", timestamp: 1_500_000_000_000 }]);
      const [{ timestamp }] = await client.read(where, { count: 1 }) as [Read];
      assert(from <= timestamp && timestamp <= Date.now(), `${timestamp}, from ${from}`);
    },
  ),

  ...CODECS.map((codec) =>
    scenario(`passes on what is compressed: ${codec}`, { codec }, async ({ client, topic }) => {
      const where = await topic();
      const values = Array.from({ length: 50 }, (_, n) => `${codec} ${n} ${"abc".repeat(50)}`);
      await client.write(where, values.map((value) => ({ value })), { codec });
      const read = await client.read(where, { count: 50 });
      assert.deepEqual(read.map(({ value }) => value), values);
      assertOffsets(read, 0);
    })
  ),

  scenario(`takes a record of ${LARGE_BYTES} bytes`, {}, async ({ client, topic }) => {
    const where = await topic();
    const value = "large ".repeat(LARGE_BYTES / 6);
    await client.write(where, [{ value }, { value: "small" }]);
    const read = await client.read(where, { count: 2 });
    assert(read[0]!.value === value, "it is another value");
    assert.equal(read[1]!.value, "small");
  }),

  scenario("refuses a record that is too large", {}, async ({ client, topic }) => {
    const where = await topic();
    assert.equal(
      await refusal(client.write(where, [{ value: "x".repeat(TOO_LARGE_BYTES) }])),
      "MESSAGE_TOO_LARGE",
    );
    await client.write(where, [{ value: "small" }]);
    assert.equal((await client.read(where, { count: 1 }))[0]!.value, "small");
  }),

  scenario("refuses records for a topic that does not exist", {}, async (scene) => {
    // One of its own: kafkajs asks for all the topics that a producer has written to at once.
    const { bootstrapServers } = scene.broker;
    const client = scene.connect({ bootstrapServers });
    const nowhere = scene.name("nowhere");
    assert.equal(
      await refusal(client.write(nowhere, [{ value: "lost" }])),
      "UNKNOWN_TOPIC_OR_PARTITION",
    );
    assert(!(await client.listTopics()).includes(nowhere));
  }),

  scenario("refuses records without a key for a compacted topic", {}, async ({ client, topic }) => {
    const where = await topic({ config: { "cleanup.policy": "compact" } });
    await client.write(where, [{ key: "k", value: "v" }]);
    assert.equal(await refusal(client.write(where, [{ value: "v" }])), "INVALID_RECORD");
  }),

  scenario("refuses what is too large for its topic", {}, async ({ client, topic }) => {
    const where = await topic({ config: { "max.message.bytes": "1000" } });
    assert.equal(
      await refusal(client.write(where, [{ value: "x".repeat(1_000) }])),
      "MESSAGE_TOO_LARGE",
    );
  }),

  scenario("takes records with each kind of acknowledgement", {}, async ({ client, topic }) => {
    const where = await topic();
    for (const acks of [1, -1, 0] as const) {
      await client.write(where, [{ value: `acks ${acks}` }], { acks });
    }
    const read = await client.read(where, { count: 3 });
    assert.deepEqual(read.map(({ value }) => value).sort(), ["acks -1", "acks 0", "acks 1"]);
  }),

  scenario("takes an idempotent producer's records once", {}, async ({ client, topic }) => {
    const where = await topic();
    const values = Array.from({ length: 30 }, (_, n) => `${n}`);
    for (let from = 0; from < values.length; from += 10) {
      const records = values.slice(from, from + 10).map((value) => ({ value }));
      await client.write(where, records, { idempotent: true });
    }
    await client.write(where, [{ value: "last" }]);
    const read = await client.read(where, { count: values.length + 1 });
    assert.deepEqual(read.map(({ value }) => value), [...values, "last"]);
  }),

  scenario("numbers records in the order of their writing", {}, async ({ client, topic }) => {
    const where = await topic({ partitions: 2 });
    const values = Array.from({ length: 1_000 }, (_, n) => `${n}`);
    for (const half of [values.slice(0, 500), values.slice(500)]) {
      await client.write(where, half.map((value) => ({ value })), { partition: 1 });
    }
    const read = await client.read(where, { count: 1_000, partition: 1 });
    assert.deepEqual(read.map(({ value }) => value), values);
    assertOffsets(read, 0);
  }),

  scenario(
    "tells at which offset it has put records",
    { features: ["written offsets"] },
    async ({ client, topic }) => {
      const where = await topic();
      const three = [{ value: "a" }, { value: "b" }, { value: "c" }];
      assert.equal(await client.write(where, three), 0);
      assert.equal(await client.write(where, three, { acks: 1 }), 3);
      assert.equal(await client.write(where, three, { idempotent: true }), 6);
    },
  ),

  scenario("gives records from an offset, in the middle of a batch", {}, async (scene) => {
    const { client } = scene;
    const topic = await scene.topic();
    await client.write(topic, Array.from({ length: 20 }, (_, n) => ({ value: `${n}` })));
    const read = await client.read(topic, { from: 13, count: 7 });
    assert.deepEqual(read.map(({ value }) => value), ["13", "14", "15", "16", "17", "18", "19"]);
    assertOffsets(read, 13);
  }),

  scenario("says that an offset is out of range", {}, async ({ client, topic }) => {
    const where = await topic();
    await client.write(where, [{ value: "first" }, { value: "second" }]);
    // The client begins where it was told to for this case.
    const read = await client.read(where, { from: 1_000, reset: "earliest", count: 2 });
    assert.deepEqual(read.map(({ value }) => value), ["first", "second"]);
  }),

  scenario("gives what compaction has left, at its offsets", {}, async (scene) => {
    const { client, broker } = scene;
    // Apache Kafka compacts what lies before the newest segment.
    const topic = await scene.topic({
      config: {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.01",
        "segment.ms": "1",
      },
    });
    for (let round = 0; round < 3; round++) {
      await client.write(
        topic,
        Array.from({ length: 4 }, (_, n) => ({ key: `k${n}`, value: `${round} ${n}` })),
      );
    }
    await client.write(topic, [{ key: "k0", value: "last" }]);
    await broker.compact(topic, 9);
    const read = await client.read(topic, { count: 4 });
    assert.deepEqual(
      read.map(({ offset, key, value }) => [offset, key, value]),
      [[9, "k1", "2 1"], [10, "k2", "2 2"], [11, "k3", "2 3"], [12, "k0", "last"]],
    );
  }),

  scenario("answers a waiting reader when there is something", {}, async ({ client, topic }) => {
    const where = await topic();
    await client.write(where, [{ value: "first" }]);
    let sentAt = 0;
    let writing: Promise<unknown> = Promise.resolve();
    let waited = Infinity;
    await client.read(where, {
      count: 2,
      maxWaitMs: LONG_POLL_MS,
      onRecord: ({ offset }) => {
        if (offset === 0) {
          sentAt = performance.now();
          writing = client.write(where, [{ value: "second" }]);
        } else waited = performance.now() - sentAt;
      },
    });
    await writing;
    assert(waited < LONG_POLL_MS / 2, `after ${waited} ms`);
  }),

  scenario(
    "gives a record that is larger than the reader's limit",
    { features: ["read limit"] },
    async ({ client, topic }) => {
      const where = await topic();
      for (let n = 0; n < 3; n++) {
        await client.write(where, [{ value: `${n}`.repeat(5_000) }]);
      }
      const read = await client.read(where, { count: 3, maxBytes: 1_000 });
      assert.deepEqual(read.map(({ value }) => value!.length), [5_000, 5_000, 5_000]);
      assertOffsets(read, 0);
    },
  ),
];

function assertOffsets(read: readonly Read[], from: number): void {
  assert.deepEqual(read.map(({ offset }) => offset), read.map((_, index) => from + index));
}
