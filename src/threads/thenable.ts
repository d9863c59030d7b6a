/** Whether something has to be awaited. */

/** Awaiting what is not a promise would cost every synchronous handler a turn. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}
