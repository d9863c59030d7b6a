import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { sharedKafka } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { stuckKey } from "./scenarios/stuck_key.ts";

describe("A key that is stuck at the head of a partition", needsKafka, () => {
  it("holds up nothing but itself", { timeout: 120_000 }, async () => {
    const { bootstrapServers } = await sharedKafka();
    const { besideIt, elsewhere } = await stuckKey({
      bootstrapServers,
      messages: 1_500,
      every: 10,
      maxInFlight: 1_000,
    });
    assert.deepEqual([besideIt, elsewhere], [1_350, 1_500]);
  });

  it("takes no more than its partition's part of the memory", { timeout: 120_000 }, async () => {
    const { bootstrapServers } = await sharedKafka();
    await stuckKey({ bootstrapServers, messages: 3_000, every: 5, maxInFlight: 200 });
  });
});
