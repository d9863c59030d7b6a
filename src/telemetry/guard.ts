/** Keeps what an SDK throws away from the consumer. */

import type { Logger } from "../logger.ts";
import { errorText } from "../threads/error_text.ts";

/** Calls an SDK; what it throws is warned of once. */
export class Guard {
  readonly #logger: Logger;
  #warned = false;

  /** @param logger The consumer's. */
  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * Calls a function.
   *
   * @param call What to do with the SDK.
   * @param otherwise What to return where that throws.
   */
  try<T, Else>(call: () => T, otherwise: Else): T | Else {
    try {
      return call();
    } catch (error) {
      this.#warn(error);
      return otherwise;
    }
  }

  #warn(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#logger.warn(
      `Telemetry has failed, which does nothing to messages; more of it is not told: ${
        errorText(error)
      }`,
    );
  }
}
