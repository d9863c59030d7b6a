import { BrokerError } from "./errors.ts";

/** How long a waiting helper waits, and for what it gives up. */
export interface WaitOptions {
  /** Milliseconds after which it rejects with a `BrokerError`; 1 to 2,147,483,647. Default: 30,000. */
  timeoutMs?: number;
  /** Rejects with the signal's reason when it aborts. Default: none. */
  signal?: AbortSignal;
}

interface Waiting {
  /** Whether it is over. */
  look(): void;
  fail(error: unknown): void;
}

const TIMEOUT_MS = 30_000;

/** Waits for something to become so, looking whenever anything has changed and never in between. */
export class Watcher {
  readonly #waiting = new Set<Waiting>();

  /** Has all who wait look again. */
  changed(): void {
    for (const waiting of this.#waiting) waiting.look();
  }

  /** Ends all waiting. */
  failAll(error: unknown): void {
    for (const waiting of [...this.#waiting]) waiting.fail(error);
  }

  /**
   * Waits.
   *
   * @typeParam T What is waited for.
   * @param look Gives it, or undefined while it is not there.
   * @param what Says what was waited for, and how things stand, when the time is over.
   * @param options For how long.
   * @returns What `look` gives.
   */
  when<T>(
    look: () => T | undefined,
    what: () => string,
    { timeoutMs = TIMEOUT_MS, signal }: WaitOptions = {},
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const abort = () => waiting.fail(signal!.reason);
    const end = () => {
      this.#waiting.delete(waiting);
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    const waiting: Waiting = {
      look: () => {
        const found = look();
        if (found === undefined) return;
        end();
        resolve(found);
      },
      fail: (error) => {
        end();
        reject(error);
      },
    };
    const timer = setTimeout(() => {
      waiting.fail(
        new BrokerError("WAIT_TIMEOUT", `Cannot wait longer than ${timeoutMs} ms for ${what()}`),
      );
    }, timeoutMs);
    signal?.addEventListener("abort", abort, { once: true });
    this.#waiting.add(waiting);
    if (signal?.aborted) abort();
    else waiting.look();
    return promise;
  }
}
