/** The check that a user gives to a consumer: bounded in time, and one call at a time. */

import { encodeError } from "../threads/error_wire.ts";
import { type ErrorFacts, OWN_CHECK_TIMEOUT_MS } from "./judge_health.ts";
import { errorFacts } from "./error_facts.ts";
import { LATE, withPatience } from "./patience.ts";

/** What it has said. */
export interface OwnCheckResult {
  /** Whether it returned true. */
  healthy: boolean;
  /** What it threw, or null. */
  error: ErrorFacts | null;
}

/** Asks a user's function, which may throw, reject, return anything, or hang. */
export class OwnCheck {
  readonly #check: () => boolean | Promise<boolean>;
  #running: Promise<OwnCheckResult> | null = null;

  /** @param check The user's function. */
  constructor(check: () => boolean | Promise<boolean>) {
    this.#check = check;
  }

  /**
   * Asks. Those who ask while it is being asked share the answer; what has not answered in time is asked
   * anew by the next.
   *
   * @param timeoutMs Most milliseconds.
   * @returns What it has said; never rejects.
   */
  ask(timeoutMs: number = OWN_CHECK_TIMEOUT_MS): Promise<OwnCheckResult> {
    return this.#running ??= this.#ask(timeoutMs).finally(() => this.#running = null);
  }

  async #ask(timeoutMs: number): Promise<OwnCheckResult> {
    try {
      const healthy = await withPatience(Promise.resolve(this.#check()), timeoutMs);
      if (healthy !== LATE) return { healthy: healthy === true, error: null };
      const message = `The check has not answered within ${timeoutMs} ms`;
      return { healthy: false, error: { name: "TimeoutError", code: null, message } };
    } catch (error) {
      return { healthy: false, error: errorFacts(encodeError(error)) };
    }
  }
}
