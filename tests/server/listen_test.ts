import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, it } from "#std/testing/bdd";
import { KafkaThreadsError } from "../../mod.ts";
import { type FetchHandler, listen, type Listening } from "../../src/server/listen.ts";

const hello: FetchHandler = () => new Response("hello");
const slow = { timeout: 20_000 };

async function listening(
  scope: AsyncDisposableStack,
  hostname = "127.0.0.1",
  handler = hello,
): Promise<Listening> {
  return scope.adopt(await listen(handler, { hostname, port: 0 }), (server) => server.close());
}

/** A connection of HTTP/1.1 that stays open, after a request or before it. */
async function connection(
  scope: AsyncDisposableStack,
  { port }: Listening,
  path?: string,
): Promise<Socket> {
  const socket = scope.adopt(connect(port, "127.0.0.1"), (socket) => void socket.destroy());
  await once(socket, "connect");
  if (path !== undefined) socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  return socket;
}

/** All that arrives until the connection is closed. */
async function textUntilClosed(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk) => text += chunk).on("error", () => {});
  if (!socket.closed) await once(socket, "close");
  return text;
}

describe("listen", () => {
  for (
    const [asked, hostname, host] of [
      ["localhost", "localhost", "localhost"],
      ["127.0.0.1", "127.0.0.1", "127.0.0.1"],
      ["0.0.0.0", "0.0.0.0", "localhost"],
      ["::1", "::1", "[::1]"],
      ["[::1]", "::1", "[::1]"],
      ["::", "::", "localhost"],
    ] as const
  ) {
    it(`answers on "${asked}"`, slow, async () => {
      await using scope = new AsyncDisposableStack();
      const server = await listening(scope, asked);
      assert.equal(server.hostname, hostname);
      assert.equal(server.url, `http://${host}:${server.port}/`);
      assert.notEqual(server.port, 0);
      assert.equal(await (await fetch(server.url)).text(), "hello");
    });
  }

  it("names host and port where the port is taken", slow, async () => {
    await using scope = new AsyncDisposableStack();
    const { port } = await listening(scope);
    await assert.rejects(listen(hello, { hostname: "127.0.0.1", port }), (error) => {
      assert(KafkaThreadsError.is(error));
      assert.equal(error.code, "ADDRESS_IN_USE");
      assert.equal(
        error.message,
        `Cannot listen on "127.0.0.1:${port}": the port is taken by another program or listener`,
      );
      return true;
    });
  });

  it("says so where there is no such host or address", slow, async () => {
    // 192.0.2.1 is for documentation: no machine has it.
    for (const hostname of ["no-such-host.invalid", "192.0.2.1"]) {
      await assert.rejects(listen(hello, { hostname, port: 0 }), (error) => {
        assert(KafkaThreadsError.is(error));
        assert.equal(error.code, "LISTEN_FAILED");
        assert.equal(
          error.message,
          `Cannot listen on "${hostname}:0": this machine has no such name or address`,
        );
        return true;
      });
    }
  });

  it("answers what was asked before it closes, and closes idle connections", slow, async () => {
    await using scope = new AsyncDisposableStack();
    const answer = Promise.withResolvers<Response>();
    const asked = Promise.withResolvers<void>();
    const server = await listening(scope, "127.0.0.1", ({ url }) => {
      if (!url.endsWith("/slow")) return hello(null as never);
      asked.resolve();
      return answer.promise;
    });
    const idle = await connection(scope, server, "/");
    await once(idle, "data");
    const silent = "Bun" in globalThis ? null : await connection(scope, server);
    const busy = await connection(scope, server, "/slow");
    await asked.promise;
    const closed = server.close();
    await textUntilClosed(idle);
    answer.resolve(new Response("late"));
    assert.match(await textUntilClosed(busy), /late/);
    await closed;
    if (silent !== null) await textUntilClosed(silent);
    // Again: it changes nothing.
    await server.close();
    // And the port is free.
    const { port } = server;
    await (await listen(hello, { hostname: "127.0.0.1", port })).close();
  });

  it("gives up on an answer that does not come", slow, async () => {
    await using scope = new AsyncDisposableStack();
    const asked = Promise.withResolvers<void>();
    const server = await listening(scope, "127.0.0.1", () => {
      asked.resolve();
      return new Promise<Response>(() => {});
    });
    const busy = await connection(scope, server, "/");
    await asked.promise;
    const since = performance.now();
    const cut = textUntilClosed(busy);
    await server.close();
    const ms = performance.now() - since;
    assert(ms > 900 && ms < 3_000, `it took ${ms} ms`);
    assert.match(await cut, /^HTTP\/1.1 503 /);
  });
});
