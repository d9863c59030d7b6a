/** What an executor needs of the thread that it is on, so that tests can stand in for it. */

import { nextTurn } from "../threads/turns.ts";
import { unrefTimer } from "../threads/unref_timer.ts";

/** Clock, timers and turns of the event loop. */
export interface Surroundings {
  /** Milliseconds with fractions, on a clock that does not go back. */
  now(): number;
  /** Runs a task after so many milliseconds; what it returns is for `clearTimer`. */
  setTimer(task: () => void, ms: number): unknown;
  /** Takes a timer back. */
  clearTimer(timer: unknown): void;
  /** Runs a task in a later turn of the event loop. */
  nextTurn(task: () => void): void;
}

/** Those of this thread. Its timers keep nothing alive. */
export const systemSurroundings: Surroundings = {
  now: () => performance.now(),
  setTimer: (task, ms) => {
    const timer = setTimeout(task, ms);
    unrefTimer(timer);
    return timer;
  },
  clearTimer: (timer) => clearTimeout(timer as number),
  nextTurn,
};
