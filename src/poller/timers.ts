/** The poller's timers: all of them can be ended at once. */

type Timer = ReturnType<typeof setTimeout>;

/** Timers that end together. */
export class Timers {
  readonly #timers = new Set<Timer>();

  /** Runs a task after a while. */
  after(ms: number, task: () => void): Timer {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      task();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  /** Repeats a task, each time a while after the last has settled, until it says false. */
  every(ms: number, task: () => Promise<boolean>): void {
    this.after(ms, async () => {
      if (await task()) this.every(ms, task);
    });
  }

  /** Takes a task back. */
  cancel(timer: Timer): void {
    clearTimeout(timer);
    this.#timers.delete(timer);
  }

  /** Resolves after a while. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Whether a promise settles in time; null is no limit. */
  async within(ms: number | null, promise: Promise<unknown>): Promise<boolean> {
    const settled = promise.then(() => true, () => true);
    if (ms === null) return await settled;
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const timer = this.after(ms, () => resolve(false));
    const inTime = await Promise.race([settled, late]);
    this.cancel(timer);
    return inTime;
  }

  /** Ends all of them; what waits for one waits for ever. */
  clear(): void {
    for (const timer of this.#timers) this.cancel(timer);
  }
}
