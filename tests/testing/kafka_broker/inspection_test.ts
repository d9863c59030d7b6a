import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { once } from "node:events";
import { describe, it } from "#std/testing/bdd";
import { BrokerError, type BrokerMessage, type Compression } from "../../../src/testing/mod.ts";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { A } from "./raw_client.ts";
import { commit, memberOf } from "./raw_member.ts";
import { batch, BY_NAME, produceRequest, rig } from "./support.ts";

const CODECS: Compression[] = ["none", "gzip", "snappy", "lz4", "zstd"];

describe("KafkaBroker.produce()", () => {
  it("produces to the partition that is said, by the key's hash, or in turns", async () => {
    await using test = await rig({ topics: { t: 3 } });
    const { broker } = test;
    assert.deepEqual(
      await broker.produce("t", [
        { value: "a", partition: 2 },
        { value: "b", partition: 0 },
        { value: "c", partition: 2 },
      ]),
      [{ partition: 2, offset: 0 }, { partition: 0, offset: 0 }, { partition: 2, offset: 1 }],
    );
    const keyed = await broker.produce("t", ["k1", "k2", "k1"].map((key) => ({ key, value: "v" })));
    assert.equal(keyed[0]!.partition, keyed[2]!.partition);
    const turns = await broker.produce("t", [{ value: "1" }, { value: "2" }, { value: "3" }]);
    assert.deepEqual(turns.map(({ partition }) => partition).toSorted(), [0, 1, 2]);
  });

  it("chooses partitions by the key as kafkajs does", async () => {
    await using test = await rig({ topics: { ours: 7, theirs: 7 } });
    const keys = Array.from({ length: 50 }, (_, index) => `key-${index}-ä`);
    const places = await test.broker.produce("ours", keys.map((key) => ({ key, value: key })));
    const producer = test.kafkajs.producer();
    await producer.connect();
    test.defer(() => producer.disconnect());
    await producer.send({ topic: "theirs", messages: keys.map((key) => ({ key, value: key })) });
    keys.forEach((key, index) => {
      const { partition } = places[index]!;
      assert.ok(test.broker.log("theirs", partition).some((record) => `${record.key}` === key));
    });
  });

  it("makes the topic, where that is allowed", async () => {
    await using test = await rig({ defaultPartitions: 4 });
    await test.broker.produce("new", [{ value: "a" }]);
    assert.deepEqual(test.broker.topics(), { new: 4 });
    await using strict = await rig({ autoCreateTopics: false, topics: { t: 1 } });
    await assert.rejects(strict.broker.produce("new", [{ value: "a" }]), {
      code: "UNKNOWN_PART",
      message: 'Cannot find topic "new": there are t',
    });
  });

  it("appends before it returns, in the order of the calls", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const both = [
      test.broker.produce("t", [{ value: "a" }]),
      test.broker.produce("t", [{ value: "b" }]),
    ];
    assert.equal(test.broker.offsets("t").end, 2);
    assert.deepEqual((await Promise.all(both)).flat().map(({ offset }) => offset), [0, 1]);
  });

  it("makes batches that the topic takes, whatever it is given", async () => {
    await using test = await rig({ topics: { t: { config: { "max.message.bytes": "2000" } } } });
    const value = "x".repeat(700);
    const messages = Array.from({ length: 100 }, (_, index) => ({ value: `${index} ${value}` }));
    const places = await test.broker.produce("t", messages);
    assert.deepEqual(places.map(({ offset }) => offset), messages.map((_, index) => index));
    assert.deepEqual(
      test.broker.log("t").map(({ value }) => `${value}`),
      messages.map(({ value }) => value),
    );
    await assert.rejects(test.broker.produce("t", [{ value: "y".repeat(3_000) }]), (error) => {
      assert.ok(error instanceof BrokerError);
      assert.equal(error.code, "TOPIC_REFUSED");
      assert.deepEqual([error.topic, error.partition], ["t", 0]);
      assert.match(error.message, /^Cannot produce to topic "t": .*2000 that are allowed/);
      return true;
    });
  });

  it("produces a hundred thousand messages at once, and none", async () => {
    await using test = await rig({ topics: { t: 2 } });
    const messages = Array.from(
      { length: 100_000 },
      (_, index): BrokerMessage => ({ value: `${index}` }),
    );
    await test.broker.produce("t", messages);
    assert.equal(await test.broker.whenProduced("t", 100_000), 100_000);
    assert.deepEqual(await test.broker.produce("t", []), []);
  });

  it("refuses a partition that is not there before anything is appended", async () => {
    await using test = await rig({ topics: { t: 2 } });
    for (const partition of [2, -1, 0.5]) {
      await assert.rejects(
        test.broker.produce("t", [{ value: "a", partition: 0 }, { value: "b", partition }]),
        { code: "UNKNOWN_PART", topic: "t" },
      );
    }
    assert.equal(test.broker.offsets("t", 0).end, 0);
  });
});

