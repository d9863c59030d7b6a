// What the tests at the library's edges share: programs, run by whatever command.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

/** How a program ended. */
export interface Ended {
  /** Its exit code; null if a signal ended it. */
  code: number | null;
  /** All it printed. */
  stdout: string;
  /** All it complained about. */
  stderr: string;
}

/**
 * Runs a program to its end, or for a minute.
 *
 * @param command The program and its arguments.
 * @param env Variables beside those of this process; undefined removes one.
 * @param cwd Where; the root of the repository by default.
 * @returns How it ended.
 */
export function run(
  [program, ...args]: readonly string[],
  env: Record<string, string | undefined> = {},
  cwd: string = ROOT,
): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program!, args, {
      cwd,
      // What `node --test` tells its own children would change how these report.
      env: { ...process.env, NO_COLOR: "1", NODE_TEST_CONTEXT: undefined, ...env },
      timeout: 60_000,
      killSignal: "SIGKILL",
      maxBuffer: 64 * 1024 * 1024,
    }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : null;
      resolve({ code, stdout, stderr: stderr || (code === null ? `${error}` : "") });
    });
  });
}

/** A temporary folder; disposing of it removes it. */
export interface Folder extends AsyncDisposable {
  /** Where it is. */
  path: string;
}

/** Makes a temporary folder. */
export async function temporaryFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), "kafka-threads-edge-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
