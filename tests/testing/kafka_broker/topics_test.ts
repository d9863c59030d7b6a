import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { A, type RawClient } from "./raw_client.ts";
import { commit, memberOf } from "./raw_member.ts";
import { rig } from "./support.ts";

/** The error code of each topic in a metadata response. */
async function metadataErrors(
  client: RawClient,
  names: string[],
  request: Record<string, unknown> = {},
): Promise<number[]> {
  const { topics } = await client.ask(A.metadata, {
    topics: names.map((name) => ({ name })),
    ...request,
  });
  return topics.map(({ errorCode }: { errorCode: number }) => errorCode);
}

async function create(client: RawClient, topic: Record<string, unknown>, more: object = {}) {
  const { topics } = await client.ask(A.createTopics, {
    timeoutMs: 0,
    validateOnly: false,
    topics: [{ numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...topic }],
    ...more,
  });
  return topics[0];
}

describe("KafkaBroker, Metadata", () => {
  it("makes topics that are asked for, where client and broker want it", async () => {
    await using test = await rig({ defaultPartitions: 2 });
    const client = await test.raw();
    const no = { allowAutoTopicCreation: false };
    assert.deepEqual(await metadataErrors(client, ["a"], no), [ERROR.UNKNOWN_TOPIC_OR_PARTITION]);
    assert.deepEqual(test.broker.topics(), {});
    assert.deepEqual(await metadataErrors(client, ["a", "b"]), [0, 0]);
    assert.deepEqual(test.broker.topics(), { a: 2, b: 2 });

    await using strict = await rig({ autoCreateTopics: false });
    const errors = await metadataErrors(await strict.raw(), ["a"]);
    assert.deepEqual(errors, [ERROR.UNKNOWN_TOPIC_OR_PARTITION]);
    assert.deepEqual(strict.broker.topics(), {});
  });

  it("refuses names that no topic can have", async () => {
    for (const autoCreateTopics of [true, false]) {
      await using test = await rig({ autoCreateTopics, topics: { "a.b": 1 } });
      const client = await test.raw();
      for (const name of ["", ".", "..", "a b", "ä", "x".repeat(250)]) {
        const errors = await metadataErrors(client, [name]);
        assert.deepEqual(errors, [ERROR.INVALID_TOPIC_EXCEPTION], name);
      }
      assert.deepEqual(await metadataErrors(client, ["x".repeat(249)]), [
        autoCreateTopics ? 0 : ERROR.UNKNOWN_TOPIC_OR_PARTITION,
      ]);
      assert.deepEqual(await metadataErrors(client, ["a_b"]), [
        autoCreateTopics ? ERROR.INVALID_TOPIC_EXCEPTION : ERROR.UNKNOWN_TOPIC_OR_PARTITION,
      ]);
    }
  });

  it("tells of all topics, of none, and of one by its id", async () => {
    await using test = await rig({ topics: { b: 1, a: 2 } });
    const client = await test.raw();
    const all = await client.ask(A.metadata, { topics: null });
    assert.deepEqual(all.topics.map(({ name }: { name: string }) => name), ["a", "b"]);
    const oldest = await client.ask(A.metadata, { topics: [] }, { version: 0 });
    assert.equal(oldest.topics.length, 2, "in version 0 an empty list means all");
    assert.deepEqual((await client.ask(A.metadata, { topics: [] })).topics, []);
    const { topicId } = all.topics[1];
    const byId = await client.ask(A.metadata, { topics: [{ topicId, name: null }] });
    assert.deepEqual([byId.topics[0].name, byId.topics[0].errorCode], ["b", 0]);
    const unknown = { topicId: "00000000-0000-4000-8000-000000000001", name: null };
    const none = await client.ask(A.metadata, { topics: [unknown] });
    assert.deepEqual(
      [none.topics[0].name, none.topics[0].errorCode],
      [null, ERROR.UNKNOWN_TOPIC_ID],
    );
  });
});

