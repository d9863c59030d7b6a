/**
 * One client's connection: frames in, one at a time, and pieces of answers out.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { FrameSplitter } from "./frames.ts";
import { Lane } from "./lane.ts";
import type { Pace } from "./pacer.ts";

/**
 * How many bytes of further requests are read while one is handled. More than none, so that it is
 * noticed when the client goes in the meantime.
 */
const READ_AHEAD_BYTES = 262_144;

/** Who is on the other end of a connection. */
export interface Peer {
  /** Number of the connection, from 1, never given twice by one listener. */
  readonly id: number;
  /** Address of the client, such as 127.0.0.1. */
  readonly remoteAddress: string;
  /** Port of the client. */
  readonly remotePort: number;
  /** Both, for logs: `127.0.0.1:54321`. */
  readonly name: string;
}

/** What a connection needs to know of its listener. */
export interface ConnectionOptions<Session> {
  readonly peer: Peer;
  readonly socket: Socket;
  readonly maxFrameBytes: number;
  readonly pace: Pace | null;
  readonly onFrame: (connection: Connection<Session>, frame: Buffer) => void | Promise<void>;
  readonly onRefused: (peer: Peer, reason: string) => void;
  readonly onError: (error: unknown, peer: Peer) => void;
}

/**
 * A connection. As with Kafka, one request is handled at a time, in order: the next frame is given to
 * `onFrame` when the promise for the one before is settled.
 *
 * @typeParam Session What the broker remembers of a connection, such as who has logged in.
 */
export class Connection<Session = unknown> implements Peer {
  /** Number of the connection. */
  readonly id: number;
  /** Address of the client. */
  readonly remoteAddress: string;
  /** Port of the client. */
  readonly remotePort: number;
  /** Address and port, for logs. */
  readonly name: string;
  /** Whatever the broker remembers of this connection. */
  session: Session | undefined = undefined;
  /** Resolves when the connection is closed and nothing of it is left. */
  readonly closed: Promise<void>;

  readonly #options: ConnectionOptions<Session>;
  readonly #socket: Socket;
  readonly #splitter: FrameSplitter;
  readonly #inbound: Lane;
  readonly #outbound: Lane;
  readonly #gone = new AbortController();
  #roomWaiters: (() => void)[] = [];
  #handling = false;
  /** The client has said that it sends no more, and all it sent is in the splitter. */
  #ended = false;
  /** No further frame is handled. */
  #stopped = false;
  #destroyed = false;

  /**
   * Takes over a socket that is connected.
   *
   * @param options The socket, and whom to tell what.
   */
  constructor(options: ConnectionOptions<Session>) {
    const { peer, socket } = options;
    this.id = peer.id;
    this.remoteAddress = peer.remoteAddress;
    this.remotePort = peer.remotePort;
    this.name = peer.name;
    this.#options = options;
    this.#socket = socket;
    this.#splitter = new FrameSplitter({ maxFrameBytes: options.maxFrameBytes });
    this.#inbound = new Lane({
      deliver: (chunk) => this.#receive(chunk),
      onEnd: () => this.#receiveEnd(),
      onRoom: () => socket.resume(),
    });
    this.#outbound = new Lane({
      deliver: (chunk) => socket.write(chunk),
      // Not left to the client: one that never closes its side would stay for ever.
      onEnd: () => socket.end(() => this.destroy()),
      onRoom: () => this.#tellRoom(),
    });
    if (options.pace !== null) this.setPace(options.pace);
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#closeAll();
        resolve();
      });
    });
    // A client that breaks off is no failure of the broker: "close" follows, and says enough.
    socket.on("error", () => {});
    socket.on("drain", () => {
      this.#outbound.unblock();
      this.#tellRoom();
    });
    socket.on("data", (chunk: Buffer) => {
      this.#inbound.push(chunk);
      if (this.#inbound.full) socket.pause();
    });
    socket.on("end", () => this.#inbound.end());
  }

  /**
   * Aborts when the client is gone or going: it closed its side, or the connection broke or was
   * destroyed. A long poll ends with it.
   */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /**
   * Writes pieces of an answer, together and without joining them.
   *
   * @param pieces The bytes, with the frame's length; they must not change afterwards.
   * @returns Resolves when the client has room for more, at once where it has, and also when the
   * connection is closed; it never rejects.
   */
  async write(pieces: readonly Buffer[]): Promise<void> {
    const socket = this.#socket;
    if (this.#destroyed || !socket.writable) return;
    if (this.#outbound.free) {
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      socket.uncork();
    } else {
      for (const piece of pieces) this.#outbound.push(piece);
    }
    while (!this.#destroyed && (this.#outbound.full || socket.writableNeedDrain)) {
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
    }
  }

  /**
   * Makes both directions slow, or as fast as they can be.
   *
   * @param pace How slow; `null`: not at all.
   */
  setPace(pace: Pace | null): void {
    this.#inbound.setPace(pace);
    this.#outbound.setPace(pace);
  }

  /** Ends the connection when what has been written is sent; nothing more is handled. */
  end(): void {
    this.#stopped = true;
    this.#outbound.end();
  }

  /** Ends the connection at once; what is not sent yet is lost. */
  destroy(): void {
    this.#closeAll();
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): boolean {
    if (this.#stopped) return true;
    this.#splitter.push(chunk);
    if (!this.#handling) void this.#handleAll();
    return !this.#handling || this.#splitter.bufferedBytes < READ_AHEAD_BYTES;
  }

  #receiveEnd(): void {
    this.#ended = true;
    this.#gone.abort();
    // What came before the end is still done: a producer without acks may have sent and left.
    if (!this.#handling) void this.#handleAll();
  }

  async #handleAll(): Promise<void> {
    this.#handling = true;
    try {
      for (;;) {
        if (this.#destroyed || this.#stopped) return;
        const frame = this.#splitter.next();
        if (frame === undefined) break;
        const handled = this.#options.onFrame(this, frame);
        if (handled !== undefined) await handled;
      }
    } catch (error) {
      if (!this.#destroyed) this.#options.onError(error, this);
      this.destroy();
      return;
    } finally {
      this.#handling = false;
    }
    const reason = this.#splitter.refusal ??
      (this.#ended ? this.#splitter.truncation : undefined);
    if (reason !== undefined) {
      this.#options.onRefused(this, reason);
      this.destroy();
    } else if (this.#ended) {
      this.#outbound.end();
    } else {
      this.#inbound.unblock();
    }
  }

  #tellRoom(): void {
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const tell of waiters) tell();
  }

  #closeAll(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#inbound.discard();
    this.#outbound.discard();
    this.#gone.abort();
    this.#tellRoom();
  }
}
