import type { AddressInfo, Server } from "node:net";
import { ConnectionError } from "../../errors.ts";
import { BrokerError } from "../errors.ts";

/**
 * Has a server listen.
 *
 * @param server The server.
 * @param host Name or address of this machine.
 * @param port Port; 0: one that is free.
 * @returns The port.
 * @throws {BrokerError} Where the port is taken (`PORT_TAKEN`).
 * @throws {ConnectionError} Where there is no such host, or it may not be used (`LISTEN_FAILED`).
 */
export function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error & { code?: string }) => {
      const message = `Cannot listen on "${host}:${port}": ${describe(cause)}`;
      reject(
        cause.code === "EADDRINUSE"
          ? new BrokerError("PORT_TAKEN", message, { cause })
          : new ConnectionError(message, { code: "LISTEN_FAILED", retriable: false, cause }),
      );
    };
    server.once("error", failed);
    server.listen({ host, port }, () => {
      server.off("error", failed);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function describe(error: Error & { code?: string }): string {
  switch (error.code) {
    case "EADDRINUSE":
      return "the port is taken by another program or listener";
    case "EACCES":
      return "this user may not use the port";
    case "EADDRNOTAVAIL":
    case "EINVAL": // Deno 2.9 says so of an address that is not this machine's.
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "this machine has no such name or address";
    default:
      return error.message;
  }
}
