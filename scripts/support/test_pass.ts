import { availableParallelism } from "node:os";
import type { BrokerKind } from "../../tests/support/kafka/shared.ts";
import { summary, type Tally } from "./junit.ts";
import type { BorrowedKafka } from "./kafka.ts";
import { progress } from "./progress.ts";
import type { Runtime } from "./runtimes.ts";
import type { TestFile } from "./test_files.ts";
import { jobName, planJobs, runJob, type TestJob, type TestJobResult } from "./test_jobs.ts";

/** How many processes test at once: two more than there are cores, since most tests mostly wait. */
export const JOBS: number = availableParallelism() + 2;

/** Tests of one process that take longer hang. */
const JOB_LIMIT_MS = 5 * 60_000;

/** How much is shown of what a process printed. */
const SHOWN_LINES = 300;

/** How many are listed of those that took longest. */
const SLOWEST = 10;

/** What came out of it. */
export interface TestRunResult extends Tally {
  /** Runtimes and brokers that could not be had, and why. */
  missing: string[];
}

/** A Kafka that several passes use: it starts when the first wants it, and stops after the last. */
export class Loan {
  readonly #borrow: () => Promise<BorrowedKafka | { reason: string }>;
  #users: number;
  #kafka: Promise<BorrowedKafka | { reason: string }> | undefined;

  constructor(borrow: () => Promise<BorrowedKafka | { reason: string }>, users: number) {
    this.#borrow = borrow;
    this.#users = users;
  }

  /** Starts it, unless it has been started; gives it, or why there is none. */
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
export class Pass {
  /** What is to be given to `run()`, one by one. */
  readonly jobs: readonly TestJob[];
  /** What they test on. */
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

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
