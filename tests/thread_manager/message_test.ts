import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ProduceAcks, Producer } from "@platformatic/kafka";
import { describe, it } from "#std/testing/bdd";
import { Message, MessageError } from "../../mod.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { collectMessages, newTopic } from "../support/manager.ts";
import { bootstrapServers, managed } from "./shared.ts";
import { VARIANTS_HERE } from "./variants.ts";

/** A message to produce. */
interface Made {
  key: Uint8Array | null;
  value: Uint8Array | null;
  timestamp: number;
  headers: [string, Uint8Array | null][];
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const plain = (view: Uint8Array | null): number[] | null => view === null ? null : [...view];

const large = new Uint8Array(1_000_000).map((_, index) => index % 251);
const MADE: readonly Made[] = [
  { key: null, value: null, timestamp: 1_700_000_000_000, headers: [] },
  { key: bytes(""), value: bytes(""), timestamp: 1_700_000_000_001, headers: [["", bytes("")]] },
  {
    key: bytes("ключ 🔑"),
    value: bytes('{"text":"grüße, 世界 👩‍👩‍👧","n":1}'),
    timestamp: 1_700_000_000_002,
    headers: [["a", bytes("1")], ["b", null], ["a", bytes("2")], ["имя", bytes("знач")]],
  },
  {
    key: Uint8Array.of(0, 255, 128),
    value: Uint8Array.of(255, 0, 254, 10),
    timestamp: 1_700_000_000_003,
    headers: [["raw", Uint8Array.of(0, 200)]],
  },
  { key: bytes("k"), value: large, timestamp: 1_700_000_000_004, headers: [] },
  { key: bytes("k"), value: bytes("not JSON"), timestamp: 1_700_000_000_005, headers: [] },
];

/** By a client that can make null headers and repeated names, which kafkajs cannot. */
async function produceMade(topic: string): Promise<void> {
  const producer = new Producer<Buffer, Buffer, Buffer, Buffer>({
    clientId: "kafka-threads-tests",
    bootstrapBrokers: [bootstrapServers],
  });
  const buffer = (view: Uint8Array | null) => (view === null ? null : Buffer.from(view)) as Buffer;
  try {
    for (const { key, value, timestamp, headers } of MADE) {
      await producer.send({
        acks: ProduceAcks.ALL,
        messages: [{
          topic,
          partition: 0,
          key: buffer(key),
          value: buffer(value),
          timestamp: BigInt(timestamp),
          headers: new Map(headers.map(([name, value]) => [Buffer.from(name), buffer(value)])),
        }],
      });
    }
  } finally {
    await producer.close();
  }
}

describe("a Message from Kafka", needsKafka, () => {
  const scenario = sideBySide(4);
  const topic = needsKafka.skip ? Promise.resolve("") : newTopic().then(async (topic) => {
    await produceMade(topic);
    return topic;
  });

  for (const { name, consumer } of VARIANTS_HERE) {
    scenario(`is what was produced, ${name}`, async (scope) => {
      const messages = collectMessages();
      const { manager } = await managed(scope, await topic, { onMessage: messages.add, consumer });
      await manager.start();
      await messages.atLeast(MADE.length);
      for (const [offset, { key, value, timestamp, headers }] of MADE.entries()) {
        const message = messages.items[offset]!;
        assert.equal(message.topic, await topic);
        assert.equal(message.partition, 0);
        assert.equal(message.offset, offset);
        assert.equal(message.timestamp, timestamp);
        assert.deepEqual(plain(message.key), plain(key));
        assert(message.value === null || message.value instanceof Uint8Array);
        assert.equal(message.value === null, value === null);
        assert(Buffer.compare(message.value ?? bytes(""), value ?? bytes("")) === 0);
        assert.deepEqual(
          message.headers.map(({ key, value }) => [key, plain(value)]),
          headers.map(([key, value]) => [key, plain(value)]),
        );
      }
      const [tombstone, empty, json, binary, huge, text] = messages.items;
      assert.equal(tombstone!.text(), null);
      assert.equal(tombstone!.json(), null);
      assert.equal(empty!.text(), "");
      assert.throws(() => empty!.json(), MessageError);
      assert.deepEqual(json!.json(), { text: "grüße, 世界 👩‍👩‍👧", n: 1 });
      assert.deepEqual(plain(json!.header("a")!), plain(bytes("2")), "the last one counts");
      assert.equal(json!.header("b"), null);
      assert.equal(json!.header("c"), undefined);
      assert.equal(binary!.text(), "\uFFFD\0\uFFFD\n");
      assert.equal(huge!.value!.length, 1_000_000);
      assert.throws(() => text!.json(), (error) => {
        assert(MessageError.is(error));
        assert.deepEqual([error.partition, error.offset], [0, 5]);
        assert(error.cause instanceof SyntaxError);
        return true;
      });
    });
  }
});

describe("Message.from()", () => {
  it("makes the message that a handler would get", () => {
    const message = Message.from({
      topic: "orders",
      partition: 3,
      offset: 7,
      timestamp: 5,
      key: "k",
      value: '{"id":1}',
      headers: [{ key: "a", value: "1" }, { key: "b", value: null }],
    });
    assert.deepEqual(
      [message.topic, message.partition, message.offset, message.timestamp],
      ["orders", 3, 7, 5],
    );
    assert.deepEqual(message.json<{ id: number }>()?.id, 1);
    assert.deepEqual(message.toJSON(), {
      topic: "orders",
      partition: 3,
      offset: 7,
      timestamp: 5,
      key: "k",
      value: '{"id":1}',
      headers: [{ key: "a", value: "1" }, { key: "b", value: null }],
    });
    assert.equal(JSON.parse(JSON.stringify(message)).offset, 7);
  });

  it("has defaults", () => {
    const before = Date.now();
    const message = Message.from({ topic: "t", partition: 0, offset: 0, value: null });
    assert(message.timestamp >= before && message.timestamp <= Date.now());
    assert.equal(message.key, null);
    assert.equal(message.value, null);
    assert.deepEqual(message.headers, []);
    const raw = Message.from({ topic: "t", partition: 0, offset: 0, value: Uint8Array.of(1, 2) });
    assert.deepEqual(plain(raw.value), [1, 2]);
  });
});
