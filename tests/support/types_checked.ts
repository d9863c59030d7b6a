// Workers under `deno test`.

let checked: Promise<void> | undefined;

/**
 * `deno test` checks the types of a worker's modules when it starts, which takes seconds, and as often
 * as workers start side by side until one is through. One worker goes ahead for all.
 */
export function typesChecked(): Promise<void> {
  return checked ??= new Promise((resolve, reject) => {
    if (!("Deno" in globalThis)) return resolve();
    const worker = new Worker(new URL("../../workers/poller.ts", import.meta.url), {
      type: "module",
    });
    const done = (settle: () => void) => {
      worker.terminate();
      settle();
    };
    worker.onmessage = () => done(resolve);
    worker.onerror = (event) => done(() => reject(new Error(event.message)));
  });
}
