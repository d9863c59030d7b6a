import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { sharedKafka } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { keyOrder } from "./scenarios/key_order.ts";

const OPTIONS = { keys: 300, partitions: 6, driver: "kafkajs", evicted: true } as const;

describe("A group in order by key", needsKafka, () => {
  it("handles each key in order while members come and go and threads crash", {
    timeout: 120_000,
  }, async () => {
    const { bootstrapServers } = await sharedKafka();
    const { members, crashes, rebalances } = await keyOrder({
      ...OPTIONS,
      bootstrapServers,
      seed: 2,
      messages: 8_000,
      actions: ["join", "join", "leave", "join", "leave"],
      crashes: 4,
    });
    assert.deepEqual([members, crashes], [4, 4]);
    assert(rebalances > 1);
  });

  it("loses nothing when members are killed", { timeout: 120_000 }, async () => {
    const { bootstrapServers } = await sharedKafka();
    const { kills } = await keyOrder({
      ...OPTIONS,
      bootstrapServers,
      seed: 3,
      messages: 3_000,
      actions: ["join", "kill", "join", "kill"],
      crashes: 1,
    });
    assert.equal(kills, 2);
  });
});
