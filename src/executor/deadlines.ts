/** Tells what takes too long, with one timer for all. */

import type { Surroundings } from "./surroundings.ts";

/** Longer timers fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Things that all get the same time, so that they are over in the order in which they began. */
export class Deadlines<T> {
  readonly #timeMs: number;
  readonly #surroundings: Surroundings;
  readonly #expired: (item: T) => void;
  // In the order in which they were added, which is that of their deadlines.
  readonly #items = new Map<T, number>();
  #timer: unknown = null;

  /**
   * Makes an empty list.
   *
   * @param timeMs Milliseconds that each item gets.
   * @param surroundings Clock and timers.
   * @param expired Called with an item whose time is over; it is no longer in the list then.
   */
  constructor(timeMs: number, surroundings: Surroundings, expired: (item: T) => void) {
    this.#timeMs = timeMs;
    this.#surroundings = surroundings;
    this.#expired = expired;
  }

  /** What has time left. */
  get items(): Iterable<T> {
    return this.#items.keys();
  }

  /** The time of an item begins. */
  add(item: T, now: number): void {
    this.#items.set(item, now + this.#timeMs);
    // The timer that is set, if there is one, is for an earlier item. It stays set when that one is
    // done: setting a timer for each item would cost more than looking in vain now and then.
    if (this.#timer === null) this.#set(this.#timeMs);
  }

  /** An item is done. */
  delete(item: T): boolean {
    return this.#items.delete(item);
  }

  /** Forgets all, and the timer. */
  clear(): void {
    this.#items.clear();
    if (this.#timer !== null) this.#surroundings.clearTimer(this.#timer);
    this.#timer = null;
  }

  #set(ms: number): void {
    const delay = Math.min(LONGEST_TIMER_MS, Math.max(1, Math.ceil(ms)));
    this.#timer = this.#surroundings.setTimer(() => this.#look(), delay);
  }

  #look(): void {
    this.#timer = null;
    const now = this.#surroundings.now();
    for (const [item, deadline] of this.#items) {
      if (deadline > now) {
        if (this.#timer === null) this.#set(deadline - now);
        return;
      }
      this.#items.delete(item);
      this.#expired(item);
    }
  }
}
