import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { startEmbeddedKafka } from "./kafka/mod.ts";
import { kafkaContract } from "./kafka_contract.ts";
import { isAlive, leaveBehind, untilGone } from "./left_behind.ts";

// Bun's own limit is 5 s.
const slow = { timeout: 60_000 };

describe("startEmbeddedKafka()", () => {
  kafkaContract(startEmbeddedKafka, (kafka) => {
    it("leaves nothing behind when it is stopped, even while it is paused", slow, async () => {
      const { pid, brokers: [broker] } = kafka();
      assert.equal(isAlive(pid), true);
      broker!.pause();
      await kafka().stop();
      assert.equal(isAlive(pid), false);
      await kafka().stop();
    });
  });

  for (const ending of ["crash", "forget", "crash while it is paused"] as const) {
    it(`leaves nothing behind when its program ends: ${ending}`, slow, async () => {
      const { pid } = await leaveBehind("embedded", ending);
      await untilGone(pid);
    });
  }

  it("says what it cannot be told, and why it cannot start", slow, async () => {
    await using kafka = await startEmbeddedKafka({ config: { "num.partitions": "3" } });
    const port = Number(kafka.bootstrapServers.split(":")[1]);
    await assert.rejects(startEmbeddedKafka({ port }), /the port is taken/);
    await assert.rejects(
      startEmbeddedKafka({ config: { "log.dirs": "/tmp" } }),
      /Cannot set "log.dirs": the embedded broker has no such setting/,
    );
  });
});
