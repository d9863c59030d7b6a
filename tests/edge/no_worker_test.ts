import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { runChild } from "../support/child.ts";
import { smallTopic } from "./small_topic.ts";

const slow = { timeout: 60_000 };
const FIXTURE = new URL("./fixtures/no_worker.ts", import.meta.url);
const LIBRARY = new URL("../../mod.ts", import.meta.url).href;

describe("a host without Worker", () => {
  it("is told that it has none", slow, async () => {
    const { stdout, stderr } = await runChild(FIXTURE, [LIBRARY, "worker"]).ended;
    assertNoWorker(stdout, stderr);
  });

  it("runs the poller inline", slow, async () => {
    const { stdout, stderr } = await runChild(FIXTURE, [LIBRARY, "inline"], await smallTopic())
      .ended;
    assert.notEqual(stdout, "", stderr);
    const { closed, texts } = JSON.parse(stdout);
    assert.equal(closed, "stopped");
    assert.deepEqual(texts, Array.from({ length: 20 }, (_, id) => `{"id":${id}}`));
  });
});

function assertNoWorker(stdout: string, stderr: string): void {
  assert.notEqual(stdout, "", stderr);
  const { message, ...error } = JSON.parse(stdout);
  assert.deepEqual(error, { name: "ThreadError", code: "NO_WORKER", state: "failed" });
  assert.match(message, /this host has no Worker; thread: "inline" runs the poller without one/);
}
