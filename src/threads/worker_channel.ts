/** The channel of a worker to the thread that has started it, on whatever runtime. */

import type { Channel } from "./channel.ts";

interface Port {
  postMessage(message: unknown, transfer: (ArrayBuffer | MessagePort)[]): void;
  on(type: "message", listener: (message: unknown) => void): void;
}

interface WorkerScope {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(message: unknown, transfer: (ArrayBuffer | MessagePort)[]): void;
  WorkerGlobalScope?: unknown;
  process?: { getBuiltinModule?(name: string): unknown };
}

/**
 * Connects a worker's module. To be called before anything is awaited there: what is posted earlier is
 * dropped, on Deno and on Bun.
 */
export function workerChannel<In, Out>(): Channel<In, Out> {
  const scope = globalThis as unknown as WorkerScope;
  const port = parentPort(scope);
  const channel: Channel<In, Out> = {
    onMessage: null,
    post: (message, transfer = []) => (port ?? scope).postMessage(message, transfer),
  };
  if (port !== null) port.on("message", (message) => channel.onMessage?.(message as In));
  else scope.onmessage = (event) => channel.onMessage?.(event.data as In);
  return channel;
}

/**
 * The port of a worker of `node:worker_threads`, or null in a web worker. Deno and Bun have both
 * kinds; on them, only the first has a port that is its parent's.
 */
function parentPort(scope: WorkerScope): Port | null {
  const module = scope.process?.getBuiltinModule?.("node:worker_threads") as
    | { parentPort: Port | null }
    | undefined;
  return module?.parentPort ?? null;
}
