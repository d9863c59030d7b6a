/** Waiting that ends when the driver closes. */

/** Sleeps, all of which end at {@linkcode Clock.stop}. */
export class Clock {
  readonly #sleepers = new Map<ReturnType<typeof setTimeout>, () => void>();
  #stopped = false;

  /** Whether it has been stopped. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Resolves after this time, when the signal aborts, or when the clock stops. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#stopped || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#sleepers.delete(timer);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#sleepers.set(timer, wake);
      signal?.addEventListener("abort", wake);
    });
  }

  /** Ends all sleeps, now and from now on. */
  stop(): void {
    this.#stopped = true;
    for (const wake of this.#sleepers.values()) wake();
  }
}
