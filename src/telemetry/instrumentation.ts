/** Loads the user's module that registers an SDK in a thread of the library's. */

import { KafkaThreadsError } from "../errors.ts";
import { errorText } from "../threads/error_text.ts";

/** Most milliseconds that a thread waits for telemetry before it ends. */
export const SHUTDOWN_TIMEOUT_MS = 5_000;

/** What registers an SDK, loaded. */
export class Instrumentation {
  readonly #shutdown: (() => unknown) | undefined;

  private constructor(shutdown: (() => unknown) | undefined) {
    this.#shutdown = shutdown;
  }

  /** None at all. */
  static readonly none: Instrumentation = new Instrumentation(undefined);

  /**
   * Loads a module.
   *
   * @param address Its address; undefined: there is none.
   * @throws {KafkaThreadsError} With code `INSTRUMENTATION_FAILED` if it cannot be loaded, or exports a
   * `shutdown` that is no function.
   */
  static async load(address: string | undefined): Promise<Instrumentation> {
    if (address === undefined) return Instrumentation.none;
    let exports: { shutdown?: unknown };
    try {
      exports = await import(address);
    } catch (cause) {
      throw failure(`Cannot load the instrumentation "${address}": ${errorText(cause)}`, { cause });
    }
    const { shutdown } = exports;
    if (shutdown !== undefined && typeof shutdown !== "function") {
      throw failure(
        `Cannot use the instrumentation "${address}": its export "shutdown" must be a function, it is of type "${typeof shutdown}"`,
      );
    }
    return new Instrumentation(shutdown as (() => unknown) | undefined);
  }

  /**
   * Has what was recorded sent away.
   *
   * @param timeoutMs Longest wait for it.
   * @returns What was wrong with it, or null.
   */
  async shutdown(timeoutMs: number): Promise<Error | null> {
    const shutdown = this.#shutdown;
    if (shutdown === undefined) return null;
    const late = Promise.withResolvers<Error>();
    const timer = setTimeout(
      () => late.resolve(new Error(`it has not ended within ${Math.round(timeoutMs)} ms`)),
      timeoutMs,
    );
    const ended = (async () => {
      try {
        await shutdown();
        return null;
      } catch (error) {
        return error instanceof Error ? error : new Error(errorText(error));
      }
    })();
    const outcome = await Promise.race([ended, late.promise]);
    clearTimeout(timer);
    return outcome;
  }
}

function failure(message: string, more: { cause?: unknown } = {}): KafkaThreadsError {
  return new KafkaThreadsError(message, {
    code: "INSTRUMENTATION_FAILED",
    retriable: false,
    ...more,
  });
}
