import assert from "node:assert/strict";
import { Kafka, logLevel } from "kafkajs";
import { describe, it } from "#std/testing/bdd";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { sharedKafka } from "../../support/kafka/mod.ts";
import { needsKafka } from "../../support/kafka_skip.ts";

describe("FaultProxy", needsKafka, () => {
  it("stands between kafkajs and a Kafka that knows nothing of it", async () => {
    const { bootstrapServers } = await sharedKafka();
    await using proxy = await new FaultProxy(bootstrapServers.split(",")[0]!).listen();
    // Only the bootstrap goes through it: this Kafka tells its own address, not the proxy's.
    const ask = async () => {
      const brokers = [proxy.address];
      const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING, retry: { retries: 0 } });
      const admin = kafka.admin();
      await admin.connect();
      await admin.disconnect();
    };
    await ask();
    assert.ok(proxy.stats().bytesToClient > 100);

    const fault = proxy.cutAfter(20, { direction: "toClient" });
    await assert.rejects(ask());
    assert.ok(fault.hits > 0);

    proxy.heal();
    await ask();
  });
});
