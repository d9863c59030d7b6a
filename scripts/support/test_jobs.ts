import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { CACHE_FOLDER } from "../../tests/support/kafka/java.ts";
import { type Tally, tallyJunit } from "./junit.ts";
import { runCommand } from "./processes.ts";
import type { Runtime, RuntimeName } from "./runtimes.ts";
import { ROOT, type TestFile } from "./test_files.ts";

/** How many files one process gets: the more, the less is loaded; the fewer, the better they spread. */
const TOGETHER = 12;

/** Tests that one process runs. */
export interface TestJob {
  /** Their files, from the root of the repository on. */
  paths: string[];
}

/**
 * Divides tests among processes: those that want one of their own get it, and the others, where loading
 * takes longer than testing, come together.
 *
 * @param files The tests, those first that take longest.
 * @returns The processes, those first that take longest.
 */
export function planJobs(files: readonly TestFile[]): TestJob[] {
  const paths = files.filter(({ alone }) => !alone).map(({ path }) => path);
  const count = Math.ceil(paths.length / TOGETHER);
  const together = Array.from({ length: count }, (_, index) => ({
    // Neighbours load the same.
    paths: paths.filter((_, file) => Math.floor(file * count / paths.length) === index),
  }));
  const alone = files.filter(({ alone }) => alone);
  const long = alone.findLastIndex(({ long }) => long) + 1;
  const jobs = alone.map(({ path }) => ({ paths: [path] }));
  return [...jobs.slice(0, long), ...together, ...jobs.slice(long)];
}

/** Where and how long tests run. */
export interface TestJobOptions {
  /** The runtime. */
  runtime: Runtime;
  /** Variables beside those of this process. */
  env: Record<string, string>;
  /** A folder for reports. */
  folder: string;
  /** After so many milliseconds they hang, and are ended with all they have started. */
  timeoutMs: number;
}

/** What came out of it. */
export interface TestJobResult extends Tally {
  /** What was printed. */
  output: string;
  /** How long it took, in milliseconds. */
  ms: number;
  /** Whether it was ended because its time was over. */
  late: boolean;
}

/**
 * Runs tests in one process, to its end.
 *
 * @param job The tests.
 * @param options Where.
 * @returns What came out.
 */
export async function runJob(
  { paths }: TestJob,
  { runtime: { name, executable }, env, folder, timeoutMs }: TestJobOptions,
): Promise<TestJobResult> {
  const began = performance.now();
  const report = join(folder, `${crypto.randomUUID()}.xml`);
  const command = [executable, ...await ARGUMENTS[name](paths, report)];
  const { code, output, late } = await runCommand(command, {
    cwd: ROOT,
    // For people's eyes, and mostly for nobody's.
    env: { ...env, ...VARIABLES[name], NO_COLOR: "1" },
    quiet: true,
    timeoutMs,
  });
  const tally = tallyJunit(await readFile(report, "utf8").catch(() => ""));
  const failure = late
    ? `did not end within ${Math.round(timeoutMs / 1_000)} s`
    : tally.passed + tally.failed.length + tally.skipped.length === 0
    ? `ran 0 tests, and ended with code ${code}`
    : code !== 0 && tally.failed.length === 0
    ? `ended with code ${code}, without a failed test`
    : undefined;
  if (failure !== undefined) tally.failed.push(`${jobName({ paths })} ${failure}`);
  return { ...tally, output, ms: performance.now() - began, late };
}

/**
 * Names tests that one process runs.
 *
 * @param job The tests.
 * @returns Their file, or how many there are.
 */
export function jobName({ paths: [first, ...others] }: TestJob): string {
  return others.length === 0 ? first! : `${first} … ${others.at(-1)}, ${others.length + 1} files,`;
}

// What is printed tells, when a test hangs, how far they came; the counts come from the JUnit report.
const ARGUMENTS: Record<
  RuntimeName,
  (paths: string[], report: string) => string[] | Promise<string[]>
> = {
  async deno(paths, report) {
    let files = paths;
    if (paths.length > 1) {
      // It would load everything anew for each file.
      files = [report.replace(/\.xml$/, "_test.ts")];
      const imports = paths.map((path) => `import "${pathToFileURL(join(ROOT, path))}";\n`);
      await writeFile(files[0]!, imports.join(""));
    }
    return [
      "test",
      "--allow-all",
      // Types are a check of their own.
      "--no-check",
      `--junit-path=${report}`,
      ...files,
    ];
  },
  bun: (paths, report) => [
    "test",
    // Bun knows no other limit for hooks.
    "--timeout=120000",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    // A path, where Bun would otherwise search for files whose name contains the text.
    ...paths.map((path) => `./${path}`),
  ],
  node: (paths, report) => [
    "--test",
    // In this very process, instead of one more for each file.
    "--test-isolation=none",
    // kafkajs arms timers with negative delays.
    "--disable-warning=TimeoutNegativeWarning",
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=junit",
    `--test-reporter-destination=${report}`,
    ...paths,
  ],
};

const VARIABLES: Record<RuntimeName, Record<string, string | undefined>> = {
  deno: {},
  bun: {},
  node: {
    // Most of a short test is otherwise the compilation of what it loads.
    NODE_COMPILE_CACHE: join(CACHE_FOLDER, "compiled"),
    // Below a test, it would run none.
    NODE_TEST_CONTEXT: undefined,
  },
};
