import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { CLIENTS } from "./clients.ts";
import { A, rawClient } from "./raw_client.ts";
import { commit, heartbeat, memberOf } from "./raw_member.ts";
import { batch, BY_NAME, producedPartition, produceRequest, rig } from "./support.ts";

describe("KafkaBroker, its nodes going down and up", () => {
  it("restarts on the same port with all it had", async () => {
    await using test = await rig({ topics: { t: 2 } });
    const { broker } = test;
    const { bootstrapServers } = broker;
    await broker.produce("t", [{ key: "k", value: "v", partition: 1, headers: { h: "1" } }]);
    const client = await test.raw();
    const member = await memberOf(client);
    assert.equal(await commit(member, 3, { metadata: "note" }), ERROR.NONE);
    const before = { log: broker.log("t", 1), groups: broker.groups() };

    await broker.restart();
    await client.closed;
    assert.equal(broker.bootstrapServers, bootstrapServers);
    assert.deepEqual(broker.log("t", 1), before.log);
    assert.deepEqual(broker.groups(), before.groups);
    assert.deepEqual(broker.commits("group", "t"), [{ partition: 0, offset: 3, metadata: "note" }]);

    const again = await test.raw();
    const back = { ...member, client: again };
    assert.equal(await heartbeat(back), ERROR.NONE);
    assert.equal(await commit(back, 4), ERROR.NONE);
    const request = produceRequest("t", batch(["w"]), { partition: 1 });
    const produced = producedPartition(await again.ask(A.produce, request, BY_NAME));
    assert.deepEqual([produced.errorCode, produced.baseOffset], [ERROR.NONE, 1]);
  });

  it("remembers idempotent producers over a restart", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const records = batch(["a"], { producerId: 7, producerEpoch: 0, baseSequence: 0 });
    const first = await test.raw();
    await first.ask(A.produce, produceRequest("t", records), BY_NAME);
    await test.broker.restart();
    const second = await test.raw();
    const again = await second.ask(A.produce, produceRequest("t", records), BY_NAME);
    assert.equal(producedPartition(again).errorCode, ERROR.NONE);
    assert.equal(test.broker.offsets("t").end, 1);
  });

  it("has the same leaders after a restart of all as before", async () => {
    await using test = await rig({ nodes: 3, topics: { t: 6 } });
    const leaders = async () => {
      const { topics } = await (await test.raw()).ask(A.metadata, { topics: [{ name: "t" }] });
      return topics[0].partitions.map(({ leaderId }: { leaderId: number }) => leaderId);
    };
    test.broker.moveLeader("t", 0, 2);
    test.broker.moveLeader("t", 1, 2);
    const before = await leaders();
    await test.broker.restart();
    assert.deepEqual(await leaders(), before);
  });

  it("has others lead what a node led that is down, and coordinate its groups", async () => {
    await using test = await rig({ nodes: 3, topics: { t: 3 } });
    const { broker } = test;
    broker.moveCoordinator("group", 2);
    broker.moveCoordinator("other", 3);
    const member = await memberOf(await test.raw(2));
    const other = await memberOf(await test.raw(3), { groupId: "other" });
    assert.equal(await commit(member, 1), ERROR.NONE);
    await broker.takeDown(2);
    await member.client.closed;
    await assert.rejects(rawClient(broker.bootstrapServers, 1));

    const client = await test.raw(1);
    const metadata = await client.ask(A.metadata, { topics: [{ name: "t" }] });
    assert.deepEqual(metadata.brokers.map(({ nodeId }: { nodeId: number }) => nodeId), [1, 3]);
    for (const partition of metadata.topics[0].partitions) {
      assert.equal(partition.errorCode, ERROR.NONE);
      assert.notEqual(partition.leaderId, 2);
      assert.deepEqual(partition.isrNodes.toSorted(), [1, 3]);
      assert.deepEqual(partition.offlineReplicas, [2]);
    }
    const { coordinators } = await client.ask(A.findCoordinator, {
      keyType: 0,
      coordinatorKeys: ["group", "other"],
    });
    assert.notEqual(coordinators[0].nodeId, 2);
    assert.equal(coordinators[1].nodeId, 3);
    const moved = { ...member, client: await test.raw(coordinators[0].nodeId) };
    assert.equal(await heartbeat(moved), ERROR.NONE);
    assert.equal(await heartbeat(other), ERROR.NONE, "of a node that was always up");

    await broker.bringUp(2);
    assert.equal(await heartbeat(moved), ERROR.NONE, "nothing moves back by itself");
    assert.equal(await heartbeat(other), ERROR.NONE);
    const back = await test.raw(2);
    const { brokers } = await back.ask(A.metadata, { topics: [] });
    assert.equal(brokers.length, 3);
  });

  it("ends the sessions of members that do not come to the new coordinator", async () => {
    await using test = await rig({ nodes: 2, topics: { t: 1 }, minSessionTimeoutMs: 1 });
    const { broker } = test;
    broker.moveCoordinator("group", 2);
    await memberOf(await test.raw(2), { sessionTimeoutMs: 100 });
    await broker.takeDown(2);
    const group = await broker.whenGroup("group", (group) => group?.state === "Empty");
    assert.deepEqual(group!.members, []);
  });

  it("ends no session while no node is up", async () => {
    await using test = await rig({ topics: { t: 1 }, minSessionTimeoutMs: 1 });
    const { broker } = test;
    const member = await memberOf(await test.raw(), { sessionTimeoutMs: 150 });
    await broker.takeDown();
    // Nothing but time passes here, several sessions of it.
    await assert.rejects(
      broker.whenGroup("group", (group) => group?.state === "Empty", { timeoutMs: 500 }),
      { code: "WAIT_TIMEOUT" },
    );
    await broker.bringUp();
    assert.equal(await heartbeat({ ...member, client: await test.raw() }), ERROR.NONE);
  });

  it("has no leader for what only a node has that is down", async () => {
    await using test = await rig({
      nodes: 3,
      topics: { t: { partitions: 3, replicationFactor: 1 } },
    });
    const { broker } = test;
    await broker.takeDown(3);
    const client = await test.raw(1);
    const partitions = async () => {
      const { topics } = await client.ask(A.metadata, { topics: [{ name: "t" }] });
      return topics[0].partitions as {
        errorCode: number;
        leaderId: number;
        partitionIndex: number;
      }[];
    };
    const lost = (await partitions()).filter(({ leaderId }) => leaderId === -1);
    assert.equal(lost.length, 1);
    assert.equal(lost[0]!.errorCode, ERROR.LEADER_NOT_AVAILABLE);
    const partition = lost[0]!.partitionIndex;
    const request = produceRequest("t", batch(["a"]), { partition });
    assert.equal(
      producedPartition(await client.ask(A.produce, request, BY_NAME)).errorCode,
      ERROR.NOT_LEADER_OR_FOLLOWER,
    );
    await broker.bringUp(3);
    const found = (await partitions()).find(({ partitionIndex }) => partitionIndex === partition);
    assert.deepEqual([found!.errorCode, found!.leaderId], [ERROR.NONE, 3]);
  });

  it("refuses who wants more replicas in sync than are up", async () => {
    const config = { "min.insync.replicas": "2" };
    await using test = await rig({ nodes: 2, topics: { t: { config } } });
    await test.broker.takeDown(2);
    const client = await test.raw(1);
    const produce = async (acks: number) => {
      const request = produceRequest("t", batch(["a"]), { acks });
      return producedPartition(await client.ask(A.produce, request, BY_NAME)).errorCode;
    };
    assert.equal(await produce(-1), ERROR.NOT_ENOUGH_REPLICAS);
    assert.equal(await produce(1), ERROR.NONE);
    await test.broker.bringUp();
    assert.equal(await produce(-1), ERROR.NONE);
    assert.equal(test.broker.offsets("t").end, 2);
  });

  it("takes one change of the nodes after the other, whoever asks", async () => {
    await using test = await rig({ nodes: 2 });
    const { broker } = test;
    await Promise.all([
      broker.restart(),
      broker.takeDown(1),
      broker.takeDown(1),
      broker.bringUp(1),
      broker.bringUp(),
      broker.restart(2),
      broker.takeDown(2),
    ]);
    await assert.rejects(rawClient(broker.bootstrapServers, 1));
    const { brokers } = await (await test.raw(1)).ask(A.metadata, { topics: [] });
    assert.deepEqual(brokers.map(({ nodeId }: { nodeId: number }) => nodeId), [1]);
  });

  it("stops in the middle of a restart, and comes up no more", async () => {
    await using test = await rig({ nodes: 2 });
    const { broker } = test;
    const restarting = assert.rejects(
      Promise.all([broker.restart(), broker.restart(), broker.bringUp()]),
      { code: "NOT_RUNNING" },
    );
    await broker.stop();
    await restarting;
    await assert.rejects(rawClient(broker.bootstrapServers, 0));
    await assert.rejects(rawClient(broker.bootstrapServers, 1));
    await assert.rejects(broker.bringUp(), { code: "NOT_RUNNING" });
  });

  it("refuses a node that is not there", async () => {
    await using test = await rig({ nodes: 2 });
    for (const method of ["takeDown", "bringUp", "restart"] as const) {
      await assert.rejects(test.broker[method](3), {
        code: "UNKNOWN_PART",
        message: "Cannot find node 3: there are 1, 2",
      });
    }
  });

  for (const client of CLIENTS) {
    it(`are missed by ${client.name} for a moment only`, async () => {
      await using test = await rig({ nodes: 3, topics: { t: 3 } });
      const { broker } = test;
      const consumer = await client.consumer(broker.bootstrapServers, "group", "t");
      test.defer(() => consumer.close());
      const producer = await client.producer(broker.bootstrapServers);
      test.defer(() => producer.close());
      const sent: string[] = [];
      const send = async () => {
        for (const partition of [0, 1, 2]) {
          sent.push(`${sent.length}`);
          await producer.send("t", sent.at(-1)!, partition);
        }
      };
      await send();
      await consumer.atLeast(3);
      await broker.takeDown(2);
      await send();
      await broker.bringUp(2);
      await broker.takeDown(1);
      await send();
      await broker.bringUp(1);
      await broker.restart();
      await send();
      await broker.whenCommitted("group", "t", { total: sent.length });
      const stored = [0, 1, 2].flatMap((partition) => broker.log("t", partition));
      assert.deepEqual(stored.map(({ value }) => `${value}`).sort(), sent.toSorted());
      const got = new Set(consumer.messages.map(({ value }) => value));
      assert.deepEqual([...got].sort(), sent.toSorted());
    });
  }
});
