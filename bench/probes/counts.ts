/** A trivial handler module: what costs time is all that is around it. */

/** The sum of what was handled. */
let sum = 0;

/** Adds up. */
export default function count(_context: unknown, data: { n: number }): void {
  sum += data.n;
}

/** Told when the thread ends, so that nobody leaves the sum out. */
export function setup(): () => number {
  return () => sum;
}
