import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { decodeRecords } from "../../../src/testing/log/records.ts";
import { readHeader } from "../../../src/testing/log/record_batch.ts";
import { A, type AskOptions, type RawClient } from "./raw_client.ts";
import { batch, BY_NAME, fetchedPartitions, fetchRequest, produceRequest, rig } from "./support.ts";

type Asked = Parameters<typeof fetchRequest>[1];

async function fetchOf(client: RawClient, asked?: Asked, options: AskOptions = BY_NAME) {
  return fetchedPartitions(await client.ask(A.fetch, fetchRequest("t", asked), options));
}

/** Bytes of a batch in the log. */
const SIZE = batch(["x".repeat(1_000)]).length;

describe("KafkaBroker, Fetch", () => {
  it("waits for data, and answers as soon as there is some", async () => {
    await using test = await rig({ topics: { t: 2 } });
    const handling = test.handling("Fetch");
    const partitions = [{ partition: 0 }, { partition: 1 }];
    const waiting = fetchOf(await test.raw(), { maxWaitMs: 600_000, partitions });
    await handling;
    await test.broker.produce("t", [{ value: "a", partition: 1 }]);
    const [empty, full] = await waiting;
    assert.deepEqual([empty!.highWatermark, empty!.records.length], [0, 0]);
    assert.equal(full!.highWatermark, 1);
    assert.deepEqual(decodeRecords(full!.records).map(({ value }) => `${value}`), ["a"]);
  });

  it("is woken by what another client produces", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const handling = test.handling("Fetch");
    const waiting = fetchOf(await test.raw(), { maxWaitMs: 600_000 });
    await handling;
    await (await test.raw()).ask(A.produce, produceRequest("t", batch(["a"])), BY_NAME);
    assert.equal((await waiting)[0]!.highWatermark, 1);
  });

  it("waits for as many bytes as are wanted, over all partitions", async () => {
    await using test = await rig({ topics: { t: 2 } });
    const client = await test.raw();
    const partitions = [{ partition: 0 }, { partition: 1 }];
    const handling = test.handling("Fetch");
    const waiting = fetchOf(client, { maxWaitMs: 600_000, minBytes: 2 * SIZE, partitions });
    await handling;
    const value = "x".repeat(1_000);
    await test.broker.produce("t", [{ value, partition: 0 }]);
    await (await test.raw()).ask(A.listGroups, {});
    assert.equal(client.answers, 0);
    await test.broker.produce("t", [{ value, partition: 1 }]);
    assert.deepEqual((await waiting).map(({ records }) => records.length), [SIZE, SIZE]);
  });

  it("answers with what there is when the time is over", async () => {
    await using test = await rig({ topics: { t: 1 } });
    await test.broker.produce("t", [{ value: "a" }]);
    const client = await test.raw();
    const start = performance.now();
    const [partition] = await fetchOf(client, { maxWaitMs: 60, minBytes: 1_000_000 });
    assert.ok(performance.now() - start >= 58);
    assert.equal(partition!.highWatermark, 1);
    assert.ok(partition!.records.length > 0);
    const [nothing] = await fetchOf(client, { maxWaitMs: 0, minBytes: 1_000_000, offset: 1 });
    assert.equal(nothing!.records.length, 0);
  });

  it("answers at once if nothing is asked for, or no bytes are", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    await client.ask(A.fetch, { ...fetchRequest("t"), maxWaitMs: 600_000, topics: [] }, BY_NAME);
    assert.equal((await fetchOf(client, { maxWaitMs: 600_000, minBytes: 0 }))[0]!.errorCode, 0);
  });

  it("gives whole batches, up to a limit for each partition and one for all", async () => {
    await using test = await rig({ topics: { t: 3 } });
    const value = "x".repeat(1_000);
    for (const partition of [0, 1, 2]) {
      for (let count = 0; count < 4; count++) {
        await test.broker.produce("t", [{ value, partition }]);
      }
    }
    const client = await test.raw();
    const sizes = async (asked: Asked) =>
      (await fetchOf(client, asked)).map(({ records }) => records.length / SIZE);
    const all = (partitionMaxBytes: number) =>
      [0, 1, 2].map((partition) => ({ partition, partitionMaxBytes }));
    assert.deepEqual(await sizes({ partitions: all(100 * SIZE) }), [4, 4, 4]);
    assert.deepEqual(await sizes({ partitions: all(2 * SIZE) }), [2, 2, 2]);
    assert.deepEqual(await sizes({ partitions: all(3 * SIZE - 1) }), [2, 2, 2]);
    assert.deepEqual(await sizes({ partitions: all(3 * SIZE), maxBytes: 5 * SIZE }), [3, 2, 0]);
    // The first batch comes, however large, so that the client gets on; no further one does.
    assert.deepEqual(await sizes({ partitions: all(10) }), [1, 0, 0]);
    assert.deepEqual(await sizes({ partitions: all(100 * SIZE), maxBytes: 1 }), [1, 0, 0]);
    assert.deepEqual(await sizes({ partitions: all(0) }), [1, 0, 0]);
    const behind = [{ partition: 0, fetchOffset: 4 }, { partition: 1, partitionMaxBytes: 1 }];
    assert.deepEqual(await sizes({ partitions: behind }), [0, 1]);
  });

  it("gives the batch that has the offset, from its beginning", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    for (const values of [["a", "b", "c"], ["d", "e"]]) {
      await client.ask(A.produce, produceRequest("t", batch(values)), BY_NAME);
    }
    const first = async (offset: number) =>
      readHeader((await fetchOf(client, { offset }))[0]!.records).baseOffset;
    assert.deepEqual([await first(0), await first(2), await first(3), await first(4)], [
      0,
      0,
      3,
      3,
    ]);
  });

  it("tells what is out of range, at once", async () => {
    await using test = await rig({ topics: { t: 1 } });
    await test.broker.produce("t", [{ value: "a" }, { value: "b" }, { value: "c" }]);
    const client = await test.raw();
    await client.ask(A.deleteRecords, {
      timeoutMs: 0,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset: 2 }] }],
    });
    const at = async (offset: number, maxWaitMs: number) => {
      const [partition] = await fetchOf(client, { offset, maxWaitMs });
      return [partition!.errorCode, partition!.highWatermark, partition!.logStartOffset];
    };
    for (const offset of [-1, 0, 1, 4, 2 ** 40]) {
      assert.deepEqual(await at(offset, 600_000), [ERROR.OFFSET_OUT_OF_RANGE, -1, -1]);
    }
    assert.deepEqual(await at(2, 600_000), [ERROR.NONE, 3, 2]);
    assert.deepEqual(await at(3, 0), [ERROR.NONE, 3, 2]);
  });

  it("tells of topics and partitions that are not there, at once", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    const partitions = [{ partition: 1 }];
    const [unknown] = await fetchOf(client, { maxWaitMs: 600_000, partitions });
    assert.equal(unknown!.errorCode, ERROR.UNKNOWN_TOPIC_OR_PARTITION);
    const request = fetchRequest("never", { maxWaitMs: 600_000 });
    const [never] = fetchedPartitions(await client.ask(A.fetch, request, BY_NAME));
    assert.equal(never!.errorCode, ERROR.UNKNOWN_TOPIC_OR_PARTITION);
    assert.deepEqual(test.broker.topics(), { t: 1 }, "reading makes no topic");
  });

  it("goes by the topic's id in newer versions", async () => {
    await using test = await rig({ topics: { t: 1 } });
    await test.broker.produce("t", [{ value: "a" }]);
    const client = await test.raw();
    const { topics } = await client.ask(A.metadata, { topics: [{ name: "t" }] });
    const { topicId } = topics[0];
    const by = async (topicId: string) =>
      (await fetchOf(client, { topicId, maxWaitMs: 600_000 }, {}))[0]!;
    assert.equal((await by(topicId)).highWatermark, 1);
    for (
      const stranger of [
        "00000000-0000-0000-0000-000000000000",
        "00000000-0000-4000-8000-000000000001",
      ]
    ) {
      assert.equal((await by(stranger)).errorCode, ERROR.UNKNOWN_TOPIC_ID);
    }
    // A topic of the same name is another topic.
    await client.ask(A.deleteTopics, { topics: [{ name: "t" }], timeoutMs: 0 });
    test.broker.createTopic("t");
    assert.equal((await by(topicId)).errorCode, ERROR.UNKNOWN_TOPIC_ID);
  });

  it("tells who waits that the topic has been deleted", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const handling = test.handling("Fetch");
    const waiting = fetchOf(await test.raw(), { maxWaitMs: 600_000 });
    await handling;
    await (await test.raw()).ask(A.deleteTopics, { topics: [{ name: "t" }], timeoutMs: 0 });
    assert.equal((await waiting)[0]!.errorCode, ERROR.UNKNOWN_TOPIC_OR_PARTITION);
  });

  it("declines sessions: each request is whole in itself", async () => {
    await using test = await rig({ topics: { t: 1 } });
    await test.broker.produce("t", [{ value: "a" }]);
    const client = await test.raw();
    const ask = (sessionId: number, sessionEpoch: number) =>
      client.ask(A.fetch, fetchRequest("t", { sessionId, sessionEpoch }), BY_NAME);
    const asked: [number, number, number, number][] = [
      [0, -1, ERROR.NONE, 1],
      [0, 0, ERROR.NONE, 1],
      [9, -1, ERROR.NONE, 1],
      [9, 1, ERROR.FETCH_SESSION_ID_NOT_FOUND, 0],
      [0, 1, ERROR.FETCH_SESSION_ID_NOT_FOUND, 0],
    ];
    for (const [id, epoch, errorCode, topics] of asked) {
      const answer = await ask(id, epoch);
      assert.deepEqual([answer.errorCode, answer.responses.length], [errorCode, topics]);
      assert.equal(answer.sessionId, 0);
    }
  });

  it("answers in every version", async () => {
    await using test = await rig({ topics: { t: 1 } });
    await test.broker.produce("t", [{ value: "a" }]);
    const client = await test.raw();
    const { topics } = await client.ask(A.metadata, { topics: [{ name: "t" }] });
    for (let version = A.fetch.minVersion; version <= A.fetch.maxVersion; version++) {
      const [partition] = await fetchOf(client, { topicId: topics[0].topicId }, { version });
      assert.equal(partition!.highWatermark, 1, `version ${version}`);
      assert.equal(decodeRecords(partition!.records).length, 1);
    }
  });
});

