/**
 * `deno task ci`: what has to pass before anything is merged. Each check counts as one test.
 *
 * @module
 */
import process from "node:process";
import { runCommand } from "./support/processes.ts";
import { summary } from "./support/junit.ts";
import { progress } from "./support/progress.ts";
import { printExceptions, runTests, testRunOptions } from "./support/test_run.ts";

/** What is checked besides, each by a command of this very Deno, what takes longest first. */
const CHECKS: Record<string, readonly string[]> = {
  // At once, so that what all of them import is looked at once.
  "the types and the examples in comments": [
    ...["check", "--quiet", "--doc"],
    ...["mod.ts", "src", "workers", "tests", "bench", "examples", "scripts"],
  ],
  // A tree with changes in it is fine: nothing is published.
  "what JSR would refuse": ["publish", "--dry-run", "--allow-dirty"],
  "the linter": ["lint"],
  "the formatting": ["fmt", "--check"],
  "the documentation of all that is public": [
    "doc",
    "--lint",
    "mod.ts",
    "src/server/mod.ts",
    "src/testing/mod.ts",
    "src/cli/mod.ts",
    "workers/poller.ts",
    "workers/handler.ts",
  ],
};

/** How long all of it may take: a machine that waits longer would end it without a word. */
const LIMIT_MS = 24 * 60_000;

async function main(): Promise<number> {
  let passed = 0;
  const failed: string[] = [];
  const checks = Object.entries(CHECKS).map(([what, args]) => async () => {
    const { code, output } = await runCommand([process.execPath, ...args], { quiet: true });
    progress.line(`${code === 0 ? "passed" : "FAILED"}  ${what}: deno ${args.join(" ")}`);
    if (code === 0) return void passed++;
    progress.line(output);
    failed.push(`${what}: deno ${args.join(" ")}`);
  });

  const result = await runTests({
    ...testRunOptions({ timings: true }),
    first: checks,
    limitMs: LIMIT_MS,
  });
  result.passed += passed;
  result.failed.unshift(...failed);
  // A machine that checks everything has to be able to.
  result.failed.push(
    ...result.missing.map((text) => `missing: ${text}`),
    ...result.skipped.map((name) => `skipped: ${name}`),
  );
  console.log();
  printExceptions({ ...result, missing: [], skipped: [] });
  console.log(summary({ ...result, skipped: [] }));
  return result.failed.length === 0 ? 0 : 1;
}

process.exit(await main());
