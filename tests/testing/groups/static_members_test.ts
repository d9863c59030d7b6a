import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "#std/testing/bdd";
import { named, Rig } from "./rig.ts";

const back = { memberId: "" };

describe("A static member", () => {
  it("joins without being given an id first", () => {
    const rig = new Rig();
    const { value, error } = rig.join("ada", { instanceId: "one" });
    assert.equal(error, "NONE");
    assert.equal(value.memberId, "one-1");
    assert.equal(value.members[0]!.groupInstanceId, "one");
  });

  it("takes its place again under a new id, without a rebalance, and keeps its assignment", () => {
    const rig = new Rig().stable({ ada: {}, bob: { instanceId: "two" } });
    const before = rig.id("bob");
    const again = rig.join("bob", back);
    assert.equal(again.value.generationId, 2);
    assert.notEqual(again.value.memberId, before);
    assert.equal(rig.group.state, "Stable");
    assert.deepEqual(rig.sync("bob").value.assignment, Buffer.from("for bob"));
    assert.deepEqual(rig.members, ["ada", "bob"]);
  });

  it("fences who has its old id", () => {
    const rig = new Rig().stable({ ada: { instanceId: "one" } });
    const old = { memberId: rig.id("ada"), instanceId: "one", generationId: 1 };
    rig.join("ada", back);
    const fenced = "FENCED_INSTANCE_ID";
    assert.equal(rig.beat("old", old), fenced);
    assert.equal(rig.commit("old", 5, old), fenced);
    assert.equal(rig.sync("old", {}, old).error, fenced);
    assert.equal(rig.join("old", old).error, fenced);
    assert.deepEqual(rig.leave("old", old), [fenced]);
    assert.equal(rig.beat("old", { ...old, instanceId: null }), "UNKNOWN_MEMBER_ID");
    assert.equal(rig.beat("ada"), "NONE");
  });

  it("fences its former self that waits to join", () => {
    const rig = new Rig().stable({ ada: {}, bob: { instanceId: "two" } });
    rig.enter("cyd");
    const waiting = rig.join("bob");
    const again = rig.join("bob again", { instanceId: "two" });
    assert.equal(waiting.error, "FENCED_INSTANCE_ID");
    rig.join("ada");
    assert.equal(again.error, "NONE");
    assert.equal(rig.group.members.length, 3);
  });

  it("fences its former self that waits to sync, and has the group share out anew", () => {
    const rig = new Rig().joined({ ada: {}, bob: { instanceId: "two" } });
    const waiting = rig.sync("bob");
    assert.ok(rig.join("bob again", { instanceId: "two" }).isOpen);
    assert.equal(waiting.error, "FENCED_INSTANCE_ID");
    assert.equal(rig.beat("ada"), "REBALANCE_IN_PROGRESS");
  });

  it("that leads is told to leave the assignment as it is, from version 9 on", () => {
    const rig = new Rig().stable({ ada: { instanceId: "one" }, bob: {} });
    const { value } = rig.join("ada", { ...back, version: 9 });
    assert.equal(value.skipAssignment, true);
    assert.equal(value.leader, value.memberId);
    assert.equal(value.members.length, 2);
  });

  it("that leads is told in version 8 that its former self does, so that it assigns nothing", () => {
    const rig = new Rig().stable({ ada: { instanceId: "one" }, bob: {} });
    const old = rig.id("ada");
    const { value } = rig.join("ada", { ...back, version: 8 });
    assert.equal(value.skipAssignment, false);
    assert.equal(value.leader, old);
    assert.deepEqual(value.members, []);
  });

  it("that follows is not told to leave the assignment as it is: it has none to make", () => {
    const rig = new Rig().stable({ ada: {}, bob: { instanceId: "two" } });
    assert.equal(rig.join("bob", back).value.skipAssignment, false);
  });

  it("has the group share out anew when another protocol would be chosen with it", () => {
    const rig = new Rig().stable({
      ada: { protocols: named("a", "b") },
      bob: { protocols: named("a", "b"), instanceId: "two" },
    });
    assert.equal(rig.join("bob", { ...back, protocols: named("b") }).isOpen, true);
    assert.equal(rig.beat("ada"), "REBALANCE_IN_PROGRESS");
  });

  it("is not waited for longer than the rebalance timeout, but keeps its place until its session ends", () => {
    const rig = new Rig().stable({
      ada: { instanceId: "one", sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 5_000 },
    });
    const bob = rig.enter("bob", { rebalanceTimeoutMs: 5_000 });
    rig.pass(5_000);
    assert.equal(bob.value.leader, rig.id("bob"));
    assert.deepEqual(rig.members, ["ada", "bob"]);
    rig.sync("bob");
    rig.pass(5_000);
    assert.deepEqual(rig.members, ["bob"]);
  });

  it("leaves its place only when its session ends, if all are gone", () => {
    const rig = new Rig().stable({
      ada: { instanceId: "one", sessionTimeoutMs: 20_000, rebalanceTimeoutMs: 3_000 },
      bob: { sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 3_000 },
    });
    rig.pass(19_999);
    assert.deepEqual(rig.members, ["ada"]);
    assert.equal(rig.group.state, "PreparingRebalance");
    rig.pass(1);
    assert.equal(rig.group.state, "Empty");
    assert.equal(rig.coordinator.nextDeadline(), null);
  });

  it("cannot be removed by its old member id together with its instance id", () => {
    const rig = new Rig().stable({ ada: { instanceId: "one" } });
    const old = rig.id("ada");
    rig.join("ada", back);
    const answers = rig.leave("operator", { memberId: old, instanceId: "one" });
    assert.deepEqual(answers, ["FENCED_INSTANCE_ID"]);
  });
});
