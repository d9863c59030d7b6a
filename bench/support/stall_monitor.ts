import { setTimeout } from "node:timers";

const INTERVAL_MS = 5;

/** How long an event loop stood still. */
export interface StallFigures {
  /** The longest lateness, milliseconds. */
  maxMs: number;
  /** The lateness that 99 of 100 timers stayed under, milliseconds. */
  p99Ms: number;
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
 * Watches the event loop of the thread it is called on: a timer of 5 ms that sets itself anew each
 * time and notes how late it came. A stall that begins between two timers is measured up to 5 ms
 * too short, in every contestant alike.
 *
 * @returns The monitor.
 */
export function watchStalls(): StallMonitor {
  let lateness: number[] = [];
  let stopping: ((figures: StallFigures) => void) | undefined;
  let due = performance.now() + INTERVAL_MS;

  const figures = (): StallFigures => {
    const sorted = lateness.sort((a, b) => a - b);
    lateness = [];
    return {
      maxMs: round(sorted.at(-1) ?? 0),
      p99Ms: round(sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0),
      samples: sorted.length,
    };
  };
  const tick = (): void => {
    const now = performance.now();
    lateness.push(Math.max(0, now - due));
    if (stopping) return stopping(figures());
    due = now + INTERVAL_MS;
    setTimeout(tick, INTERVAL_MS);
  };
  setTimeout(tick, INTERVAL_MS);

  return {
    section: figures,
    stop: () => new Promise((resolve) => stopping = resolve),
  };
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
