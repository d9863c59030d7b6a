import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { errorName } from "../../../src/testing/protocol/error_codes.ts";
import { subscription } from "./bytes.ts";
import { GROUP, named, Rig, TOPIC } from "./rig.ts";

const outside = { memberId: "", generationId: -1 };

function fetch(rig: Rig, topics: { name: string; partitionIndexes: number[] }[] | null) {
  const { errorCode, topics: found } = rig.coordinator.fetchOffsets({ groupId: GROUP, topics });
  assert.equal(errorCode, 0);
  return found.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, committedOffset, metadata }) => [
      partitionIndex,
      committedOffset,
      metadata,
    ]),
  }));
}

function remove(rig: Rig, topic: string, partition = 0): string {
  const { errorCode, topics } = rig.coordinator.deleteOffsets({
    groupId: GROUP,
    topics: [{ name: topic, partitions: [{ partitionIndex: partition }] }],
  });
  return errorName(errorCode || topics[0]!.partitions[0]!.errorCode);
}

describe("A commit", () => {
  it("is kept with its metadata, and read back", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.commit("ada", 5, { metadata: "note" });
    rig.commit("ada", 9, { partition: 2, metadata: null });
    assert.deepEqual(fetch(rig, null), [
      { name: TOPIC, partitions: [[0, 5, "note"], [2, 9, ""]] },
    ]);
    assert.deepEqual(rig.coordinator.committed(GROUP, TOPIC).get(0), {
      offset: 5,
      metadata: "note",
      leaderEpoch: -1,
      committedAt: rig.now,
    });
  });

  it("may go back", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.commit("ada", 5);
    rig.commit("ada", 3);
    assert.equal(rig.committed(), 3);
  });

  it("is refused of a stale generation", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.enter("bob");
    rig.join("ada");
    rig.syncAll(["ada", "bob"]);
    assert.equal(rig.commit("ada", 5, { generationId: 1 }), "ILLEGAL_GENERATION");
    assert.equal(rig.committed(), null);
  });

  it("is refused of who is no member any more", () => {
    const rig = new Rig().stable({ ada: {}, bob: {} });
    rig.leave("bob");
    assert.equal(rig.commit("bob", 5), "UNKNOWN_MEMBER_ID");
  });

  it("is taken while others join: it is the last chance of who loses a partition", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.enter("bob");
    assert.equal(rig.group.state, "PreparingRebalance");
    assert.equal(rig.commit("ada", 5), "NONE");
    assert.equal(rig.committed(), 5);
  });

  it("is refused between join and sync", () => {
    const rig = new Rig().joined({ ada: {} });
    assert.equal(rig.commit("ada", 5), "REBALANCE_IN_PROGRESS");
    assert.equal(rig.committed(), null);
  });

  it("of nobody makes a group that is not there", () => {
    const rig = new Rig();
    assert.equal(rig.commit("", 5, outside), "NONE");
    assert.deepEqual([rig.group.state, rig.group.protocolType], ["Empty", ""]);
    assert.equal(rig.committed(), 5);
  });

  it("of nobody is taken by a group that has lost its members, and by no other", () => {
    const rig = new Rig().stable({ ada: {} });
    assert.equal(rig.commit("", 5, outside), "UNKNOWN_MEMBER_ID");
    rig.leave("ada");
    assert.equal(rig.commit("", 5, outside), "NONE");
  });

  it("of a member's generation to a group that is not there is refused by the version's own error", () => {
    const rig = new Rig();
    const said = { memberId: "ada-1", generationId: 3 };
    assert.equal(rig.commit("ada", 5, { ...said, version: 8 }), "ILLEGAL_GENERATION");
    assert.equal(rig.commit("ada", 5, { ...said, version: 9 }), "GROUP_ID_NOT_FOUND");
    assert.deepEqual(rig.coordinator.groups(), []);
  });

  it("is refused where its metadata is too long, and only there", () => {
    const rig = new Rig().stable({ ada: {} });
    assert.equal(rig.commit("ada", 5, { metadata: "x".repeat(4_096) }), "NONE");
    assert.equal(
      rig.commit("ada", 6, { metadata: "x".repeat(4_097) }),
      "OFFSET_METADATA_TOO_LARGE",
    );
    assert.equal(rig.committed(), 5);
    const small = new Rig({ offsetMetadataMaxBytes: 2 }).stable({ ada: {} });
    assert.equal(small.commit("ada", 5, { metadata: "xyz" }), "OFFSET_METADATA_TOO_LARGE");
  });

  it("for a partition that is not there is refused alone", () => {
    const rig = new Rig({
      partitionExists: (topic, partition) => topic === TOPIC && partition < 3,
    });
    const partition = (partitionIndex: number) => ({
      partitionIndex,
      committedOffset: 5,
      committedLeaderEpoch: -1,
      committedMetadata: null,
    });
    const { topics } = rig.coordinator.commitOffsets({
      groupId: GROUP,
      generationIdOrMemberEpoch: -1,
      memberId: "",
      groupInstanceId: null,
      topics: [
        { name: TOPIC, partitions: [partition(2), partition(3)] },
        { name: "unknown", partitions: [partition(0)] },
      ],
    }, 0);
    const errors = topics.flatMap(({ partitions }) =>
      partitions.map(({ errorCode }) => errorName(errorCode))
    );
    const unknown = "UNKNOWN_TOPIC_OR_PARTITION";
    assert.deepEqual(errors, ["NONE", unknown, unknown]);
  });
});

