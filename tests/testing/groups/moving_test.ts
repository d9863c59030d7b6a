import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "#std/testing/bdd";
import { errorName } from "../../../src/testing/protocol/error_codes.ts";
import { subscription } from "./bytes.ts";
import { GROUP, named, Rig, TOPIC } from "./rig.ts";

describe("A coordinator that stops and starts", () => {
  it("tells who waits to join that it is not the coordinator", () => {
    const rig = new Rig().stable({ ada: {} });
    const bob = rig.enter("bob");
    rig.coordinator.unload();
    assert.equal(bob.error, "NOT_COORDINATOR");
  });

  it("tells who waits to sync that it is not the coordinator", () => {
    const rig = new Rig().joined({ ada: {}, bob: {} });
    const bob = rig.sync("bob");
    rig.coordinator.unload([GROUP]);
    assert.equal(bob.error, "NOT_COORDINATOR");
  });

  it("still knows the members of a stable group, with what they are assigned", () => {
    const rig = new Rig().stable({ ada: {}, bob: {} });
    rig.coordinator.unload();
    rig.coordinator.resumeTimers(rig.now);
    assert.equal(rig.group.state, "Stable");
    assert.equal(rig.beat("bob"), "NONE");
    assert.deepEqual(rig.sync("bob").value.assignment, Buffer.from("for bob"));
    assert.equal(rig.commit("ada", 5), "NONE");
  });

  it("ends no session while it does not run, and gives each member a whole one then", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.coordinator.unload();
    assert.equal(rig.coordinator.nextDeadline(), null);
    rig.pass(1_000_000);
    rig.coordinator.resumeTimers(rig.now);
    rig.pass(9_999);
    assert.deepEqual(rig.members, ["ada"]);
    rig.pass(1);
    assert.deepEqual(rig.members, []);
  });

  it("goes back to the last generation that was stable", () => {
    const rig = new Rig().stable({ ada: {}, bob: {} });
    rig.enter("cyd", { protocols: named("range") });
    rig.join("ada");
    rig.join("bob");
    assert.equal(rig.group.generationId, 3);
    rig.coordinator.unload();
    rig.coordinator.resumeTimers(rig.now);
    assert.equal(rig.group.generationId, 2);
    assert.deepEqual(rig.members, ["ada", "bob"]);
    assert.equal(rig.beat("ada"), "ILLEGAL_GENERATION");
    assert.equal(rig.join("cyd").error, "UNKNOWN_MEMBER_ID");
  });

  it("brings a group together again whose members have all to join anew", () => {
    const rig = new Rig().joined({ ada: {}, bob: {} });
    rig.coordinator.unload();
    rig.coordinator.resumeTimers(rig.now);
    for (const who of ["ada", "bob"]) {
      const error = rig.join(who).error;
      assert.ok(error === "NONE" || error === "UNKNOWN_MEMBER_ID", error);
    }
    rig.stable({ cyd: {} });
    assert.equal(rig.group.state, "Stable");
  });

  it("knows a static member by the id that it has been given last", () => {
    const rig = new Rig().stable({ ada: { instanceId: "one" } });
    rig.join("ada", { memberId: "" });
    rig.coordinator.unload();
    rig.coordinator.resumeTimers(rig.now);
    assert.equal(rig.beat("ada"), "NONE");
  });

  it("goes by the subscriptions of that generation again", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.join("ada", { protocols: [{ name: "range", metadata: subscription("else") }] });
    rig.coordinator.unload();
    rig.coordinator.resumeTimers(rig.now);
    const { topics } = rig.coordinator.deleteOffsets({
      groupId: GROUP,
      topics: ["else", TOPIC].map((name) => ({ name, partitions: [{ partitionIndex: 0 }] })),
    });
    const errors = topics.map(({ partitions }) => errorName(partitions[0]!.errorCode));
    assert.deepEqual(errors, ["NONE", "GROUP_SUBSCRIBED_TO_TOPIC"]);
  });

  it("keeps what is committed", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.commit("ada", 5);
    rig.coordinator.unload();
    assert.equal(rig.committed(), 5);
  });

  it("forgets ids that were given out", () => {
    const rig = new Rig();
    rig.join("ada");
    rig.coordinator.unload();
    rig.coordinator.resumeTimers(rig.now);
    assert.equal(rig.join("ada").error, "UNKNOWN_MEMBER_ID");
  });

  it("leaves groups alone that it is not told of", () => {
    const rig = new Rig().stable({ ada: {} });
    const bob = rig.enter("bob");
    rig.coordinator.unload(["another"]);
    assert.ok(bob.isOpen);
  });
});