describe("KafkaBroker, ListOffsets", () => {
  const list = async (client: RawClient, timestamp: number, partitionIndex = 0, name = "t") => {
    const { topics } = await client.ask(A.listOffsets, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name, partitions: [{ partitionIndex, timestamp }] }],
    });
    const { errorCode, offset, timestamp: found, leaderEpoch } = topics[0].partitions[0];
    return [errorCode, offset, found, leaderEpoch];
  };

  it("tells the ends of a partition, and what came at a time", async () => {
    await using test = await rig({ topics: { t: 1 }, nodes: 2 });
    const at = (timestamp: number) => ({ value: "v", timestamp });
    await test.broker.produce("t", [at(1_000), at(3_000), at(2_000), at(3_000)]);
    test.broker.moveLeader("t", 0);
    const leader = test.broker.moveLeader("t", 0);
    await test.broker.produce("t", [at(2_500)]);
    const client = await test.raw(leader);
    assert.deepEqual(await list(client, -1), [0, 5, -1, 2]);
    assert.deepEqual((await list(client, -2)).slice(0, 3), [0, 0, -1]);
    assert.deepEqual((await list(client, -4)).slice(0, 3), [0, 0, -1]);
    assert.deepEqual(await list(client, -3), [0, 1, 3_000, 0], "the newest");
    assert.deepEqual(await list(client, 0), [0, 0, 1_000, 0]);
    assert.deepEqual(await list(client, 1_001), [0, 1, 3_000, 0]);
    assert.deepEqual(await list(client, 3_001), [0, -1, -1, -1]);
    await client.ask(A.deleteRecords, {
      timeoutMs: 0,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset: 4 }] }],
    });
    assert.deepEqual((await list(client, -2)).slice(0, 3), [0, 4, -1]);
    assert.deepEqual(await list(client, 0), [0, 4, 2_500, 2]);
  });

  it("tells of partitions that are empty, or not there", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    assert.deepEqual((await list(client, -1)).slice(0, 2), [0, 0]);
    assert.deepEqual(await list(client, -3), [0, -1, -1, -1]);
    assert.deepEqual(await list(client, 0), [0, -1, -1, -1]);
    assert.deepEqual(await list(client, -1, 1), [ERROR.UNKNOWN_TOPIC_OR_PARTITION, -1, -1, -1]);
    assert.deepEqual(await list(client, -1, 0, "u"), [
      ERROR.UNKNOWN_TOPIC_OR_PARTITION,
      -1,
      -1,
      -1,
    ]);
  });
});