describe("A fetch of offsets", () => {
  it("tells of partitions without one, too, if they are asked for", () => {
    const rig = new Rig();
    rig.commit("", 5, outside);
    const wanted = [{ name: TOPIC, partitionIndexes: [1, 0] }];
    assert.deepEqual(fetch(rig, wanted), [
      { name: TOPIC, partitions: [[1, -1, ""], [0, 5, ""]] },
    ]);
  });

  it("is answered for a group that is not there, and does not make it", () => {
    const rig = new Rig();
    assert.deepEqual(fetch(rig, null), []);
    const [topic] = fetch(rig, [{ name: TOPIC, partitionIndexes: [0] }]);
    assert.deepEqual(topic!.partitions, [[0, -1, ""]]);
    assert.deepEqual(rig.coordinator.groups(), []);
  });
});

describe("Deleting offsets", () => {
  it("is refused for a topic that members subscribe to, and for no other", () => {
    const rig = new Rig().stable({ ada: {} });
    rig.commit("ada", 5);
    rig.commit("ada", 6, { topic: "else" });
    assert.equal(remove(rig, TOPIC), "GROUP_SUBSCRIBED_TO_TOPIC");
    assert.equal(remove(rig, "else"), "NONE");
    assert.deepEqual([rig.committed(), rig.committed("else")], [5, null]);
    rig.leave("ada");
    assert.equal(remove(rig, TOPIC), "NONE");
    assert.equal(rig.committed(), null);
  });

  it("goes by the subscriptions of all members", () => {
    const rig = new Rig().stable({
      ada: { protocols: [{ name: "range", metadata: subscription("a") }] },
      bob: { protocols: [{ name: "range", metadata: subscription("b", "c") }] },
    });
    const answers = ["a", "b", "c", "d"].map((topic) => remove(rig, topic));
    const subscribed = "GROUP_SUBSCRIBED_TO_TOPIC";
    assert.deepEqual(answers, [subscribed, subscribed, subscribed, "NONE"]);
  });

  it("is refused for all topics of consumers whose subscription cannot be read", () => {
    const rig = new Rig().stable({ ada: { protocols: named("range") } });
    assert.equal(remove(rig, "anything"), "GROUP_SUBSCRIBED_TO_TOPIC");
  });

  it("is refused as a whole while members are not consumers, or the group is not there", () => {
    const rig = new Rig();
    assert.equal(remove(rig, TOPIC), "GROUP_ID_NOT_FOUND");
    rig.joined({ ada: { protocolType: "connect" } });
    assert.equal(remove(rig, TOPIC), "NON_EMPTY_GROUP");
  });

  it("is refused for a partition that is not there", () => {
    const rig = new Rig({ partitionExists: (_, partition) => partition === 0 });
    rig.commit("", 5, outside);
    assert.equal(remove(rig, TOPIC, 1), "UNKNOWN_TOPIC_OR_PARTITION");
  });
});

describe("Deleting a topic", () => {
  it("takes all groups' offsets for it away", () => {
    const rig = new Rig();
    rig.commit("", 5, outside);
    rig.commit("", 6, { ...outside, topic: "else" });
    rig.coordinator.removeTopic(TOPIC);
    assert.deepEqual([rig.committed(), rig.committed("else")], [null, 6]);
  });
});
