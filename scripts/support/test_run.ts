import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { BrokerKind } from "../../tests/support/kafka/shared.ts";
import { borrowApacheKafka, borrowEmbeddedKafka } from "./kafka.ts";
import { endTogether } from "./processes.ts";
import { obtainRuntime, type Runtime, type RuntimeName, RUNTIMES } from "./runtimes.ts";
import { findTests, runtimesOf, type TestFile } from "./test_files.ts";
import { JOBS, Loan, Pass, type TestRunResult } from "./test_pass.ts";

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
  /** Whether to tell which processes took longest; default false. */
  timings?: boolean;
  /** After so many milliseconds all that has not ended has failed; default: never. */
  limitMs?: number;
  /** What else is done, before the tests, each in the place of a process of tests; default: nothing. */
  first?: readonly (() => Promise<void>)[];
}

/**
 * Runs the tests on one broker after the other, and in one runtime after the other: those that use a
 * Kafka on each broker, the others once. The next begin when there is no more to begin of the last.
 *
 * @param options Which, and where.
 * @returns All counts together.
 * @throws {Error} If no file matches.
 */
export async function runTests(
  { runtimes, brokers, only, timings = false, limitMs = Infinity, first = [] }: TestRunOptions,
): Promise<TestRunResult> {
  const deadline = performance.now() + limitMs;
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
  const folder = await mkdtemp(join(tmpdir(), "kafka-threads-tests-"));
  // Not only when this function ends: an interrupt ends the process.
  endTogether();
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", removeFolder);
  try {
    const passes = planPasses(files, available, brokers);
    const turns = passes.flatMap((pass) => pass.jobs.map((job) => ({ pass, job })));
    const tests = turns.map(({ pass, job }, index) => async () => {
      // So that it has come up when the first test wants it.
      turns[index + JOBS]?.pass.kafka.start();
      const isLast = await pass.run(job, { folder, deadline });
      if (isLast) await pass.finish(result, timings);
    });
    await inParallel(JOBS, [...first, ...tests]);
  } finally {
    removeFolder();
    process.off("exit", removeFolder);
  }
  return result;
}

/** All tests that run in one runtime on one broker, of each runtime on each broker. */
function planPasses(
  files: TestFile[],
  runtimes: Runtime[],
  brokers: readonly BrokerKind[],
): Pass[] {
  const names = runtimes.map(({ name }) => name);
  return brokers.flatMap((broker) => {
    const on = ({ name }: Runtime) =>
      files.filter((file) => runtimesOf(file, broker, names).includes(name));
    const wanted = runtimes.filter((runtime) => on(runtime).length > 0);
    // Apache Kafka is no slower for another runtime, and slow to start.
    const apache = new Loan(borrowApacheKafka, wanted.length);
    return wanted.map((runtime) =>
      new Pass(
        runtime,
        broker,
        on(runtime),
        broker === "apache" ? apache : new Loan(() => borrowEmbeddedKafka(runtime), 1),
      )
    );
  });
}

/** Does these, in order and so many at once. */
async function inParallel(width: number, tasks: readonly (() => Promise<void>)[]): Promise<void> {
  const left = tasks.values();
  await Promise.all(Array.from({ length: width }, async () => {
    for (const task of left) await task();
  }));
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
 * Reads `--runtimes`, `--brokers`, `--only` and `--timings`.
 *
 * @param values The arguments as they were given.
 * @returns The options.
 * @throws {Error} If a runtime or a broker is not known.
 */
export function testRunOptions(values: {
  runtimes?: string | undefined;
  brokers?: string | undefined;
  only?: string | undefined;
  timings?: boolean | undefined;
}): TestRunOptions {
  return {
    runtimes: listOption("--runtimes", values.runtimes, RUNTIMES),
    brokers: listOption("--brokers", values.brokers, BROKERS),
    ...(values.only === undefined ? {} : { only: values.only }),
    timings: values.timings ?? false,
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
