/**
 * Listens for Kafka clients, with TLS or without.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { Connection, type Peer } from "./connection.ts";
import { MAX_FRAME_BYTES } from "./frames.ts";
import { listen } from "./listen.ts";
import type { Pace } from "./pacer.ts";

/** The certificates of a listener, all as PEM text. */
export interface ListenerTls {
  /** The broker's certificate, and those between it and its authority. */
  readonly cert: string;
  /** Its private key. */
  readonly key: string;
  /** The authorities of clients' certificates: others are turned away. Default: nobody is asked. */
  readonly ca?: string | readonly string[];
  /** Whether a client must show a certificate; otherwise it may. Default: `false`. */
  readonly requestCert?: boolean;
}

/** Where to listen, and whom to tell what. */
export interface ListenerOptions<Session> {
  /** Name or address of this machine. Default: "127.0.0.1". */
  readonly host?: string;
  /** Port; 0: one that is free. Default: 0. */
  readonly port?: number;
  /** TLS. Default: plain text. */
  readonly tls?: ListenerTls;
  /** Most bytes of a frame. Default: 104,857,600, as Kafka's. */
  readonly maxFrameBytes?: number;
  /** A request arrived; the next one of this connection follows when the promise is settled. */
  readonly onFrame: (connection: Connection<Session>, frame: Buffer) => void | Promise<void>;
  /** A client was turned away, because of what it sent. */
  readonly onRefused: (peer: Peer, reason: string) => void;
  /** `onFrame` threw, and its connection is destroyed; or the listener itself failed. */
  readonly onError: (error: unknown, peer: Peer | undefined) => void;
}

/**
 * A TCP port that is listened on, and its connections.
 *
 * @typeParam Session What the broker remembers of a connection.
 */
export class Listener<Session = unknown> {
  /** Name or address that it listens on, as it was given. */
  readonly host: string;
  readonly #options: ListenerOptions<Session>;
  readonly #server: Server;
  /** All sockets, those in the middle of a TLS handshake included. */
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<Connection<Session>>();
  #pace: Pace | null = null;
  #port = 0;
  #lastId = 0;
  #closing: Promise<void> | undefined;

  private constructor(options: ListenerOptions<Session>) {
    this.#options = options;
    this.host = options.host ?? "127.0.0.1";
    const { tls } = options;
    // Clients that close their side only still get what they asked for.
    const half = { allowHalfOpen: true, noDelay: true };
    if (tls === undefined) {
      this.#server = createServer(half, (socket) => {
        this.#track(socket);
        this.#connect(socket);
      });
    } else {
      const requestCert = tls.requestCert ?? false;
      const server = createTlsServer({
        ...half,
        cert: tls.cert,
        key: tls.key,
        ...(tls.ca === undefined ? {} : { ca: [tls.ca].flat() }),
        requestCert: requestCert || tls.ca !== undefined,
        rejectUnauthorized: requestCert,
      });
      server.on("connection", (socket) => this.#track(socket));
      server.on("secureConnection", (socket) => {
        this.#track(socket);
        // As Kafka's "requested": a client may come without a certificate, but not with a foreign one.
        if (showsForeignCertificate(socket)) {
          options.onRefused(
            this.#peerOf(socket),
            `its certificate is not to be trusted: ${socket.authorizationError}`,
          );
          socket.destroy();
        } else this.#connect(socket);
      });
      server.on("tlsClientError", (error, socket) => {
        // While this listener closes, it is the one that left.
        if (this.#closing === undefined) {
          options.onRefused(this.#peerOf(socket), describeTlsError(error));
        }
        socket.destroy();
      });
      this.#server = server;
    }
    this.#server.on("error", (error) => {
      if (this.#port !== 0) options.onError(error, undefined);
    });
  }

  /**
   * Starts to listen.
   *
   * @typeParam Session What the broker remembers of a connection.
   * @param options Where to listen, and whom to tell what.
   * @returns The listener.
   * @throws {BrokerError} Where the port is taken (`PORT_TAKEN`).
   * @throws {ConnectionError} Where there is no such host, or it may not be used (`LISTEN_FAILED`).
   */
  static async open<Session = unknown>(
    options: ListenerOptions<Session>,
  ): Promise<Listener<Session>> {
    const listener = new Listener<Session>(options);
    listener.#port = await listen(listener.#server, listener.host, options.port ?? 0);
    return listener;
  }

  /** The port that it listens on. */
  get port(): number {
    return this.#port;
  }

  /** The connections that are open. */
  get connections(): ReadonlySet<Connection<Session>> {
    return this.#connections;
  }

  /**
   * Makes the network slow for all connections, those to come included, in both directions.
   *
   * @param pace How slow; `null`: not at all.
   */
  setNetwork(pace: Pace | null): void {
    this.#pace = pace;
    for (const connection of this.#connections) connection.setPace(pace);
  }

  /** Destroys all connections; further ones are let in. */
  disconnectAll(): void {
    for (const connection of this.#connections) connection.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  /**
   * Stops listening and destroys all connections.
   *
   * @returns Resolves when the port is free and nothing is left; the same promise when called again.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.disconnectAll();
    await Promise.all([closed, ...[...this.#connections].map((connection) => connection.closed)]);
  }

  #track(socket: Socket): void {
    if (this.#closing !== undefined) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {}); // It closes; whoever cares listens to that.
  }

  #connect(socket: Socket): void {
    if (this.#closing !== undefined) return;
    const { maxFrameBytes = MAX_FRAME_BYTES, onFrame, onRefused, onError } = this.#options;
    const connection = new Connection<Session>({
      peer: this.#peerOf(socket),
      socket,
      maxFrameBytes,
      pace: this.#pace,
      onFrame,
      onRefused,
      onError,
    });
    this.#connections.add(connection);
    connection.closed.then(() => this.#connections.delete(connection));
  }

  #peerOf(socket: Socket): Peer {
    // Deno forgets the address of a socket whose handshake failed.
    const remoteAddress = socket.remoteAddress ?? "unknown";
    const remotePort = socket.remotePort ?? 0;
    return {
      id: ++this.#lastId,
      remoteAddress,
      remotePort,
      name: `${remoteAddress.includes(":") ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`,
    };
  }
}

function showsForeignCertificate(socket: TLSSocket): boolean {
  return !socket.authorized && Object.keys(socket.getPeerCertificate() ?? {}).length > 0;
}

// OpenSSL (Node), BoringSSL (Bun) and rustls (Deno) say the same in different words.
function describeTlsError(error: Error & { code?: string; reason?: string }): string {
  const said = error.reason ?? error.message;
  if (/wrong.version.number|http.request|InvalidContentType/i.test(said)) {
    return "it speaks plain text, and this listener speaks TLS (SSL or SASL_SSL)";
  }
  if (/socket hang up/i.test(said)) return "it left within the handshake of TLS";
  return `the handshake of TLS failed: ${said}`;
}