describe("KafkaBroker, looked at", () => {
  for (const compression of CODECS) {
    it(`decodes what is in its log: ${compression}`, async () => {
      await using test = await rig({ topics: { t: 1 } });
      const { broker } = test;
      await broker.produce("t", [
        { key: "k", value: "v".repeat(500), headers: [["h", "1"], ["h", "2"]], timestamp: 1_000 },
        { key: null, value: null },
        { key: Buffer.from([0, 255]), value: Buffer.from([1, 254]), headers: { empty: null } },
      ], { compression });
      const log = broker.log("t");
      assert.deepEqual(log.map(({ offset }) => offset), [0, 1, 2]);
      assert.equal(`${log[0]!.key}`, "k");
      assert.equal(`${log[0]!.value}`, "v".repeat(500));
      assert.equal(log[0]!.timestamp, 1_000);
      assert.deepEqual(
        log[0]!.headers.map(({ key, value }) => [key, `${value}`]),
        [["h", "1"], ["h", "2"]],
      );
      assert.deepEqual([log[1]!.key, log[1]!.value, log[1]!.headers], [null, null, []]);
      assert.deepEqual([...log[2]!.key!, ...log[2]!.value!], [0, 255, 1, 254]);
      assert.deepEqual(log[2]!.headers.map(({ value }) => value), [null]);
    });
  }

  it("tells topics, and where their partitions begin and end", async () => {
    await using test = await rig({ topics: { t: 2 } });
    const { broker } = test;
    broker.createTopic("u", { partitions: 3 });
    broker.createTopic("d");
    assert.deepEqual(broker.topics(), { d: 1, t: 2, u: 3 });
    await broker.produce("t", [{ value: "a", partition: 1 }, { value: "b", partition: 1 }]);
    assert.deepEqual(broker.offsets("t", 1), { start: 0, end: 2 });
    const client = await test.raw();
    await client.ask(A.deleteRecords, {
      timeoutMs: 0,
      topics: [{ name: "t", partitions: [{ partitionIndex: 1, offset: 1 }] }],
    });
    assert.deepEqual(broker.offsets("t", 1), { start: 1, end: 2 });
    assert.deepEqual(broker.log("t", 1).map(({ value }) => `${value}`), ["b"]);
    assert.deepEqual(broker.offsets("t"), { start: 0, end: 0 });
  });

  it("says which topic or partition is not there", async () => {
    await using test = await rig({ topics: { t: 2 } });
    const { broker } = test;
    const unknown = (work: () => unknown, message: string) =>
      assert.throws(work, { name: "BrokerError", code: "UNKNOWN_PART", message });
    unknown(() => broker.log("v"), 'Cannot find topic "v": there are t');
    unknown(() => broker.log("t", 2), 'Cannot find partition 2 of topic "t": it has 2');
    unknown(() => broker.offsets("t", -1), 'Cannot find partition -1 of topic "t": it has 2');
    unknown(() => broker.committed("g", "v"), 'Cannot find topic "v": there are t');
    unknown(
      () => broker.compact("t", { partition: 5 }),
      'Cannot find partition 5 of topic "t": it has 2',
    );
    unknown(() => broker.bootstrapServersOf("tls"), 'Cannot find listener "tls": there are none');
  });

  it("refuses topics as Kafka does", async () => {
    await using test = await rig({ topics: { "a.b": 1 }, nodes: 2 });
    const refused = (name: string, options: object, message: RegExp) =>
      assert.throws(() => test.broker.createTopic(name, options), (error) => {
        assert.ok(error instanceof BrokerError);
        assert.equal(error.code, "TOPIC_REFUSED");
        assert.equal(error.topic, name);
        assert.match(error.message, message);
        return true;
      });
    refused("a.b", {}, /Cannot create topic "a\.b": Topic 'a\.b' already exists/);
    refused("a_b", {}, /collides with existing topic: a\.b/);
    refused("", {}, /it is empty/);
    refused("..", {}, /it is "\.\."/);
    refused("a b", {}, /character other than/);
    refused("x".repeat(250), {}, /longer than 249/);
    refused("p", { partitions: 0 }, /set to 0, which is not from 1/);
    refused("p", { replicationFactor: 3 }, /there are 2 broker/);
    refused("p", { config: { "retention.ms": "soon" } }, /Invalid value soon for .* retention\.ms/);
    refused("p", { config: { retention: "1" } }, /Unknown topic config name: retention \(known/);
    assert.deepEqual(test.broker.topics(), { "a.b": 1 });
  });

  it("tells what groups have committed, and what they said with it", async () => {
    await using test = await rig({ topics: { t: 3 } });
    const { broker } = test;
    assert.deepEqual(broker.committed("group", "t"), [null, null, null]);
    assert.deepEqual(broker.commits("group", "t"), []);
    assert.deepEqual(broker.commits("group", "not there"), []);
    const client = await test.raw();
    await client.ask(A.offsetCommit, {
      groupId: "group",
      generationIdOrMemberEpoch: -1,
      memberId: "",
      topics: [{
        name: "t",
        partitions: [
          { partitionIndex: 2, committedOffset: 9, committedMetadata: "note" },
          { partitionIndex: 0, committedOffset: 4, committedMetadata: null },
        ],
      }],
    });
    assert.deepEqual(broker.committed("group", "t"), [4, null, 9]);
    assert.deepEqual(broker.commits("group", "t"), [
      { partition: 0, offset: 4, metadata: "" },
      { partition: 2, offset: 9, metadata: "note" },
    ]);
  });

  it("tells of groups and their members", async () => {
    await using test = await rig({ topics: { t: 1 } });
    assert.deepEqual(test.broker.groups(), []);
    const member = await memberOf(await test.raw());
    assert.deepEqual(test.broker.groups(), [{
      groupId: "group",
      state: "Stable",
      generationId: 1,
      protocolType: "consumer",
      protocol: "range",
      leader: member.memberId,
      members: [{
        memberId: member.memberId,
        instanceId: null,
        clientId: "raw",
        clientHost: "/127.0.0.1",
        sessionTimeoutMs: 10_000,
        assignment: { t: [0] },
      }],
    }]);
  });

  it("tells of connections, silent ones included", async () => {
    await using test = await rig({ nodes: 2 });
    assert.equal(test.broker.connections.length, 0);
    const client = await test.raw(2);
    await client.ask(A.listGroups, {});
    await client.ask(A.listGroups, {}, { clientId: "me" });
    const port = Number(test.broker.bootstrapServers.split(",")[0]!.split(":")[1]);
    const silent = connect({ port, host: "127.0.0.1" });
    await once(silent, "connect");
    test.defer(() => silent.destroy());
    // Whoever connects later is served later.
    const last = await test.raw(1);
    await last.ask(A.listGroups, {}, { clientId: null });
    const [first, second, third] = test.broker.connections;
    assert.deepEqual(first, {
      clientId: null,
      remoteAddress: `127.0.0.1:${silent.localPort}`,
      nodeId: 1,
      listener: "main",
      requests: 0,
    });
    assert.deepEqual([second!.remoteAddress, second!.requests], [last.name, 1]);
    assert.deepEqual(third, {
      clientId: "me",
      remoteAddress: client.name,
      nodeId: 2,
      listener: "main",
      requests: 2,
    });
  });

  it("can still be looked at when it is stopped, but takes nothing more", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const { broker } = test;
    await broker.produce("t", [{ value: "a" }]);
    await broker.stop();
    await broker.stop();
    assert.equal(broker.log("t").length, 1);
    assert.deepEqual(broker.connections, []);
    await assert.rejects(broker.produce("t", [{ value: "b" }]), {
      code: "NOT_RUNNING",
      message: 'Cannot produce to "t": the broker is stopped',
    });
    assert.throws(() => broker.createTopic("u"), { code: "NOT_RUNNING" });
  });

  it("compacts a topic, so that its offsets have gaps", async () => {
    await using test = await rig({ topics: { t: 2 } });
    const { broker } = test;
    await broker.produce("t", [
      { key: "a", value: "1", partition: 0 },
      { key: "b", value: "2", partition: 0 },
      { key: "a", value: "3", partition: 0 },
      { key: "b", value: null, partition: 0 },
      { key: "c", value: "5", partition: 1 },
      { key: "c", value: "6", partition: 1 },
    ]);
    const offsets = (partition: number) => broker.log("t", partition).map(({ offset }) => offset);
    const result = broker.compact("t", { partition: 0 });
    assert.deepEqual([result.keptRecords, result.droppedRecords], [2, 2]);
    assert.deepEqual([offsets(0), offsets(1)], [[2, 3], [0, 1]]);
    assert.equal(broker.compact("t", { tombstones: true }).droppedRecords, 2);
    assert.deepEqual([offsets(0), offsets(1)], [[2], [1]]);
    assert.deepEqual(broker.offsets("t"), { start: 0, end: 4 });
    const consumer = test.kafkajs.consumer({ groupId: "group" });
    await consumer.connect();
    test.defer(() => consumer.disconnect());
    await consumer.subscribe({ topic: "t", fromBeginning: true });
    const got: string[] = [];
    await consumer.run({
      eachMessage: ({ partition, message }) => {
        got.push(`${partition}/${message.offset}`);
        return Promise.resolve();
      },
      autoCommitThreshold: 1,
    });
    await broker.produce("t", [{ value: "end", partition: 0 }]);
    await broker.whenCommitted("group", "t", { partition: 0, offset: 5 });
    await broker.whenCommitted("group", "t", { partition: 1 });
    assert.deepEqual(got.toSorted(), ["0/2", "0/4", "1/1"]);
  });
});

