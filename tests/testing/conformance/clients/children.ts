import type { ChildProcess } from "node:child_process";
import process from "node:process";

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/**
 * Ends a child with this process at the latest.
 *
 * @param child The child.
 * @returns The child.
 */
export function endWithUs<C extends ChildProcess>(child: C): C {
  running.add(child);
  child.once("close", () => running.delete(child));
  return child;
}
