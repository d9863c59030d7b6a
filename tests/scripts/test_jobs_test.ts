import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "#std/testing/bdd";
import { ROOT, type TestFile } from "../../scripts/support/test_files.ts";
import { jobName, planJobs, runJob } from "../../scripts/support/test_jobs.ts";
import { currentRuntime } from "../../bench/support/runtimes.ts";
import { untilGone } from "../support/left_behind.ts";

describe("planJobs()", () => {
  const file = (path: string, more: Partial<TestFile> = {}): TestFile => ({
    path,
    brokers: ["embedded"],
    runtime: undefined,
    takesTurns: false,
    alone: false,
    long: false,
    ...more,
  });

  it("puts small files together, and gives each other file a process of its own", () => {
    const files = [file("a"), file("own", { alone: true }), file("b")];
    assert.deepEqual(planJobs(files), [{ paths: ["a", "b"] }, { paths: ["own"] }]);
    assert.deepEqual(planJobs(files.slice(1, 2)), [{ paths: ["own"] }]);
    assert.deepEqual(planJobs([]), []);
  });

  it("divides many small files evenly, and leaves out none", () => {
    for (let count = 1; count <= 100; count++) {
      const files = Array.from({ length: count }, (_, index) => file(`${index}`));
      const jobs = planJobs(files);
      assert.deepEqual(jobs.flatMap(({ paths }) => paths), files.map(({ path }) => path));
      const sizes = jobs.map(({ paths }) => paths.length);
      assert.ok(Math.max(...sizes) <= 12 && Math.max(...sizes) - Math.min(...sizes) <= 1);
    }
  });

  it("begins with what takes longest", () => {
    const files = [
      file("long", { alone: true, long: true }),
      file("x", { alone: true }),
      file("a"),
    ];
    assert.deepEqual(planJobs(files).map(jobName), ["long", "a", "x"]);
  });
});

describe("runJob()", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kafka-threads-tests-"));
  });
  after(() => rm(folder, { recursive: true }));

  const HEAD = `import { describe, it } from "node:test";\n`;
  const name = currentRuntime();
  /** Runs files of these texts on this runtime. */
  async function run(texts: string[], timeoutMs = 60_000) {
    const inside = await mkdtemp(join(folder, "run-"));
    const paths = await Promise.all(texts.map(async (text, index) => {
      const path = join(inside, `${index}_test.ts`);
      await writeFile(path, HEAD + text);
      return relative(ROOT, path);
    }));
    const runtime = { name, version: "", executable: process.execPath, arguments: [] };
    return await runJob({ paths }, { runtime, env: {}, folder: inside, timeoutMs });
  }

  it("counts the tests of all files", async () => {
    const { passed, failed, late } = await run([
      `describe("a", () => { it("passes", () => {}); });`,
      `describe("a", () => { it("passes too", () => {}); it("and more", () => {}); });`,
    ]);
    assert.deepEqual({ passed, failed, late }, { passed: 3, failed: [], late: false });
  });

  it("tells what failed, and keeps what was printed", async () => {
    const { passed, failed, output } = await run([
      `describe("a", () => { it("passes", () => {}); });`,
      `describe("b", () => { it("fails", () => { throw new Error("with a reason"); }); });`,
    ]);
    assert.equal(passed, 1);
    assert.equal(failed.length, 1);
    assert.match(failed[0]!, /fails/);
    assert.match(output, /with a reason/);
  });

  it("takes a file that cannot be loaded as a failure", async () => {
    const { passed, failed } = await run([`throw new Error("no");`]);
    assert.equal(passed, 0);
    assert.equal(failed.length, 1);
  });

  it("ends tests that hang, with all they have started, and names their file", {
    timeout: 60_000,
  }, async () => {
    const { failed, late, output } = await run([
      `import { spawn } from "node:child_process";
       it("hangs", async () => {
         const child = spawn("sleep", ["600"], { stdio: "inherit" });
         console.log("the child is", child.pid, ".");
         await new Promise((resolve) => child.on("exit", resolve));
       });`,
    ], 4_000);
    assert.equal(late, true);
    assert.equal(failed.length, 1);
    assert.match(failed[0]!, /0_test\.ts did not end within 4 s$/);
    await untilGone(Number(/the child is (\d+)/.exec(output)![1]));
  });
});
