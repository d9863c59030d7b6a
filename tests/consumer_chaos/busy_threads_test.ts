import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { sharedKafka } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { busyThreads } from "./scenarios/busy_threads.ts";

describe("Handlers that compute on all threads", needsKafka, () => {
  it("hold up no heartbeat", { timeout: 120_000 }, async () => {
    const { bootstrapServers } = await sharedKafka();
    const { heartbeats, expectedHeartbeats } = await busyThreads({
      bootstrapServers,
      sessionTimeoutMs: 2_000,
      sessions: 3,
    });
    // Two handlers, a broker and this test share what cores there are.
    assert(heartbeats > expectedHeartbeats / 3, `${heartbeats}, not ${expectedHeartbeats}`);
  });
});
