import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Runtime } from "./runtimes.ts";

/** What {@linkcode runProgram} and {@linkcode runChild} are told beside the program. */
export interface ChildOptions {
  /** Arguments by name, without the dashes. */
  arguments: Record<string, string | number>;
  /** Most milliseconds it may take. */
  timeoutMs: number;
  /** Hears of each line it prints. */
  onLine?: (line: string) => void;
}

/** A program, and how it is started. */
export interface Program {
  /** What errors call it. */
  name: string;
  /** Its executable. */
  executable: string;
  /** Arguments before its own. */
  arguments: readonly string[];
}

/**
 * Runs a file in a runtime, in a process of its own, and takes the JSON it prints as its last line.
 *
 * @typeParam T What the program prints.
 * @param runtime In which runtime.
 * @param program Which file.
 * @param options Its arguments by name, without the dashes, how long it may take, and who hears
 * of each line it prints.
 * @returns What it printed.
 * @throws {Error} If it fails, does not end in time, or prints something else; with what it wrote to
 * standard error.
 */
export function runChild<T>(runtime: Runtime, program: URL, options: ChildOptions): Promise<T> {
  return runProgram<T>({
    name: `${program.pathname.split("/").at(-1)} on ${runtime.name}`,
    executable: runtime.executable,
    arguments: [...runtime.arguments, fileURLToPath(program)],
  }, options);
}

/**
 * Runs any program in a process of its own and takes the JSON it prints as its last line.
 *
 * @typeParam T What the program prints.
 * @param program Which program.
 * @param options Its arguments by name, without the dashes, how long it may take, and who hears
 * of each line it prints.
 * @returns What it printed.
 * @throws {Error} If it fails, does not end in time, or prints something else; with what it wrote to
 * standard error.
 */
export async function runProgram<T>(program: Program, options: ChildOptions): Promise<T> {
  const child = spawn(program.executable, [
    ...program.arguments,
    ...Object.entries(options.arguments).flatMap(([name, value]) => [`--${name}`, `${value}`]),
  ], { stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  let errors = "";
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    options.onLine?.(line);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors += text);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, options.timeoutMs);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    if (late) throw new Error(`it did not end within ${options.timeoutMs} ms`);
    if (code !== 0) throw new Error(`it ended with code ${code}`);
    return JSON.parse(lines.at(-1)!) as T;
  } catch (cause) {
    const printed = `${lines.join("\n")}\n${errors}`;
    throw new Error(`Cannot run ${program.name}: ${(cause as Error).message}\n${printed}`, {
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}
