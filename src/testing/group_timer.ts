/** What has deadlines. */
interface Expiring {
  nextDeadline(): number | null;
  expire(now: number): void;
}

/** Later than this, the thread was held up: a timer that is merely busy is not so late. */
const LATE_MS = 20;
/** How long what has come until a deadline gets to be read. */
const GRACE_MS = 20;
/** The same, where the thread was held up. */
const LONG_GRACE_MS = 100;
/** The longest that a timer can be set for. */
const MAX_TIMER_MS = 2_147_483_647;

/**
 * Rings at the deadlines of groups.
 *
 * The broker shares its thread with a program that may keep it busy, such as a test with a blocking
 * handler. The heartbeats of that time then wait in the sockets, and a deadline that is over is no
 * member's fault: they are read first. A timer alone cannot tell, as one that rings in time may ring
 * at the very end of a busy time, so that a deadline counts only when the thread was free for a while
 * after it.
 */
export class GroupTimer {
  readonly #groups: Expiring;
  readonly #now: () => number;
  readonly #expired: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #at: number | null = null;

  /**
   * Makes a timer, which is not set yet.
   *
   * @param groups What has deadlines.
   * @param now The time, in milliseconds.
   * @param expired Called when deadlines have been dealt with.
   */
  constructor(groups: Expiring, now: () => number, expired: () => void) {
    this.#groups = groups;
    this.#now = now;
    this.#expired = expired;
  }

  /** Sets the timer to the next deadline, which may have changed. */
  set(): void {
    const deadline = this.#groups.nextDeadline();
    // What has its grace keeps it, and gets no more.
    if (this.#timer !== undefined && deadline === this.#at) return;
    this.clear();
    if (deadline !== null) this.#arm(deadline, deadline, false);
  }

  /** Stops it. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#at = null;
  }

  #arm(deadline: number, ringAt: number, graced: boolean): void {
    this.#at = deadline;
    const ms = Math.min(Math.max(ringAt - this.#now(), 0), MAX_TIMER_MS);
    this.#timer = setTimeout(() => {
      const now = this.#now();
      if (now < ringAt) return this.#arm(deadline, ringAt, graced);
      const late = now - ringAt > LATE_MS;
      if (late || !graced) {
        return this.#arm(deadline, now + (late ? LONG_GRACE_MS : GRACE_MS), true);
      }
      this.#timer = undefined;
      this.#at = null;
      this.#groups.expire(now);
      this.#expired();
    }, ms);
  }
}
