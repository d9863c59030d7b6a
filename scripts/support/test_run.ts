import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { BrokerKind } from "../../tests/support/kafka/shared.ts";
import type { Tally } from "./junit.ts";
import { borrowApacheKafka, type BorrowedKafka, borrowEmbeddedKafka } from "./kafka.ts";
import { endTogether } from "./processes.ts";
import { obtainRuntime, type Runtime, type RuntimeName, RUNTIMES } from "./runtimes.ts";
import { findTests, type TestFile } from "./test_files.ts";
import { jobName, planJobs, runJob, type TestJob, type TestJobResult } from "./test_jobs.ts";

/** How many processes test at once: one more than there are cores, since most tests mostly wait. */
const JOBS = availableParallelism() + 1;

/** Tests of one process that take longer hang. */
const JOB_LIMIT_MS = 5 * 60_000;

/** How much is shown of what a process printed. */
const SHOWN_LINES = 300;

/** How many are listed of those that took longest. */
const SLOWEST = 10;

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
}

/** What came out of it. */
export interface TestRunResult extends Tally {
  /** Runtimes and brokers that could not be had, and why. */
  missing: string[];
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
  { runtimes, brokers, only, timings = false, limitMs = Infinity }: TestRunOptions,
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
    await inParallel(JOBS, turns, async ({ pass, job }, index) => {
      // So that it has come up when the first test wants it.
      turns[index + JOBS]?.pass.kafka.start();
      const isLast = await pass.run(job, { folder, deadline });
      if (isLast) await pass.finish(result, timings);
    });
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
  return brokers.flatMap((broker) => {
    const on = (runtime: Runtime) =>
      files
        .filter((file) => file.brokers.includes(broker))
        .filter((file) => file.runtime === undefined || file.runtime === runtime.name);
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

/** A Kafka that several passes use: it starts when the first wants it, and stops after the last. */
class Loan {
  readonly #borrow: () => Promise<BorrowedKafka | { reason: string }>;
  #users: number;
  #kafka: Promise<BorrowedKafka | { reason: string }> | undefined;

  constructor(borrow: () => Promise<BorrowedKafka | { reason: string }>, users: number) {
    this.#borrow = borrow;
    this.#users = users;
  }

  start(): Promise<BorrowedKafka | { reason: string }> {
    if (this.#kafka === undefined) {
      this.#kafka = this.#borrow();
      // Whoever uses it hears of it.
      this.#kafka.catch(() => {});
    }
    return this.#kafka;
  }

  /** To be called once by each user. */
  async end(): Promise<void> {
    if (--this.#users > 0) return;
    const kafka = await this.#kafka?.catch(() => undefined);
    if (kafka !== undefined && !("reason" in kafka)) await kafka[Symbol.asyncDispose]();
  }
}

/** The tests that run in one runtime on one broker. */
class Pass {
  readonly jobs: readonly TestJob[];
  readonly kafka: Loan;
  readonly #runtime: Runtime;
  readonly #broker: BrokerKind;
  readonly #files: number;
  readonly #tally: Tally = { passed: 0, failed: [], skipped: [] };
  readonly #times: { name: string; ms: number }[] = [];
  #missing: string | undefined;
  #over = 0;
  #began: number | undefined;

  constructor(runtime: Runtime, broker: BrokerKind, files: TestFile[], kafka: Loan) {
    this.#runtime = runtime;
    this.#broker = broker;
    this.#files = files.length;
    this.jobs = planJobs(files);
    this.kafka = kafka;
  }

  /** Runs some of its tests; true: they were the last. */
  async run(
    job: TestJob,
    { folder, deadline }: { folder: string; deadline: number },
  ): Promise<boolean> {
    try {
      const kafka = await this.kafka.start();
      if ("reason" in kafka) this.#missing = kafka.reason;
      else {
        this.#begin(kafka);
        const timeoutMs = Math.min(JOB_LIMIT_MS, deadline - performance.now());
        if (timeoutMs <= 0) throw new Error("the whole run has taken too long");
        const options = { runtime: this.#runtime, env: kafka.variables, folder, timeoutMs };
        this.#add(job, await runJob(job, options));
      }
    } catch (error) {
      this.#tally.failed.push(`${jobName(job)} could not run: ${(error as Error).message}`);
    }
    return ++this.#over === this.jobs.length;
  }

  #begin({ source, bootstrapServers }: BorrowedKafka): void {
    if (this.#began !== undefined) return;
    this.#began = performance.now();
    const count = `${this.#files} files in ${this.jobs.length} processes`;
    progress.line(`${this.#label}: ${count}, ${source} at ${bootstrapServers}`);
  }

  #add(job: TestJob, { passed, failed, skipped, output, ms }: TestJobResult): void {
    this.#tally.passed += passed;
    this.#tally.failed.push(...failed);
    this.#tally.skipped.push(...skipped);
    this.#times.push({ name: jobName(job), ms });
    if (failed.length === 0) return progress.dot();
    const lines = output.trimEnd().split("\n");
    if (lines.length > SHOWN_LINES) lines.splice(0, lines.length - SHOWN_LINES, "…");
    progress.line(`${this.#label}: FAILED ${jobName(job)} (${seconds(ms)})`);
    progress.line(lines.join("\n"));
  }

  /** Adds its counts to those of all, and lets go of its Kafka. */
  async finish(result: TestRunResult, timings: boolean): Promise<void> {
    await this.kafka.end().catch((error: Error) => {
      this.#tally.failed.push(`its Kafka did not stop: ${error.message}`);
    });
    if (this.#missing !== undefined) {
      const missing = `${this.#broker}: ${this.#missing}`;
      if (result.missing.includes(missing)) return;
      result.missing.push(missing);
      return progress.line(`${this.#broker}: skipped, ${this.#missing}`);
    }
    const took = seconds(performance.now() - (this.#began ?? performance.now()));
    progress.line(`${this.#label}: ${summary(this.#tally)} (${took})`);
    if (timings) {
      const slowest = this.#times.toSorted((a, b) => b.ms - a.ms).slice(0, SLOWEST);
      for (const { name, ms } of slowest) progress.line(`${seconds(ms).padStart(8)}  ${name}`);
      const sum = this.#times.reduce((sum, { ms }) => sum + ms, 0);
      progress.line(`${seconds(sum).padStart(8)}  all processes, ${JOBS} at once`);
    }
    const label = (test: string) => `${this.#runtime.name}, ${this.#broker}: ${test}`;
    result.passed += this.#tally.passed;
    result.failed.push(...this.#tally.failed.map(label));
    result.skipped.push(...this.#tally.skipped.map(label));
  }

  get #label(): string {
    return `${this.#runtime.name} ${this.#runtime.version}, ${this.#broker}`;
  }
}

/** Does something for each item, in order and so many at once. */
async function inParallel<T>(
  width: number,
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const turns = items.entries();
  await Promise.all(Array.from({ length: width }, async () => {
    for (const [index, item] of turns) await work(item, index);
  }));
}

/** Dots for what went well, lines for all else. */
const progress = {
  dots: 0,
  dot(): void {
    this.dots++;
    process.stdout.write(".");
  },
  line(text: string): void {
    if (this.dots > 0) process.stdout.write("\n");
    this.dots = 0;
    console.log(text);
  },
};

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
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
