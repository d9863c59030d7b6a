/**
 * When bytes may pass on a slow line: a latency, then a token bucket. Pure: the time is passed in.
 *
 * @module
 */

/** How slow a line is. */
export interface Pace {
  /** How late each byte comes, in milliseconds. Default: 0. */
  readonly latencyMs?: number;
  /** Most bytes in a second. Default: no limit. */
  readonly bytesPerSecond?: number;
}

/** How much of a second's bytes may pass at once: 10 ms' worth, so that a timer need not run faster. */
const BURST_SECONDS = 0.01;

/** Fractions of a byte that the arithmetic may lose on the way to a whole one. */
const ROUNDING = 1e-6;

interface Segment {
  readonly arrivedAt: number;
  bytes: number;
}

/** Counts the bytes on the way and says how many have arrived; whoever has the bytes moves them. */
export class Pacer {
  #latencyMs = 0;
  #bytesPerSecond = Number.POSITIVE_INFINITY;
  #tokens = 0;
  #filledAt = 0;
  #segments: Segment[] = [];
  #first = 0;

  /** The most bytes that can pass at once, however long the line was idle; at least 1. */
  get burst(): number {
    return Math.max(1, Math.ceil(this.#bytesPerSecond * BURST_SECONDS));
  }

  /** Whether nothing is on the way. */
  get empty(): boolean {
    return this.#first === this.#segments.length;
  }

  /**
   * Changes how slow the line is, also for what is on the way.
   *
   * @param now The time in milliseconds; never less than it was before, here and below.
   * @param pace The latency and the rate.
   */
  set(now: number, pace: Pace): void {
    this.#refill(now);
    this.#latencyMs = pace.latencyMs ?? 0;
    this.#bytesPerSecond = pace.bytesPerSecond ?? Number.POSITIVE_INFINITY;
    this.#tokens = Math.min(this.#tokens, this.burst);
  }

  /**
   * Sends bytes on their way.
   *
   * @param now The time in milliseconds.
   * @param bytes How many; 0 is a mark that passes after all before it and takes the latency.
   */
  add(now: number, bytes: number): void {
    this.#segments.push({ arrivedAt: now, bytes });
  }

  /**
   * Takes the bytes that have arrived.
   *
   * @param now The time in milliseconds.
   * @returns How many.
   */
  take(now: number): number {
    this.#refill(now);
    let taken = 0;
    for (; this.#first < this.#segments.length; this.#first++) {
      const segment = this.#segments[this.#first]!;
      if (segment.arrivedAt + this.#latencyMs > now) break;
      const bytes = Math.min(segment.bytes, Math.floor(this.#tokens + ROUNDING));
      this.#tokens -= bytes;
      segment.bytes -= bytes;
      taken += bytes;
      if (segment.bytes > 0) break;
    }
    if (this.#first * 2 >= this.#segments.length) {
      this.#segments.splice(0, this.#first);
      this.#first = 0;
    }
    return taken;
  }

  /**
   * Says when it is worth to {@link take} again.
   *
   * @param now The time in milliseconds.
   * @returns The time in milliseconds, now or later; `undefined` where nothing is on the way.
   */
  nextAt(now: number): number | undefined {
    const segment = this.#segments[this.#first];
    if (segment === undefined) return undefined;
    this.#refill(now);
    const readyAt = Math.max(now, segment.arrivedAt + this.#latencyMs);
    // Not for each single byte: as many as may pass at once.
    const missing = Math.min(segment.bytes, this.burst) - this.#tokens;
    if (missing <= 0) return readyAt;
    return Math.max(readyAt, now + missing / this.#bytesPerSecond * 1_000);
  }

  #refill(now: number): void {
    const elapsed = Math.max(0, now - this.#filledAt);
    this.#filledAt = Math.max(this.#filledAt, now);
    const gained = this.#bytesPerSecond === Number.POSITIVE_INFINITY
      ? Number.POSITIVE_INFINITY
      : this.#bytesPerSecond * elapsed / 1_000;
    this.#tokens = Math.min(this.burst, this.#tokens + gained);
  }
}
