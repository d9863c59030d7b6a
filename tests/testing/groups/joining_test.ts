import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { ERROR, errorName } from "../../../src/testing/protocol/error_codes.ts";
import { named, Rig } from "./rig.ts";

describe("Joining a group", () => {
  it("gives a dynamic member an id before it lets it wait, from version 4 on", () => {
    const rig = new Rig();
    const first = rig.join("ada", { version: 4 });
    assert.equal(first.error, "MEMBER_ID_REQUIRED");
    assert.equal(first.value.memberId, "ada-1");
    assert.deepEqual(rig.group.members, []);
    const second = rig.join("ada", { version: 4 });
    assert.equal(second.error, "NONE");
    assert.equal(second.value.memberId, "ada-1");
  });

  it("takes a member without an id at once in version 3", () => {
    const rig = new Rig();
    assert.equal(rig.join("ada", { version: 3 }).error, "NONE");
    assert.deepEqual(rig.members, ["ada"]);
  });

  it("forgets an id that was given out when the session it was asked for is over", () => {
    const rig = new Rig();
    rig.join("ada", { sessionTimeoutMs: 6_000 });
    rig.pass(5_999);
    assert.equal(rig.join("ada").error, "NONE");
    rig.join("bob", { sessionTimeoutMs: 6_000 });
    rig.pass(6_000);
    assert.equal(rig.join("bob").error, "UNKNOWN_MEMBER_ID");
  });

  it("makes the first member the leader, and tells it alone who the members are", () => {
    const rig = new Rig().stable({ ada: {} });
    const bob = rig.enter("bob");
    const ada = rig.join("ada");
    for (const { value } of [ada, bob]) assert.equal(value.leader, rig.id("ada"));
    const ids = ada.value.members.map(({ memberId }) => memberId);
    assert.deepEqual(ids, [rig.id("ada"), rig.id("bob")]);
    assert.deepEqual(bob.value.members, []);
  });

  it("makes a new generation of all who have joined, with one id", () => {
    const rig = new Rig().stable({ ada: {} });
    assert.equal(rig.group.generationId, 1);
    const bob = rig.enter("bob");
    assert.ok(bob.isOpen);
    assert.equal(rig.group.state, "PreparingRebalance");
    const ada = rig.join("ada");
    assert.deepEqual([ada.value.generationId, bob.value.generationId], [2, 2]);
    assert.equal(rig.group.state, "CompletingRebalance");
  });

  it("waits for who has been given an id", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.join("bob");
    const ada = rig.join("ada");
    assert.ok(ada.isOpen);
    rig.join("bob");
    assert.equal(ada.error, "NONE");
  });

  it("no longer waits for who leaves with an id that was given out", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.join("bob");
    const ada = rig.join("ada");
    assert.deepEqual(rig.leave("bob"), ["NONE"]);
    assert.equal(ada.error, "NONE");
  });

  it("refuses a group without a name", () => {
    const rig = new Rig();
    let error = "";
    rig.coordinator.join(
      {
        groupId: "",
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 10_000,
        memberId: "",
        groupInstanceId: null,
        protocolType: "consumer",
        protocols: named("range"),
      },
      { clientId: null, clientHost: "", version: 9, now: 0 },
      ({ errorCode }) => error = errorName(errorCode),
    );
    assert.equal(error, "INVALID_GROUP_ID");
  });

  for (
    const [ms, error] of [
      [5_999, "INVALID_SESSION_TIMEOUT"],
      [6_000, "MEMBER_ID_REQUIRED"],
      [1_800_000, "MEMBER_ID_REQUIRED"],
      [1_800_001, "INVALID_SESSION_TIMEOUT"],
    ] as const
  ) {
    it(`answers ${error} to a session of ${ms} ms`, () => {
      assert.equal(new Rig().join("ada", { sessionTimeoutMs: ms }).error, error);
    });
  }

  it("takes sessions as short as it is told to", () => {
    const rig = new Rig({ minSessionTimeoutMs: 100 });
    assert.equal(rig.enter("ada", { sessionTimeoutMs: 100 }).error, "NONE");
    rig.pass(100);
    assert.deepEqual(rig.members, []);
  });

  it("knows nobody in a group that is not there", () => {
    const rig = new Rig();
    assert.equal(rig.join("ada", { memberId: "ada-7" }).error, "UNKNOWN_MEMBER_ID");
    assert.deepEqual(rig.coordinator.groups(), []);
  });

  it("refuses another kind of member", () => {
    const rig = new Rig().stable({ ada: {} });
    const joining = { protocolType: "connect" };
    assert.equal(rig.join("bob", joining).error, "INCONSISTENT_GROUP_PROTOCOL");
    assert.equal(rig.group.state, "Stable");
  });

  it("refuses a member that supports nothing that all others do", () => {
    const rig = new Rig().joined({
      ada: { protocols: named("a", "b") },
      bob: { protocols: named("b", "c") },
    });
    assert.equal(
      rig.join("cyd", { protocols: named("a", "c") }).error,
      "INCONSISTENT_GROUP_PROTOCOL",
    );
    assert.equal(rig.join("cyd", { protocols: named("c", "b") }).error, "MEMBER_ID_REQUIRED");
  });

  it("refuses members that support nothing, or are of no kind, in an empty group too", () => {
    const rig = new Rig();
    for (const joining of [{ protocols: [] }, { protocolType: "" }]) {
      assert.equal(rig.join("ada", joining).error, "INCONSISTENT_GROUP_PROTOCOL");
    }
  });

  it("chooses the protocol that most prefer of those that all support", () => {
    const rig = new Rig().joined({
      ada: { protocols: named("a", "b", "c") },
      bob: { protocols: named("c", "b") },
      cyd: { protocols: named("x", "c", "b") },
    });
    assert.equal(rig.group.protocol, "c");
  });

  it("answers a follower that joins again unchanged at once, without a rebalance", () => {
    const rig = new Rig().stable({ ada: {}, bob: {} });
    const again = rig.join("bob");
    assert.equal(again.value.generationId, 2);
    assert.equal(rig.group.state, "Stable");
  });

  it("shares out anew when the leader joins again, or a follower with other metadata", () => {
    for (const who of ["ada", "bob"]) {
      const rig = new Rig().stable({ ada: {}, bob: {} });
      const changed = who === "ada" ? {} : { protocols: named("range") };
      assert.ok(rig.join(who, changed).isOpen);
      assert.equal(rig.group.state, "PreparingRebalance");
    }
  });

  it("answers whoever joins again unchanged before the sync with what it was answered", () => {
    const rig = new Rig().joined({ ada: {}, bob: {} });
    const ada = rig.join("ada");
    assert.equal(ada.value.generationId, 2);
    assert.equal(ada.value.members.length, 2);
    assert.equal(rig.join("bob").value.generationId, 2);
    assert.equal(rig.group.state, "CompletingRebalance");
  });

  it("shares out anew when a member joins again changed before the sync", () => {
    const rig = new Rig().joined({ ada: {}, bob: {}, cyd: {} });
    const waiting = rig.sync("cyd");
    rig.join("bob", { protocols: named("range") });
    assert.equal(waiting.error, "REBALANCE_IN_PROGRESS");
    assert.equal(rig.group.state, "PreparingRebalance");
  });

  it("answers a member's first request when it asks again before there was an answer", () => {
    const rig = new Rig().stable({ ada: {}, bob: {} });
    rig.enter("cyd");
    const first = rig.join("bob");
    const second = rig.join("bob");
    assert.equal(first.error, "REBALANCE_IN_PROGRESS");
    rig.join("ada");
    assert.equal(second.error, "NONE");
  });

  it("holds the first generation up for more members, and again for each that came", () => {
    const rig = new Rig({ initialRebalanceDelayMs: 3_000 });
    const ada = rig.enter("ada");
    rig.pass(2_999);
    const bob = rig.enter("bob");
    rig.pass(1);
    assert.ok(ada.isOpen);
    rig.pass(2_999);
    assert.ok(ada.isOpen);
    rig.pass(1);
    assert.deepEqual([ada.value.generationId, bob.value.generationId], [1, 1]);
  });

  it("holds the first generation up although somebody leaves meanwhile", () => {
    const rig = new Rig({ initialRebalanceDelayMs: 3_000 });
    const ada = rig.enter("ada");
    rig.enter("bob");
    rig.leave("bob");
    assert.ok(ada.isOpen);
    rig.pass(6_000);
    assert.equal(ada.value.members.length, 1);
  });

  it("holds the first generation up no longer than the rebalance timeout", () => {
    const rig = new Rig({ initialRebalanceDelayMs: 3_000 });
    const ada = rig.enter("ada", { rebalanceTimeoutMs: 7_000 });
    for (let round = 0; round < 3; round++) {
      assert.ok(ada.isOpen);
      rig.enter(`newcomer ${round}`);
      rig.pass(2_500);
    }
    rig.pass(1_500);
    assert.equal(ada.error, "NONE");
  });

  it("has no more members than it may", () => {
    const rig = new Rig({ maxGroupSize: 2 }).stable({ ada: {}, bob: {} });
    assert.equal(rig.join("cyd").error, "GROUP_MAX_SIZE_REACHED");
    assert.equal(rig.join("bob").error, "NONE");
    assert.equal(rig.group.state, "Stable");
  });

  it("turns away who comes last to a group that is about to be too large", () => {
    const rig = new Rig({ maxGroupSize: 2 }).stable({ ada: {} });
    rig.join("bob");
    rig.join("cyd");
    rig.join("bob");
    rig.join("ada");
    assert.equal(rig.join("cyd").error, "GROUP_MAX_SIZE_REACHED");
  });

  it("counts the session's timeout as the rebalance timeout in version 0, which has none", () => {
    const rig = new Rig().stable({
      ada: { version: 0, rebalanceTimeoutMs: -1, sessionTimeoutMs: 8_000 },
    });
    const bob = rig.enter("bob", { version: 0, rebalanceTimeoutMs: -1, sessionTimeoutMs: 7_000 });
    rig.pass(7_999);
    assert.ok(bob.isOpen);
    rig.pass(1);
    assert.equal(bob.error, "NONE");
  });

  it("lets who is answered ask the next thing at once", () => {
    const rig = new Rig();
    rig.join("ada");
    let synced = -1;
    rig.coordinator.join(
      {
        groupId: "shop.orders",
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 10_000,
        memberId: rig.id("ada"),
        groupInstanceId: null,
        protocolType: "consumer",
        protocols: named("range"),
      },
      { clientId: null, clientHost: "", version: 9, now: rig.now },
      ({ memberId, generationId }) =>
        rig.coordinator.sync(
          {
            groupId: "shop.orders",
            generationId,
            memberId,
            groupInstanceId: null,
            protocolType: null,
            protocolName: null,
            assignments: [],
          },
          rig.now,
          ({ errorCode }) => synced = errorCode,
        ),
    );
    assert.equal(synced, ERROR.NONE);
    assert.equal(rig.group.state, "Stable");
  });

  it("gives the others their answers although one of them cannot take its own", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.join("bob");
    rig.coordinator.join(
      {
        groupId: "shop.orders",
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 10_000,
        memberId: rig.id("bob"),
        groupInstanceId: null,
        protocolType: "consumer",
        protocols: named("range"),
      },
      { clientId: null, clientHost: "", version: 9, now: rig.now },
      () => {
        throw new Error("The connection is closed");
      },
    );
    rig.join("cyd");
    const cyd = rig.join("cyd");
    assert.throws(() => rig.join("ada"), /The connection is closed/);
    assert.equal(cyd.error, "NONE");
    assert.equal(rig.group.state, "CompletingRebalance");
  });
});
