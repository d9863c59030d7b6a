/** Waiting that does not count the time for which this thread could not have heard the answer. */

/** In how many parts a wait is. */
const SLICES = 4;

/** What `withPatience` resolves with when the time is over. */
export const LATE: unique symbol = Symbol("late");

/**
 * Waits for a promise, at most for a time in which this thread's event loop turns: while a handler blocks
 * it, the answer may have come long ago and wait to be read. The wait is in slices, and a slice that took
 * longer than it should counts as one; after each, what has arrived is read.
 *
 * @param promise What is waited for.
 * @param ms Most milliseconds.
 * @returns What it resolves with, or `LATE`.
 * @throws What it rejects with, in that time.
 */
export async function withPatience<T>(promise: Promise<T>, ms: number): Promise<T | typeof LATE> {
  const late = Promise.withResolvers<typeof LATE>();
  let timer: ReturnType<typeof setTimeout>;
  let left = SLICES;
  const wait = () => {
    timer = setTimeout(() => --left > 0 ? wait() : late.resolve(LATE), ms / SLICES);
  };
  wait();
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer!);
  }
}
