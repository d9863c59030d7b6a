/** What becomes of a message whose handler has failed. */

import type { Failure } from "../../threads/work.ts";

/** Where a message goes that is not tried again. */
export type LastResort = "stop" | "skip" | "dead-letter";

/** See `ErrorPolicy` and `onInvalid`. */
export interface RetryPolicy {
  /** Attempts after the first; null: no limit. */
  readonly retries: number | null;
  /** Milliseconds before the first retry, the most before any, and what each is to the one before. */
  readonly backoff: { readonly initialMs: number; readonly maxMs: number; readonly factor: number };
  /** What happens when no attempt is left, or none would help. */
  readonly then: LastResort;
  /** What happens to a message that is not what it should be. */
  readonly onInvalid: LastResort;
}

/** What is to be done about a failure. */
export type Verdict = { readonly do: "retry"; readonly delayMs: number } | {
  readonly do: LastResort;
};

/**
 * Decides.
 *
 * @param attempt The attempt that has failed, from 1.
 * @param random From 0 to 1, for the jitter.
 */
export function judge(
  policy: RetryPolicy,
  { kind, retriable }: Pick<Failure, "kind" | "retriable">,
  attempt: number,
  random: number,
): Verdict {
  // The same bytes do not become valid.
  if (kind === "invalid") return { do: policy.onInvalid };
  const { retries, backoff, then } = policy;
  if (!retriable || (retries !== null && attempt > retries)) return { do: then };
  // The exponent is held where every product is past any cap, so that it stays finite.
  const ceiling = Math.min(
    backoff.maxMs,
    backoff.initialMs * backoff.factor ** Math.min(attempt - 1, 60),
  );
  // Half of it is fixed: messages that failed together do not all come back at once, nor at once.
  return { do: "retry", delayMs: ceiling / 2 + random * ceiling / 2 };
}
