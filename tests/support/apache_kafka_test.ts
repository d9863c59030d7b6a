import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, it } from "#std/testing/bdd";
import { needsApacheKafka } from "./apache_skip.ts";
import { startApacheKafka } from "./kafka/mod.ts";
import { kafkaContract } from "./kafka_contract.ts";
import { isAlive, leaveBehind } from "./left_behind.ts";

// Java takes its time on a busy machine; Bun's own limit is 5 s.
const slow = { timeout: 120_000 };

describe("startApacheKafka()", needsApacheKafka, () => {
  kafkaContract("apache", startApacheKafka);

  it("leaves nothing behind when it is killed, started and stopped", slow, async () => {
    const kafka = await startApacheKafka();
    const broker = kafka.brokers[0]!;
    const first = broker.pid!;
    assert.equal(isAlive(first), true);
    await broker.kill();
    assert.equal(broker.pid, undefined);
    assert.equal(isAlive(first), false);
    await broker.start();
    const second = broker.pid!;
    assert.notEqual(second, first);
    // Another one is not mistaken for it.
    const port = Number(broker.bootstrapServer.split(":")[1]);
    await assert.rejects(
      startApacheKafka({ port }),
      /ended with status 1[^]*Address already in use/,
    );

    await kafka.stop();
    assert.equal(isAlive(second), false);
    assert.equal(existsSync(kafka.folder), false);
    await kafka.stop();
  });

  for (const ending of ["crash", "forget"] as const) {
    it(`leaves nothing behind when its program ends: ${ending}`, slow, async () => {
      const { pid, folder } = await leaveBehind("apache", ending);
      assert.equal(isAlive(pid), false);
      assert.equal(existsSync(folder!), false);
    });
  }
});
