import { setTimeout } from "node:timers";
import { coreWaitClock } from "./core_wait.ts";

const INTERVAL_MS = 5;

/** How long an event loop stood still. */
export interface StallFigures {
  /** The longest lateness, milliseconds. */
  maxMs: number;
  /** The lateness that 99 of 100 timers stayed under, milliseconds. */
  p99Ms: number;
  /** The longest lateness less the time that the thread waited for a core meanwhile, milliseconds. */
  ownMaxMs: number;
  /** How long the thread waited for a core in all, milliseconds. */
  coreWaitMs: number;
  /** How many timers that was taken from. */
  samples: number;
}

/** A running monitor of this thread's event loop. */
export interface StallMonitor {
  /** Ends a section, so that the next figures are of what comes after; returns its figures. */
  section(): StallFigures;
  /** Waits for the timer under way, so that a stall that is not over yet counts, and ends. */
  stop(): Promise<StallFigures>;
}

/**
 * Watches the event loop of the program's thread: a timer of 5 ms that sets itself anew each time and
 * notes how late it came. A stall that begins between two timers is measured up to 5 ms too short, in
 * every contestant alike.
 *
 * @returns The monitor.
 */
export function watchStalls(): StallMonitor {
  const coreWait = coreWaitClock();
  let lateness: number[] = [];
  let ownMaxMs = 0;
  let stopping: ((figures: StallFigures) => void) | undefined;
  let waited = coreWait();
  let sectionWaited = waited;
  let due = performance.now() + INTERVAL_MS;

  const section = (): StallFigures => {
    const sorted = lateness.sort((a, b) => a - b);
    const figures = {
      maxMs: round(sorted.at(-1) ?? 0),
      p99Ms: round(sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0),
      ownMaxMs: round(ownMaxMs),
      coreWaitMs: round(waited - sectionWaited),
      samples: sorted.length,
    };
    lateness = [];
    ownMaxMs = 0;
    sectionWaited = waited;
    return figures;
  };
  const tick = (): void => {
    const late = Math.max(0, performance.now() - due);
    const before = waited;
    waited = coreWait();
    lateness.push(late);
    ownMaxMs = Math.max(ownMaxMs, late - (waited - before));
    if (stopping) return stopping(section());
    due = performance.now() + INTERVAL_MS;
    setTimeout(tick, INTERVAL_MS);
  };
  setTimeout(tick, INTERVAL_MS);

  return {
    section,
    stop: () => new Promise((resolve) => stopping = resolve),
  };
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
