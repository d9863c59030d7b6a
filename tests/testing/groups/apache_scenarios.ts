import { Buffer } from "node:buffer";
import { deleteGroups } from "../../../src/testing/protocol/messages/delete_groups.ts";
import { describeGroups } from "../../../src/testing/protocol/messages/describe_groups.ts";
import { leaveGroup } from "../../../src/testing/protocol/messages/leave_group.ts";
import { listGroups } from "../../../src/testing/protocol/messages/list_groups.ts";
import { offsetDelete } from "../../../src/testing/protocol/messages/offset_delete.ts";
import { offsetFetch } from "../../../src/testing/protocol/messages/offset_fetch.ts";
import { subscription } from "./bytes.ts";
import type { Stage } from "./stage.ts";

/** What raw members do with a group; what they are answered is compared. */
export const SCENARIOS: Record<string, (stage: Stage) => Promise<unknown>> = {
  async "a first member, step by step"(stage) {
    await stage.describe(5);
    await stage.describe(6);
    await stage.join("ada");
    // Apache Kafka answers before it has stored the group, and until then describes none.
    await stage.reaches("Empty");
    await stage.describe();
    await stage.beat("ada", { generationId: 0 });
    await stage.join("ada");
    await stage.describe();
    await stage.beat("ada");
    await stage.sync("ada", ["ada"]);
    await stage.describe();
    await stage.sync("ada");
    await stage.beat("ada");
    await stage.commit("ada");
    await stage.leave("ada");
    await stage.beat("ada");
    await stage.describe();
  },

  async "versions of JoinGroup"(stage) {
    for (const version of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) {
      const who = `version ${version}`;
      await stage.enter(who, { version });
      await stage.beat(who, { version: 1 });
      await stage.leave(who);
    }
  },

  async "who is not known"(stage) {
    await stage.join("ada", { memberId: "nobody" });
    await stage.sync("ada", [], { memberId: "nobody", generationId: 1 });
    await stage.beat("ada", { memberId: "nobody", generationId: 1 });
    await stage.commit("ada", { memberId: "nobody", generationId: 1, version: 8 });
    await stage.commit("ada", { memberId: "nobody", generationId: 1, version: 9 });
    await stage.leave("ada", { memberId: "nobody" });
    await stage.enter("ada");
    await stage.sync("ada", ["ada"]);
    await stage.join("bob", { memberId: "nobody" });
    await stage.sync("bob", [], { memberId: "nobody", generationId: 1 });
    await stage.beat("bob", { memberId: "nobody", generationId: 1 });
    await stage.commit("bob", { memberId: "nobody", generationId: 1 });
    await stage.leave("bob", { memberId: "nobody" }, { memberId: "", instanceId: "nothing" });
    await stage.join("bob", { memberId: "nobody", instanceId: "nothing" });
    await stage.beat("bob", { memberId: stage.id("ada"), generationId: 1, instanceId: "nothing" });
    await stage.ask("bob", leaveGroup, 2, {
      groupId: stage.groupId,
      memberId: "nobody",
      members: [],
    });
    await stage.ask("ada", leaveGroup, 2, {
      groupId: stage.groupId,
      memberId: stage.id("ada"),
      members: [],
    });
  },

  async "a group id of no characters"(stage) {
    const groupId = "";
    await stage.join("ada", { groupId });
    await stage.sync("ada", [], { groupId });
    await stage.beat("ada", { groupId });
    await stage.ask("ada", leaveGroup, 5, {
      groupId,
      memberId: "",
      members: [{ memberId: "x", groupInstanceId: null, reason: null }],
    });
    await stage.ask("ada", offsetDelete, 0, { groupId, topics: [] });
  },

  async "session timeouts out of range"(stage) {
    await stage.join("ada", { sessionTimeoutMs: 499 });
    await stage.join("ada", { sessionTimeoutMs: 1_800_001 });
    await stage.describe();
    await stage.join("ada", { sessionTimeoutMs: 10_000 });
    await stage.join("bob", { sessionTimeoutMs: 1_800_000 });
  },

  async "protocols that do not fit"(stage) {
    await stage.join("ada", { protocols: [] });
    await stage.join("ada", { protocolType: "" });
    await stage.enter("ada", { protocols: named("range", "roundrobin") });
    await stage.sync("ada", ["ada"], { protocolName: "roundrobin" });
    await stage.sync("ada", ["ada"], { protocolType: "connect" });
    await stage.sync("ada", ["ada"]);
    await stage.join("bob", { protocolType: "connect" });
    await stage.join("bob", { protocols: named("sticky") });
    await stage.join("bob", { protocols: [] });
    await stage.join("ada", { protocols: named("sticky") });
    await stage.describe();
  },

  async "votes for a protocol"(stage) {
    await stage.enter("ada", { protocols: named("a", "b", "c") });
    await stage.sync("ada", ["ada"], { protocolName: "a" });
    const { joined: bob } = await stage.knock("bob", { protocols: named("c", "b") });
    const ada = stage.join("ada", { protocols: named("a", "b", "c") });
    await Promise.all([ada, bob]);
    await stage.sync("ada", ["ada", "bob"], { protocolName: "b" });
    const { joined: cyd } = await stage.knock("cyd", { protocols: named("c", "b") });
    const others = ["ada", "bob"].map((who) =>
      stage.join(who, { protocols: who === "ada" ? named("a", "b", "c") : named("c", "b") })
    );
    await Promise.all([cyd, ...others]);
  },

  async "a second member"(stage) {
    await stage.enter("ada");
    await stage.sync("ada", ["ada"]);
    const { joined: bob } = await stage.knock("bob");
    await stage.describe();
    await stage.beat("ada");
    await stage.commit("ada", { offset: 7 });
    await stage.commit("ada", { offset: 8, generationId: 0 });
    await stage.sync("ada", ["ada"]);
    await Promise.all([stage.join("ada"), bob]);
    await stage.beat("ada");
    await stage.beat("bob");
    await stage.beat("ada", { generationId: 1 });
    await stage.commit("ada");
    await stage.commit("ada", { generationId: 1 });
    await stage.sync("ada", ["ada"], { generationId: 1 });
    const follower = stage.sync("bob", ["ada"]);
    await stage.describe();
    await Promise.all([stage.sync("ada", ["ada", "bob"]), follower]);
    await stage.describe();
    await stage.commit("bob");
  },

  async "a leader that assigns to itself alone"(stage) {
    await two(stage);
    await stage.sync("ada", ["ada"]);
    await stage.sync("bob");
    await stage.describe();
  },

  async "members that join again"(stage) {
    await two(stage);
    await stage.join("bob");
    await stage.join("ada");
    await stage.sync("ada", ["ada", "bob"]);
    await stage.sync("bob");
    await stage.join("bob");
    await stage.beat("bob");
    const changed = { protocols: named("range", "sticky") };
    const bob = stage.join("bob", changed);
    await stage.reaches("PreparingRebalance");
    await stage.beat("ada");
    await Promise.all([stage.join("ada"), bob]);
    // Changed between join and sync: the leader has to know.
    const sync = stage.sync("ada", [], { memberId: stage.id("ada") });
    await sync;
    const ada = stage.join("ada");
    await stage.reaches("PreparingRebalance");
    await Promise.all([stage.join("bob", changed), ada]);
    const follower = stage.sync("bob");
    await stage.beat("ada");
    const again = stage.join("ada", changed);
    await follower;
    await Promise.all([stage.join("bob", changed), again]);
  },

  async "a member that leaves while others wait"(stage) {
    await two(stage);
    const follower = stage.sync("bob");
    await stage.leave("ada");
    await follower;
    await stage.join("bob");
    await stage.sync("bob", ["bob"]);
    await stage.describe();
    const { joined: cyd } = await stage.knock("cyd");
    await stage.leave("bob");
    await cyd;
    await stage.leave("cyd");
    await stage.describe();
    await stage.join("cyd");
  },

  async "an id that is given out holds up the others"(stage) {
    await stage.enter("ada");
    await stage.sync("ada", ["ada"]);
    await stage.join("bob");
    const ada = stage.join("ada");
    await stage.reaches("PreparingRebalance");
    await stage.leave("bob");
    await ada;
    await stage.join("bob");
    await stage.join("cyd");
    await stage.commit("bob", { generationId: 2 });
    await stage.sync("bob", [], { generationId: 2 });
  },

  async "a member removed while it waits to join"(stage) {
    await two(stage);
    await stage.sync("ada", ["ada", "bob"]);
    const ada = stage.join("ada");
    await stage.reaches("PreparingRebalance");
    await stage.leave("bob", { memberId: stage.id("ada") });
    await ada;
    await stage.join("bob");
    await stage.describe();
  },

  async "a static leader that comes back"(stage) {
    await stage.enter("ada", { instanceId: "one" });
    await stage.sync("ada", ["ada"]);
    const first = stage.id("ada");
    await stage.join("ada", { memberId: "" });
    await stage.sync("ada", []);
    await stage.describe();
    await stage.beat("bob", { memberId: first, generationId: 1, instanceId: "one" });
    await stage.commit("bob", { memberId: first, generationId: 1, instanceId: "one" });
    await stage.sync("bob", [], { memberId: first, generationId: 1, instanceId: "one" });
    await stage.join("bob", { memberId: first, instanceId: "one" });
    await stage.leave("bob", { memberId: first, instanceId: "one" });
    await stage.beat("bob", { memberId: first, generationId: 1, instanceId: null });
    await stage.beat("ada");
    await stage.join("ada", { memberId: "", version: 8 });
    await stage.join("ada", { memberId: "", version: 9 });
    const changed = [{ name: "range", metadata: subscription(stage.topic, "others") }];
    await stage.join("ada", { memberId: "", protocols: changed });
    await stage.describe();
    await stage.join("ada", { protocols: changed });
    await stage.sync("ada", ["ada"]);
    await stage.leave("bob", { memberId: "", instanceId: "one" });
    await stage.describe();
  },

  async "a static follower that comes back"(stage) {
    await two(stage, { instanceId: "two" });
    await stage.sync("ada", ["ada", "bob"]);
    await stage.sync("bob");
    await stage.join("bob", { memberId: "" });
    await stage.sync("bob");
    await stage.beat("ada");
    // With another protocol chosen, all have to know.
    const bob = stage.join("bob", { memberId: "", protocols: named("range", "sticky") });
    await bob;
    await stage.describe();
  },

  async "a static member that comes back between join and sync"(stage) {
    await two(stage, { instanceId: "two" });
    const first = stage.id("bob");
    const follower = stage.sync("bob");
    await stage.beat("bob again", { memberId: first, generationId: 2 });
    const bob = stage.join("bob again", { instanceId: "two" });
    await follower;
    await stage.beat("ada");
    await Promise.all([stage.join("ada"), bob]);
  },

  async "a static member that comes back while it is waited for"(stage) {
    await two(stage, { instanceId: "two" });
    await stage.sync("ada", ["ada", "bob"]);
    await stage.sync("bob");
    const waiting = stage.join("bob", { protocols: named("range", "sticky") });
    await stage.reaches("PreparingRebalance");
    const bob = stage.join("bob again", { instanceId: "two" });
    await waiting;
    await Promise.all([stage.join("ada"), bob]);
    await stage.describe();
  },

  async "several members that leave at once"(stage) {
    await stage.enter("ada", { instanceId: "one" });
    await stage.sync("ada", ["ada"]);
    const { joined: bob } = await stage.knock("bob");
    await Promise.all([stage.join("ada"), bob]);
    await stage.leave(
      "operator",
      { memberId: "nobody" },
      { memberId: "", instanceId: "one" },
      { memberId: stage.id("bob") },
      { memberId: stage.id("bob") },
      { memberId: "", instanceId: null },
      { memberId: "", instanceId: "nothing" },
    );
    await stage.describe();
  },

  async "commits of a group without members"(stage) {
    const outside = { memberId: "", generationId: -1 };
    await stage.commit("ada", { ...outside, generationId: 3, version: 8 });
    await stage.commit("ada", { ...outside, generationId: 3, version: 9 });
    await stage.describe();
    await stage.commit("ada", outside);
    await stage.describe();
    await stage.commit("ada", { ...outside, metadata: null });
    await stage.commit("ada", { ...outside, offset: -1, partitions: { [stage.topic]: [1] } });
    await stage.commit("ada", { ...outside, metadata: "x".repeat(4_096) });
    await stage.commit("ada", { ...outside, metadata: "x".repeat(4_097) });
    await stage.commit("ada", { ...outside, metadata: "é".repeat(4_096) });
    await stage.commit("ada", {
      ...outside,
      partitions: { unknown: [0], [stage.topic]: [2, 3] },
    });
    await stage.commit("ada", { ...outside, partitions: {} });
    await stage.commit("ada", { ...outside, memberId: "nobody" });
    await stage.commit("ada", { ...outside, generationId: 0 });
    await stage.commit("ada", { ...outside, instanceId: "nothing" });
    await fetchAll(stage);
  },

  async "commits of nobody to a group with members"(stage) {
    const outside = { memberId: "", generationId: -1 };
    await stage.join("ada");
    await stage.commit("bob", outside);
    await stage.join("ada");
    await stage.commit("bob", outside);
    await stage.sync("ada", ["ada"]);
    await stage.commit("bob", outside);
    await stage.commit("bob", { ...outside, memberId: stage.id("ada") });
    await stage.commit("bob", { ...outside, generationId: 1 });
    await stage.commit("bob", { ...outside, memberId: "nobody", partitions: { unknown: [0] } });
    await stage.commit("bob", {
      ...outside,
      memberId: "nobody",
      partitions: { unknown: [0], [stage.topic]: [0] },
    });
    await stage.commit("ada");
    await stage.leave("ada");
    await stage.commit("ada");
    await stage.commit("bob", outside);
    await fetchAll(stage);
  },

  async "offsets of a missing group"(stage) {
    await fetchAll(stage);
  },

  async "offsets that are deleted"(stage) {
    const remove = (...names: string[]) =>
      stage.ask("operator", offsetDelete, 0, {
        groupId: stage.groupId,
        topics: names.map((name) => ({
          name,
          partitions: [{ partitionIndex: 0 }, { partitionIndex: 1 }, { partitionIndex: 9 }],
        })),
      });
    await remove(stage.topic);
    await stage.commit("ada", { memberId: "", generationId: -1 });
    await remove(stage.topic, "unknown");
    await stage.enter("ada", { protocols: [{ name: "range", metadata: subscription("else") }] });
    await remove(stage.topic);
    await stage.sync("ada", ["ada"]);
    await stage.commit("ada");
    await remove(stage.topic);
    await fetchAll(stage);
    await stage.join("ada");
    await stage.sync("ada", ["ada"]);
    await remove(stage.topic);
    await stage.join("ada", { protocols: named("range") });
    await stage.sync("ada", ["ada"]);
    await remove(stage.topic);
    await stage.leave("ada");
    await remove(stage.topic);
  },

  async "offsets of a group that is not of consumers"(stage) {
    await stage.enter("ada", { protocolType: "connect", protocols: named("eager") });
    await stage.sync("ada", ["ada"], { protocolType: "connect", protocolName: "eager" });
    await stage.describe();
    const topics = [{ name: stage.topic, partitions: [{ partitionIndex: 0 }] }];
    await stage.ask("operator", offsetDelete, 0, { groupId: stage.groupId, topics });
    await stage.leave("ada");
    await stage.ask("operator", offsetDelete, 0, { groupId: stage.groupId, topics });
    await stage.enter("bob");
  },

  async "groups that are deleted"(stage) {
    const remove = (...groupsNames: string[]) =>
      stage.ask("operator", deleteGroups, 2, { groupsNames });
    await remove(stage.groupId);
    await stage.enter("ada");
    await remove(stage.groupId, `${stage.groupId}-missing`);
    await stage.sync("ada", ["ada"]);
    await stage.commit("ada");
    await remove(stage.groupId);
    await stage.leave("ada");
    await remove(stage.groupId);
    await stage.describe();
    await fetchAll(stage);
    await stage.commit("ada", { generationId: -1, memberId: "" });
    await stage.describe();
  },

  async "lists of groups"(stage) {
    // The brokers have other groups, too.
    const list = async (statesFilter: string[], typesFilter: string[]) => {
      const asked = stage.unwritten(listGroups, 5, { statesFilter, typesFilter });
      const { errorCode, groups } = await asked;
      const mine = groups.filter(({ groupId }) => groupId === stage.groupId);
      stage.note(`list ${statesFilter} ${typesFilter}`, { errorCode, mine });
    };
    await list([], []);
    await stage.enter("ada");
    await stage.reaches("CompletingRebalance");
    await list([], []);
    await list(["completingREBALANCE"], []);
    await list(["CompletingRebalance", "Stable"], ["Classic"]);
    await list(["Stable"], []);
    await list([], ["consumer"]);
    await stage.leave("ada");
    await list(["Empty"], ["classic"]);
  },

  async "a member that does not join again in time"(stage) {
    await two(stage, { rebalanceTimeoutMs: 300 });
    await stage.sync("ada", ["ada", "bob"]);
    const changed = { protocols: named("range", "sticky"), rebalanceTimeoutMs: 300 };
    await stage.join("bob", changed);
    await stage.sync("bob", ["bob"]);
    await stage.describe();
    await stage.join("ada");
  },

  async "a static member that does not join again in time"(stage) {
    await two(stage, { rebalanceTimeoutMs: 300, instanceId: "one" }, "ada");
    await stage.sync("ada", ["ada", "bob"]);
    const changed = { protocols: named("range", "sticky"), rebalanceTimeoutMs: 300 };
    await stage.join("bob", changed);
    await stage.describe();
    await stage.sync("bob", ["bob"]);
    await stage.beat("ada");
  },

  async "a member that does not sync in time"(stage) {
    await two(stage, { rebalanceTimeoutMs: 300 });
    await stage.sync("ada", ["ada", "bob"]);
    await stage.reaches("PreparingRebalance");
    await stage.beat("ada");
    await stage.beat("bob", { generationId: 2 });
    await stage.join("ada");
  },

  async "a leader that does not sync in time"(stage) {
    await two(stage, { rebalanceTimeoutMs: 300 });
    await stage.sync("bob");
    await stage.describe();
    await stage.join("bob");
  },

  async "members whose sessions end"(stage) {
    await two(stage, { sessionTimeoutMs: 2_000 });
    const bob = stage.sync("bob");
    await stage.sync("ada", ["ada", "bob"]);
    await bob;
    const ada = stage.join("ada", { sessionTimeoutMs: 2_000 });
    await stage.reaches("PreparingRebalance");
    // Ada waits longer than her session, because she waits; Bob's session ends.
    await ada;
    await stage.beat("bob");
    await stage.describe();
  },

  async "an id that is given out and never used"(stage) {
    await stage.enter("ada");
    await stage.sync("ada", ["ada"]);
    await stage.join("bob", { sessionTimeoutMs: 2_000 });
    await stage.join("ada");
    await stage.join("bob");
  },
};

