/** How long to wait after an error, and when to give up. */

/** Limits of a {@linkcode Backoff}. */
export interface BackoffOptions {
  /** Milliseconds before the first retry. */
  initialMs: number;
  /** Most milliseconds before any retry. */
  maxMs: number;
  /** Longest time without a success, or null for no limit. */
  budgetMs: number | null;
}

/** Capped exponential backoff with jitter, and a budget of time without one success. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: () => number;
  #failures = 0;
  #failingSince: number | null = null;

  /** @param random Returns numbers from 0 to 1, for the jitter. */
  constructor(options: BackoffOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Notes a failure.
   *
   * @param now Milliseconds, on any clock that does not go back.
   * @returns Milliseconds to wait, or null where the budget is spent.
   */
  failed(now: number): number | null {
    this.#failingSince ??= now;
    const { initialMs, maxMs, budgetMs } = this.#options;
    if (budgetMs !== null && now - this.#failingSince >= budgetMs) return null;
    // 2 ** 30 is past any cap: the exponent is held there so that the product stays finite.
    const ceiling = Math.min(maxMs, initialMs * 2 ** Math.min(this.#failures++, 30));
    // Half of it is fixed, so that a broker that comes back is not met by everybody at once and yet
    // no retry follows in an instant.
    return ceiling / 2 + this.#random() * ceiling / 2;
  }

  /** Notes a success: the next failure begins anew. */
  succeeded(): void {
    this.#failures = 0;
    this.#failingSince = null;
  }
}
