/**
 * How many messages are announced at a time.
 *
 * A message is announced before it begins, and all that are announced are suspects if the thread is not
 * heard of again. The plan is as long as the last ones have shown to be a matter of a millisecond.
 */

/** Longest plan. */
const LONGEST_PLAN = 256;
/** Plans get longer as long as one takes less than this, */
const QUICK_MS = 1;
/** and shorter where one takes more than this. */
const SLOW_MS = 2.5;

/** The length of plans. */
export class Pace {
  #length = 1;
  #ahead = 0;

  /** Most messages that may be announced and not begun. */
  get length(): number {
    return this.#length;
  }

  /**
   * How many of these may be messages that can begin only when others have ended: none where handlers
   * wait for something, because those would be announced long before they begin.
   */
  get ahead(): number {
    return this.#ahead;
  }

  /**
   * A plan has been worked off as far as it could be at once.
   *
   * @param planned How many messages it had.
   * @param ms How long they have held the thread.
   */
  worked(planned: number, ms: number): void {
    if (ms > SLOW_MS) this.#length = Math.max(1, this.#length >> 1);
    else if (ms < QUICK_MS && planned >= this.#length) {
      this.#length = Math.min(LONGEST_PLAN, this.#length * 2);
    }
  }

  /**
   * A slice is over.
   *
   * @param begun How many messages it has begun.
   * @param settled How many have ended in its time.
   * @param left How many that were announced have not begun.
   * @param cut Whether that was for want of time.
   */
  sliced(
    { begun, settled, left, cut }: { begun: number; settled: number; left: number; cut: boolean },
  ): void {
    if (left > 0 && !cut) this.#ahead = 0;
    else if (settled >= begun) this.#ahead = Math.min(LONGEST_PLAN, this.#ahead * 2 + 1);
    else this.#ahead >>= 1;
    if (left > 0 && cut) this.#length = Math.max(1, Math.min(this.#length, begun));
  }
}
