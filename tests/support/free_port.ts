import { createServer } from "node:net";

/** Below the range from which Linux and macOS take the ports of outgoing connections. */
const FIRST_PORT = 10_240;
const LAST_PORT = 32_767;

/**
 * Finds TCP ports on which nothing listens on 127.0.0.1.
 *
 * They lie below the ephemeral range on purpose: a port that the system may give to an outgoing
 * connection can be lost while its server restarts, and a client that keeps dialling it can even
 * end up connected to itself.
 *
 * @param count How many different ports.
 * @returns The ports; another process may still be quicker to take one, so retry on EADDRINUSE.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let attempts = 0; ports.size < count; attempts++) {
    if (attempts > 1_000) throw new Error(`Cannot find ${count} free ports on 127.0.0.1`);
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT + 1));
    if (!ports.has(port) && await isFree(port)) ports.add(port);
  }
  return [...ports];
}

/**
 * Finds one TCP port on which nothing listens on 127.0.0.1; see {@linkcode freePorts}.
 *
 * @returns The port.
 */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port!;
}

/**
 * Finds TCP ports that lie side by side; see {@linkcode freePorts}.
 *
 * @param count How many.
 * @returns The first one.
 */
export async function freePortRange(count: number): Promise<number> {
  for (let attempts = 0; attempts < 1_000; attempts++) {
    const [first] = await freePorts(1);
    const range = Array.from({ length: count }, (_, index) => first! + index);
    if ((await Promise.all(range.map(isFree))).every(Boolean)) return first!;
  }
  throw new Error(`Cannot find ${count} free ports side by side on 127.0.0.1`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}
