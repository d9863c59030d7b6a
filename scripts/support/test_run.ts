import { rmSync } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { CACHE_FOLDER } from "../../tests/support/kafka/java.ts";
import type { BrokerKind } from "../../tests/support/kafka/shared.ts";
import { type Tally, tallyJunit } from "./junit.ts";
import { borrowApacheKafka, type BorrowedKafka, borrowEmbeddedKafka } from "./kafka.ts";
import { runCommand } from "./processes.ts";
import { obtainRuntime, type Runtime, type RuntimeName, RUNTIMES } from "./runtimes.ts";
import { findTests, ROOT } from "./test_files.ts";

/** How many files are tested at once: one more than there are cores, since most tests mostly wait. */
const JOBS = availableParallelism() + 1;

/** A runner that takes longer hangs. */
const RUNNER_LIMIT_MS = 10 * 60_000;

/** The brokers that tests run on, the quicker one first. */
const BROKERS: readonly BrokerKind[] = ["embedded", "apache"];

/** Which tests are run, and where. */
export interface TestRunOptions {
  /** In which runtimes, in this order. */
  runtimes: readonly RuntimeName[];
  /** On which brokers, in this order. */
  brokers: readonly BrokerKind[];
  /** Files whose path matches this glob, or contains it; default: all. */
  only?: string;
}

/** What came out of it. */
export interface TestRunResult extends Tally {
  /** Runtimes and brokers that could not be had, and why. */
  missing: string[];
}

/**
 * Runs the tests on one broker after the other, and in one runtime after the other: those that use a
 * Kafka on each broker, the others once.
 *
 * @param options Which, and where.
 * @returns All counts together.
 * @throws {Error} If no file matches.
 */
export async function runTests(
  { runtimes, brokers, only }: TestRunOptions,
): Promise<TestRunResult> {
  const files = await findTests(only);
  const result: TestRunResult = { passed: 0, failed: [], skipped: [], missing: [] };
  const available: Runtime[] = [];
  for (const name of runtimes) {
    try {
      available.push(await obtainRuntime(name));
    } catch (error) {
      result.missing.push(`${name}: ${(error as Error).message}`);
      console.log(`\n${name}: skipped, ${(error as Error).message}`);
    }
  }
  for (const broker of brokers) {
    const runs = available
      .map((runtime) => ({
        runtime,
        paths: files
          .filter((file) => file.brokers.includes(broker))
          .filter((file) => file.runtime === undefined || file.runtime === runtime.name)
          .map(({ path }) => path),
      }))
      .filter(({ paths }) => paths.length > 0);
    if (runs.length > 0) await PASSES[broker](runs, result);
  }
  return result;
}

/** A runtime, and the tests that are for it. */
interface Run {
  runtime: Runtime;
  paths: string[];
}

const PASSES: Record<BrokerKind, (runs: Run[], result: TestRunResult) => Promise<void>> = {
  async embedded(runs, result) {
    for (const run of runs) {
      await using kafka = await borrowEmbeddedKafka(run.runtime);
      await runIn(run, "embedded", kafka, result);
    }
  },
  async apache(runs, result) {
    const borrowed = await borrowApacheKafka();
    if ("reason" in borrowed) {
      result.missing.push(`apache: ${borrowed.reason}`);
      return console.log(`\napache: skipped, ${borrowed.reason}`);
    }
    await using kafka = borrowed;
    for (const run of runs) await runIn(run, "apache", kafka, result);
  },
};

async function runIn(
  { runtime, paths }: Run,
  broker: BrokerKind,
  kafka: BorrowedKafka,
  result: TestRunResult,
): Promise<void> {
  const { name } = runtime;
  const label = `${name} ${runtime.version}, ${broker}`;
  console.log(`\n${label}: ${paths.length} files, ${kafka.source} at ${kafka.bootstrapServers}`);
  const began = performance.now();
  const folder = await mkdtemp(join(tmpdir(), "kafka-threads-tests-"));
  // Not only when this function ends: an interrupt ends the process.
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", removeFolder);
  try {
    const report = join(folder, "report.xml");
    const { code, late } = await runCommand(COMMANDS[name](runtime.executable, report, paths), {
      cwd: ROOT,
      env: { ...kafka.variables, ...VARIABLES[name] },
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
    result.failed.push(...tally.failed.map((test) => `${name}, ${broker}: ${test}`));
    result.skipped.push(...tally.skipped.map((test) => `${name}, ${broker}: ${test}`));
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
    `--parallel=${JOBS}`,
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
    `--test-concurrency=${JOBS}`,
    "--test-reporter=dot",
    "--test-reporter-destination=stdout",
    "--test-reporter=junit",
    `--test-reporter-destination=${report}`,
    ...files,
  ],
};

const VARIABLES: Record<RuntimeName, Record<string, string>> = {
  deno: { DENO_JOBS: `${JOBS}` },
  bun: {},
  // Most of a short test is otherwise the compilation of what it loads.
  node: { NODE_COMPILE_CACHE: join(CACHE_FOLDER, "compiled") },
};

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
 * Reads `--runtimes`, `--brokers` and `--only`.
 *
 * @param values The arguments as they were given.
 * @returns The options.
 * @throws {Error} If a runtime or a broker is not known.
 */
export function testRunOptions(values: {
  runtimes?: string | undefined;
  brokers?: string | undefined;
  only?: string | undefined;
}): TestRunOptions {
  return {
    runtimes: listOption("--runtimes", values.runtimes, RUNTIMES),
    brokers: listOption("--brokers", values.brokers, BROKERS),
    ...(values.only === undefined ? {} : { only: values.only }),
  };
}

function listOption<T extends string>(
  option: string,
  given: string | undefined,
  known: readonly T[],
): readonly T[] {
  if (given === undefined) return known;
  return given.split(",").map((text) => {
    const name = known.find((name) => name === text.trim());
    if (name === undefined) {
      throw new Error(`Cannot take "${text.trim()}" as ${option}: it is some of ${known}`);
    }
    return name;
  });
}
