import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** A bare TCP client: sends bytes, and tells what came back. */
export class RawClient {
  readonly socket: Socket;
  /** Resolves when the connection is closed, with whatever error there was before. */
  readonly closed: Promise<Error | undefined>;
  /** Resolves when the other side has ended, or the connection is closed. */
  readonly ended: Promise<void>;
  #chunks: Buffer[] = [];
  #received = 0;
  #taken = 0;
  #waiters: { bytes: number; resolve: () => void }[] = [];
  #isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    let error: Error | undefined;
    socket.on("error", (cause) => (error = cause));
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#isClosed = true;
        this.#wake();
        resolve(error);
      });
    });
    this.ended = new Promise((resolve) => {
      socket.once("end", resolve);
      socket.once("close", () => resolve());
    });
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#received += chunk.length;
      this.#wake();
    });
  }

  /** Bytes that have come. */
  get received(): number {
    return this.#received;
  }

  /** Takes the next bytes; fewer where the connection closes before. */
  async read(bytes: number): Promise<Buffer> {
    const upTo = this.#taken + bytes;
    await new Promise<void>((resolve) => {
      this.#waiters.push({ bytes: upTo, resolve });
      this.#wake();
    });
    const all = Buffer.concat(this.#chunks);
    const part = all.subarray(this.#taken, upTo);
    this.#taken += part.length;
    return part;
  }

  #wake(): void {
    this.#waiters = this.#waiters.filter(({ bytes, resolve }) => {
      if (this.#received < bytes && !this.#isClosed) return true;
      resolve();
      return false;
    });
  }
}

/** Connects, and resolves when that is done. */
export async function dial(port: number, allowHalfOpen = false): Promise<RawClient> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen });
  const client = new RawClient(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return client;
}

/** Connects with TLS, and resolves when the client's side of the handshake is done. */
export async function dialTls(
  port: number,
  options: { ca: string; cert?: string; key?: string },
): Promise<RawClient> {
  const socket = connectTls({ port, host: "127.0.0.1", servername: "localhost", ...options });
  const client = new RawClient(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed")));
  });
  return client;
}

/** A frame around a body. */
export function framed(body: Buffer | string): Buffer {
  const bytes = Buffer.from(body as string);
  const frame = Buffer.alloc(4 + bytes.length);
  frame.writeInt32BE(bytes.length, 0);
  bytes.copy(frame, 4);
  return frame;
}
