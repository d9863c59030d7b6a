import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, it } from "#std/testing/bdd";
import { needsApacheKafka } from "../apache_skip.ts";
import { startApacheKafka } from "../kafka/mod.ts";
import { kafkaContract } from "../kafka_contract.ts";
import { isAlive, leaveBehind } from "../left_behind.ts";

// Java takes its time on a busy machine; Bun's own limit is 5 s.
const slow = { timeout: 120_000 };

describe("startApacheKafka()", needsApacheKafka, () => {
  kafkaContract(startApacheKafka, (kafka) => {
    it("is not mistaken for another one that has its port", slow, async () => {
      const port = Number(kafka().bootstrapServers.split(":")[1]);
      const taken = /ended with status 1[^]*Address already in use/;
      await assert.rejects(startApacheKafka({ port }), taken);
    });

    it("leaves nothing behind when it is stopped", slow, async () => {
      const { brokers: [broker], folder } = kafka();
      const pid = broker!.pid!;
      assert.equal(isAlive(pid), true);
      await kafka().stop();
      assert.equal(broker!.pid, undefined);
      assert.equal(isAlive(pid), false);
      assert.equal(existsSync(folder), false);
      await kafka().stop();
    });
  });

  for (const ending of ["crash", "forget"] as const) {
    it(`leaves nothing behind when its program ends: ${ending}`, slow, async () => {
      const { pid, folder } = await leaveBehind("apache", ending);
      assert.equal(isAlive(pid), false);
      assert.equal(existsSync(folder!), false);
    });
  }
});
