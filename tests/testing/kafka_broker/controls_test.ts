import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "#std/testing/bdd";
import { BrokerError, type ControlAction, type Decide } from "../../../src/testing/mod.ts";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { A, Disconnected } from "./raw_client.ts";
import { commit, heartbeat, joinRequest, memberOf } from "./raw_member.ts";
import {
  batch,
  BY_NAME,
  fetchedPartitions,
  fetchRequest,
  producedPartition,
  produceRequest,
  rig,
} from "./support.ts";

describe("KafkaBroker.control()", () => {
  it("shows each request of the API to the control, and lets it be handled", async () => {
    await using test = await rig({ topics: { t: 1 }, nodes: 2 });
    const client = await test.raw(2);
    const seen: unknown[] = [];
    const control = test.broker.control("ListGroups", (request) => void seen.push(request));
    await client.ask(A.listGroups, { statesFilter: ["Stable"] }, { version: 4, clientId: "me" });
    await client.ask(A.apiVersions, { clientSoftwareName: "x", clientSoftwareVersion: "1" });
    assert.deepEqual(seen, [{
      api: "ListGroups",
      apiKey: 16,
      apiVersion: 4,
      nodeId: 2,
      clientId: "me",
      body: { statesFilter: ["Stable"], typesFilter: [] },
    }]);
    assert.equal(control.seen, 1);
    assert.equal(control.hits, 0);
  });

  it("answers in the broker's stead", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    test.broker.control("ListGroups", () => ({
      answer: { errorCode: 0, groups: [{ groupId: "made-up", protocolType: "consumer" }] },
    }));
    const { groups } = await client.ask(A.listGroups, {});
    assert.deepEqual(groups.map(({ groupId }: { groupId: string }) => groupId), ["made-up"]);
  });

  it("sends bytes as they are given", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    const records = [Buffer.from("these are "), Buffer.from("no records")];
    test.broker.control("Fetch", () => ({
      answer: {
        responses: [{
          topic: "t",
          partitions: [{
            partitionIndex: 0,
            errorCode: 0,
            highWatermark: 7,
            abortedTransactions: null,
            records,
          }],
        }],
      },
    }));
    const [partition] = fetchedPartitions(await client.ask(A.fetch, fetchRequest("t"), BY_NAME));
    assert.equal(`${partition!.records}`, "these are no records");
    assert.equal(partition!.highWatermark, 7);
  });

  it("never answers where the answer is null, and goes on with the connection", async () => {
    await using test = await rig();
    const client = await test.raw();
    test.broker.control("ListGroups", () => ({ answer: null }));
    client.send(A.listGroups, {});
    await client.ask(A.describeCluster, { endpointType: 1 });
    // Its answer is the only one: it came in place of the other.
    assert.equal(client.answers, 1);
  });

  for (const error of ["REBALANCE_IN_PROGRESS", 27]) {
    it(`fails with an error: ${error}`, async () => {
      await using test = await rig({ topics: { t: 1 } });
      const member = await memberOf(await test.raw());
      using control = test.broker.control("Heartbeat", () => ({ error }));
      assert.equal(await heartbeat(member), 27);
      assert.equal(control.hits, 1);
      control.remove();
      assert.equal(await heartbeat(member), ERROR.NONE);
    });
  }

  it("fails each partition of a fetch, and each of a commit", async () => {
    await using test = await rig({ topics: { t: 2 } });
    const client = await test.raw();
    await test.broker.produce("t", [{ value: "a", partition: 0 }, { value: "b", partition: 1 }]);
    test.broker.control("Fetch", () => ({ error: "NOT_LEADER_OR_FOLLOWER" }), { times: 1 });
    const request = fetchRequest("t", { partitions: [{ partition: 0 }, { partition: 1 }] });
    const failed = fetchedPartitions(await client.ask(A.fetch, request, BY_NAME));
    assert.deepEqual(failed.map(({ errorCode, records }) => [errorCode, records.length]), [
      [ERROR.NOT_LEADER_OR_FOLLOWER, 0],
      [ERROR.NOT_LEADER_OR_FOLLOWER, 0],
    ]);
    const fetched = fetchedPartitions(await client.ask(A.fetch, request, BY_NAME));
    assert.deepEqual(fetched.map(({ errorCode }) => errorCode), [0, 0]);

    const member = await memberOf(client);
    test.broker.control("OffsetCommit", () => ({ error: "REQUEST_TIMED_OUT" }), { times: 1 });
    assert.equal(await commit(member, 1), ERROR.REQUEST_TIMED_OUT);
    assert.deepEqual(test.broker.committed("group", "t"), [null, null]);
    assert.equal(await commit(member, 1), ERROR.NONE);
    assert.deepEqual(test.broker.committed("group", "t"), [1, null]);
  });

  it("fails what has one error for all, and what has one for each topic", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    for (const api of ["JoinGroup", "FindCoordinator", "Metadata", "ListOffsets"] as const) {
      test.broker.control(api, () => ({ error: "COORDINATOR_LOAD_IN_PROGRESS" }));
    }
    const joined = await client.ask(A.joinGroup, joinRequest());
    assert.equal(joined.errorCode, ERROR.COORDINATOR_LOAD_IN_PROGRESS);
    const found = await client.ask(A.findCoordinator, { keyType: 0, coordinatorKeys: ["group"] });
    assert.equal(found.coordinators[0].errorCode, ERROR.COORDINATOR_LOAD_IN_PROGRESS);
    const metadata = await client.ask(A.metadata, { topics: [{ name: "t" }] }, BY_NAME);
    assert.equal(metadata.topics[0].errorCode, ERROR.COORDINATOR_LOAD_IN_PROGRESS);
    assert.equal(metadata.brokers.length, 1, "a client has to know whom to ask again");
    const listed = await client.ask(A.listOffsets, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    });
    assert.equal(listed.topics[0].partitions[0].errorCode, ERROR.COORDINATOR_LOAD_IN_PROGRESS);
  });

  it("delays", async () => {
    await using test = await rig();
    const client = await test.raw();
    const other = await test.raw();
    test.broker.control("ListGroups", ({ clientId }) =>
      clientId === "late" && { delayMs: 150 } || undefined);
    const start = performance.now();
    let late = false;
    const delayed = client.ask(A.listGroups, {}, { clientId: "late" }).then(() => (late = true));
    await other.ask(A.listGroups, {});
    assert.equal(late, false, "another connection need not wait");
    await delayed;
    // Timers count whole milliseconds.
    assert.ok(performance.now() - start >= 148);
  });

  it("delays what it does besides", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    const start = performance.now();
    test.broker.control("ListGroups", () => ({ delayMs: 60, error: "NOT_COORDINATOR" }));
    assert.equal((await client.ask(A.listGroups, {})).errorCode, ERROR.NOT_COORDINATOR);
    assert.ok(performance.now() - start >= 58);
  });

  it("does not do later what a client that has left no longer waits for", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const control = test.broker.control("Produce", () => ({ delayMs: 2_000_000 }));
    const client = await test.raw();
    client.send(A.produce, produceRequest("t", batch(["a"])), BY_NAME);
    await control.whenHit();
    client.socket.end();
    await client.closed;
    assert.equal(test.broker.offsets("t").end, 0);
  });

  it("hangs: no answer, nothing more is read, and the connection stays", async () => {
    await using test = await rig();
    const client = await test.raw();
    const other = await test.raw();
    const control = test.broker.control("ListGroups", () => ({ hang: true }), { times: 1 });
    client.send(A.listGroups, {});
    await control.whenHit();
    client.send(A.describeCluster, { endpointType: 1 });
    await other.ask(A.listGroups, {});
    await other.ask(A.listGroups, {});
    assert.equal(client.answers, 0);
    assert.equal(client.open, true);
    assert.equal(test.broker.connections.length, 2);
    // A client that gives up is let go.
    client.socket.end();
    await client.closed;
  });

  it("drops the connection before the request is handled", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    test.broker.control("Produce", () => ({ drop: "request" }), { times: 1 });
    await assert.rejects(
      client.ask(A.produce, produceRequest("t", batch(["a"])), BY_NAME),
      Disconnected,
    );
    assert.deepEqual(test.broker.log("t"), []);
  });

  it("drops the connection after the request is handled: the retry is no second append", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    const { producerId, producerEpoch } = await client.ask(A.initProducerId, {
      transactionalId: null,
      transactionTimeoutMs: 0,
    });
    const records = batch(["a", "b"], { producerId, producerEpoch, baseSequence: 0 });
    test.broker.control("Produce", () => ({ drop: "response" }), { times: 1 });
    await assert.rejects(
      client.ask(A.produce, produceRequest("t", records), BY_NAME),
      Disconnected,
    );
    assert.deepEqual(test.broker.log("t").map(({ value }) => `${value}`), ["a", "b"]);

    const again = await test.raw();
    const answer = await again.ask(A.produce, produceRequest("t", records), BY_NAME);
    assert.deepEqual(
      [producedPartition(answer).errorCode, producedPartition(answer).baseOffset],
      [ERROR.NONE, 0],
    );
    assert.equal(test.broker.log("t").length, 2);
  });

  it("has kafkajs try again, idempotently, what was done and not told", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const producer = test.kafkajs.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    test.defer(() => producer.disconnect());
    await producer.send({ topic: "t", messages: [{ value: "first" }] });
    const control = test.broker.control("Produce", () => ({ drop: "response" }), { times: 2 });
    await producer.send({ topic: "t", messages: [{ value: "second" }] });
    assert.equal(control.hits, 2);
    assert.deepEqual(test.broker.log("t").map(({ value }) => `${value}`), ["first", "second"]);
  });

  it("ends after as many requests as it is told, and counts only those", async () => {
    await using test = await rig();
    const client = await test.raw();
    const control = test.broker.control(
      "ListGroups",
      ({ clientId }) => clientId === "me" ? { error: "NOT_COORDINATOR" } : undefined,
      { times: 2 },
    );
    const ask = async (clientId: string) =>
      (await client.ask(A.listGroups, {}, { clientId })).errorCode;
    assert.deepEqual(
      [await ask("me"), await ask("you"), await ask("me"), await ask("me")],
      [ERROR.NOT_COORDINATOR, 0, ERROR.NOT_COORDINATOR, 0],
    );
    assert.equal(control.hits, 2);
    assert.equal(control.seen, 3);
  });

  it("stays until it is removed, by itself or with all others", async () => {
    await using test = await rig();
    const client = await test.raw();
    const ask = async () => (await client.ask(A.listGroups, {})).errorCode;
    const first = test.broker.control("ListGroups", () => ({ error: "NOT_COORDINATOR" }));
    for (let count = 0; count < 5; count++) assert.equal(await ask(), ERROR.NOT_COORDINATOR);
    first.remove();
    assert.equal(await ask(), 0);
    test.broker.control("ListGroups", () => ({ error: "NOT_COORDINATOR" }));
    test.broker.control("*", () => ({ error: "NOT_COORDINATOR" }));
    test.broker.clearControls();
    assert.equal(await ask(), 0);
    {
      using _ = test.broker.control(16, () => ({ error: "NOT_COORDINATOR" }));
      assert.equal(await ask(), ERROR.NOT_COORDINATOR);
    }
    assert.equal(await ask(), 0);
  });

  it("is for one node, where that is said", async () => {
    await using test = await rig({ nodes: 2 });
    test.broker.control("ListGroups", () => ({ error: "NOT_COORDINATOR" }), { nodeId: 2 });
    assert.equal((await (await test.raw(1)).ask(A.listGroups, {})).errorCode, 0);
    assert.equal(
      (await (await test.raw(2)).ask(A.listGroups, {})).errorCode,
      ERROR.NOT_COORDINATOR,
    );
  });

  it("is for all APIs, as a wildcard", async () => {
    await using test = await rig();
    const client = await test.raw();
    const seen: string[] = [];
    const control = test.broker.control("*", ({ api }) => {
      seen.push(api);
      return { error: "NOT_COORDINATOR" };
    });
    assert.equal((await client.ask(A.listGroups, {})).errorCode, ERROR.NOT_COORDINATOR);
    assert.equal(
      (await client.ask(A.describeCluster, { endpointType: 1 })).errorCode,
      ERROR.NOT_COORDINATOR,
    );
    assert.deepEqual(seen, ["ListGroups", "DescribeCluster"]);
    assert.equal(control.hits, 2);
  });

  it("asks the newest control first, and the others only where it decides nothing", async () => {
    await using test = await rig();
    const client = await test.raw();
    const asked: string[] = [];
    const add = (name: string, action: ControlAction | undefined) =>
      test.broker.control("ListGroups", () => {
        asked.push(name);
        return action;
      });
    add("oldest", { error: "NOT_COORDINATOR" });
    add("middle", { error: "INVALID_REQUEST" });
    const newest = add("newest", undefined);
    const ask = async () => (await client.ask(A.listGroups, {})).errorCode;
    assert.equal(await ask(), ERROR.INVALID_REQUEST);
    assert.deepEqual(asked, ["newest", "middle"]);
    newest.remove();
    assert.equal(await ask(), ERROR.INVALID_REQUEST);
    assert.deepEqual(asked, ["newest", "middle", "middle"]);
  });

  it("waits for a decision that takes its time, and holds up this connection only", async () => {
    await using test = await rig();
    const client = await test.raw();
    const other = await test.raw();
    const { promise, resolve } = Promise.withResolvers<ControlAction | undefined>();
    const held = Promise.withResolvers<void>();
    test.broker.control("ListGroups", ({ clientId }) => {
      if (clientId !== "held") return;
      held.resolve();
      return promise;
    });
    const answer = client.ask(A.listGroups, {}, { clientId: "held" });
    await held.promise;
    await other.ask(A.listGroups, {});
    assert.equal(client.answers, 0);
    resolve({ error: "NOT_COORDINATOR" });
    assert.equal((await answer).errorCode, ERROR.NOT_COORDINATOR);
  });

  it("holds one request where it is for one, while others go on", async () => {
    await using test = await rig();
    const client = await test.raw();
    const other = await test.raw();
    const release = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    test.broker.control("ListGroups", async () => {
      held.resolve();
      await release.promise;
      return { error: "NOT_COORDINATOR" };
    }, { times: 1 });
    const answer = client.ask(A.listGroups, {});
    await held.promise;
    assert.equal((await other.ask(A.listGroups, {})).errorCode, 0);
    release.resolve();
    assert.equal((await answer).errorCode, ERROR.NOT_COORDINATOR);
  });

  for (const later of [false, true]) {
    it(`closes the connection if the control ${later ? "rejects" : "throws"}, and says so`, async () => {
      await using test = await rig();
      const client = await test.raw();
      const other = await test.raw();
      test.broker.control("ListGroups", ({ clientId }) => {
        if (clientId !== "bad") return;
        if (later) return Promise.reject(new Error("the test is wrong"));
        throw new Error("the test is wrong");
      });
      await assert.rejects(client.ask(A.listGroups, {}, { clientId: "bad" }), Disconnected);
      assert.deepEqual(test.log.messages("error"), [
        `Kafka broker closes the connection of ${client.name}: the test is wrong`,
      ]);
      assert.equal((await other.ask(A.listGroups, {})).errorCode, 0);
    });
  }

  const WRONG: [unknown, RegExp][] = [
    ["drop", /Cannot do to ListGroups what a control decides: it is string/],
    [{ error: "NO_SUCH_ERROR" }, /"NO_SUCH_ERROR" is no error of Kafka's, such as /],
    [{ error: 31_000 }, /"31000" is no error/],
    [{ error: 16, hang: true }, /only one of error and hang is allowed/],
    [{ drop: "later" }, /drop is "later", where "request" or "response" is allowed/],
    [{ hang: false }, /hang is allowed to be true only/],
    [{ delayMs: -1 }, /delayMs is -1, where 0 to 2147483647 is allowed/],
    [{ delayMs: "1s" }, /delayMs is 1s/],
    [{ eror: 16 }, /"eror" is none of delayMs, answer, error, hang, drop/],
    [{ answer: [] }, /answer is a list, not a message/],
    [{ answer: "ok" }, /answer is string, not a message/],
    [{ answer: { groups: [] } }, /version 5, with what a control gives: errorCode is missing/],
    [{ answer: { errorCode: 0, groups: {} } }, /groups is an object, where a list is needed/],
    [{ answer: { errorCode: 0, groups: [{}] } }, /groups\[0\].groupId is missing/],
    [{ answer: { error_code: 0, groups: [] } }, /there is no error_code, but there is throttle/],
    [{ answer: { errorCode: 70_000, groups: [] } }, /an integer from -32768 to 32767 is needed/],
    [{ answer: { errorCode: 0, groups: [{ groupId: 1, protocolType: "" }] } }, /where text is/],
    [{ answer: { errorCode: 0, groups: [{ groupId: null, protocolType: "" }] } }, /is null, wh/],
  ];
  for (const [action, reason] of WRONG) {
    it(`says what is wrong with ${JSON.stringify(action)}`, async () => {
      await using test = await rig();
      const client = await test.raw();
      test.broker.control("ListGroups", () => action as ControlAction);
      await assert.rejects(client.ask(A.listGroups, {}), Disconnected);
      const [line] = test.log.lines.filter(({ level }) => level === "error");
      assert.match(line!.message, reason);
      const error = line!.fields!["error"];
      assert.ok(error instanceof BrokerError);
      assert.equal(error.code, "INVALID_CONTROL");
    });
  }

  it("decides nothing by an empty action", async () => {
    await using test = await rig();
    const client = await test.raw();
    const control = test.broker.control("ListGroups", () => ({}));
    assert.equal((await client.ask(A.listGroups, {})).errorCode, 0);
    assert.equal(control.hits, 0);
  });

  it("refuses what cannot be controlled", async () => {
    await using test = await rig({ nodes: 2 });
    const { broker } = test;
    const decide = () => {};
    const refused = (work: () => unknown, code: string, message: RegExp) =>
      assert.throws(work, (error) => {
        assert.ok(error instanceof BrokerError);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      });
    refused(() => broker.control("Fecth" as "Fetch", decide), "INVALID_CONTROL", /API "Fecth"/);
    refused(() => broker.control(999, decide), "INVALID_CONTROL", /API "999"/);
    refused(() => broker.control("Fetch", null as unknown as Decide), "INVALID_CONTROL", /null/);
    refused(() => broker.control("Fetch", decide, { times: 0 }), "INVALID_CONTROL", /0 as "times"/);
    refused(() => broker.control("Fetch", decide, { times: 1.5 }), "INVALID_CONTROL", /1\.5/);
    refused(
      () => broker.control("Fetch", decide, { nodeId: 3 }),
      "UNKNOWN_PART",
      /node 3: .* 1, 2/,
    );
    await broker.stop();
    refused(() => broker.control("Fetch", decide), "NOT_RUNNING", /stopped/);
  });

  describe("whenHit()", () => {
    it("waits for the hits, and gives the request of the one that was asked for", async () => {
      await using test = await rig();
      const client = await test.raw();
      const control = test.broker.control("ListGroups", () => ({ error: "NOT_COORDINATOR" }));
      const second = control.whenHit(2);
      for (const clientId of ["first", "second", "third"]) {
        await client.ask(A.listGroups, {}, { clientId });
      }
      assert.equal((await second).clientId, "second");
      assert.equal((await control.whenHit()).clientId, "first");
      assert.equal((await control.whenHit(3)).clientId, "third");
    });

    it("gives up when its time is over, and says how often it has been hit", async () => {
      await using test = await rig();
      const client = await test.raw();
      const control = test.broker.control("ListGroups", () => ({ error: "NOT_COORDINATOR" }));
      await client.ask(A.listGroups, {});
      await assert.rejects(control.whenHit(2, { timeoutMs: 20 }), {
        name: "BrokerError",
        code: "WAIT_TIMEOUT",
        message: "Cannot wait longer than 20 ms for request 2 of a control, which has had 1",
      });
    });

    it("ends when the broker stops", async () => {
      await using test = await rig();
      const control = test.broker.control("ListGroups", () => {});
      const hit = assert.rejects(control.whenHit(), { code: "NOT_RUNNING" });
      await test.broker.stop();
      await hit;
      await assert.rejects(control.whenHit(), { code: "NOT_RUNNING" });
    });
  });

  it("has clients without acknowledgement notice an error by the connection", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    test.broker.control("Produce", () => ({ error: "NOT_LEADER_OR_FOLLOWER" }));
    client.send(A.produce, produceRequest("t", batch(["a"]), { acks: 0 }), BY_NAME);
    await client.closed;
    assert.equal(client.answers, 0);
    assert.match(test.log.messages("warn")[0]!, /without acknowledgement failed: NOT_LEADER_OR_/);
  });
});
