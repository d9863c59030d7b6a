import process from "node:process";

/** What a shell takes for "ended by Ctrl-C". */
const INTERRUPTED = 130;

/** SIGINT and SIGTERM, heard. */
export interface Signals extends Disposable {
  /** Resolves at the first one. */
  readonly received: Promise<void>;
}

/**
 * Listens to SIGINT and SIGTERM. A second one ends the process at once.
 *
 * @returns What is heard, until it is disposed of.
 */
export function listenToSignals(): Signals {
  const { promise, resolve } = Promise.withResolvers<void>();
  let heard = false;
  const listener = () => {
    if (heard) process.exit(INTERRUPTED);
    heard = true;
    resolve();
  };
  const names = ["SIGINT", "SIGTERM"] as const;
  for (const name of names) process.on(name, listener);
  return {
    received: promise,
    [Symbol.dispose]: () => {
      for (const name of names) process.off(name, listener);
    },
  };
}
