// A connection that speaks the broker's own descriptions of the protocol, and sees how it ends.
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { FrameSplitter } from "../../../src/testing/network/frames.ts";
import type { AnyApi } from "../../../src/testing/protocol/api.ts";
import { APIS } from "../../../src/testing/protocol/registry.ts";
import { readResponse, requestBody, requestFrame, responseBody } from "../protocol/frames.ts";

/** The APIs by their names in the registry. */
export const A: typeof APIS = APIS;

/** Says that the connection ended before the answer came. */
export class Disconnected extends Error {
  override readonly name = "Disconnected";
}

/** How a request is sent. */
export interface AskOptions {
  /** Default: the newest. */
  version?: number;
  /** Default: "raw". */
  clientId?: string | null;
}

/** A connection; requests may be sent ahead, and answers come in order. */
export class RawClient implements AsyncDisposable {
  readonly socket: Socket;
  /** The address that this side has, as the broker names it. */
  readonly name: string;
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;
  /** Answers that have come, whether anybody waited for them or not. */
  answers = 0;
  #open = true;
  #correlationId = 0;
  #waiting: { id: number; resolve(frame: Buffer): void; reject(error: Error): void }[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    // Some runtimes forget it with the connection.
    this.name = `${socket.localAddress}:${socket.localPort}`;
    const frames = new FrameSplitter();
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      frames.push(chunk);
      for (let frame = frames.next(); frame; frame = frames.next()) {
        this.answers++;
        this.#waiting.shift()?.resolve(frame);
      }
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#open = false;
        for (const { reject } of this.#waiting) reject(new Disconnected("No answer any more"));
        this.#waiting = [];
        resolve();
      });
    });
  }

  /** Whether the connection is open. */
  get open(): boolean {
    return this.#open;
  }

  /** Asks, and resolves with the message of the answer; rejects with Disconnected. */
  // deno-lint-ignore no-explicit-any
  async ask(api: AnyApi, request: Record<string, unknown>, options: AskOptions = {}): Promise<any> {
    const { version = api.maxVersion } = options;
    const id = this.send(api, request, options);
    const answer = await this.#answer(id);
    return readResponse(api, version, responseBody(api, version, [lengthOf(answer), answer], id));
  }

  /** Sends a request, and waits for nothing; returns its correlation id. */
  send(
    api: AnyApi,
    request: Record<string, unknown>,
    { version = api.maxVersion, clientId = "raw" }: AskOptions = {},
  ): number {
    const correlationId = ++this.#correlationId;
    const body = requestBody(api, version, request);
    this.sendBytes(framed(requestFrame(api, version, body, { correlationId, clientId })));
    return correlationId;
  }

  /** Sends any bytes. */
  sendBytes(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  #answer(id: number): Promise<Buffer> {
    if (!this.#open) return Promise.reject(new Disconnected("Not connected"));
    return new Promise((resolve, reject) => this.#waiting.push({ id, resolve, reject }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}

/** Connects to one of the bootstrap servers, the first if none is said. */
export async function rawClient(bootstrapServers: string, index = 0): Promise<RawClient> {
  const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(bootstrapServers.split(",")[index]!)!;
  const socket = connect({ host: host!, port: Number(port), noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return new RawClient(socket);
}

/** A frame with its length before it. */
export function framed(frame: Buffer): Buffer {
  return Buffer.concat([lengthOf(frame), frame]);
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return length;
}
