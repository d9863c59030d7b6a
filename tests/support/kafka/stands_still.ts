import { readFileSync } from "node:fs";

/** How often is looked, at most, and how long is waited in between, in milliseconds. */
const LOOKS = 500;
const WAIT_MS = 2;

/**
 * Waits until a process that was told to stand still (SIGSTOP) does: on a busy machine it may answer a little
 * longer. Linux tells; elsewhere there is nothing to ask.
 *
 * @param pid The process.
 */
export function untilItStandsStill(pid: number): void {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let look = 0; look < LOOKS; look++) {
    let stat;
    try {
      stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    } catch {
      return;
    }
    // The state follows the name, which stands in brackets.
    if (stat.slice(stat.lastIndexOf(")") + 2).startsWith("T")) return;
    Atomics.wait(cell, 0, 0, WAIT_MS);
  }
}
