import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { describe } from "#std/testing/bdd";
import { isKafkaThreadsError, StartTimeoutError } from "../../mod.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { freePort } from "../support/free_port.ts";
import { managed, rejection } from "./shared.ts";
import { VARIANTS } from "./variants.ts";

const START_TIMEOUT_MS = 5_000;

/** Starts a server that ends with the scope, whoever is connected. */
async function listen(scope: AsyncDisposableStack, server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  scope.defer(async () => {
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** In the form of an answer: its length comes first. The rest answers nothing that was asked. */
const rubbish = Uint8Array.of(0, 0, 0, 60, ...new Uint8Array(60).fill(7));
/** Where a client can do no more than wait. */
const SILENT = ["a server that says nothing", "a server that answers rubbish"];

const places: Record<string, (scope: AsyncDisposableStack) => Promise<string>> = {
  "a port on which nobody listens": async () => `127.0.0.1:${await freePort()}`,
  "a host that does not exist": () => Promise.resolve("no-such-host.invalid:9092"),
  "a server that says nothing": (scope) => listen(scope, createServer()),
  "a server that hangs up": (scope) => listen(scope, createServer((socket) => socket.end())),
  "a server that resets": (scope) =>
    listen(scope, createServer((socket) => socket.once("data", () => socket.resetAndDestroy()))),
  "a server that speaks HTTP": (scope) =>
    listen(scope, createHttpServer((_, response) => response.end("Hello")) as unknown as Server),
  "a server that answers rubbish": (scope) =>
    listen(
      scope,
      createServer((socket) => socket.on("data", () => socket.write(rubbish))),
    ),
};

// They all wait for the same time.
const scenario = sideBySide(8);
// The others would take their time and tell nothing new.
for (const { name, consumer } of [VARIANTS[0]!, VARIANTS[3]!]) {
  describe(`ThreadManager ${name}, told to start at`, () => {
    for (const [place, prepare] of Object.entries(places)) {
      scenario(place, async (scope) => {
        const bootstrapServers = await prepare(scope);
        const { manager, log } = await managed(scope, "any", {
          onMessage: () => {},
          consumer: { ...consumer, bootstrapServers },
          startTimeoutMs: START_TIMEOUT_MS,
        });
        const began = performance.now();
        const error = await rejection(manager.start());
        const took = performance.now() - began;
        // Less than without the limit; how much more than it, depends on how busy the machine is.
        assert(took < START_TIMEOUT_MS + 15_000, `it took ${took} ms`);
        assert(StartTimeoutError.is(error), `${error}`);
        if (error.cause !== undefined) {
          const { cause } = error;
          assert(isKafkaThreadsError(cause), `${cause}`);
          assert(error.message.includes(cause.message));
          assert(log.messages("warn").some((line) => line.startsWith("Cannot poll, trying again")));
        } else assert(SILENT.includes(place), place);
        assert.equal(await rejection(manager.closed), error);
        assert.equal(manager.state, "failed");
        assert.equal(log.messages("error").length, 1);
      });
    }
  });
}
