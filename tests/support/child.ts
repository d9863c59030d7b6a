// Programs that a test runs in a process of their own, on the runtime that it runs on itself.
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** What it takes to end: a child that has not ended after this time is killed, if nothing else is said. */
const PATIENCE_MS = 60_000;

/** How a child process ended. */
export interface Ended {
  /** Its exit code, or null if a signal ended it. */
  code: number | null;
  /** The signal that ended it, or null. */
  signal: NodeJS.Signals | null;
  /** All it printed. */
  stdout: string;
  /** All it complained about. */
  stderr: string;
}

/** A running child process; disposing of it kills it. */
export interface Child extends AsyncDisposable {
  /** The process. */
  pid: number;
  /** Resolves when it has printed a line that starts with this, with the rest of that line. */
  line(start: string): Promise<string>;
  /** Resolves when what it has printed matches, with the match. */
  match(pattern: RegExp): Promise<RegExpExecArray>;
  /** Writes a line to its standard input. */
  send(line: string): void;
  /** Sends it a signal. */
  kill(signal: NodeJS.Signals): void;
  /** Resolves when it has ended and all of its output has arrived. */
  ended: Promise<Ended>;
}

/**
 * Runs a TypeScript program on this runtime.
 *
 * @param program Its file.
 * @param args Its arguments.
 * @param env Variables to set beside those of this process; undefined removes one.
 * @param patienceMs After how many milliseconds it is killed; default 60,000.
 * @returns The process.
 */
export function runChild(
  program: URL,
  args: readonly string[] = [],
  env: Record<string, string | undefined> = {},
  patienceMs = PATIENCE_MS,
): Child {
  const child = spawn(process.execPath, [...runtimeArgs(), fileURLToPath(program), ...args], {
    // What `node --test` tells its own children would change how this one reports.
    env: { ...process.env, NO_COLOR: "1", NODE_TEST_CONTEXT: undefined, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  let over = false;
  let changed = Promise.withResolvers<void>();
  const change = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
    change();
  });
  child.stderr.setEncoding("utf8").on("data", (text) => stderr += text);
  // A child that is gone reads no more.
  child.stdin.on("error", () => {});
  const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
  const ended = once(child, "close").then(([code, signal]): Ended => {
    clearTimeout(timer);
    over = true;
    change();
    return { code, signal, stdout, stderr };
  });
  return {
    pid: child.pid!,
    async line(start) {
      for (;;) {
        const lines = stdout.split("\n").slice(0, -1);
        const line = lines.find((line) => line.startsWith(start));
        if (line !== undefined) return line.slice(start.length);
        if (over) {
          throw new Error(`The child has not printed "${start}", but: ${stdout}\n${stderr}`);
        }
        await changed.promise;
      }
    },
    async match(pattern) {
      for (;;) {
        const found = pattern.exec(stdout);
        if (found !== null) return found;
        if (over) {
          throw new Error(`The child has not printed ${pattern}, but: ${stdout}\n${stderr}`);
        }
        await changed.promise;
      }
    },
    send: (line) => void child.stdin.write(`${line}\n`),
    // On Deno, kill() of the child itself would have it end "by that signal", however it ends.
    kill: (signal) => {
      if (!over) process.kill(child.pid!, signal);
    },
    ended,
    async [Symbol.asyncDispose]() {
      if (!over) child.kill("SIGKILL");
      await ended;
    },
  };
}

/** What comes between the name of this runtime and the file it is to run. */
export function runtimeArgs(): string[] {
  if ("Deno" in globalThis) return ["run", "--quiet", "--allow-all"];
  return "Bun" in globalThis ? ["run"] : [];
}
