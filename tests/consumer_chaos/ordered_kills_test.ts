import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { sharedKafka } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { orderedKills } from "./scenarios/ordered_kills.ts";

describe("An ordered consumer whose process is killed", needsKafka, () => {
  it("loses nothing, keeps the order, and repeats one message at most", {
    timeout: 120_000,
  }, async () => {
    const { bootstrapServers } = await sharedKafka();
    const { kills, repeated } = await orderedKills({
      bootstrapServers,
      seed: 1,
      rounds: 6,
      messages: 600,
      driver: "kafkajs",
      evicted: true,
    });
    assert.equal(kills, 6);
    assert(repeated <= kills);
  });
});
