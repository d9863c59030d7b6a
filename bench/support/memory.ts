import { readFileSync } from "node:fs";
import process from "node:process";

/** The most memory this process has had. */
export interface PeakMemory {
  /** Bytes of resident memory. */
  bytes: number;
  /** Where the figure is from. */
  source: "VmHWM" | "maxRSS";
}

/**
 * Tells the peak of this process's resident memory, all threads together.
 *
 * Linux's own mark is preferred: `maxRSS` of a child begins at the size its parent had when it
 * forked, so that it says something about the harness and not about the contestant.
 *
 * @returns The peak since the process began.
 */
export function peakMemory(): PeakMemory {
  try {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
    if (match) return { bytes: Number(match[1]) * 1024, source: "VmHWM" };
  } catch {
    // Not Linux.
  }
  return { bytes: process.resourceUsage().maxRSS * 1024, source: "maxRSS" };
}
