import { Buffer } from "node:buffer";
import { once } from "node:events";
import { createConnection } from "node:net";
import { FrameSplitter } from "../../../src/testing/network/frames.ts";
import type { Api } from "../../../src/testing/protocol/api.ts";
import { readResponse, requestBody, requestFrame, responseBody } from "../protocol/frames.ts";

const CLIENT_ID = "raw";

/** A connection that asks what it is told to, and understands nothing. */
export interface RawClient {
  ask<Request, Response>(
    // deno-lint-ignore no-explicit-any
    api: Api<Request, Response, any>,
    version: number,
    request: Request,
  ): Promise<Response>;
  close(): Promise<void>;
}

/** Connects to the first of the bootstrap servers. */
export async function connectRawClient(bootstrapServers: string): Promise<RawClient> {
  const [host, port] = bootstrapServers.split(",")[0]!.split(":");
  const socket = createConnection({ host: host!, port: Number(port), noDelay: true });
  await once(socket, "connect");
  const frames = new FrameSplitter();
  const waiting: ((frame: Buffer) => void)[] = [];
  let correlationId = 0;
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    frames.push(chunk);
    for (let frame = frames.next(); frame; frame = frames.next()) waiting.shift()?.(frame);
  });
  return {
    ask(api, version, request) {
      const id = ++correlationId;
      const body = requestBody(api, version, request);
      const frame = requestFrame(api, version, body, { correlationId: id, clientId: CLIENT_ID });
      const { promise, resolve } = Promise.withResolvers<Buffer>();
      waiting.push(resolve);
      socket.write(Buffer.concat([lengthOf(frame), frame]));
      return promise.then((answer) => {
        const pieces = [lengthOf(answer), answer];
        return readResponse(api, version, responseBody(api, version, pieces, id));
      });
    },
    async close() {
      if (socket.destroyed) return;
      const closed = once(socket, "close");
      socket.destroy();
      await closed;
    },
  };
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return length;
}
