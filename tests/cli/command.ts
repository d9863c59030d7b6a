// The command, as a process of its own on the runtime that the test runs on.
import { type Child, runChild } from "../support/child.ts";

const COMMAND = new URL("../../src/cli/mod.ts", import.meta.url);

/** Runs `kafka-threads` with these arguments. */
export function kafkaThreads(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Child {
  return runChild(COMMAND, args, env);
}
