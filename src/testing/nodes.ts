import type { Buffer } from "node:buffer";
import { OptionsError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { printValue } from "../options/print_value.ts";
import {
  ADVERTISED,
  isAddress,
  MAIN_LISTENER,
  type ResolvedKafkaBrokerOptions,
  type ResolvedListenerOptions,
} from "./broker_options.ts";
import type { Connection } from "./network/connection.ts";
import { Listener } from "./network/listener.ts";
import type { Pace } from "./network/pacer.ts";
import type { Session } from "./requests.ts";
import { SaslSession } from "./sasl/sasl_session.ts";

/** Addresses to listen on that nobody can connect to, and what clients take instead. */
const ANY_ADDRESS: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** A connection, and where it came in. */
export interface NodeConnection {
  readonly connection: Connection<Session>;
  readonly nodeId: number;
  /** The listener's name. */
  readonly listener: string;
}

interface Port {
  readonly nodeId: number;
  readonly name: string;
  readonly options: ResolvedListenerOptions;
  /** Chosen when it opens for the first time, and kept when it opens again. */
  port: number;
  listener: Listener<Session> | undefined;
}

/** The ports of all nodes, open and closed. */
export class Nodes {
  readonly #hostname: string;
  readonly #maxFrameBytes: number;
  readonly #ports: Port[];
  readonly #log: Logger;
  readonly #answer: (connection: Connection<Session>, frame: Buffer) => Promise<void>;
  #pace: Pace | null = null;

  /**
   * Makes the nodes' ports, which are all closed.
   *
   * @param options The broker's options.
   * @param log Told who was turned away, and why.
   * @param answer Answers a request.
   */
  constructor(
    options: ResolvedKafkaBrokerOptions,
    log: Logger,
    answer: (connection: Connection<Session>, frame: Buffer) => Promise<void>,
  ) {
    this.#hostname = options.hostname;
    this.#maxFrameBytes = options.maxRequestBytes;
    this.#log = log;
    this.#answer = answer;
    const listeners = [[MAIN_LISTENER, options] as const, ...Object.entries(options.listeners)];
    this.#ports = Array.from({ length: options.nodes }, (_, index) => index).flatMap((index) =>
      listeners.map(([name, of]): Port => ({
        nodeId: index + 1,
        name,
        options: of,
        port: of.port === 0 ? 0 : of.port + index,
        listener: undefined,
      }))
    );
  }

  /** All connections that are open. */
  get connections(): NodeConnection[] {
    return this.#ports.flatMap(({ nodeId, name, listener }) =>
      [...listener?.connections ?? []].map((connection) => ({ connection, nodeId, listener: name }))
    );
  }

  /**
   * Opens the ports of a node, the same ones as last time.
   *
   * @param nodeId The node.
   * @throws {BrokerError} With code `PORT_TAKEN` if another program has one.
   * @throws {ConnectionError} If there is no such host here, or it may not be used.
   */
  async open(nodeId: number): Promise<void> {
    // All have to be done before some are closed again: one that opens later would stay.
    const results = await Promise.allSettled(this.#of(nodeId).map((port) => this.#open(port)));
    const failed = results.find(({ status }) => status === "rejected");
    if (failed === undefined) return;
    await this.close(nodeId);
    throw (failed as PromiseRejectedResult).reason;
  }

  /** Closes the ports of a node, and all their connections. */
  async close(nodeId: number): Promise<void> {
    await Promise.all(
      this.#of(nodeId).map(async (port) => {
        const { listener } = port;
        port.listener = undefined;
        await listener?.close();
      }),
    );
  }

  /**
   * Closes connections, while the ports stay open.
   *
   * @returns How many there were.
   */
  async disconnectAll(): Promise<number> {
    const connections = this.connections.map(({ connection }) => connection);
    for (const connection of connections) connection.destroy();
    await Promise.all(connections.map(({ closed }) => closed));
    return connections.length;
  }

  /** Makes the network of all connections slow, or as fast as it can be. */
  setNetwork(pace: Pace | null): void {
    this.#pace = pace;
    for (const { listener } of this.#ports) listener?.setNetwork(pace);
  }

  /** Whether there is a listener of this name. */
  has(name: string): boolean {
    return this.#ports.some((port) => port.name === name);
  }

  /** Where clients find a node. */
  address(nodeId: number, name: string): { host: string; port: number } {
    const { options: { advertised }, port } = this.#of(nodeId).find((port) => port.name === name)!;
    if (advertised === undefined) return { host: this.#host, port };
    const text: unknown = typeof advertised === "function" ? advertised(nodeId) : advertised;
    if (!isAddress(text)) {
      const value = printValue(text);
      throw new OptionsError([{ option: `advertised(${nodeId})`, value, expected: ADVERTISED }]);
    }
    const at = text.lastIndexOf(":");
    return {
      host: text.slice(0, at).replace(/^\[(.*)\]$/, "$1"),
      port: Number(text.slice(at + 1)),
    };
  }

  /** Where a listener of a node really is, as `host:port`. */
  bound(nodeId: number, name: string): string {
    const { port } = this.#of(nodeId).find((port) => port.name === name)!;
    return `${this.#host.includes(":") ? `[${this.#host}]` : this.#host}:${port}`;
  }

  /** What clients connect to, where nothing else is advertised. */
  get #host(): string {
    return ANY_ADDRESS[this.#hostname] ?? this.#hostname;
  }

  #of(nodeId: number): Port[] {
    return this.#ports.filter((port) => port.nodeId === nodeId);
  }

  async #open(port: Port): Promise<void> {
    const { nodeId, name, options: { tls, sasl } } = port;
    const listener = await Listener.open<Session>({
      host: this.#hostname,
      port: port.port,
      maxFrameBytes: this.#maxFrameBytes,
      ...(tls === undefined ? {} : {
        tls: {
          cert: tls.cert,
          key: tls.key,
          requestCert: tls.requireClientCert,
          ...(tls.ca === undefined ? {} : { ca: tls.ca.join("\n") }),
        },
      }),
      onFrame: (connection, frame) => {
        connection.session ??= {
          nodeId,
          listener: name,
          sasl: sasl && new SaslSession(sasl.users, sasl.mechanisms),
          clientId: null,
          requests: 0,
        };
        return this.#answer(connection, frame);
      },
      onRefused: (peer, reason) =>
        this.#log.warn(`Kafka broker closes the connection of ${peer.name}: ${reason}`),
      onError: (error, peer) =>
        this.#log.error(
          `Kafka broker closes the connection of ${peer?.name ?? "a listener"}: ${
            (error as Error)?.message ?? error
          }`,
          { error },
        ),
    });
    listener.setNetwork(this.#pace);
    port.port = listener.port;
    port.listener = listener;
  }
}
