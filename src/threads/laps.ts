/** Times messages that are handled one right after the other, with few looks at the clock. */

import { HANDLING_TIME_BOUNDS_MS, type TopicTimes } from "./handling_times.ts";

/** Most messages between two looks at the clock. */
const LONGEST_STRIDE = 16;
/** How often in a row a stride must have been short before there are longer ones. */
const CALM = 8;
/** What takes no longer than this belongs into the first bucket, whatever part of it a message took. */
const SURE_MS = HANDLING_TIME_BOUNDS_MS[0]!;

/**
 * Measures how long each message takes. A look at the clock costs more than the shortest handlers do, so
 * that it looks only every few messages while all of them together take less than the first bucket is
 * wide. Where they took longer after all, one of them is taken to have done so: the others are counted
 * with what they took before.
 */
export class Laps {
  readonly #now: () => number;
  #since: number;
  #times: TopicTimes | null = null;
  #pending = 0;
  #stride = 1;
  /** How often in a row a stride of this length has been short. */
  #calm = 0;
  #usualMs = 0;

  /** @param now Milliseconds with fractions, on a clock that does not go back. */
  constructor(now: () => number) {
    this.#now = now;
    this.#since = now();
  }

  /** When it last looked at the clock. */
  get lookedAt(): number {
    return this.#since;
  }

  /** Looks at the clock: what comes next begins now. */
  begin(): number {
    this.#settle(this.#now());
    return this.#since;
  }

  /** Looks at the clock if any message has not been counted yet; when it last did. */
  settle(): number {
    return this.#pending > 0 ? this.begin() : this.#since;
  }

  /** A message has been handled, and the next one begins. */
  handled(times: TopicTimes): void {
    if (times !== this.#times) {
      if (this.#pending > 0) {
        // The time since the last look is not all theirs: this one is of another topic.
        const ms = this.#split();
        this.#times = times;
        return this.#add(ms);
      }
      this.#times = times;
    }
    if (++this.#pending >= this.#stride) this.#settle(this.#now());
  }

  /** The message that began last has ended otherwise, or is of several: the milliseconds that it took. */
  lap(): number {
    const ms = this.#split();
    this.#stretch(Infinity);
    return ms;
  }

  /** Looks at the clock in the middle of a message: what of the time since the last look is its own. */
  #split(): number {
    const now = this.#now();
    const earlierMs = Math.min(this.#usualMs * this.#pending, now - this.#since);
    const ms = now - this.#since - earlierMs;
    this.#settle(this.#since + earlierMs);
    this.#since = now;
    return ms;
  }

  /** Counts one message that was timed by itself. */
  #add(ms: number): void {
    this.#times!.add(true, ms);
    this.#usualMs = ms;
    if (ms > SURE_MS / 2) this.#stretch(ms);
  }

  #settle(now: number): void {
    const ms = now - this.#since;
    const count = this.#pending;
    this.#since = now;
    if (count === 0) return;
    this.#pending = 0;
    const times = this.#times!;
    if (count === 1 || ms <= SURE_MS) {
      times.add(true, ms / count, count);
      this.#usualMs = ms / count;
    } else {
      const usualMs = Math.min(this.#usualMs, ms / count);
      times.add(true, usualMs, count - 1);
      times.add(true, ms - usualMs * (count - 1));
    }
    this.#stretch(ms);
  }

  /**
   * Sets how many messages there are until the next look, by what the last ones took together. Where long
   * ones keep coming between short ones it stays at one: two of them in a stride would be taken for one.
   */
  #stretch(ms: number): void {
    const isShort = ms <= SURE_MS / 2;
    this.#calm = isShort ? this.#calm + 1 : 0;
    if (!isShort) this.#stride = ms <= SURE_MS ? Math.max(1, this.#stride >> 1) : 1;
    else if (this.#calm >= CALM && this.#stride < LONGEST_STRIDE) {
      this.#stride *= 2;
      this.#calm = 0;
    }
  }
}
