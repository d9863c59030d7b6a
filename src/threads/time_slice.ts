/** Keeps a run of short tasks from holding the event loop up. */

/** How long tasks may follow each other before the event loop gets a turn. */
const SLICE_MS = 5;

/** Says when a loop over short tasks should yield. */
export class TimeSlice {
  #since: number;

  /** @param now Milliseconds with fractions, on any clock that does not go back. */
  constructor(now: number) {
    this.#since = now;
  }

  /** To be asked after each task: whether the slice is over. Then {@linkcode begin} the next one. */
  over(now: number): boolean {
    return now - this.#since >= SLICE_MS;
  }

  /** A slice begins. */
  begin(now: number): void {
    this.#since = now;
  }
}
