import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { CLIENTS } from "./clients.ts";
import { A, type RawClient } from "./raw_client.ts";
import {
  batch,
  BY_NAME,
  fetchedPartitions,
  fetchRequest,
  producedPartition,
  produceRequest,
  rig,
} from "./support.ts";

/** Who leads a partition, and in which epoch, as a node tells it. */
async function leaderOf(client: RawClient, topic: string, partition = 0) {
  const { topics } = await client.ask(A.metadata, { topics: [{ name: topic }] });
  return topics[0].partitions.find(
    ({ partitionIndex }: { partitionIndex: number }) => partitionIndex === partition,
  );
}

describe("KafkaBroker.moveLeader()", () => {
  it("spreads leaders and replicas over the nodes at first", async () => {
    await using test = await rig({ nodes: 3, topics: { t: 3, single: { replicationFactor: 1 } } });
    const { topics } = await (await test.raw()).ask(A.metadata, { topics: [{ name: "t" }] });
    const leaders = topics[0].partitions.map(({ leaderId }: { leaderId: number }) => leaderId);
    assert.deepEqual(leaders.toSorted(), [1, 2, 3]);
    for (const { replicaNodes, isrNodes, leaderId } of topics[0].partitions) {
      assert.deepEqual(replicaNodes.toSorted(), [1, 2, 3]);
      assert.deepEqual(isrNodes.toSorted(), [1, 2, 3]);
      assert.equal(replicaNodes[0], leaderId);
    }
  });

  it("has another node lead, with a new epoch; the old one refuses", async () => {
    await using test = await rig({ nodes: 3, topics: { t: 1 } });
    const first = await test.raw(1);
    const before = await leaderOf(first, "t");
    const moved = test.broker.moveLeader("t", 0);
    assert.notEqual(moved, before.leaderId);
    const after = await leaderOf(first, "t");
    assert.equal(after.leaderId, moved);
    assert.equal(after.leaderEpoch, before.leaderEpoch + 1);
    assert.equal(test.broker.moveLeader("t", 0, before.leaderId), before.leaderId);
    assert.equal((await leaderOf(first, "t")).leaderEpoch, before.leaderEpoch + 2);

    const other = await test.raw(moved);
    const produced = await other.ask(A.produce, produceRequest("t", batch(["a"])), BY_NAME);
    assert.equal(producedPartition(produced).errorCode, ERROR.NOT_LEADER_OR_FOLLOWER);
    const [fetched] = fetchedPartitions(await other.ask(A.fetch, fetchRequest("t"), BY_NAME));
    assert.equal(fetched!.errorCode, ERROR.NOT_LEADER_OR_FOLLOWER);
    const partitions = [{ partitionIndex: 0, timestamp: -1, partition: 0, leaderEpoch: 0 }];
    const listed = await other.ask(A.listOffsets, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: "t", partitions }],
    });
    assert.equal(listed.topics[0].partitions[0].errorCode, ERROR.NOT_LEADER_OR_FOLLOWER);
    const epochs = await other.ask(A.offsetForLeaderEpoch, {
      replicaId: -1,
      topics: [{ topic: "t", partitions }],
    });
    assert.equal(epochs.topics[0].partitions[0].errorCode, ERROR.NOT_LEADER_OR_FOLLOWER);
    const deleted = await other.ask(A.deleteRecords, {
      timeoutMs: 0,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset: 0 }] }],
    });
    assert.equal(deleted.topics[0].partitions[0].errorCode, ERROR.NOT_LEADER_OR_FOLLOWER);
    assert.equal(test.broker.offsets("t").end, 0);
  });

  it("wakes who waits at the old leader", async () => {
    await using test = await rig({ nodes: 2, topics: { t: 1 } });
    const { leaderId } = await leaderOf(await test.raw(), "t");
    const client = await test.raw(leaderId);
    const seen = test.handling("Fetch");
    const waiting = client.ask(A.fetch, fetchRequest("t", { maxWaitMs: 600_000 }), BY_NAME);
    await seen;
    test.broker.moveLeader("t", 0);
    assert.equal(fetchedPartitions(await waiting)[0]!.errorCode, ERROR.NOT_LEADER_OR_FOLLOWER);
  });

  it("fences who knows an older epoch, and who knows one that is still to come", async () => {
    await using test = await rig({ nodes: 2, topics: { t: 1 } });
    const leader = test.broker.moveLeader("t", 0);
    const client = await test.raw(leader);
    const { leaderEpoch } = await leaderOf(client, "t");
    const fetch = async (currentLeaderEpoch: number) => {
      const partitions = [{ partition: 0, currentLeaderEpoch }];
      const answer = await client.ask(A.fetch, fetchRequest("t", { partitions }), BY_NAME);
      return fetchedPartitions(answer)[0]!.errorCode;
    };
    assert.equal(await fetch(leaderEpoch - 1), ERROR.FENCED_LEADER_EPOCH);
    assert.equal(await fetch(leaderEpoch + 1), ERROR.UNKNOWN_LEADER_EPOCH);
    assert.equal(await fetch(leaderEpoch), ERROR.NONE);
    assert.equal(await fetch(-1), ERROR.NONE);
  });

  it("tells where each leader's records end", async () => {
    await using test = await rig({ nodes: 2, topics: { t: 1 } });
    await test.broker.produce("t", [{ value: "a" }, { value: "b" }]);
    const leader = test.broker.moveLeader("t", 0);
    await test.broker.produce("t", [{ value: "c" }]);
    const client = await test.raw(leader);
    const answer = await client.ask(A.offsetForLeaderEpoch, {
      replicaId: -1,
      topics: [{ topic: "t", partitions: [{ partition: 0, leaderEpoch: 0 }] }],
    });
    const { leaderEpoch, endOffset } = answer.topics[0].partitions[0];
    assert.deepEqual([leaderEpoch, endOffset], [0, 2]);
    // Also of one that has not been given any yet.
    test.broker.moveLeader("t", 0);
    test.broker.moveLeader("t", 0);
    const newest = await client.ask(A.offsetForLeaderEpoch, {
      replicaId: -1,
      topics: [{ topic: "t", partitions: [{ partition: 0, leaderEpoch: 3 }] }],
    });
    assert.deepEqual(
      [newest.topics[0].partitions[0].leaderEpoch, newest.topics[0].partitions[0].endOffset],
      [3, 3],
    );
  });

  it("refuses a node that does not have the partition, or is not up, or is not there", async () => {
    await using test = await rig({ nodes: 3, topics: { t: { replicationFactor: 2 }, u: 1 } });
    const { replicaNodes } = await leaderOf(await test.raw(), "t");
    const stranger = [1, 2, 3].find((id) => !replicaNodes.includes(id))!;
    const refused = (work: () => unknown, message: RegExp) =>
      assert.throws(work, (error: Error & { code?: string }) => {
        assert.equal(error.code, "UNKNOWN_PART");
        assert.match(error.message, message);
        return true;
      });
    const { broker } = test;
    refused(() => broker.moveLeader("t", 0, stranger), /node \d lead "t" partition 0: .*replicas/);
    refused(() => broker.moveLeader("t", 0, 4), /node 4/);
    refused(() => broker.moveLeader("t", 1), /partition 1 of topic "t": it has 1/);
    refused(() => broker.moveLeader("v", 0), /topic "v": there are t, u/);
    await broker.takeDown(3);
    refused(() => broker.moveLeader("u", 0, 3), /up are 1, 2/);
    await broker.takeDown(2);
    refused(() => broker.moveLeader("u", 0), /another node lead "u".*up are 1/);
  });

  for (const client of CLIENTS) {
    it(`is coped with by ${client.name}: nothing is lost, nothing is stored twice`, async () => {
      await using test = await rig({ nodes: 3, topics: { t: 2 } });
      const { bootstrapServers } = test.broker;
      const consumer = await client.consumer(bootstrapServers, "group", "t");
      test.defer(() => consumer.close());
      const producer = await client.producer(bootstrapServers);
      test.defer(() => producer.close());
      const sent: string[] = [];
      const send = async (count: number) => {
        for (let index = 0; index < count; index++) {
          const value = `${sent.length}`;
          sent.push(value);
          await producer.send("t", value, sent.length % 2);
        }
      };
      await send(4);
      await consumer.atLeast(4);
      const refused: number[] = [];
      test.broker.control("Produce", ({ nodeId }) => void refused.push(nodeId));
      for (let round = 0; round < 3; round++) {
        const led = [test.broker.moveLeader("t", 0), test.broker.moveLeader("t", 1)];
        await send(4);
        assert.ok(led.every((nodeId) => refused.includes(nodeId)), "the new leaders were asked");
      }
      const stored = [0, 1].flatMap((partition) => test.broker.log("t", partition));
      assert.deepEqual(stored.map(({ value }) => `${value}`).sort(), sent.toSorted());
      await test.broker.whenCommitted("group", "t", { total: sent.length });
      // A client may read again what it had not committed.
      const got = new Set(consumer.messages.map(({ value }) => value));
      assert.deepEqual([...got].sort(), sent.toSorted());
    });
  }
});
