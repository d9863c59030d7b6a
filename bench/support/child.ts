import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Runtime } from "./runtimes.ts";

/**
 * Runs a program in a process of its own and takes the JSON it prints as its last line.
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
export async function runChild<T>(
  runtime: Runtime,
  program: URL,
  options: {
    arguments: Record<string, string | number>;
    timeoutMs: number;
    onLine?: (line: string) => void;
  },
): Promise<T> {
  const child = spawn(runtime.executable, [
    ...runtime.arguments,
    fileURLToPath(program),
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
    const name = program.pathname.split("/").at(-1);
    throw new Error(
      `Cannot run ${name} on ${runtime.name}: ${(cause as Error).message}\n${
        lines.join("\n")
      }\n${errors}`,
      { cause },
    );
  } finally {
    clearTimeout(timer);
  }
}
