import {
  checked,
  integer,
  isObject,
  maybe,
  optionsObject,
  parseOptions,
  withDefault,
} from "../options/validate.ts";
import { BrokerError } from "./errors.ts";

/** How long a waiting helper waits, and for what it gives up. */
export interface WaitOptions {
  /** Milliseconds after which it rejects with a `BrokerError`; 1 to 2,147,483,647. Default: 30,000. */
  timeoutMs?: number;
  /** Rejects with the signal's reason when it aborts. Default: none. */
  signal?: AbortSignal;
}

interface Waiting {
  /** Ends it if what it waits for is there. */
  look(): void;
  fail(error: unknown): void;
}

const TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 2_147_483_647;

const schema = optionsObject<{ timeoutMs: number; signal: AbortSignal | undefined }>({
  timeoutMs: withDefault(integer(1, MAX_TIMEOUT_MS, "milliseconds"), () => TIMEOUT_MS),
  signal: maybe(checked<AbortSignal>(
    (value) => isObject(value) && typeof value["addEventListener"] === "function",
    "an AbortSignal",
  )),
});

/** Waits for something to become so, looking whenever anything has changed and never in between. */
export class Watcher {
  readonly #waiting = new Set<Waiting>();
  #over: { readonly error: unknown } | undefined;

  /** Has all who wait look again. */
  changed(): void {
    for (const waiting of this.#waiting) waiting.look();
  }

  /** Ends all waiting, for ever: who comes later is told the same. */
  failAll(error: unknown): void {
    this.#over ??= { error };
    for (const waiting of [...this.#waiting]) waiting.fail(error);
  }

  /**
   * Waits.
   *
   * @typeParam T What is waited for.
   * @param look Gives it, or undefined while it is not there.
   * @param what Says what was waited for, and how things stand, when the time is over.
   * @param options For how long.
   * @returns What `look` gives; rejects with what `look` throws, with `WAIT_TIMEOUT`, with the signal's
   * reason, with what {@linkcode failAll} was given, or with an `OptionsError`.
   */
  // Async, so that wrong options reject as all else does.
  async when<T>(
    look: () => T | undefined,
    what: () => string,
    options: WaitOptions = {},
  ): Promise<T> {
    const { timeoutMs, signal } = parseOptions(schema, options);
    if (this.#over !== undefined) throw this.#over.error;
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const abort = () => waiting.fail(signal!.reason);
    const end = () => {
      this.#waiting.delete(waiting);
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    const waiting: Waiting = {
      look: () => {
        let found: T | undefined;
        try {
          found = look();
        } catch (error) {
          // It may be a test's own function: what it throws is for whoever waits, and nobody else.
          return waiting.fail(error);
        }
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
    waiting.look();
    return await promise;
  }
}
