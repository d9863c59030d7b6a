/** Timers that do not keep a program alive, on whatever runtime. */

/**
 * Lets the program, or the thread, end although this timer is set.
 *
 * @param timer What `setTimeout` or `setInterval` returned.
 */
export function unrefTimer(timer: ReturnType<typeof setTimeout>): void {
  const { Deno } = globalThis as { Deno?: { unrefTimer(id: number): void } };
  if (typeof timer === "number") Deno?.unrefTimer(timer);
  else (timer as { unref?(): void }).unref?.();
}
