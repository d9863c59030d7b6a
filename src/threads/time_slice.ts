/** Keeps a run of short tasks from holding the event loop up. */

/** How long tasks may follow each other before the event loop gets a turn. */
const SLICE_MS = 5;
/** Most tasks between two looks at the clock. */
const LONGEST_STRIDE = 16;
/** How far apart, in time, the looks at the clock should be. */
const STRIDE_MS = 0.5;

/**
 * Says when a loop over short tasks should yield.
 *
 * A look at the clock costs more than the shortest tasks do, so that it looks only every few tasks:
 * the fewer, the longer they take.
 */
export class TimeSlice {
  readonly #now: () => number;
  #since: number;
  #last: number;
  #stride = 1;
  #left = 1;

  /** @param now Milliseconds with fractions, on any clock that does not go back. */
  constructor(now: () => number) {
    this.#now = now;
    this.#since = this.#last = now();
  }

  /** To be asked after each task: whether the slice is over. Then {@linkcode begin} the next one. */
  over(): boolean {
    if (--this.#left > 0) return false;
    const now = this.#now();
    const perTask = (now - this.#last) / this.#stride;
    this.#last = now;
    this.#stride = Math.max(
      1,
      Math.min(LONGEST_STRIDE, this.#stride * 2, Math.floor(STRIDE_MS / perTask)),
    );
    this.#left = this.#stride;
    return now - this.#since >= SLICE_MS;
  }

  /** A slice begins. */
  begin(): void {
    this.#since = this.#last = this.#now();
  }
}
