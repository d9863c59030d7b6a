import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtimeArgs } from "./child.ts";
import type { BrokerKind } from "./kafka/mod.ts";

/** How a program ends that does not stop its Kafka. */
export type Ending = "crash" | "forget" | "crash while it is paused";

/** What was there when a program ended. */
export interface Left {
  /** The process of the Kafka. */
  pid: number;
  /** The folder of Apache Kafka. */
  folder?: string;
}

/**
 * Has a program start a Kafka and end without stopping it, and waits until all has ended that shares its
 * standard error: the Kafka, or the guard that cleans up after it.
 *
 * @param kind Which Kafka.
 * @param ending How the program ends.
 * @returns What should be gone.
 */
export async function leaveBehind(kind: BrokerKind, ending: Ending): Promise<Left> {
  const program = spawn(process.execPath, [
    ...runtimeArgs(),
    fileURLToPath(new URL("./kafka/leave_fixture.ts", import.meta.url)),
    kind,
    ending,
  ], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, KAFKA_THREADS_TEST_BROKER: kind },
  });
  let errors = "";
  program.stderr.on("data", (chunk) => errors += chunk);
  let output = "";
  program.stdout.on("data", (chunk) => output += chunk);
  const cleaned = once(program.stderr, "close");
  const [code, signal] = await once(program, "exit");
  await cleaned;
  assert.deepEqual([code, signal], ending === "forget" ? [0, null] : [null, "SIGKILL"], errors);
  return JSON.parse(output);
}

/** Waits until a process that is not ours is gone: it has closed its files before that. */
export async function untilGone(pid: number): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (isAlive(pid)) {
    assert(performance.now() < deadline, `process ${pid} is still there`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
