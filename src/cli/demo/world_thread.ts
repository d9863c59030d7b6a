import { siblingModule, startWorker, type WorkerHandle } from "../../program/runtime.ts";
import type { FromWorld, ToWorld } from "./messages.ts";

/** The demo's thread, seen from the program. */
export interface WorldThread {
  post(message: ToWorld): void;
  /**
   * Waits for what it says next.
   *
   * @param type What is expected; whatever else comes is left out.
   * @throws {Error} If it fails or dies instead.
   */
  next<T extends FromWorld["type"]>(type: T): Promise<Extract<FromWorld, { type: T }>>;
  terminate(): void;
}

/**
 * Starts the demo's thread.
 *
 * @returns The thread, once it listens.
 */
export async function startWorld(): Promise<WorldThread> {
  const worker: WorkerHandle<FromWorld, ToWorld> = startWorker(
    siblingModule("./world", import.meta.url),
    { name: "world", daemon: false },
  );
  const said: FromWorld[] = [];
  let look = () => {};
  let dead: Error | undefined;
  worker.onMessage = (message) => {
    if (message.type === "failed") dead = new Error(message.reason);
    else said.push(message);
    look();
  };
  worker.onDeath = (reason) => {
    dead = new Error(`its thread has died: ${reason}`);
    look();
  };
  const thread: WorldThread = {
    post: (message) => worker.post(message),
    next: <T extends FromWorld["type"]>(type: T) =>
      new Promise<Extract<FromWorld, { type: T }>>((resolve, reject) => {
        look = () => {
          const found = said.findIndex((message) => message.type === type);
          if (found >= 0) resolve(said.splice(found, 1)[0] as Extract<FromWorld, { type: T }>);
          else if (dead !== undefined) reject(dead);
        };
        look();
      }),
    terminate: () => worker.terminate(),
  };
  await thread.next("ready");
  return thread;
}
