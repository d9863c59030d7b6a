import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { sharedKafka } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { canEndLoops, endlessLoop } from "./scenarios/endless_loop.ts";

describe("A handler thread in an endless loop", needsKafka, () => {
  const scenario = sideBySide(2);

  scenario("is replaced, and what it had is tried again", async () => {
    const { bootstrapServers } = await sharedKafka();
    const { stats } = await endlessLoop({ bootstrapServers, messages: 400, onStuck: "replace" });
    const { handlers, health } = stats!;
    assert.deepEqual([handlers.handled, handlers.abandonedThreads], [400, canEndLoops ? 0 : 1]);
    // None where it was announced with others: those are tried again alone, without a lost attempt.
    assert([0, 1].includes(handlers.failed) && handlers.retries === handlers.failed);
    assert.deepEqual(handlers.threads.map(({ state }) => state), ["running", "running"]);
    assert.equal(handlers.threads.reduce((sum, { restarts }) => sum + restarts, 0), 1);
    assert.equal(health.status, canEndLoops ? "UP" : "DOWN", JSON.stringify(health));
    const down = health.checks.filter(({ status }) => status === "DOWN");
    assert.deepEqual(down.map(({ name }) => name), canEndLoops ? [] : ["handler threads"]);
  });

  scenario("ends the process if that is asked for and nothing else helps", async () => {
    const { bootstrapServers } = await sharedKafka();
    const { code } = await endlessLoop({ bootstrapServers, messages: 400, onStuck: "exit" });
    assert.equal(code, canEndLoops ? 0 : 1);
  });
});
