import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { A } from "./raw_client.ts";
import { commit, heartbeat, joinRaw, joinRequest, memberOf, syncRaw } from "./raw_member.ts";
import { rig } from "./support.ts";

describe("KafkaBroker, groups", () => {
  it("ends the session of a member that is silent, and keeps one that is not", async () => {
    await using test = await rig({ topics: { t: 1 }, minSessionTimeoutMs: 1 });
    const { broker } = test;
    const start = performance.now();
    const silent = await memberOf(await test.raw(), { sessionTimeoutMs: 120, groupId: "silent" });
    const lively = await memberOf(await test.raw(), { sessionTimeoutMs: 120, groupId: "lively" });
    let over = false;
    const empty = broker.whenGroup("silent", (group) => group?.state === "Empty")
      .finally(() => (over = true));
    // As quick as it goes, so that no timer of this test is late.
    while (!over) assert.equal(await heartbeat(lively), ERROR.NONE);
    assert.deepEqual((await empty)!.members, []);
    assert.ok(performance.now() - start >= 119);
    assert.equal(await heartbeat(silent), ERROR.UNKNOWN_MEMBER_ID);
    assert.equal(await commit(silent, 1), ERROR.UNKNOWN_MEMBER_ID);
  });

  it("takes a commit for a sign of life", async () => {
    await using test = await rig({ topics: { t: 1 }, minSessionTimeoutMs: 1 });
    const member = await memberOf(await test.raw(), { sessionTimeoutMs: 100 });
    const start = performance.now();
    while (performance.now() - start < 250) assert.equal(await commit(member, 1), ERROR.NONE);
    assert.equal(await heartbeat(member), ERROR.NONE);
  });

  it("goes on without a member that does not join again in time", async () => {
    await using test = await rig({ topics: { t: 1 }, minSessionTimeoutMs: 1 });
    const timeouts = { sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 80 };
    const first = await memberOf(await test.raw(), timeouts);
    const second = await test.raw();
    const joined = await joinRaw(second, timeouts);
    assert.equal(joined.errorCode, ERROR.NONE);
    assert.deepEqual(
      joined.members.map(({ memberId }: { memberId: string }) => memberId),
      [joined.memberId],
    );
    assert.equal(await heartbeat(first), ERROR.UNKNOWN_MEMBER_ID);
  });

  it("joins two members, assigns by the first, and fences the generation before", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const [one, two] = [await test.raw(), await test.raw()];
    const first = await memberOf(one);
    const { memberId } = await two.ask(A.joinGroup, joinRequest());
    const handling = test.handling("JoinGroup");
    const joining = two.ask(A.joinGroup, joinRequest({ memberId }));
    await handling;
    assert.equal(await heartbeat(first), ERROR.REBALANCE_IN_PROGRESS);
    assert.equal(await commit(first, 3), ERROR.NONE, "as long as the group prepares");
    const again = await one.ask(A.joinGroup, joinRequest({ memberId: first.memberId }));
    const joined = await joining;
    assert.deepEqual([again.generationId, joined.generationId], [2, 2]);
    assert.equal(again.members.length, 2);
    assert.deepEqual(joined.members, []);
    assert.equal(await commit(first, 4), ERROR.ILLEGAL_GENERATION);
    const second = { client: two, groupId: "group", memberId, generationId: 2 };
    const syncing = syncRaw(second);
    await syncRaw({ ...first, generationId: 2 }, again.members);
    assert.equal((await syncing).errorCode, ERROR.NONE);
    assert.equal(await heartbeat({ ...first, generationId: 2 }), ERROR.NONE);
    assert.deepEqual(test.broker.committed("group", "t"), [3]);
  });

  it("lets several members go at once", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const { client, memberId, groupId } = await memberOf(await test.raw());
    const { members } = await client.ask(A.leaveGroup, {
      groupId,
      members: [{ memberId }, { memberId: "stranger" }],
    });
    assert.deepEqual(
      members.map(({ errorCode }: { errorCode: number }) => errorCode),
      [ERROR.NONE, ERROR.UNKNOWN_MEMBER_ID],
    );
    assert.equal(test.broker.groups()[0]!.state, "Empty");
  });

  it("keeps within its limits of session timeouts", async () => {
    await using test = await rig({ minSessionTimeoutMs: 1_000, maxSessionTimeoutMs: 2_000 });
    const client = await test.raw();
    for (const sessionTimeoutMs of [999, 2_001]) {
      const { errorCode } = await joinRaw(client, { sessionTimeoutMs });
      assert.equal(errorCode, ERROR.INVALID_SESSION_TIMEOUT);
    }
  });

  it("waits for more members before the first generation, where it is told to", async () => {
    await using test = await rig({ topics: { t: 1 }, initialRebalanceDelayMs: 100 });
    const [one, two] = [await test.raw(), await test.raw()];
    const start = performance.now();
    const [first, second] = await Promise.all([joinRaw(one), joinRaw(two)]);
    assert.ok(performance.now() - start >= 99);
    assert.deepEqual([first.generationId, second.generationId], [1, 1]);
  });

  it("keeps the metadata of commits, up to its limit", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const member = await memberOf(await test.raw());
    assert.equal(await commit(member, 1, { metadata: "x".repeat(4_096) }), ERROR.NONE);
    assert.equal(
      await commit(member, 2, { metadata: "x".repeat(4_097) }),
      ERROR.OFFSET_METADATA_TOO_LARGE,
    );
    const { groupId } = member;
    const topics = [{ name: "t", partitionIndexes: [0] }];
    const { groups } = await member.client.ask(A.offsetFetch, {
      requireStable: false,
      groups: [{ groupId, topics }],
    });
    const [{ committedOffset, metadata }] = groups[0].topics[0].partitions;
    assert.deepEqual([committedOffset, metadata.length], [1, 4_096]);
  });

  it("deletes offsets of topics that nobody subscribes to", async () => {
    await using test = await rig({ topics: { t: 1, u: 2 } });
    const member = await memberOf(await test.raw());
    await commit(member, 1);
    await commit(member, 2, { topic: "u" });
    const { errorCode, topics } = await member.client.ask(A.offsetDelete, {
      groupId: "group",
      topics: [
        { name: "t", partitions: [{ partitionIndex: 0 }] },
        { name: "u", partitions: [{ partitionIndex: 0 }, { partitionIndex: 9 }] },
      ],
    });
    assert.equal(errorCode, ERROR.NONE);
    assert.deepEqual(
      topics.map(({ partitions }: { partitions: { errorCode: number }[] }) =>
        partitions.map(({ errorCode }) => errorCode)
      ),
      [[ERROR.GROUP_SUBSCRIBED_TO_TOPIC], [ERROR.NONE, ERROR.UNKNOWN_TOPIC_OR_PARTITION]],
    );
    assert.deepEqual(test.broker.commits("group", "t").length, 1);
    assert.deepEqual(test.broker.commits("group", "u"), []);
    const missing = await member.client.ask(A.offsetDelete, { groupId: "other", topics: [] });
    assert.equal(missing.errorCode, ERROR.GROUP_ID_NOT_FOUND);
  });

  it("deletes groups that nobody is in", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const { client, groupId, memberId } = await memberOf(await test.raw());
    const remove = async (name: string) =>
      (await client.ask(A.deleteGroups, { groupsNames: [name] })).results[0].errorCode;
    assert.equal(await remove(groupId), ERROR.NON_EMPTY_GROUP);
    await client.ask(A.leaveGroup, { groupId, members: [{ memberId }] });
    assert.equal(await remove(groupId), ERROR.NONE);
    assert.equal(await remove(groupId), ERROR.GROUP_ID_NOT_FOUND);
    assert.deepEqual(test.broker.groups(), []);
  });

  it("keeps the offsets of one who is in no group", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const nobody = { client: await test.raw(), groupId: "simple", memberId: "", generationId: -1 };
    assert.equal(await commit(nobody, 4), ERROR.NONE);
    assert.equal(await commit(nobody, 4, { topic: "u" }), ERROR.UNKNOWN_TOPIC_OR_PARTITION);
    assert.deepEqual(test.broker.committed("simple", "t"), [4]);
    assert.equal(
      await commit({ ...nobody, groupId: "g", generationId: 3, memberId: "m" }, 1),
      ERROR.GROUP_ID_NOT_FOUND,
    );
  });

  it("tells that transactions have no coordinator here", async () => {
    await using test = await rig();
    const { coordinators } = await (await test.raw()).ask(A.findCoordinator, {
      keyType: 1,
      coordinatorKeys: ["tx"],
    });
    assert.equal(coordinators[0].errorCode, ERROR.INVALID_REQUEST);
    assert.match(coordinators[0].errorMessage, /not transactions/);
  });
});
