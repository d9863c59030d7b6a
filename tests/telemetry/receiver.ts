// Takes in what threads send: a small HTTP server of the test's.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What was sent to a path. */
export interface Received {
  path: string;
  // deno-lint-ignore no-explicit-any
  body: any;
}

/** A server, and what it was sent. */
export interface Receiver extends AsyncDisposable {
  /** Its address. */
  url: string;
  /** All of it. */
  received: Received[];
  /** Waits until what was sent is as wanted; returns what that found. */
  until<T>(find: (received: Received[]) => T | undefined | false): Promise<T>;
}

/** Starts a server that takes JSON, from whoever sends it. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  let changed = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part) => text += part).on("end", () => {
      received.push({ path: request.url!, body: text === "" ? null : JSON.parse(text) });
      response.setHeader("content-type", "application/json");
      response.setHeader("connection", "close");
      response.end("{}");
      changed.resolve();
      changed = Promise.withResolvers();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    async until(find) {
      for (;;) {
        const found = find(received);
        if (found !== undefined && found !== false) return found;
        await changed.promise;
      }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}
