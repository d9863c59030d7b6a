import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { sharedKafka } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { offsetMap } from "./scenarios/offset_map.ts";

describe("What finished beyond a stuck message", needsKafka, () => {
  it("is not handled again after a kill", { timeout: 120_000 }, async () => {
    const { bootstrapServers } = await sharedKafka();
    const { finished, handledAgain } = await offsetMap({
      bootstrapServers,
      seed: 4,
      messages: 10_001,
      keys: 0,
      stuck: 0,
      driver: "kafkajs",
    });
    assert.deepEqual([finished, handledAgain], [10_000, 1]);
  });

  it("is not handled again, but what waits for one of its key is", {
    timeout: 120_000,
  }, async () => {
    const { bootstrapServers } = await sharedKafka();
    const { finished, handledAgain, metadataBytes } = await offsetMap({
      bootstrapServers,
      seed: 5,
      messages: 10_000,
      keys: 500,
      stuck: 10,
      driver: "platformatic",
    });
    assert(handledAgain > 20 && finished > 9_000, `${handledAgain} and ${finished}`);
    assert(metadataBytes < 4_096);
  });
});
