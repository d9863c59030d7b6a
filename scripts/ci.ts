/**
 * `deno task ci`: what has to pass before anything is merged. Each check counts as one test.
 *
 * @module
 */
import process from "node:process";
import { runCommand } from "./support/processes.ts";
import { summary } from "./support/junit.ts";
import { printExceptions, runTests, testRunOptions } from "./support/test_run.ts";

/** What is checked before the tests, each by a command of this very Deno. */
const CHECKS: Record<string, readonly string[]> = {
  "the formatting": ["fmt", "--check"],
  "the linter": ["lint"],
  "the types and the examples in comments": [
    "check",
    "--quiet",
    "--doc",
    "mod.ts",
    "src",
    "workers",
  ],
  "the types of all that is not published": [
    "check",
    "--quiet",
    "tests",
    "bench",
    "examples",
    "scripts",
  ],
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
  // A tree with changes in it is fine: nothing is published.
  "what JSR would refuse": ["publish", "--dry-run", "--allow-dirty"],
};

/** How long all of it may take: a machine that waits longer would end it without a word. */
const LIMIT_MS = 24 * 60_000;

async function main(): Promise<number> {
  const began = performance.now();
  let passed = 0;
  const failed: string[] = [];
  for (const [what, args] of Object.entries(CHECKS)) {
    const { code, output } = await runCommand([process.execPath, ...args], { quiet: true });
    console.log(`${code === 0 ? "passed" : "FAILED"}  ${what}: deno ${args.join(" ")}`);
    if (code === 0) passed++;
    else {
      console.log(output);
      failed.push(`${what}: deno ${args.join(" ")}`);
    }
  }

  const result = await runTests({
    ...testRunOptions({ timings: true }),
    limitMs: LIMIT_MS - (performance.now() - began),
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
