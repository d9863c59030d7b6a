/**
 * Knows whether code runs on behalf of a message that is being handled.
 *
 * A stop waits for the message under way. Awaited by the very code that handles that message it would
 * wait for itself; whoever asks from there is told at once instead. Node's AsyncLocalStorage follows
 * calls through promises; Deno and Bun have it too. Where there is none, such a stop ends at its
 * time limit.
 */

interface Storage {
  run<T>(store: object, task: () => T): T;
  enterWith(store: object): void;
  getStore(): object | undefined;
}

let storage: Storage | null | undefined;

// Made at the first use: importing the library has no effect.
function theStorage(): Storage | null {
  if (storage === undefined) {
    const { process } = globalThis as {
      process?: { getBuiltinModule?(name: string): unknown };
    };
    const module = process?.getBuiltinModule?.("node:async_hooks") as
      | { AsyncLocalStorage: new () => Storage }
      | undefined;
    storage = module === undefined ? null : new module.AsyncLocalStorage();
  }
  return storage;
}

/** Runs a task, and all that it calls, as the handling of this owner's messages. */
export function runInside<T>(owner: object, task: () => T): T {
  const storage = theStorage();
  return storage === null ? task() : storage.run(owner, task);
}

/** Marks the caller's code from here on, as the body of a `for await` is nobody's callback. */
export function enterInside(owner: object): void {
  theStorage()?.enterWith(owner);
}

/** Whether the caller's code handles this owner's messages. */
export function isInside(owner: object): boolean {
  return theStorage()?.getStore() === owner;
}
