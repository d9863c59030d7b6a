import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { named, Rig } from "./rig.ts";

describe("The time of a group", () => {
  it("ends the session of who sends no heartbeat, to the millisecond", () => {
    const rig = new Rig().stable({ ada: { sessionTimeoutMs: 10_000 } });
    rig.pass(5_000);
    rig.beat("ada");
    rig.pass(9_999);
    assert.deepEqual(rig.members, ["ada"]);
    rig.pass(1);
    assert.deepEqual(rig.members, []);
    assert.equal(rig.group.state, "Empty");
    assert.equal(rig.beat("ada"), "UNKNOWN_MEMBER_ID");
  });

  it("shares out anew when a session has ended", () => {
    const rig = new Rig().stable({ ada: { sessionTimeoutMs: 20_000 }, bob: {} });
    rig.pass(10_000);
    assert.equal(rig.beat("ada"), "REBALANCE_IN_PROGRESS");
    assert.equal(rig.join("ada").value.members.length, 1);
  });

  it("takes a commit for a heartbeat", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.pass(9_999);
    assert.equal(rig.commit("ada", 5), "NONE");
    rig.pass(9_999);
    assert.deepEqual(rig.members, ["ada"]);
  });

  it("does not take a commit that it refuses for a heartbeat", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.pass(9_999);
    rig.commit("ada", 5, { generationId: 0 });
    rig.pass(1);
    assert.deepEqual(rig.members, []);
  });

  it("does not end the session of who waits for others to join", () => {
    const rig = new Rig().stable({ ada: {}, bob: { sessionTimeoutMs: 50_000 } });
    const ada = rig.join("ada");
    rig.pass(49_999);
    assert.ok(ada.isOpen);
    rig.pass(1);
    assert.equal(ada.value.members.length, 1);
    rig.pass(9_999);
    assert.equal(rig.beat("ada"), "NONE");
  });

  it("does not end the session of who waits for the leader to assign", () => {
    const rig = new Rig().joined({ ada: { sessionTimeoutMs: 50_000 }, bob: {} });
    const bob = rig.sync("bob");
    rig.pass(49_999);
    assert.ok(bob.isOpen);
    rig.pass(1);
    assert.equal(bob.error, "REBALANCE_IN_PROGRESS");
    rig.pass(9_999);
    assert.deepEqual(rig.members, ["bob"]);
    rig.pass(1);
    assert.deepEqual(rig.members, []);
  });

  it("ends the wait of a new member after five minutes: it may have joined again as another", () => {
    const rig = new Rig().stable({
      ada: { sessionTimeoutMs: 1_800_000, rebalanceTimeoutMs: 1_800_000 },
    });
    const bob = rig.enter("bob");
    rig.pass(299_999);
    assert.ok(bob.isOpen);
    rig.pass(1);
    assert.equal(bob.error, "UNKNOWN_MEMBER_ID");
    assert.deepEqual(rig.members, ["ada"]);
  });

  it("removes who has not joined again within the rebalance timeout of the slowest", () => {
    const rig = new Rig().stable({
      ada: { rebalanceTimeoutMs: 20_000, sessionTimeoutMs: 60_000 },
      bob: { rebalanceTimeoutMs: 30_000, sessionTimeoutMs: 60_000 },
    });
    const cyd = rig.enter("cyd", { rebalanceTimeoutMs: 10_000 });
    rig.pass(29_999);
    assert.ok(cyd.isOpen);
    rig.pass(1);
    assert.equal(cyd.value.leader, rig.id("cyd"));
    assert.deepEqual(rig.members, ["cyd"]);
    assert.equal(rig.join("ada").error, "UNKNOWN_MEMBER_ID");
  });

  it("removes who has not synced within the rebalance timeout, although it sends heartbeats", () => {
    const rig = new Rig().joined({ ada: {}, bob: { rebalanceTimeoutMs: 60_000 } });
    rig.sync("ada");
    for (let second = 0; second < 60; second++) {
      assert.equal(rig.beat("ada"), "NONE");
      assert.equal(rig.beat("bob"), "NONE");
      rig.pass(1_000);
    }
    assert.deepEqual(rig.members, ["ada"]);
    assert.equal(rig.group.state, "PreparingRebalance");
  });

  it("removes a leader that does not sync, and has its followers join again", () => {
    const rig = new Rig().joined({
      ada: { rebalanceTimeoutMs: 5_000 },
      bob: { rebalanceTimeoutMs: 5_000 },
    });
    const bob = rig.sync("bob");
    rig.pass(5_000);
    assert.equal(bob.error, "REBALANCE_IN_PROGRESS");
    assert.equal(rig.join("bob").value.leader, rig.id("bob"));
  });

  it("removes nobody for not syncing once all have", () => {
    const rig = new Rig().stable({
      ada: { rebalanceTimeoutMs: 5_000 },
      bob: { rebalanceTimeoutMs: 5_000 },
    });
    rig.pass(9_999);
    assert.deepEqual(rig.members, ["ada", "bob"]);
    assert.equal(rig.group.state, "Stable");
  });

  it("says when it has something to do next", () => {
    const rig = new Rig();
    assert.equal(rig.coordinator.nextDeadline(), null);
    rig.stable({ ada: { sessionTimeoutMs: 20_000 }, bob: { sessionTimeoutMs: 15_000 } });
    assert.equal(rig.coordinator.nextDeadline(), rig.now + 15_000);
    rig.leave("bob");
    assert.equal(rig.coordinator.nextDeadline(), rig.now + 20_000);
    rig.leave("ada");
    assert.equal(rig.coordinator.nextDeadline(), null);
  });

  it("does all that is due however late it is asked, and is done then", () => {
    const rig = new Rig().stable({ ada: {}, bob: { protocols: named("range") } });
    rig.now += 1_000_000;
    rig.coordinator.expire(rig.now);
    assert.equal(rig.group.state, "Empty");
    assert.equal(rig.coordinator.nextDeadline(), null);
  });

  it("goes on where a member allows no time at all for a rebalance", () => {
    const rig = new Rig().stable({ ada: { rebalanceTimeoutMs: 0, instanceId: "one" } });
    const bob = rig.enter("bob", { rebalanceTimeoutMs: 0 });
    rig.pass(1);
    assert.equal(bob.error, "NONE");
  });
});
