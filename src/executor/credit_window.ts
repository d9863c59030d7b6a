/** How many messages an executor wants to have at a time, and what it asks for. */

/** At least so many messages wait behind those under way, where slots are what is scarce. */
const LEAST_PREFETCH = 64;
/** Most messages that quick handlers are given to work on at a time. */
const LARGEST_WINDOW = 8_192;
/** Where a window begins, in calls of single messages. */
const FIRST_WINDOW = 4;

/** What a turn of work has left behind. */
export interface TurnOutcome {
  /** Messages that wait. */
  readonly queued: number;
  /** Calls that could be under way in addition. */
  readonly free: number;
  /** Messages that have begun in it. */
  readonly begun: number;
}

/**
 * Decides on credit.
 *
 * It grows where the thread has run dry although all that it asked for has come, and shrinks where
 * messages wait for a thread that has slots for them: another one would begin them sooner.
 */
export class CreditWindow {
  readonly #unit: number;
  readonly #usual: number;
  readonly #prefetch: number;
  #window: number;
  #asked = 0;
  #held = 0;
  /** What was asked for since messages came last. */
  #askedSince = 0;
  /** Whether everything has come that the other side may have known to be asked for. */
  #usedUp = false;
  #closed = false;

  /**
   * Makes a window.
   *
   * @param options How many calls may be under way, of how many messages each.
   */
  constructor({ concurrency, callSize }: { concurrency: number; callSize: number }) {
    this.#unit = callSize;
    this.#prefetch = Math.max(LEAST_PREFETCH, concurrency * callSize);
    this.#usual = concurrency * callSize + this.#prefetch;
    this.#window = callSize === 1 ? FIRST_WINDOW : callSize;
  }

  /** Messages that are here and not settled. */
  get held(): number {
    return this.#held;
  }

  /** Messages have come. */
  received(count: number): void {
    this.#asked -= count;
    this.#held += count;
    // What was asked for since then may still be on its way.
    if (this.#asked <= this.#askedSince) this.#usedUp = true;
    this.#askedSince = 0;
  }

  /** Messages are finished, failed or given back. */
  settled(count: number): void {
    this.#held -= count;
  }

  /** A call could begin, and there is no message for it. */
  ranDry(): void {
    // Where all that is here is under way and nothing is asked for, nothing would come any more.
    const needsMore = this.#asked <= 0 && this.#held >= this.#window;
    if (!this.#usedUp && !needsMore) return;
    this.#usedUp = false;
    this.#window = Math.min(
      Math.max(LARGEST_WINDOW, this.#usual),
      // It may have shrunk below what has turned out to stay under way.
      Math.max(this.#window * 2, this.#held + this.#unit),
    );
  }

  /** A turn is over. */
  turnOver({ queued, free, begun }: TurnOutcome): void {
    if (free > 0 && queued > 0) {
      this.#window = Math.max(this.#unit, Math.min(this.#window, begun));
    } else if (free > 0) this.ranDry();
    else if (queued > this.#prefetch) {
      // Slots are scarce: what is beyond the next few waits just as well elsewhere.
      this.#window = Math.min(this.#window, this.#usual);
    }
  }

  /** What to ask for now, which then counts as asked for. */
  take(): number {
    if (this.#closed) return 0;
    const credit = Math.max(0, this.#window - this.#held - this.#asked);
    this.#asked += credit;
    this.#askedSince += credit;
    return credit;
  }

  /** Nothing is asked for any more. */
  close(): void {
    this.#closed = true;
  }
}
