import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "#std/testing/bdd";
import { smallTopic } from "../small_topic.ts";
import { run, temporaryFolder } from "../support.ts";

const slow = { timeout: 60_000 };
const PROGRAM = "tests/edge/fixtures/compiled.ts";

describe("bun build", () => {
  it("bundles mod.ts for browsers, and the bundle says that there is no Worker", slow, async () => {
    await using folder = await temporaryFolder();
    const bundle = join(folder.path, "bundle.js");
    const made = await build("--target=browser", "mod.ts", "--outfile", bundle);
    assert.equal(made.code, 0, made.stderr);
    const fixture = "tests/edge/fixtures/no_worker.ts";
    const { stdout, stderr } = await run([process.execPath, fixture, bundle, "worker"]);
    assert.match(stdout, /"NO_WORKER"/, stderr);
  });

  it("--compile takes the poller as a second entry", slow, async () => {
    await using folder = await temporaryFolder();
    const program = join(folder.path, "program");
    const made = await build("--compile", PROGRAM, "workers/poller.ts", "--outfile", program);
    assert.equal(made.code, 0, made.stderr);
    // Bun keeps the entries' places relative to their common root, under the names they had.
    const ended = await run([program, "./workers/poller.ts"], await smallTopic(), folder.path);
    assert.match(ended.stdout, /^read 20 messages$/m, ended.stderr);
  });
});

function build(...args: string[]): ReturnType<typeof run> {
  return run([process.execPath, "build", ...args]);
}
