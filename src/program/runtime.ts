/**
 * What differs between runtimes on the program's thread, in one place.
 *
 * Nothing here imports a Node built-in: `process.getBuiltinModule` finds it at run time on Node, Deno
 * and Bun, so that the library also loads where there is none.
 */

import { ThreadError } from "../errors.ts";
import type { Channel } from "../threads/channel.ts";

export { unrefTimer } from "../threads/unref_timer.ts";

/** The parts of a Worker, of whatever runtime, that are used here. */
interface AnyWorker {
  postMessage(message: unknown, transfer: (ArrayBuffer | MessagePort)[]): void;
  terminate(): unknown;
  unref?(): void;
  /** Web workers. */
  addEventListener?(type: string, listener: (event: WorkerEvent) => void): void;
  /** Workers of `node:worker_threads`. */
  on?(type: string, listener: (value: never) => void): void;
}

interface WorkerEvent {
  data?: unknown;
  message?: string;
  filename?: string;
  lineno?: number;
  code?: number;
  preventDefault(): void;
}

type WorkerConstructor = new (url: URL, options: Record<string, unknown>) => AnyWorker;

/** A running worker, seen as a channel. */
export interface WorkerHandle<In, Out> extends Channel<In, Out> {
  /** Called once if the worker ends or fails by itself. */
  onDeath: ((reason: string) => void) | null;
  /** Ends it. On Deno a synchronous endless loop in it goes on until the process ends. */
  terminate(): void;
}

interface NodeProcess {
  getBuiltinModule?(name: string): unknown;
  versions?: Record<string, string | undefined>;
}

function nodeProcess(): NodeProcess | undefined {
  return (globalThis as { process?: NodeProcess }).process;
}

/** Whether the program runs on Deno. */
export function isDeno(): boolean {
  return "Deno" in globalThis;
}

function webWorker(): WorkerConstructor | undefined {
  return (globalThis as { Worker?: WorkerConstructor }).Worker;
}

function nodeWorker(): WorkerConstructor | undefined {
  const module = nodeProcess()?.getBuiltinModule?.("node:worker_threads") as
    | { Worker: WorkerConstructor }
    | undefined;
  return module?.Worker;
}

/**
 * Starts a worker.
 *
 * @param source Where its module is, or a function that makes it.
 * @param options Its name, and whether the program may end while it runs.
 * @throws {ThreadError} With code `NO_WORKER` where the host has no worker, and with
 * `THREAD_START_FAILED` if it could not be made.
 */
export function startWorker<In, Out>(
  source: URL | (() => unknown),
  { name, daemon }: { name: string; daemon: boolean },
): WorkerHandle<In, Out> {
  let worker: AnyWorker;
  try {
    worker = typeof source === "function"
      ? source() as AnyWorker
      : makeWorker(source, name, daemon);
  } catch (cause) {
    if (ThreadError.is(cause)) throw cause;
    throw new ThreadError(`Cannot start the thread "${name}": ${(cause as Error)?.message}`, {
      code: "THREAD_START_FAILED",
      cause,
    });
  }
  const handle: WorkerHandle<In, Out> = {
    onMessage: null,
    onDeath: null,
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    terminate: () => {
      handle.onMessage = null;
      handle.onDeath = null;
      // Node returns a promise of the exit code; nobody waits for it.
      void worker.terminate();
    },
  };
  listen(worker, handle);
  // After the listeners: on Node, adding one takes the reference back.
  if (daemon) worker.unref?.();
  return handle;
}

function makeWorker(url: URL, name: string, daemon: boolean): AnyWorker {
  // Deno's web workers have no unref() (denoland/deno#12690): a thread that must not keep the program
  // alive is one of `node:worker_threads` there, which has. Node has no other kind.
  const Constructor = daemon && isDeno() ? nodeWorker() : webWorker() ?? nodeWorker();
  if (Constructor === undefined) {
    throw new ThreadError(
      `Cannot start the thread "${name}": this host has no Worker; thread: "inline" runs the poller without one`,
      { code: "NO_WORKER" },
    );
  }
  return new Constructor(url, { type: "module", name });
}

function listen<In, Out>(worker: AnyWorker, handle: WorkerHandle<In, Out>): void {
  const die = (reason: string) => {
    const { onDeath } = handle;
    handle.onDeath = null;
    onDeath?.(reason);
  };
  if (worker.addEventListener !== undefined) {
    worker.addEventListener("message", (event) => handle.onMessage?.(event.data as In));
    worker.addEventListener("messageerror", () => die("it posted what cannot be read"));
    worker.addEventListener("error", (event) => {
      // Without this, an uncaught error in a worker ends the whole program on Deno.
      event.preventDefault();
      const place = event.filename ? ` (${event.filename}:${event.lineno ?? 0})` : "";
      die(`uncaught error: ${event.message || "unknown"}${place}`);
    });
    // Bun tells of an exit by this event; Deno tells nothing, so that pings have to find out.
    worker.addEventListener("close", (event) => die(`it exited with code ${event.code ?? 0}`));
  } else {
    worker.on?.("message", (message) => handle.onMessage?.(message));
    worker.on?.("messageerror", () => die("it posted what cannot be read"));
    worker.on?.("error", (error: Error) => die(`uncaught error: ${error?.message ?? error}`));
    worker.on?.("exit", (code: number) => die(`it exited with code ${code}`));
  }
}

/** Where a module of this library's threads is, beside the one that asks. */
export function siblingModule(path: string, base: string): URL {
  // From source it is TypeScript, in the npm package JavaScript; neither JSR nor bundlers rewrite the
  // address of a worker.
  return new URL(`${path}${base.endsWith(".ts") ? ".ts" : ".js"}`, base);
}
