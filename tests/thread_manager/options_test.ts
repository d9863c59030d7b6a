// That the constructor checks; what is checked is the matter of tests/options.
import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { OptionsError, ThreadManager, type ThreadManagerOptions } from "../../mod.ts";

const consumer = { bootstrapServers: "localhost:9092", groupId: "g", topics: ["t"] };

function issuesOf(options: unknown): string[] {
  try {
    new ThreadManager(options as ThreadManagerOptions);
  } catch (error) {
    assert(OptionsError.is(error), `${error}`);
    return error.issues.map(({ option }) => option);
  }
  return [];
}

describe("new ThreadManager()", () => {
  it("says all that is wrong at once", () => {
    assert.deepEqual(
      issuesOf({ consumer: { ...consumer, topics: [] }, lifetimeMs: -1, commit: "never" }),
      ["consumer.topics", "lifetimeMs", "commit"],
    );
  });

  it("takes no less than it needs", () => {
    assert.deepEqual(issuesOf(undefined), [""]);
    assert.deepEqual(issuesOf({}), ["consumer"]);
    assert.deepEqual(issuesOf({ consumer: {} }), [
      "consumer.bootstrapServers",
      "consumer.groupId",
      "consumer.topics",
    ]);
  });

  it("refuses a daemon without a thread", () => {
    assert.deepEqual(
      issuesOf({ consumer: { ...consumer, thread: "inline" }, daemon: true }),
      ["daemon"],
    );
  });

  it("takes its options as they are at that time", async () => {
    const topics = ["t"];
    const options = { consumer: { ...consumer, topics }, name: "before" };
    const manager = new ThreadManager(options);
    options.name = "after";
    topics.length = 0;
    assert.equal(manager.stats().name, "before");
    assert.equal(manager.state, "idle");
    await manager.stop();
  });
});
