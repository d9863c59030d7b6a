import { execFile } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** A JavaScript runtime that the library supports. */
export type RuntimeName = "deno" | "bun" | "node";

/** An installed runtime. */
export interface Runtime {
  /** Which one. */
  name: RuntimeName;
  /** Its version. */
  version: string;
  /** Its executable. */
  executable: string;
  /** Arguments before the file to run. */
  arguments: readonly string[];
}

/** All of them, in the order of the tables. */
export const RUNTIMES: readonly RuntimeName[] = ["deno", "bun", "node"];

const ARGUMENTS: Record<RuntimeName, readonly string[]> = {
  deno: ["run", "-A", "--no-check"],
  bun: ["run"],
  // kafkajs arms timers with negative delays; Node would print a warning for each process.
  node: ["--disable-warning=TimeoutNegativeWarning"],
};

const PRINT = `console.log(JSON.stringify({
  executable: process.execPath,
  version: process.versions.deno ?? process.versions.bun ?? process.versions.node,
}))`;
const PRINT_ARGUMENTS: Record<RuntimeName, string[]> = {
  deno: ["eval", PRINT],
  bun: ["-e", PRINT],
  node: ["-e", PRINT],
};

/** The oldest versions that run the library from source. */
const OLDEST: Record<RuntimeName, number> = { deno: 2, bun: 1, node: 24 };
/** What npm is asked for where there is none on the path. */
const FROM_NPM: Record<RuntimeName, string> = {
  deno: "deno@2.9.6",
  bun: "bun@1.4.5",
  node: "node@24",
};

/**
 * Finds a runtime: the one this runs in, the one on the path, or the one npm has.
 *
 * The answer is the executable itself, so that no wrapper stands between the harness and a contestant.
 *
 * @param name Which one.
 * @returns Where it is and what version it has.
 * @throws {Error} If there is none that is new enough.
 */
export async function findRuntime(name: RuntimeName): Promise<Runtime> {
  const candidates: string[][] = [
    ...currentRuntime() === name ? [[process.execPath]] : [],
    [name],
    ["npx", "-y", FROM_NPM[name]],
  ];
  let failure: unknown;
  for (const [command, ...before] of candidates) {
    try {
      const { stdout } = await execute(command!, [...before, ...PRINT_ARGUMENTS[name]]);
      const found = JSON.parse(stdout) as { executable: string; version: string };
      if (Number.parseInt(found.version) < OLDEST[name]) continue;
      return { name, ...found, arguments: ARGUMENTS[name] };
    } catch (error) {
      failure = error;
    }
  }
  throw new Error(`Cannot find ${name} ${OLDEST[name]} or newer`, { cause: failure });
}

/**
 * Tells in which runtime this runs.
 *
 * @returns Its name.
 */
export function currentRuntime(): RuntimeName {
  if (process.versions["deno"] !== undefined) return "deno";
  return process.versions["bun"] !== undefined ? "bun" : "node";
}
