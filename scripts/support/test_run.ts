import { rmSync } from "node:fs";
import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, matchesGlob, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type BorrowedKafka, borrowKafka } from "./kafka.ts";
import { type Tally, tallyJunit } from "./junit.ts";
import { runCommand } from "./processes.ts";
import { obtainRuntime, type Runtime, type RuntimeName } from "./runtimes.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** A runner that takes longer hangs. */
const RUNNER_LIMIT_MS = 15 * 60_000;

/** Which tests are run, and where. */
export interface TestRunOptions {
  /** In which runtimes, in this order. */
  runtimes: readonly RuntimeName[];
  /** Files whose path matches this glob, or contains it; default: all. */
  only?: string;
}

/** What came out of it. */
export interface TestRunResult extends Tally {
  /** Runtimes that could not be had, and why. */
  missing: string[];
}

/**
 * Runs the tests in one runtime after the other, on one Kafka.
 *
 * @param options Which, and where.
 * @returns All counts together.
 * @throws {Error} If no file matches.
 */
export async function runTests({ runtimes, only }: TestRunOptions): Promise<TestRunResult> {
  const files = await findTests(only);
  const testsOf = (name: RuntimeName) =>
    files.filter((file) => {
      // Below a folder named after a runtime are the tests of what only that one has.
      const [, of] = /\/(deno|bun|node)\//.exec(file) ?? [];
      return of === undefined || of === name;
    });
  const result: TestRunResult = { passed: 0, failed: [], skipped: [], missing: [] };
  const kafka = await borrowKafka({ tls: true, sasl: true });
  if ("reason" in kafka) console.log(`Without Kafka: ${kafka.reason}`);
  else console.log(`Kafka: ${kafka.bootstrapServers}, ${kafka.source}`);
  try {
    for (const name of runtimes) await runIn(name, testsOf(name), kafka, result);
  } finally {
    if (!("reason" in kafka)) await kafka[Symbol.asyncDispose]();
  }
  return result;
}

async function runIn(
  name: RuntimeName,
  files: string[],
  kafka: BorrowedKafka | { reason: string },
  result: TestRunResult,
): Promise<void> {
  if (files.length === 0) return console.log(`\n${name}: none of the files is for it`);
  let runtime: Runtime;
  try {
    runtime = await obtainRuntime(name);
  } catch (error) {
    result.missing.push(`${name}: ${(error as Error).message}`);
    console.log(`\n${name}: skipped, ${(error as Error).message}`);
    return;
  }
  const label = `${name} ${runtime.version}`;
  console.log(`\n${label}: ${files.length} files`);
  const began = performance.now();
  const folder = await mkdtemp(join(tmpdir(), "kafka-threads-tests-"));
  // Not only when this function ends: an interrupt ends the process.
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", removeFolder);
  try {
    const report = join(folder, "report.xml");
    const { code, late } = await runCommand(COMMANDS[name](runtime.executable, report, files), {
      cwd: ROOT,
      env: "reason" in kafka ? {} : kafka.variables,
      timeoutMs: RUNNER_LIMIT_MS,
      ...(name === "deno" ? { rewrite: dotsInOneLine } : {}),
    });
    const tally = tallyJunit(await readFile(report, "utf8").catch(() => ""));
    if (late) tally.failed.push(`the runner, which did not end in ${RUNNER_LIMIT_MS / 60_000} min`);
    else if (tally.passed + tally.failed.length === 0) {
      tally.failed.push("the runner: it ran 0 tests");
    } else if (code !== 0 && tally.failed.length === 0) {
      tally.failed.push(`the runner: exit code ${code} without a failed test`);
    }
    const seconds = Math.round((performance.now() - began) / 1_000);
    console.log(`\n${label}: ${summary(tally)} (${seconds} s)`);
    result.passed += tally.passed;
    result.failed.push(...tally.failed.map((test) => `${name}: ${test}`));
    result.skipped.push(...tally.skipped.map((test) => `${name}: ${test}`));
  } finally {
    removeFolder();
    process.off("exit", removeFolder);
  }
}

/** Deno ends the line after each dot where the output is not a terminal. */
function dotsInOneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/^((?:\x1b\[[\d;]*m)*[.,!](?:\x1b\[[\d;]*m)*)\n/gm, "$1");
}

// Short reports while they run, failures whole; the counts come from the JUnit report.
const COMMANDS: Record<
  RuntimeName,
  (executable: string, report: string, files: string[]) => string[]
> = {
  deno: (executable, report, files) => [
    executable,
    "test",
    "--allow-all",
    // Types are a check of their own.
    "--no-check",
    "--parallel",
    "--reporter=dot",
    `--junit-path=${report}`,
    ...files,
  ],
  bun: (executable, report, files) => [
    executable,
    "test",
    "--dots",
    "--parallel=2",
    // Bun knows no other limit for hooks.
    "--timeout=120000",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    // A path, where Bun would otherwise search for files whose name contains the text.
    ...files.map((file) => `./${file}`),
  ],
  node: (executable, report, files) => [
    executable,
    "--test",
    // kafkajs arms timers with negative delays.
    "--disable-warning=TimeoutNegativeWarning",
    "--test-concurrency=2",
    "--test-reporter=dot",
    "--test-reporter-destination=stdout",
    "--test-reporter=junit",
    `--test-reporter-destination=${report}`,
    ...files,
  ],
};

/** What takes longest begins first: begun last, it would run on alone. */
function rank(file: string): number {
  if (/fault_broker|\/kafka_test/.test(file)) return 0;
  return /fault_|\/drivers\/\w+_test/.test(file) ? 1 : 2;
}

async function findTests(only: string | undefined): Promise<string[]> {
  const folder = join(ROOT, "tests");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith("_test.ts"))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((file) => only === undefined || file.includes(only) || matchesGlob(file, only))
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  if (files.length === 0) {
    throw new Error(`Cannot find tests: no file matches "${only ?? "tests"}"`);
  }
  return files;
}

/**
 * The line that a run ends with.
 *
 * @param tally The counts.
 * @returns `N passed, N failed`, and how many were skipped if any.
 */
export function summary({ passed, failed, skipped }: Tally): string {
  const skips = skipped.length > 0 ? `, ${skipped.length} skipped` : "";
  return `${passed} passed, ${failed.length} failed${skips}`;
}

/**
 * Says which tests failed and which were skipped.
 *
 * @param result What came out.
 */
export function printExceptions({ failed, skipped, missing }: TestRunResult): void {
  for (const text of missing) console.log(`missing  ${text}`);
  for (const name of skipped) console.log(`skipped  ${name}`);
  for (const name of failed) console.log(`failed   ${name}`);
}

/**
 * Reads `--runtimes`, `--only` and `--fail-on-skip`.
 *
 * @param values The arguments as they were given.
 * @returns The options.
 * @throws {Error} If a runtime is not known.
 */
export function testRunOptions(values: {
  runtimes?: string | undefined;
  only?: string | undefined;
}): TestRunOptions {
  const runtimes = (values.runtimes ?? "deno,bun,node").split(",").map((text) => text.trim());
  for (const name of runtimes) {
    if (!(name in COMMANDS)) {
      throw new Error(`Cannot take "${name}" as --runtimes: it is some of deno,bun,node`);
    }
  }
  return {
    runtimes: runtimes as RuntimeName[],
    ...(values.only === undefined ? {} : { only: values.only }),
  };
}
