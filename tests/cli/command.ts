// The command, as a process of its own on the runtime that the test runs on.
import process from "node:process";
import { type Child, runChild } from "../support/child.ts";

const COMMAND = new URL("../../src/cli/mod.ts", import.meta.url);

/** Runs `kafka-threads` with these arguments. */
export function kafkaThreads(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Child {
  return runChild(COMMAND, args, { ...noSettings(), ...env });
}

/**
 * Makes what takes the settings out of an environment: what tells tests where to run is called as they are.
 *
 * @returns Variables to remove.
 */
export function noSettings(): Record<string, undefined> {
  const names = Object.keys(process.env).filter((name) => name.startsWith("KAFKA_THREADS_"));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}
