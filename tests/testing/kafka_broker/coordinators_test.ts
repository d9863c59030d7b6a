import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { CLIENTS } from "./clients.ts";
import { A, type RawClient } from "./raw_client.ts";
import { commit, heartbeat, joinRaw, joinRequest, memberOf, syncRaw } from "./raw_member.ts";
import { rig } from "./support.ts";

async function coordinatorOf(client: RawClient, key: string): Promise<number> {
  const { coordinators } = await client.ask(A.findCoordinator, {
    keyType: 0,
    coordinatorKeys: [key],
  });
  assert.equal(coordinators[0].errorCode, ERROR.NONE);
  return coordinators[0].nodeId;
}

describe("KafkaBroker.moveCoordinator()", () => {
  it("has another node coordinate; the group goes on with its generation and its commits", async () => {
    await using test = await rig({ nodes: 3, topics: { t: 1 } });
    const anybody = await test.raw();
    const before = await coordinatorOf(anybody, "group");
    const member = await memberOf(await test.raw(before));
    assert.equal(await commit(member, 5), ERROR.NONE);

    const moved = test.broker.moveCoordinator("group");
    assert.notEqual(moved, before);
    assert.equal(await coordinatorOf(anybody, "group"), moved);
    assert.equal(await heartbeat(member), ERROR.NOT_COORDINATOR);
    assert.equal(await commit(member, 9), ERROR.NOT_COORDINATOR);

    const there = { ...member, client: await test.raw(moved) };
    assert.equal(await heartbeat(there), ERROR.NONE);
    assert.deepEqual(test.broker.committed("group", "t"), [5]);
    assert.equal(await commit(there, 6), ERROR.NONE);
    const [group] = test.broker.groups();
    assert.deepEqual([group!.state, group!.generationId], ["Stable", member.generationId]);
  });

  it("tells who waits that this is not the coordinator any more", async () => {
    await using test = await rig({ nodes: 2, topics: { t: 1 } });
    const coordinator = await coordinatorOf(await test.raw(), "group");
    const member = await memberOf(await test.raw(coordinator));
    // A second one waits for the first to join again.
    const second = await test.raw(coordinator);
    const { memberId } = await second.ask(A.joinGroup, joinRequest());
    const handling = test.handling("JoinGroup");
    const waiting = second.ask(A.joinGroup, joinRequest({ memberId }));
    await handling;
    assert.equal(await heartbeat(member), ERROR.REBALANCE_IN_PROGRESS);
    test.broker.moveCoordinator("group");
    assert.equal((await waiting).errorCode, ERROR.NOT_COORDINATOR);
  });

  it("answers about a group at its coordinator only", async () => {
    await using test = await rig({ nodes: 2, topics: { t: 1 } });
    const coordinator = await coordinatorOf(await test.raw(), "group");
    const client = await test.raw(coordinator);
    const stranger = await test.raw(3 - coordinator);
    const member = { ...await memberOf(client), client: stranger };
    const { groupId, memberId, generationId } = member;
    assert.equal((await joinRaw(stranger)).errorCode, ERROR.NOT_COORDINATOR);
    assert.equal((await syncRaw(member)).errorCode, ERROR.NOT_COORDINATOR);
    assert.equal(await heartbeat(member), ERROR.NOT_COORDINATOR);
    assert.equal(await commit(member, 1), ERROR.NOT_COORDINATOR);
    const left = await stranger.ask(A.leaveGroup, { groupId, members: [{ memberId }] });
    assert.equal(left.errorCode, ERROR.NOT_COORDINATOR);
    for (const version of [7, 8]) {
      const topics = [{ name: "t", partitionIndexes: [0] }];
      const fetched = await stranger.ask(
        A.offsetFetch,
        { groupId, topics, requireStable: false, groups: [{ groupId, topics }] },
        { version },
      );
      const { errorCode } = version === 7 ? fetched : fetched.groups[0];
      assert.equal(errorCode, ERROR.NOT_COORDINATOR);
    }
    const described = await stranger.ask(A.describeGroups, { groups: [groupId] });
    assert.equal(described.groups[0].errorCode, ERROR.NOT_COORDINATOR);
    const deleted = await stranger.ask(A.deleteGroups, { groupsNames: [groupId] });
    assert.equal(deleted.results[0].errorCode, ERROR.NOT_COORDINATOR);
    const offsets = await stranger.ask(A.offsetDelete, {
      groupId,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0 }] }],
    });
    assert.equal(offsets.errorCode, ERROR.NOT_COORDINATOR);
    assert.deepEqual((await stranger.ask(A.listGroups, {})).groups, []);
    assert.equal((await client.ask(A.listGroups, {})).groups.length, 1);
    assert.equal(await heartbeat({ ...member, client }), ERROR.NONE, `${generationId} is intact`);
  });

  it("moves a group that is not there yet, and refuses a node that is not up", async () => {
    await using test = await rig({ nodes: 3 });
    const client = await test.raw();
    for (const nodeId of [2, 3, 1]) {
      assert.equal(test.broker.moveCoordinator("future", nodeId), nodeId);
      assert.equal(await coordinatorOf(client, "future"), nodeId);
    }
    await test.broker.takeDown(2);
    assert.throws(() => test.broker.moveCoordinator("future", 2), {
      code: "UNKNOWN_PART",
      message: 'Cannot have node 2 coordinate "future": up are 1, 3',
    });
    assert.throws(() => test.broker.moveCoordinator("future", 9), { code: "UNKNOWN_PART" });
    await test.broker.takeDown(3);
    assert.throws(() => test.broker.moveCoordinator("future"), /another node coordinate "future"/);
  });

  for (const client of CLIENTS) {
    it(`is coped with by ${client.name}: its commits go on`, async () => {
      await using test = await rig({ nodes: 3, topics: { t: 1 } });
      const { broker } = test;
      const consumer = await client.consumer(broker.bootstrapServers, "group", "t");
      test.defer(() => consumer.close());
      await broker.produce("t", [{ value: "0" }]);
      await broker.whenCommitted("group", "t", { offset: 1 });
      const { generationId } = (await broker.whenGroup("group"))!;
      for (let round = 1; round <= 3; round++) {
        const asked: number[] = [];
        const control = broker.control("OffsetCommit", ({ nodeId }) => void asked.push(nodeId));
        const moved = broker.moveCoordinator("group");
        await broker.produce("t", [{ value: `${round}` }]);
        await broker.whenCommitted("group", "t", { offset: round + 1 });
        assert.ok(asked.includes(moved), "the new coordinator was asked");
        control.remove();
      }
      const group = await broker.whenGroup("group");
      assert.equal(group!.members.length, 1);
      const got = await consumer.atLeast(4);
      assert.deepEqual([...new Set(got.map(({ value }) => value))], ["0", "1", "2", "3"]);
      // kafkajs joins again for that; the other one has no reason to.
      if (client.name !== "kafkajs") assert.equal(group!.generationId, generationId);
    });
  }
});
