/** Hears of everything that would end this thread, on whatever runtime. */

import { ThreadError } from "../errors.ts";

interface ThreadEvent {
  error?: unknown;
  reason?: unknown;
  message?: string;
  preventDefault(): void;
}

interface Scope {
  addEventListener?(type: string, listener: (event: ThreadEvent) => void): void;
  close?: () => void;
  Deno?: { exit(code?: number): never };
  process?: {
    on?(type: string, listener: (error: unknown) => void): void;
    exit?(code?: number | string): never;
  };
}

/**
 * Has a function called when something is thrown that nobody catches, and before the thread exits because
 * the code in it says so: on Deno nobody outside would hear of that.
 *
 * @param crashed Told why the thread is to end. What was thrown does not end it any more: the thread that has
 * started it will. (On Bun, what is posted just before an exit out of here would be lost.)
 */
export function watchCrashes(crashed: (error: unknown) => void): void {
  const scope = globalThis as unknown as Scope;
  const { process, Deno } = scope;
  const exit = process?.exit?.bind(process);
  if (Deno !== undefined) {
    // Without preventDefault() Deno would end the whole program.
    scope.addEventListener?.("error", (event) => {
      event.preventDefault();
      crashed(event.error ?? new Error(event.message));
    });
    scope.addEventListener?.("unhandledrejection", (event) => {
      event.preventDefault();
      crashed(event.reason);
    });
    const denoExit = Deno.exit.bind(Deno);
    Deno.exit = (code = 0) => {
      crashed(exited(code));
      return denoExit(code);
    };
  } else {
    process?.on?.("uncaughtException", crashed);
    process?.on?.("unhandledRejection", crashed);
  }
  if (process !== undefined && exit !== undefined) {
    process.exit = (code) => {
      crashed(exited(code ?? 0));
      return exit(code);
    };
  }
  if (scope.close !== undefined) {
    // What is posted just before it closes may be lost, and close() lets the code that calls it go on
    // anyway: the thread that has started this one ends it.
    scope.close = () => crashed(new ThreadError("The thread has closed itself"));
  }
}

function exited(code: number | string): ThreadError {
  return new ThreadError(`The thread has exited with code ${code}`);
}
