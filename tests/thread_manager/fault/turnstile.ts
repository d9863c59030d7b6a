/** Lets callbacks pass one by one, as the test says. */
export class Turnstile {
  #open = true;
  #passes = 0;
  #waiting: (() => void)[] = [];
  #arrival = Promise.withResolvers<void>();

  /** Waits here until there is a pass. */
  async pass(): Promise<void> {
    if (this.#open) return;
    if (this.#passes > 0) {
      this.#passes--;
      return;
    }
    const turn = new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#arrival.resolve();
    await turn;
  }

  /** Nobody passes from now on. */
  close(): void {
    this.#open = false;
    this.#passes = 0;
  }

  /** Resolves when somebody waits. */
  async untilSomebodyWaits(): Promise<void> {
    while (this.#waiting.length === 0) {
      await this.#arrival.promise;
      this.#arrival = Promise.withResolvers();
    }
  }

  /** Lets so many pass, now or when they come. */
  let(count = 1): void {
    this.#passes += count;
    for (const resolve of this.#waiting.splice(0, count)) {
      this.#passes--;
      resolve();
    }
  }

  /** Lets everybody pass from now on. */
  open(): void {
    this.#open = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
