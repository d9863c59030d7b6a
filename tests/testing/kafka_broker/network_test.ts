import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { CLIENTS } from "./clients.ts";
import { A, Disconnected, type RawClient } from "./raw_client.ts";
import { heartbeat, memberOf } from "./raw_member.ts";
import { BY_NAME, fetchedPartitions, fetchRequest, rig } from "./support.ts";

describe("KafkaBroker.disconnectAll()", () => {
  it("closes all connections, of all nodes, whatever they wait for; the port stays open", async () => {
    await using test = await rig({ nodes: 2, topics: { t: 1 } });
    const { broker } = test;
    broker.moveLeader("t", 0, 2);
    broker.moveCoordinator("group", 1);
    const member = await memberOf(await test.raw(1));
    const waiting = await test.raw(2);
    const handling = test.handling("Fetch");
    const fetched = assert.rejects(
      waiting.ask(A.fetch, fetchRequest("t", { maxWaitMs: 600_000 }), BY_NAME),
      Disconnected,
    );
    await handling;
    assert.equal(broker.connections.length, 2);
    assert.equal(await broker.disconnectAll(), 2);
    assert.deepEqual(broker.connections, []);
    await Promise.all([fetched, waiting.closed, member.client.closed]);
    assert.equal(await broker.disconnectAll(), 0);
    assert.equal(await heartbeat({ ...member, client: await test.raw(1) }), ERROR.NONE);
  });

  for (const client of CLIENTS) {
    it(`has ${client.name} connect again`, async () => {
      await using test = await rig({ topics: { t: 1 } });
      const consumer = await client.consumer(test.broker.bootstrapServers, "group", "t");
      test.defer(() => consumer.close());
      for (const [index, value] of ["a", "b", "c"].entries()) {
        await test.broker.produce("t", [{ value }]);
        await test.broker.whenCommitted("group", "t", { offset: index + 1 });
        assert.ok(await test.broker.disconnectAll() > 0);
      }
      const got = new Set(consumer.messages.map(({ value }) => value));
      assert.deepEqual([...got], ["a", "b", "c"]);
    });
  }
});

describe("KafkaBroker.slowNetwork()", () => {
  /** How long it takes to fetch all of "t", in milliseconds. */
  async function timed(client: RawClient): Promise<number> {
    const start = performance.now();
    const [partition] = fetchedPartitions(await client.ask(A.fetch, fetchRequest("t"), BY_NAME));
    assert.ok(partition!.records.length > 50_000);
    return performance.now() - start;
  }

  it("lets each byte come later, there and back, on connections old and new", async () => {
    await using test = await rig({ topics: { t: 1 } });
    await test.broker.produce("t", [{ value: "x".repeat(50_000) }]);
    const old = await test.raw();
    await timed(old);
    test.broker.slowNetwork({ latencyMs: 60 });
    assert.ok(await timed(old) >= 119);
    assert.ok(await timed(await test.raw()) >= 119);
    test.broker.slowNetwork({ latencyMs: 1_000_000 });
    // What is on its way comes at once when the network is fast again.
    const late = timed(old);
    test.broker.slowNetwork(null);
    await late;
  });

  it("lets only so many bytes pass in a second, on each connection", async () => {
    await using test = await rig({ topics: { t: 1 } });
    await test.broker.produce("t", [{ value: "x".repeat(50_000) }]);
    const clients = [await test.raw(), await test.raw()];
    test.broker.slowNetwork({ bytesPerSecond: 500_000 });
    const each = await Promise.all(clients.map((client) => timed(client)));
    // A hundredth of a second's worth may pass at once.
    assert.ok(Math.min(...each) >= 85, `${each}`);
    test.broker.slowNetwork({ bytesPerSecond: 100_000 });
    const slower = await timed(clients[0]!);
    assert.ok(slower >= 450, `${slower}`);
    test.broker.slowNetwork(null);
    assert.ok(await timed(clients[1]!) < slower);
  });

  it("holds for a node that comes up later", async () => {
    await using test = await rig({ topics: { t: 1 } });
    await test.broker.produce("t", [{ value: "x".repeat(50_000) }]);
    test.broker.slowNetwork({ latencyMs: 50 });
    await test.broker.restart();
    assert.ok(await timed(await test.raw()) >= 99);
  });

  it("says what is wrong with what it is told", async () => {
    await using test = await rig();
    assert.throws(() => test.broker.slowNetwork({ latencyMs: -1, bytesPerSecond: 0 }), (error) => {
      const { issues } = error as { issues: { option: string; expected: string }[] };
      assert.deepEqual(issues.map(({ option }) => option), ["latencyMs", "bytesPerSecond"]);
      return true;
    });
    assert.throws(
      () => test.broker.slowNetwork({ latency: 5 } as { latencyMs?: number }),
      /did you mean "latencyMs"/,
    );
  });
});
