/** SIGINT and SIGTERM, on each runtime. */

/** What a shell makes of a program that a signal has ended: 128 and the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Name of a signal that asks a program to end. */
export type SignalName = keyof typeof EXIT_CODES;

/** SIGINT and SIGTERM, heard. */
export interface Signals extends Disposable {
  /** Resolves at the first one. */
  readonly received: Promise<SignalName>;
}

interface Process {
  on(name: string, listener: () => void): unknown;
  off(name: string, listener: () => void): unknown;
  exit(code: number): void;
}

/**
 * Listens to SIGINT and SIGTERM. A second one, whichever it is, ends the process at once, with 128 and
 * its number.
 *
 * Call it on the program's own thread: a worker's listeners hear nothing on Bun.
 *
 * @returns What is heard, until it is disposed of. Where the host has no signals nothing ever is.
 */
export function listenToSignals(): Signals {
  const { promise, resolve } = Promise.withResolvers<SignalName>();
  // Deno has it too, over Deno.addSignalListener, which throws for SIGTERM on Windows where this is silent.
  const { process } = globalThis as { process?: Process };
  let heard = false;
  const listeners = Object.entries(EXIT_CODES).map(([name, code]) => ({
    name,
    listener: () => {
      if (heard) process?.exit(code);
      heard = true;
      resolve(name as SignalName);
    },
  }));
  for (const { name, listener } of listeners) process?.on?.(name, listener);
  return {
    received: promise,
    [Symbol.dispose]: () => {
      for (const { name, listener } of listeners) process?.off?.(name, listener);
    },
  };
}
