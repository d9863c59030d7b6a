import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "#std/testing/bdd";
import { Rig } from "./rig.ts";

const forBob = Buffer.from("bob's");

describe("Syncing a group", () => {
  it("holds followers back until the leader has assigned", () => {
    const rig = new Rig().joined({ ada: {}, bob: {} });
    const bob = rig.sync("bob");
    assert.ok(bob.isOpen);
    const ada = rig.sync("ada", { bob: forBob });
    assert.deepEqual(bob.value.assignment, forBob);
    assert.equal(ada.value.assignment.length, 0);
    assert.equal(rig.group.state, "Stable");
  });

  it("gives who syncs later its assignment at once, as often as it asks", () => {
    const rig = new Rig().joined({ ada: {}, bob: {} });
    rig.sync("ada", { bob: forBob });
    for (let time = 0; time < 2; time++) {
      assert.deepEqual(rig.sync("bob").value.assignment, forBob);
    }
  });

  it("takes assignments from the leader alone", () => {
    const rig = new Rig().joined({ ada: {}, bob: {} });
    assert.ok(rig.sync("bob", { bob: forBob }).isOpen);
    rig.sync("ada");
    assert.equal(rig.sync("bob").value.assignment.length, 0);
  });

  it("fences another generation", () => {
    const rig = new Rig().joined({ ada: {} });
    for (const generationId of [0, 2]) {
      assert.equal(rig.sync("ada", {}, { generationId }).error, "ILLEGAL_GENERATION");
    }
    assert.equal(rig.group.state, "CompletingRebalance");
  });

  it("tells who syncs while others join to join as well", () => {
    const rig = new Rig().joined({ ada: {} });
    rig.enter("bob");
    assert.equal(rig.sync("ada").error, "REBALANCE_IN_PROGRESS");
  });

  it("tells who waits to join again when the members change", () => {
    for (const leaver of ["ada", "cyd"]) {
      const rig = new Rig().joined({ ada: {}, bob: {}, cyd: {} });
      const bob = rig.sync("bob");
      rig.leave(leaver);
      assert.equal(bob.error, "REBALANCE_IN_PROGRESS");
    }
  });

  it("refuses who believes in another protocol", () => {
    const rig = new Rig().joined({ ada: {} });
    const inconsistent = "INCONSISTENT_GROUP_PROTOCOL";
    assert.equal(rig.sync("ada", {}, { protocolName: "sticky" }).error, inconsistent);
    assert.equal(rig.sync("ada", {}, { protocolType: "connect" }).error, inconsistent);
    const { value } = rig.sync("ada", {}, { protocolType: "consumer", protocolName: "range" });
    assert.deepEqual([value.protocolType, value.protocolName], ["consumer", "range"]);
  });

  it("does not know who is not a member", () => {
    const rig = new Rig();
    assert.equal(rig.sync("ada", {}, { generationId: 1 }).error, "UNKNOWN_MEMBER_ID");
    rig.joined({ ada: {} });
    assert.equal(rig.sync("bob", {}, { generationId: 1 }).error, "UNKNOWN_MEMBER_ID");
  });

  it("answers a member's first request when it asks again before there was an answer", () => {
    const rig = new Rig().joined({ ada: {}, bob: {} });
    const first = rig.sync("bob");
    const second = rig.sync("bob");
    assert.equal(first.error, "REBALANCE_IN_PROGRESS");
    rig.sync("ada", { bob: forBob });
    assert.deepEqual(second.value.assignment, forBob);
  });
});

describe("A heartbeat", () => {
  it("is answered with what a member has to do", () => {
    const rig = new Rig().joined({ ada: {} });
    assert.equal(rig.beat("ada"), "NONE");
    rig.sync("ada");
    assert.equal(rig.beat("ada"), "NONE");
    rig.enter("bob");
    assert.equal(rig.beat("ada"), "REBALANCE_IN_PROGRESS");
  });

  it("is refused of another generation", () => {
    const rig = new Rig().stable({ ada: {} });
    assert.equal(rig.beat("ada", { generationId: 0 }), "ILLEGAL_GENERATION");
    assert.equal(rig.beat("ada", { generationId: 2 }), "ILLEGAL_GENERATION");
  });

  it("is refused of who is not a member", () => {
    const rig = new Rig();
    assert.equal(rig.beat("ada"), "UNKNOWN_MEMBER_ID");
    rig.stable({ ada: {} });
    assert.equal(rig.beat("bob", { generationId: 1 }), "UNKNOWN_MEMBER_ID");
    rig.join("bob");
    assert.equal(rig.beat("bob", { generationId: 1 }), "UNKNOWN_MEMBER_ID");
  });
});

describe("Leaving a group", () => {
  it("shares out anew among the others, and hands the lead on", () => {
    const rig = new Rig().stable({ ada: {}, bob: {} });
    assert.deepEqual(rig.leave("ada"), ["NONE"]);
    assert.equal(rig.beat("bob"), "REBALANCE_IN_PROGRESS");
    assert.equal(rig.join("bob").value.leader, rig.id("bob"));
  });

  it("ends a wait for who leaves", () => {
    const rig = new Rig().stable({ ada: {}, bob: {} });
    const ada = rig.join("ada");
    rig.leave("bob");
    assert.equal(ada.error, "NONE");
  });

  it("answers what the leaver itself was waiting for", () => {
    const rig = new Rig().stable({ ada: {}, bob: {} });
    const joining = rig.join("ada");
    rig.leave("bob", { memberId: rig.id("ada") });
    assert.equal(joining.error, "UNKNOWN_MEMBER_ID");
    assert.equal(joining.value.memberId, "");
    rig.join("bob");
    rig.joined({ bob: {}, cyd: {} });
    const syncing = rig.sync("cyd");
    rig.leave("bob", { memberId: rig.id("cyd") });
    assert.equal(syncing.error, "UNKNOWN_MEMBER_ID");
  });

  it("makes an empty generation when the last one leaves", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.leave("ada");
    const { state, generationId, protocol, protocolType } = rig.group;
    assert.deepEqual([state, generationId, protocol, protocolType], ["Empty", 2, "", "consumer"]);
  });

  it("removes several at once, by member id or by instance id, and tells of each", () => {
    const rig = new Rig().stable({ ada: { instanceId: "one" }, bob: {}, cyd: {} });
    const answers = rig.leave(
      "operator",
      { memberId: "nobody" },
      { memberId: "", instanceId: "one" },
      { memberId: rig.id("bob") },
      { memberId: rig.id("bob") },
      { memberId: "", instanceId: "nothing" },
    );
    const unknown = "UNKNOWN_MEMBER_ID";
    assert.deepEqual(answers, [unknown, "NONE", "NONE", unknown, unknown]);
    assert.deepEqual(rig.members, ["cyd"]);
  });

  it("answers for the one member of an old request as a whole", () => {
    const rig = new Rig().stable({ ada: {} });
    const leave = (memberId: string) =>
      rig.coordinator.leave({ groupId: "shop.orders", memberId, members: [] }, rig.now).errorCode;
    assert.deepEqual([leave("nobody"), leave(rig.id("ada"))], [25, 0]);
  });

  it("does not disturb the others when nobody has left", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.leave("operator", { memberId: "nobody" });
    assert.equal(rig.group.state, "Stable");
  });
});
