import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "#std/testing/bdd";
import { smallTopic } from "../small_topic.ts";
import { run, temporaryFolder } from "../support.ts";

describe("deno bundle", () => {
  it("bundles mod.ts for browsers, and the bundle says that there is no Worker", async () => {
    await using folder = await temporaryFolder();
    const bundle = join(folder.path, "bundle.js");
    const made = await run([
      process.execPath,
      "bundle",
      "--platform=browser",
      `--output=${bundle}`,
      "mod.ts",
    ]);
    assert.equal(made.code, 0, made.stderr);
    const { stdout, stderr } = await run([
      process.execPath,
      "run",
      "--allow-all",
      "tests/edge/fixtures/no_worker.ts",
      `file://${bundle}`,
      "worker",
    ]);
    assert.match(stdout, /"NO_WORKER"/, stderr);
  });

  it("bundles a program and its poller side by side", async () => {
    await using folder = await temporaryFolder();
    // `deno compile` makes its executable from a runtime that it has to download, which not every
    // machine can; what a compiled program asks of the library is the same: `workers.poller`.
    for (const entry of ["tests/edge/fixtures/compiled.ts", "workers/poller.ts"]) {
      const made = await run([
        process.execPath,
        "bundle",
        "--platform=deno",
        `--outdir=${folder.path}`,
        entry,
      ]);
      assert.equal(made.code, 0, made.stderr);
    }
    const ended = await run(
      [process.execPath, "run", "--allow-all", "compiled.js", "./poller.js"],
      await smallTopic(),
      folder.path,
    );
    assert.match(ended.stdout, /^read 20 messages$/m, ended.stderr);
  });
});
