import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { errorName } from "../../../src/testing/protocol/error_codes.ts";
import { assignment, subscription } from "./bytes.ts";
import { GROUP, named, Rig, TOPIC } from "./rig.ts";

describe("Looking at groups", () => {
  it("shows members with their assignments", () => {
    const rig = new Rig().joined({ ada: { instanceId: "one" } });
    rig.sync("ada", { ada: assignment({ [TOPIC]: [0, 2], else: [1] }) });
    assert.deepEqual(rig.coordinator.groups(), [{
      groupId: GROUP,
      state: "Stable",
      generationId: 1,
      protocolType: "consumer",
      protocol: "range",
      leader: "one-1",
      members: [{
        memberId: "one-1",
        instanceId: "one",
        clientId: "ada",
        clientHost: "/127.0.0.1",
        sessionTimeoutMs: 10_000,
        assignment: { [TOPIC]: [0, 2], else: [1] },
      }],
    }]);
  });

  it("shows no assignment where there is none, or one that is not a consumer's", () => {
    const shown = (rig: Rig) => rig.group.members[0]!.assignment;
    assert.equal(shown(new Rig().joined({ ada: {} })), null);
    assert.equal(shown(new Rig().stable({ ada: {} })), null);
    const connect = new Rig().joined({ ada: { protocolType: "connect" } });
    connect.sync("ada", { ada: assignment({ a: [0] }) });
    assert.equal(shown(connect), null);
  });

  it("tells what happens, in its order", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.commit("ada", 5, { metadata: "note" });
    rig.pass(10_000);
    const groupId = GROUP;
    const member = { groupId, memberId: "ada-1", instanceId: null };
    assert.deepEqual(rig.changes, [
      { type: "memberJoined", ...member },
      { type: "state", groupId, state: "PreparingRebalance", generationId: 0 },
      { type: "state", groupId, state: "CompletingRebalance", generationId: 1 },
      { type: "state", groupId, state: "Stable", generationId: 1 },
      { type: "committed", groupId, topic: TOPIC, partition: 0, offset: 5, metadata: "note" },
      { type: "memberExpired", ...member, missed: "heartbeat" },
      { type: "state", groupId, state: "PreparingRebalance", generationId: 1 },
      { type: "state", groupId, state: "Empty", generationId: 2 },
    ]);
  });

  it("tells who left, was replaced, or missed what", () => {
    const rebalanceTimeoutMs = 1_000;
    const rig = new Rig().stable({
      ada: { instanceId: "one", rebalanceTimeoutMs },
      bob: { rebalanceTimeoutMs },
    });
    const told = (action: () => void) => {
      rig.changes.length = 0;
      action();
      return rig.changes.filter(({ type }) => type !== "state").map((change) => {
        const who = "memberId" in change ? rig.name(change.memberId) : "";
        return `${who} ${"missed" in change ? `missed ${change.missed}` : change.type}`;
      });
    };
    const back = { memberId: "", rebalanceTimeoutMs };
    assert.deepEqual(told(() => rig.join("ada", back)), ["ada memberReplaced"]);
    assert.deepEqual(told(() => rig.enter("cyd", { rebalanceTimeoutMs })), ["cyd memberJoined"]);
    assert.deepEqual(told(() => rig.pass(1_000)), ["bob missed join"]);
    assert.deepEqual(told(() => rig.pass(1_000)), ["ada missed sync", "cyd missed sync"]);
    rig.enter("dan");
    assert.deepEqual(told(() => rig.leave("dan")), ["dan memberLeft"]);
  });
});

describe("DescribeGroups", () => {
  it("tells a member's metadata only in a stable group, as Kafka does", () => {
    const rig = new Rig().joined({ ada: {} });
    const described = () => rig.coordinator.describe([GROUP])[0]!;
    assert.equal(described().groupState, "CompletingRebalance");
    assert.equal(described().protocolData, "");
    assert.equal(described().members[0]!.memberMetadata.length, 0);
    rig.sync("ada");
    assert.equal(described().protocolData, "range");
    assert.deepEqual(described().members[0]!.memberMetadata, subscription(TOPIC));
  });

  it("calls a missing group dead, and from version 6 on missing", () => {
    const { coordinator } = new Rig();
    const [old] = coordinator.describe(["none"], 5);
    assert.deepEqual([old!.groupState, errorName(old!.errorCode)], ["Dead", "NONE"]);
    const [recent] = coordinator.describe(["none"], 6);
    assert.deepEqual(
      [recent!.groupState, errorName(recent!.errorCode), recent!.errorMessage],
      ["Dead", "GROUP_ID_NOT_FOUND", "Group none not found."],
    );
  });
});

describe("ListGroups", () => {
  it("lets groups of the given states and types pass", () => {
    const rig = new Rig().stable({ ada: {} });
    const count = (states: string[], types: string[]) =>
      rig.coordinator.list({ states, types }).length;
    assert.deepEqual(rig.coordinator.list(), [
      { groupId: GROUP, protocolType: "consumer", groupState: "Stable", groupType: "classic" },
    ]);
    assert.equal(count(["stable", "Empty"], ["CLASSIC"]), 1);
    assert.equal(count(["Empty"], []), 0);
    assert.equal(count([], ["consumer"]), 0);
  });
});

describe("DeleteGroups", () => {
  const remove = (rig: Rig) => errorName(rig.coordinator.deleteGroups([GROUP])[0]!.errorCode);

  it("takes a group without members away, with its offsets", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.commit("ada", 5);
    rig.leave("ada");
    assert.equal(remove(rig), "NONE");
    assert.deepEqual(rig.coordinator.groups(), []);
    assert.equal(rig.committed(), null);
    assert.deepEqual(rig.changes.at(-1), {
      type: "state",
      groupId: GROUP,
      state: "Dead",
      generationId: 2,
    });
  });

  it("is refused while there are members, and where there is no group", () => {
    const rig = new Rig();
    assert.equal(remove(rig), "GROUP_ID_NOT_FOUND");
    rig.joined({ ada: { protocols: named("range") } });
    assert.equal(remove(rig), "NON_EMPTY_GROUP");
  });

  it("forgets ids that were given out", () => {
    const rig = new Rig();
    rig.join("ada");
    assert.equal(remove(rig), "NONE");
    assert.equal(rig.coordinator.nextDeadline(), null);
    assert.equal(rig.join("ada").error, "UNKNOWN_MEMBER_ID");
  });
});