/** Protocols with these names, whose metadata is nothing a consumer understands. */
function named(...names: string[]) {
  return names.map((name) => ({ name, metadata: Buffer.from([9]) }));
}

/** Two members, ada the leader and bob, who have joined generation 2 but not synced. */
async function two(stage: Stage, joining: Parameters<Stage["join"]>[1] = {}, who = "bob") {
  const { instanceId = null, ...common } = joining;
  const own = (name: string) => name === who ? { ...common, instanceId } : common;
  await stage.enter("ada", own("ada"));
  await stage.sync("ada", ["ada"]);
  let bob: Promise<unknown>;
  if (who === "bob" && instanceId !== null) {
    bob = stage.join("bob", own("bob"));
    await stage.reaches("PreparingRebalance");
  } else bob = (await stage.knock("bob", own("bob"))).joined;
  await Promise.all([stage.join("ada", common), bob]);
}

async function fetchAll(stage: Stage) {
  const { groupId, topic } = stage;
  const topics = [
    { name: topic, partitionIndexes: [0, 1, 9] },
    { name: "unknown", partitionIndexes: [0] },
  ];
  const group = { groupId, memberId: null, memberEpoch: -1 };
  await stage.ask("reader", offsetFetch, 9, {
    groupId: "",
    topics: [],
    groups: [{ ...group, topics }],
    requireStable: false,
  });
  await stage.ask("reader", offsetFetch, 8, {
    groupId: "",
    topics: [],
    groups: [{ ...group, topics: null }],
    requireStable: true,
  });
  await stage.ask("reader", offsetFetch, 2, {
    groupId,
    topics: null,
    groups: [],
    requireStable: false,
  });
  await stage.ask("reader", offsetFetch, 5, { groupId, topics, groups: [], requireStable: false });
  await stage.ask("reader", describeGroups, 0, {
    groups: [groupId],
    includeAuthorizedOperations: false,
  });
}
