import { Buffer } from "node:buffer";
import { openSync, readSync } from "node:fs";
import process from "node:process";

/**
 * Tells how long the program's thread has waited for a core: ready to run, while other threads and
 * processes ran. Linux counts that per thread; a look costs about 10 µs.
 *
 * @returns A function that gives the sum since the thread began, in milliseconds; always 0 where it is
 * not known.
 */
export function coreWaitClock(): () => number {
  const buffer = Buffer.alloc(64);
  try {
    // The first thread of a process has the number of the process.
    const file = openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
    return () => {
      const length = readSync(file, buffer, 0, buffer.length, 0);
      // Nanoseconds on a core, nanoseconds of waiting for one, times it got one.
      return Number(buffer.toString("latin1", 0, length).split(" ")[1]) / 1e6;
    };
  } catch {
    return () => 0;
  }
}