describe("KafkaBroker, topics by request", () => {
  it("creates them, with numbers or with the nodes of each partition", async () => {
    await using test = await rig({ nodes: 3, defaultPartitions: 2 });
    const client = await test.raw();
    const created = await create(client, {
      name: "a",
      numPartitions: 4,
      replicationFactor: 2,
      configs: [{ name: "retention.ms", value: "1000" }],
    });
    assert.deepEqual(
      [created.errorCode, created.numPartitions, created.replicationFactor],
      [0, 4, 2],
    );
    const retention = created.configs.find(({ name }: { name: string }) => name === "retention.ms");
    assert.equal(retention.value, "1000");
    const byDefault = await create(client, { name: "b", numPartitions: -1, replicationFactor: -1 });
    assert.deepEqual([byDefault.numPartitions, byDefault.replicationFactor], [2, 3]);
    const assignments = [
      { partitionIndex: 1, brokerIds: [3, 1] },
      { partitionIndex: 0, brokerIds: [2, 3] },
    ];
    await create(client, { name: "c", numPartitions: -1, replicationFactor: -1, assignments });
    const { topics } = await client.ask(A.metadata, { topics: [{ name: "c" }] });
    assert.deepEqual(
      topics[0].partitions.map((
        { leaderId, replicaNodes }: { leaderId: number; replicaNodes: number[] },
      ) => [leaderId, replicaNodes]),
      [[2, [2, 3]], [3, [3, 1]]],
    );
  });

  it("only looks whether it could, where it is asked to", async () => {
    await using test = await rig();
    const client = await test.raw();
    const only = { validateOnly: true };
    assert.equal((await create(client, { name: "a" }, only)).errorCode, 0);
    assert.equal(
      (await create(client, { name: "a", numPartitions: 0 }, only)).errorCode,
      ERROR.INVALID_PARTITIONS,
    );
    assert.deepEqual(test.broker.topics(), {});
  });

  it("refuses what cannot be", async () => {
    await using test = await rig({ nodes: 2, topics: { "a.b": 1 } });
    const client = await test.raw();
    const both = [{ partitionIndex: 0, brokerIds: [1] }];
    const by = (assignments: object[]) => ({
      name: "n",
      numPartitions: -1,
      replicationFactor: -1,
      assignments,
    });
    const refused: [Record<string, unknown>, number][] = [
      [{ name: "a.b" }, ERROR.TOPIC_ALREADY_EXISTS],
      [{ name: "a_b" }, ERROR.INVALID_TOPIC_EXCEPTION],
      [{ name: "a b" }, ERROR.INVALID_TOPIC_EXCEPTION],
      [{ name: "n", numPartitions: 0 }, ERROR.INVALID_PARTITIONS],
      [{ name: "n", numPartitions: -2 }, ERROR.INVALID_PARTITIONS],
      [{ name: "n", numPartitions: 10_001 }, ERROR.POLICY_VIOLATION],
      [{ name: "n", replicationFactor: 3 }, ERROR.INVALID_REPLICATION_FACTOR],
      [{ name: "n", replicationFactor: 0 }, ERROR.INVALID_REPLICATION_FACTOR],
      [{ name: "n", assignments: both }, ERROR.INVALID_REQUEST],
      [by([{ partitionIndex: 1, brokerIds: [1] }]), ERROR.INVALID_REPLICA_ASSIGNMENT],
      [by([{ partitionIndex: 0, brokerIds: [9] }]), ERROR.INVALID_REPLICA_ASSIGNMENT],
      [by([{ partitionIndex: 0, brokerIds: [1, 1] }]), ERROR.INVALID_REPLICA_ASSIGNMENT],
      [by([{ partitionIndex: 0, brokerIds: [] }]), ERROR.INVALID_REPLICA_ASSIGNMENT],
      [{ name: "n", configs: [{ name: "nonsense", value: "1" }] }, ERROR.INVALID_CONFIG],
      [{ name: "n", configs: [{ name: "retention.ms", value: "x" }] }, ERROR.INVALID_CONFIG],
    ];
    for (const [topic, errorCode] of refused) {
      const created = await create(client, topic);
      assert.equal(created.errorCode, errorCode, JSON.stringify(topic));
      assert.ok(created.errorMessage);
    }
    const twice = {
      name: "n",
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      configs: [],
    };
    const { topics } = await client.ask(A.createTopics, {
      timeoutMs: 0,
      validateOnly: false,
      topics: [twice, twice],
    });
    assert.deepEqual(
      topics.map(({ errorCode }: { errorCode: number }) => errorCode),
      [ERROR.INVALID_REQUEST],
    );
    assert.deepEqual(test.broker.topics(), { "a.b": 1 });
  });

  it("deletes them, with what groups have committed for them", async () => {
    await using test = await rig({ topics: { t: 1, u: 1 } });
    const { broker } = test;
    const client = await test.raw();
    const member = await memberOf(await test.raw());
    await commit(member, 1);
    await commit(member, 2, { topic: "u" });
    const { topics: [{ topicId }] } = await client.ask(A.metadata, { topics: [{ name: "u" }] });
    const { responses } = await client.ask(A.deleteTopics, {
      timeoutMs: 0,
      topics: [
        { name: "t" },
        { name: null, topicId },
        { name: "v" },
        { name: null, topicId: "00000000-0000-4000-8000-000000000001" },
      ],
    });
    assert.deepEqual(
      responses.map((
        { name, errorCode }: { name: string; errorCode: number },
      ) => [name, errorCode]),
      [
        ["t", 0],
        ["u", 0],
        ["v", ERROR.UNKNOWN_TOPIC_OR_PARTITION],
        [null, ERROR.UNKNOWN_TOPIC_ID],
      ],
    );
    assert.deepEqual(broker.topics(), {});
    broker.createTopic("t");
    assert.deepEqual(broker.committed("group", "t"), [null]);
    assert.deepEqual(broker.offsets("t"), { start: 0, end: 0 });
  });

  it("adds partitions, and takes none away", async () => {
    await using test = await rig({ topics: { t: 2 }, nodes: 2 });
    const client = await test.raw();
    await test.broker.produce("t", [{ value: "a", partition: 1 }]);
    const grow = async (count: number, more: Record<string, unknown> = {}) => {
      const { results } = await client.ask(A.createPartitions, {
        timeoutMs: 0,
        validateOnly: false,
        topics: [{ name: "t", count, assignments: null, ...more }],
      });
      return results[0].errorCode;
    };
    assert.equal(await grow(2), ERROR.INVALID_PARTITIONS);
    assert.equal(await grow(1), ERROR.INVALID_PARTITIONS);
    assert.equal(await grow(10_003), ERROR.POLICY_VIOLATION);
    assert.equal(await grow(4, { name: "u" }), ERROR.UNKNOWN_TOPIC_OR_PARTITION);
    const one = { assignments: [{ brokerIds: [1] }] };
    assert.equal(await grow(4, one), ERROR.INVALID_REPLICA_ASSIGNMENT);
    assert.equal(await grow(3, one), ERROR.NONE);
    assert.equal(await grow(4), ERROR.NONE);
    assert.deepEqual(test.broker.topics(), { t: 4 });
    assert.equal(test.broker.offsets("t", 1).end, 1);
    assert.deepEqual(await test.broker.produce("t", [{ value: "b", partition: 3 }]), [
      { partition: 3, offset: 0 },
    ]);
  });

  it("deletes records below an offset", async () => {
    await using test = await rig({ topics: { t: 1 } });
    await test.broker.produce("t", ["a", "b", "c"].map((value) => ({ value })));
    const client = await test.raw();
    const remove = async (offset: number, partitionIndex = 0) => {
      const { topics } = await client.ask(A.deleteRecords, {
        timeoutMs: 0,
        topics: [{ name: "t", partitions: [{ partitionIndex, offset }] }],
      });
      const { errorCode, lowWatermark } = topics[0].partitions[0];
      return [errorCode, lowWatermark];
    };
    assert.deepEqual(await remove(2), [0, 2]);
    assert.deepEqual(await remove(1), [0, 2], "nothing comes back");
    assert.deepEqual(await remove(4), [ERROR.OFFSET_OUT_OF_RANGE, -1]);
    assert.deepEqual(await remove(0, 1), [ERROR.UNKNOWN_TOPIC_OR_PARTITION, -1]);
    assert.deepEqual(await remove(-1), [0, 3], "all there is");
    assert.deepEqual(test.broker.offsets("t"), { start: 3, end: 3 });
  });

  it("describes settings: given, default, and of the broker", async () => {
    await using test = await rig({ topics: { t: { config: { "retention.ms": "7" } } } });
    const client = await test.raw();
    type Config = { name: string; value: string; configSource: number; readOnly: boolean };
    const describe = async (
      resourceType: number,
      resourceName: string,
      configurationKeys: string[] | null = null,
    ): Promise<{ errorCode: number; configs: Config[] }> => {
      const { results } = await client.ask(A.describeConfigs, {
        includeSynonyms: false,
        includeDocumentation: false,
        resources: [{ resourceType, resourceName, configurationKeys }],
      });
      return results[0];
    };
    const all = await describe(2, "t");
    const byName = (name: string) => all.configs.find((config) => config.name === name)!;
    assert.deepEqual([byName("retention.ms").value, byName("retention.ms").configSource], ["7", 1]);
    assert.deepEqual(
      [byName("max.message.bytes").value, byName("max.message.bytes").configSource],
      ["1048588", 5],
    );
    const some = await describe(2, "t", ["retention.ms", "nonsense"]);
    assert.deepEqual(some.configs.map(({ name }) => name), ["retention.ms"]);
    assert.equal((await describe(2, "t", [])).configs.length, all.configs.length);
    assert.equal((await describe(2, "u")).errorCode, ERROR.UNKNOWN_TOPIC_OR_PARTITION);
    const broker = await describe(4, "1", ["auto.create.topics.enable"]);
    assert.deepEqual(broker.configs.map(({ value, readOnly }) => [value, readOnly]), [[
      "true",
      true,
    ]]);
    assert.equal((await describe(4, "2")).errorCode, ERROR.INVALID_REQUEST);
    assert.equal((await describe(8, "1")).errorCode, ERROR.INVALID_REQUEST);
  });

  it("gives records the time of their append, where the topic says so", async () => {
    await using test = await rig({
      topics: { t: { config: { "message.timestamp.type": "LogAppendTime" } } },
    });
    const before = Date.now();
    await test.broker.produce("t", [{ value: "a", timestamp: 5 }]);
    const [record] = test.broker.log("t");
    assert.ok(record!.timestamp >= before && record!.timestamp <= Date.now());
  });

  it("needs keys where the topic is compacted", async () => {
    await using test = await rig({ topics: { t: { config: { "cleanup.policy": "compact" } } } });
    await test.broker.produce("t", [{ key: "k", value: "a" }]);
    await assert.rejects(test.broker.produce("t", [{ value: "a" }]), { code: "TOPIC_REFUSED" });
  });
});
