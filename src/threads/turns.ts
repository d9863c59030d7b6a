/** Turns of the event loop, on whatever runtime. */

/** Gives the event loop a turn: timers, sockets and messages that wait are served first. */
export function yieldToLoop(): Promise<void> {
  return new Promise(nextTurn);
}

/** Runs a task in a later turn of the event loop. */
export function nextTurn(task: () => void): void {
  // Timers of 0 ms take 1 ms and more, 4 ms where nested; this takes microseconds.
  const { setImmediate } = globalThis as { setImmediate?: (task: () => void) => unknown };
  if (setImmediate !== undefined) setImmediate(task);
  else setTimeout(task, 0);
}
