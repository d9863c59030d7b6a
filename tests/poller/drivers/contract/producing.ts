import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { createServer, type Socket } from "node:net";
import type { ProducedRecord } from "../../../../src/driver.ts";
import {
  AuthenticationError,
  ConnectionError,
  DriverError,
  type KafkaThreadsError,
  TopicNotFoundError,
} from "../../../../src/errors.ts";
import { endOffsets, produce, uniqueName } from "../../../support/kafka/mod.ts";
import { type Member, range } from "./member.ts";
import { makeTopic, type Place } from "./place.ts";

/** What a driver may take that tries again for about ten seconds. */
const BOUNDED_MS = 15_000;

/** Scenarios about what is produced. */
export function producing({ scenario, member, subscription, kafka, ownKafka }: Place): void {
  scenario("produces exactly what it is given", async (scope) => {
    const subscribed = await subscription();
    const [topic] = subscribed.topics;
    const writer = await member(scope, subscribed);
    const text = Buffer.from("grüße, 世界 🌍");
    const header = (key: string, value: string | null) => ({
      key,
      value: value === null ? null : Buffer.from(value),
    });
    const given = [
      { key: null, value: null, timestamp: 1, headers: [] },
      { key: Buffer.alloc(0), value: Buffer.alloc(0), timestamp: 0, headers: [header("", "")] },
      { key: text, value: text, timestamp: 1_700_000_000_123, headers: [header("ключ", "знач")] },
      {
        key: Buffer.from([0, 255, 128]),
        value: Buffer.from([255, 0, 254]),
        // Further apart in one batch than 32 bits of milliseconds reach.
        timestamp: 1_500_000_000_000,
        headers: [["a", "1"], ["b", null], ["a", "2"], ["a", null], ["b", ""], ["a", "1"]].map((
          [name, value],
        ) => header(name!, value!)),
      },
      { key: null, value: randomBytes(1_000_000), timestamp: 1_600_000_000_000, headers: [] },
      // A part of a larger buffer, and not a Buffer.
      {
        key: new Uint8Array(randomBytes(64)).subarray(7, 9),
        value: null,
        timestamp: 5,
        headers: range(0, 300).map((n) => header(`h${n}`, "x".repeat(n))),
      },
    ];
    await writer.driver.produce!(given.map((record) => ({ topic, ...record })));
    // Acknowledged means that it is there.
    assert.deepEqual(await endOffsets(subscribed.bootstrapServers[0], topic), [given.length]);

    const before = Date.now();
    await writer.driver.produce!([{ topic, key: null, value: text, headers: [] }]);
    const after = Date.now();
    await writer.run().untilRead(given.length + 1);
    const read = writer.of(topic);
    const plain = (records: Omit<ProducedRecord, "topic">[]) =>
      records.map(({ key, value, timestamp, headers }) => ({
        key: key && [...key],
        value: value && Buffer.from(value).toString("base64"),
        timestamp,
        headers: headers.map(({ key, value }) => [key, value && [...value]]),
      }));
    assert.deepEqual(plain(read.slice(0, -1)), plain(given));
    const { timestamp } = read.at(-1)!;
    assert(before <= timestamp && timestamp <= after, `${before} ${timestamp} ${after}`);
  });

  scenario("produces to the partitions that other clients choose", async (scope) => {
    const subscribed = await subscription({ partitions: 7 });
    const [topic] = subscribed.topics;
    const { bootstrapServers: [server] } = subscribed;
    const other = uniqueName("contract");
    await makeTopic(server, other, { partitions: 7 });
    const keys = [
      Buffer.alloc(0),
      ...range(1, 40).map((length) => randomBytes(length)),
      Buffer.from("a"),
      Buffer.from("ключ"),
      randomBytes(1_000),
    ];
    const writer = await member(scope, { ...subscribed, topics: [topic, other] });
    await produce(server, other, keys.map((key) => ({ key, value: "x" })));
    const record = { topic, value: Buffer.from("x"), headers: [] };
    await writer.driver.produce!(keys.map((key) => ({ ...record, key })));
    await writer.run().untilRead(2 * keys.length);
    const keysOf = (name: string) =>
      range(0, 7).map((partition) =>
        writer.of(name, partition).map(({ key }) => Buffer.from(key!).toString("hex"))
      );
    assert.deepEqual(keysOf(topic), keysOf(other));

    // Without a key in turns, and where it is told to go.
    const before = await endOffsets(server, topic);
    const gained = async () =>
      (await endOffsets(server, topic)).map((end, index) => end - before[index]!);
    await writer.driver.produce!(range(0, 14).map(() => ({ ...record, key: null })));
    assert.deepEqual(await gained(), Array(7).fill(2));
    await writer.driver.produce!(keys.map((key) => ({ ...record, key, partition: 3 })));
    assert.deepEqual(await gained(), [2, 2, 2, 2 + keys.length, 2, 2, 2]);

    const error = await failureOf(writer.driver.produce!([{ ...record, key: null, partition: 7 }]));
    assert(DriverError.is(error), String(error));
    assert.equal(error.retriable, false);
    assert.deepEqual({ topic: error.topic, partition: error.partition }, { topic, partition: 7 });
  });

  scenario("produces many at once, in order", async (scope) => {
    const subscribed = await subscription({ partitions: 3 });
    const [topic] = subscribed.topics;
    const { bootstrapServers: [server] } = subscribed;
    const other = uniqueName("contract");
    await makeTopic(server, other);
    const writer = await member(scope, { ...subscribed, topics: [topic, other] });
    writer.run();
    await writer.driver.produce!([]);
    const value = (n: number) => Buffer.from(`${n} ${"x".repeat(n % 1_000)}`);
    const records = (name: string, count: number) =>
      range(0, count).map((n) => ({
        topic: name,
        key: Buffer.from(`${n % 10}`),
        value: value(n),
        headers: [],
      }));
    // While a poll is under way, and several at a time.
    await Promise.all([
      writer.driver.produce!(records(topic, 3_000)),
      writer.driver.produce!([...records(other, 500), ...records(other, 500)]),
      writer.untilAssigned(),
    ]);
    const ends = await endOffsets(server, topic);
    assert.equal(ends.reduce((sum, end) => sum + end), 3_000);
    assert.deepEqual(await endOffsets(server, other), [1_000]);
    await writer.untilRead(4_000);
    for (const partition of range(0, 3)) {
      const read = writer.of(topic, partition).map(({ value }) =>
        parseInt(`${Buffer.from(value!)}`)
      );
      assert.deepEqual(read, read.toSorted((a, b) => a - b));
    }
    assert.deepEqual(
      writer.of(other).map(({ value }) => parseInt(`${Buffer.from(value!)}`)),
      [...range(0, 500), ...range(0, 500)],
    );
    assert.deepEqual(writer.errors, []);
  });

  scenario("produces as much as fits, and says what is too large", async (scope) => {
    const subscribed = await subscription({ config: { "max.message.bytes": "20000" } });
    const [topic] = subscribed.topics;
    const { bootstrapServers: [server] } = subscribed;
    const writer = await member(scope, subscribed);
    const record = (value: Uint8Array) => ({ topic, key: null, value, headers: [] });
    const error = await failureOf(
      writer.driver.produce!([record(Buffer.from("before")), record(randomBytes(30_000))]),
    );
    assert(DriverError.is(error), String(error));
    assert.equal(error.retriable, false);
    assert.equal(error.topic, topic);
    assert.match(error.message, /large/i);
    assert.deepEqual(await endOffsets(server, topic), [1]);

    // Together they are too large, each alone is not; the last one is not where it is compressed.
    const made = [
      ...range(0, 20).map(() => randomBytes(4_000)),
      randomBytes(19_000),
      Buffer.alloc(200_000, "0123456789"),
      Buffer.from("last"),
    ];
    await writer.driver.produce!(made.map(record));
    await writer.run().untilRead(1 + made.length);
    assert.deepEqual(
      writer.of(topic).slice(1).map(({ value }) => Buffer.from(value!).toString("hex")),
      made.map((value) => value.toString("hex")),
    );
  });

  scenario("names a topic that it cannot produce to", async (scope) => {
    const subscribed = await subscription();
    const [topic] = subscribed.topics;
    const missing = uniqueName("missing");
    const writer = await member(scope, subscribed);
    const record = { key: null, value: Buffer.from("x"), headers: [] };
    const started = performance.now();
    const error = await failureOf(writer.driver.produce!([{ ...record, topic: missing }]));
    assert(TopicNotFoundError.is(error), String(error));
    assert.equal(error.retriable, false);
    assert.deepEqual(error.topics, [missing]);
    assert(error.message.includes(missing));
    assert(performance.now() - started < BOUNDED_MS);

    const invalid = await failureOf(writer.driver.produce!([{ ...record, topic: "not a name!" }]));
    assert.equal(invalid.retriable, false, String(invalid));
    assert(invalid.message.includes("not a name!"));

    // Neither is in the way of another topic.
    await writer.driver.produce!([{ ...record, topic }]);
    await writer.run().untilRead(1);
    assert.deepEqual(writer.errors, []);
  });

  scenario("produces over TLS, and logged in", async (scope) => {
    const { tls, sasl } = await kafka();
    if (tls === undefined || sasl === undefined) return;
    const { groupId, topics, bootstrapServers: [plain] } = await subscription();
    const record = { topic: topics[0], key: null, value: Buffer.from("secret"), headers: [] };
    const overTls = await member(scope, {
      bootstrapServers: tls.bootstrapServers.split(","),
      groupId,
      topics,
      ssl: { ca: tls.ca, cert: tls.clientCert, key: tls.clientKey },
    });
    await overTls.driver.produce!([record]);
    const { username, password } = sasl;
    const bootstrapServers = sasl.bootstrapServers.split(",");
    const known = await member(scope, {
      bootstrapServers,
      groupId,
      topics,
      sasl: { mechanism: "scram-sha-256", username, password },
    });
    await known.driver.produce!([record]);
    assert.deepEqual(await endOffsets(plain, topics[0]), [2]);
    const stranger = await member(scope, {
      bootstrapServers,
      groupId,
      topics,
      sasl: { mechanism: "scram-sha-256", username, password: "wrong" },
    });
    const error = await failureOf(stranger.driver.produce!([record]));
    assert(AuthenticationError.is(error), String(error));
    assert.equal(error.retriable, false);
  });

  scenario("gives up what it produces when it closes", async (scope) => {
    const sockets: Socket[] = [];
    const connected = Promise.withResolvers<void>();
    const server = createServer((socket) => {
      socket.on("error", () => {});
      sockets.push(socket);
      connected.resolve();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    scope.defer(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const { port } = server.address() as { port: number };
    const writer = await member(scope, {
      bootstrapServers: [`127.0.0.1:${port}`],
      groupId: "none",
      topics: ["none"],
    });
    const record = { topic: "none", key: null, value: null, headers: [] };
    const failure = failureOf(writer.driver.produce!([record]));
    await connected.promise;
    const started = performance.now();
    await writer.close();
    for (const error of [await failure, await failureOf(writer.driver.produce!([record]))]) {
      assert(ConnectionError.is(error), String(error));
      assert.equal(error.retriable, false);
    }
    assert(performance.now() - started < 3_000, "it ends soon");
  });

  scenario("produces to what brokers make, and outlives their failures", async (scope) => {
    const kafka = await ownKafka(scope);
    const server = kafka.bootstrapServers;
    const [broker] = kafka.brokers;
    const topic = uniqueName("contract");
    const writer = await member(scope, {
      bootstrapServers: [server],
      groupId: uniqueName("contract"),
      topics: [topic],
    });
    const letter = (n: number) => ({ topic, key: null, value: Buffer.from(`${n}`), headers: [] });
    await writer.driver.produce!([letter(0)]);
    assert.deepEqual(await endOffsets(server, topic), [1]);

    broker!.pause();
    let silent: KafkaThreadsError | null = null;
    let started = 0;
    // The signal takes a moment to reach a process.
    while (silent === null) {
      started = performance.now();
      silent = await writer.driver.produce!([letter(1)]).then(() => null, (error) => error);
    }
    const took = performance.now() - started;
    broker!.resume();
    assert(ConnectionError.is(silent), String(silent));
    assert.equal(silent.retriable, true);
    assert(took < BOUNDED_MS, `${took} ms`);

    await broker!.kill();
    const stored = atLast(writer, letter(2));
    await broker!.start();
    await stored;
    await writer.run().until(
      "all has been read",
      () => new Set(writer.of(topic).map(({ value }) => `${Buffer.from(value!)}`)).has("2"),
    );
  });
}

/** Produces, where a broker takes longer to come back than the driver tries again. */
async function atLast({ driver }: Member, record: ProducedRecord): Promise<void> {
  for (let attempt = 1;; attempt++) {
    const error = await driver.produce!([record]).then(() => null, (error) => error);
    if (error === null) return;
    if (!error.retriable || attempt === 5) throw error;
  }
}

async function failureOf(promise: Promise<unknown>): Promise<KafkaThreadsError> {
  const failure = await promise.then(() => null, (error) => error);
  if (failure === null) throw new Error("It was to fail, and it has not");
  return failure;
}
