import { execFile } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** Where what takes long to make is kept between runs. */
export const CACHE_FOLDER: string = fileURLToPath(
  new URL("../../../node_modules/.cache/kafka-threads/", import.meta.url),
);

/**
 * The Java program to run: that of `JAVA_HOME`, or the one on the path.
 *
 * @returns A command name or path.
 */
export function javaCommand(): string {
  const home = process.env["JAVA_HOME"];
  return home ? join(home, "bin", "java") : "java";
}

/**
 * Asks Java for its version.
 *
 * @returns All that `java -version` prints, or undefined when there is no Java.
 */
export async function javaVersion(): Promise<string | undefined> {
  const { error, output } = await runProgram(javaCommand(), ["-version"]);
  return error ? undefined : output;
}

/**
 * Runs a program to its end.
 *
 * @param command The program.
 * @param args Its arguments.
 * @returns What it printed, and the error if it failed.
 */
export function runProgram(
  command: string,
  args: string[],
): Promise<{ error: Error | null; output: string }> {
  return new Promise((resolve) => {
    execFile(command, args, { encoding: "utf8" }, (error, stdout, stderr) => {
      resolve({ error, output: `${stdout}${stderr}` });
    });
  });
}