describe("KafkaBroker, waited for", () => {
  it("tells when a group has committed: something, so far, so much in all", async () => {
    await using test = await rig({ topics: { t: 1 }, minSessionTimeoutMs: 1 });
    const { broker } = test;
    const seen: string[] = [];
    const wait = (name: string, what?: Parameters<typeof broker.whenCommitted>[2]) =>
      broker.whenCommitted("group", "t", what).then((now) => seen.push(`${name} ${now}`));
    const waits = [
      wait("total", { total: 5 }),
      wait("offset", { offset: 4 }),
      wait("both", { offset: 4, total: 6 }),
      wait("anything"),
    ];
    const member = await memberOf(await test.raw());
    assert.deepEqual(seen, []);
    for (const offset of [3, 4, 5, 6]) assert.equal(await commit(member, offset), ERROR.NONE);
    await Promise.all(waits);
    assert.deepEqual(seen, ["anything 3", "offset 4", "total 5", "both 6"]);
    assert.deepEqual(await broker.whenCommitted("group", "t", { offset: 2 }), [6]);
  });

  it("tells of a commit in one partition, of a topic that is not there yet", async () => {
    await using test = await rig();
    const { broker } = test;
    const first = broker.whenCommitted("group", "t", { partition: 1 });
    const second = broker.whenCommitted("group", "t", { partition: 1, offset: 2 });
    broker.createTopic("t", { partitions: 2 });
    const client = await test.raw();
    const commitAt = (partitionIndex: number, committedOffset: number) =>
      client.ask(A.offsetCommit, {
        groupId: "group",
        generationIdOrMemberEpoch: -1,
        memberId: "",
        topics: [{
          name: "t",
          partitions: [{ partitionIndex, committedOffset, committedMetadata: null }],
        }],
      });
    await commitAt(0, 7);
    await commitAt(1, 1);
    assert.deepEqual(await first, [7, 1]);
    await commitAt(1, 2);
    assert.deepEqual(await second, [7, 2]);
  });

  it("tells when so much has been produced, by whomever", async () => {
    await using test = await rig({ topics: { t: 2 } });
    const { broker } = test;
    const three = broker.whenProduced("t", 3);
    await broker.produce("t", [{ value: "a", partition: 0 }]);
    const client = await test.raw();
    const request = produceRequest("t", batch(["b", "c"]), { partition: 1 });
    await client.ask(A.produce, request, BY_NAME);
    assert.equal(await three, 3);
    const later = broker.whenProduced("later", 1);
    await broker.produce("later", [{ value: "a" }]);
    assert.equal(await later, 1);
  });

  it("tells when a group is as it was wanted, or is gone", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const { broker } = test;
    const stable = broker.whenGroup("group");
    const { groupId, memberId, client } = await memberOf(await test.raw());
    assert.equal((await stable)!.members[0]!.memberId, memberId);
    const empty = broker.whenGroup("group", (group) => group?.state === "Empty");
    await client.ask(A.leaveGroup, { groupId, members: [{ memberId }] });
    assert.equal((await empty)!.generationId, 2);
    const gone = broker.whenGroup("group", (group) => group === undefined);
    await client.ask(A.deleteGroups, { groupsNames: ["group"] });
    assert.equal(await gone, undefined);
  });

  it("gives up when its time is over, and says how things stand", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const { broker } = test;
    const options = { timeoutMs: 10 };
    const late = (wait: Promise<unknown>, message: string) =>
      assert.rejects(wait, { name: "BrokerError", code: "WAIT_TIMEOUT", message });
    await broker.produce("t", [{ value: "a" }]);
    await commit(await memberOf(await test.raw()), 2);
    await Promise.all([
      late(
        broker.whenCommitted("group", "t", { offset: 3 }, options),
        'Cannot wait longer than 10 ms for a commit of group "group" on "t" {"offset":3}: it has [2]',
      ),
      late(
        broker.whenProduced("t", 5, options),
        'Cannot wait longer than 10 ms for 5 messages in "t": it has 1',
      ),
      late(
        broker.whenGroup("group", (group) => group?.state === "Empty", options),
        'Cannot wait longer than 10 ms for group "group": it is Stable, with 1 members',
      ),
      late(
        broker.whenGroup("other", undefined, options),
        'Cannot wait longer than 10 ms for group "other": it is not there, with 0 members',
      ),
    ]);
  });

  it("gives up when it is told to", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const abort = new AbortController();
    const { signal } = abort;
    const wait = test.broker.whenProduced("t", 1, { signal });
    const reason = new Error("enough");
    abort.abort(reason);
    await assert.rejects(wait, reason);
    await assert.rejects(test.broker.whenProduced("t", 0, { signal }), reason);
  });

  it("rejects with what the test's own function throws, and with nothing else", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const wrong = new Error("the test is wrong");
    const wait = test.broker.whenGroup("group", (group) => {
      if (group === undefined) return false;
      throw wrong;
    });
    const other = test.broker.whenGroup("group");
    const rejected = assert.rejects(wait, wrong);
    await memberOf(await test.raw());
    await rejected;
    await other;
    await assert.rejects(
      test.broker.whenGroup("group", () => {
        throw wrong;
      }),
      wrong,
    );
  });

  it("says what is wrong with its options", async () => {
    await using test = await rig({ topics: { t: 1 } });
    for (const timeoutMs of [0, -1, NaN, 2 ** 31, "1s"] as number[]) {
      await assert.rejects(test.broker.whenProduced("t", 1, { timeoutMs }), {
        code: "INVALID_OPTIONS",
        message: /timeoutMs.*an integer from 1 to 2147483647/s,
      });
    }
    await assert.rejects(
      test.broker.whenProduced("t", 1, { timeout: 1 } as { timeoutMs?: number }),
      /did you mean "timeoutMs"/,
    );
  });

  it("rejects when the broker stops, and afterwards", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const { broker } = test;
    const waits = () => [
      broker.whenProduced("t", 1),
      broker.whenCommitted("group", "t"),
      broker.whenGroup("group"),
    ];
    const rejected = Promise.all(
      waits().map((wait) => assert.rejects(wait, { name: "BrokerError", code: "NOT_RUNNING" })),
    );
    await broker.stop();
    await rejected;
    for (const wait of waits()) await assert.rejects(wait, { code: "NOT_RUNNING" });
  });
});
