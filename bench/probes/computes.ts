/** A handler module that takes its core for about a millisecond for each message. */

const STEPS = 750_000;

/** Kept, so that no compiler leaves the arithmetic out. */
let state = 1;

/** The same work for every message. */
export default function compute(): void {
  let x = state;
  for (let step = 0; step < STEPS; step++) x = Math.imul(x, 1_664_525) + 1_013_904_223 | 0;
  state = x;
}
