/**
 * A network that fails when a test says so.
 *
 * @module
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { BrokerError } from "./errors.ts";
import type { Fault } from "./fault_proxy/fault.ts";
import { Faults } from "./fault_proxy/faults.ts";
import { Link, reset } from "./fault_proxy/link.ts";
import {
  type CorruptOptions,
  corruptOptions,
  type CutAfterOptions,
  cutAfterOptions,
  delayOptions,
  type FaultOptions,
  faultOptions,
  type FaultProxyOptions,
  proxyOptions,
  targetAddress,
  throttleOptions,
} from "./fault_proxy/options.ts";
import { listen } from "./network/listen.ts";
import { type WaitOptions, Watcher } from "./watcher.ts";

export type { Fault, FaultDirection, FaultKind } from "./fault_proxy/fault.ts";
export type {
  CorruptOptions,
  CutAfterOptions,
  FaultOptions,
  FaultProxyOptions,
} from "./fault_proxy/options.ts";

/** Where a proxy leads to: `host:port`, or a function that is asked at each connection. */
export type ProxyTarget = string | (() => string | Promise<string>);

/** What has passed through a proxy since it was made. */
export interface FaultProxyStats {
  /** Connections that are open, from the client through to the target. */
  readonly connections: number;
  /** Connections that clients made, those that were refused included. */
  readonly accepted: number;
  /** Connections that a fault refused. */
  readonly refused: number;
  /** Connections that ended because the target could not be reached. */
  readonly unreachable: number;
  /** Bytes that were passed on to the target. */
  readonly bytesToBroker: number;
  /** Bytes that were passed on to clients. */
  readonly bytesToClient: number;
}

/**
 * A TCP proxy between any client and any broker, Apache Kafka included, that cuts, delays, throttles
 * and corrupts what passes through it. For tests.
 *
 * A Kafka client dials the addresses that the broker tells it, so the broker must tell the proxy's:
 * as `advertised` of a `KafkaBroker`, as `advertised.listeners` of Apache Kafka, which needs
 * {@linkcode address} before it starts. That is why the target need not be there yet.
 *
 * @example A client whose connections all break comes back
 * ```ts no-eval
 * import { ThreadManager } from "@kafka-threads/kafka-threads";
 * import { FaultProxy, KafkaBroker } from "@kafka-threads/kafka-threads/testing";
 *
 * await using proxy = await new FaultProxy(() => broker.bootstrapServers).listen();
 * await using broker = await KafkaBroker.start({
 *   topics: { orders: 3 },
 *   advertised: proxy.address,
 * });
 * await using manager = await new ThreadManager({
 *   consumer: { bootstrapServers: proxy.address, groupId: "shop.orders", topics: ["orders"] },
 *   onMessage: (message) => console.log(message.offset),
 * }).start();
 *
 * console.log(`${proxy.cut()} connections were cut`);
 * await proxy.whenConnected();
 * ```
 *
 * @example A slow line, and then none at all
 * ```ts no-eval
 * import { FaultProxy } from "@kafka-threads/kafka-threads/testing";
 *
 * await using proxy = await new FaultProxy("localhost:9092").listen();
 * const slow = proxy.delay(200, { direction: "toClient" });
 * await slow.whenHit();
 * const blackHole = proxy.stall();
 * await blackHole.whenHit();
 * proxy.heal(); // What was held back flows on, in order.
 * ```
 */
export class FaultProxy implements AsyncDisposable {
  readonly #hostname: string;
  readonly #wantedPort: number;
  readonly #watcher = new Watcher();
  readonly #faults = new Faults(this.#watcher, () => this.#apply());
  readonly #links = new Set<Link>();
  /** All sockets that are open, those without a link yet included. */
  readonly #sockets = new Set<Socket>();
  #target: ProxyTarget;
  #server: Server | undefined;
  #port = 0;
  #listening: Promise<this> | undefined;
  #closing: Promise<void> | undefined;
  #lastId = 0;
  #refused = 0;
  #unreachable = 0;
  readonly #passed = { toBroker: 0, toClient: 0 };

  /**
   * Makes a proxy that does not listen yet.
   *
   * @param target Where it leads to: `host:port`, or a function that is asked at each connection.
   * @param options Where to listen.
   * @throws {OptionsError} If any of it is wrong.
   */
  constructor(target: ProxyTarget, options: FaultProxyOptions = {}) {
    const { hostname, port } = proxyOptions(options);
    this.#target = checkedTarget(target);
    this.#hostname = hostname;
    this.#wantedPort = port;
  }

  /**
   * Starts to listen; does nothing when that is done.
   *
   * @returns The proxy.
   * @throws {BrokerError} Where the port is taken (`PORT_TAKEN`) or the proxy is closed (`NOT_RUNNING`).
   * @throws {ConnectionError} Where there is no such host on this machine.
   */
  listen(): Promise<this> {
    if (this.#closing !== undefined) {
      return Promise.reject(new BrokerError("NOT_RUNNING", "Cannot listen: the proxy is closed"));
    }
    this.#listening ??= this.#listen();
    return this.#listening;
  }

  /**
   * Where clients connect: `host:port`.
   *
   * @throws {BrokerError} Where the proxy does not listen yet (`NOT_RUNNING`).
   */
  get address(): string {
    const host = this.#hostname.includes(":") ? `[${this.#hostname}]` : this.#hostname;
    return `${host}:${this.port}`;
  }

  /**
   * The port on which clients connect.
   *
   * @throws {BrokerError} Where the proxy does not listen yet (`NOT_RUNNING`).
   */
  get port(): number {
    if (this.#port === 0) {
      throw new BrokerError("NOT_RUNNING", "Cannot tell the port of a proxy before listen()");
    }
    return this.#port;
  }

  /** Connections that are open, from the client through to the target. */
  get connections(): number {
    return [...this.#links].filter((link) => link.whole).length;
  }

  /**
   * Changes where further connections lead to; those that are open stay where they are.
   *
   * @param target `host:port`, or a function that is asked at each connection.
   * @throws {OptionsError} If it is neither.
   */
  setTarget(target: ProxyTarget): void {
    this.#target = checkedTarget(target);
  }

  /**
   * Breaks all connections off at once, with a reset; new ones are let in.
   *
   * @returns How many there were.
   */
  cut(): number {
    const count = this.connections;
    for (const link of this.#links) link.cut();
    for (const socket of this.#sockets) reset(socket); // Those that are still on their way.
    return count;
  }

  /**
   * Turns new connections away, with a reset as soon as they are made; those that are open stay, until
   * you {@linkcode cut} them.
   *
   * @returns The fault; its hits are connections.
   */
  refuse(): Fault {
    return this.#faults.add("refuse", "both", undefined);
  }

  /**
   * Stops the bytes, and the ends of connections, where they are: everything stays open, and nothing
   * comes through, as in a network that lost its route. They flow on when the fault is removed.
   *
   * @param options Which way. Default: both.
   * @returns The fault; its hits are chunks of bytes that came by.
   */
  stall(options: FaultOptions = {}): Fault {
    return this.#faults.add("stall", faultOptions(options).direction, undefined);
  }

  /**
   * Lets everything come later. Several delays add up.
   *
   * @param ms How much later, in milliseconds; 0 to 2,147,483,647.
   * @param options Which way. Default: both, which makes a round trip twice as much longer.
   * @returns The fault; its hits are chunks of bytes.
   */
  delay(ms: number, options: FaultOptions = {}): Fault {
    const { direction, ...settings } = delayOptions(ms, options);
    return this.#faults.add("delay", direction, settings);
  }

  /**
   * Limits how fast bytes pass, for each connection and each way by itself. Of several throttles, the
   * strictest counts.
   *
   * @param bytesPerSecond Most bytes in a second; 1 or more.
   * @param options Which way. Default: both.
   * @returns The fault; its hits are chunks of bytes.
   */
  throttle(bytesPerSecond: number, options: FaultOptions = {}): Fault {
    const { direction, ...settings } = throttleOptions(bytesPerSecond, options);
    return this.#faults.add("throttle", direction, settings);
  }

  /**
   * Changes single bits of what passes; the same ones in each run with the same seed, in the order in
   * which connections are made.
   *
   * @param options Which bytes. Default: the first of each connection, in each direction.
   * @returns The fault; its hits are bytes that were changed.
   */
  corrupt(options: CorruptOptions = {}): Fault {
    const { direction, ...settings } = corruptOptions(options);
    return this.#faults.add("corrupt", direction, settings);
  }

  /**
   * Ends each connection, those that are open included, when so many further bytes have passed, in
   * the middle of a message if it comes so. Exactly that many bytes arrive.
   *
   * @param bytes How many bytes; 0: none passes, the connection is cut when the first would.
   * @param options Which way, and how many connections. Default: whichever way has passed that many
   * bytes first, and each connection.
   * @returns The fault; its hits are connections.
   */
  cutAfter(bytes: number, options: CutAfterOptions = {}): Fault {
    const { direction, times = Number.POSITIVE_INFINITY } = cutAfterOptions(bytes, options);
    return this.#faults.add("cutAfter", direction, { bytes, times });
  }

  /** Ends all faults; what they held back flows on. */
  heal(): void {
    this.#faults.clear();
  }

  /**
   * Waits until clients are connected through to the target.
   *
   * @param count How many connections must be open, at least. Default: 1.
   * @param options For how long.
   * @returns Resolves when it is so; rejects with a `BrokerError` (`WAIT_TIMEOUT`) when the time is
   * over, or (`NOT_RUNNING`) when the proxy is closed.
   */
  async whenConnected(count = 1, options: WaitOptions = {}): Promise<void> {
    await this.#when(() => this.connections >= count, `${count} connections`, options);
  }

  /**
   * Waits until no connection is open.
   *
   * @param options For how long.
   * @returns Resolves when it is so; rejects as {@linkcode whenConnected} does.
   */
  async whenDisconnected(options: WaitOptions = {}): Promise<void> {
    await this.#when(() => this.#links.size === 0, "all connections to end", options);
  }

  /**
   * Counts what has passed.
   *
   * @returns The counts, as they are now.
   */
  stats(): FaultProxyStats {
    return {
      connections: this.connections,
      accepted: this.#lastId,
      refused: this.#refused,
      unreachable: this.#unreachable,
      bytesToBroker: this.#passed.toBroker,
      bytesToClient: this.#passed.toClient,
    };
  }

  /**
   * Stops listening and ends all connections and faults.
   *
   * @returns Resolves when nothing is left; the same promise when called again.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Does what {@linkcode close} does, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #listen(): Promise<this> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      void this.#accept(client);
    });
    this.#port = await listen(server, this.#hostname, this.#wantedPort);
    server.on("error", () => {}); // Such as too many open files: the client's connection is gone.
    this.#server = server;
    return this;
  }

  async #close(): Promise<void> {
    this.#faults.clear();
    this.#watcher.failAll(new BrokerError("NOT_RUNNING", "Cannot wait: the proxy was closed"));
    await this.#listening?.catch(() => {});
    const closed = new Promise<void>((resolve) => {
      if (this.#server === undefined) resolve();
      else this.#server.close(() => resolve());
    });
    const sockets = [...this.#sockets].map((socket) => {
      const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.destroy();
      return gone;
    });
    await Promise.all([closed, ...sockets]);
  }

  async #accept(client: Socket): Promise<void> {
    this.#track(client);
    const id = ++this.#lastId;
    const [refusal] = this.#faults.refusals;
    if (refusal !== undefined || this.#closing !== undefined) {
      this.#refused++;
      reset(client);
      refusal?.count(1, 0);
      return;
    }
    const broker = await this.#dial(client).catch(() => undefined);
    if (broker === undefined || client.destroyed || this.#closing !== undefined) {
      if (broker === undefined && !client.destroyed) this.#unreachable++;
      broker?.destroy();
      reset(client);
      return;
    }
    this.#links.add(
      new Link({
        id,
        client,
        broker,
        faults: this.#faults,
        onBytes: (way, bytes) => (this.#passed[way] += bytes),
        onClose: (link) => {
          if (link.over) this.#links.delete(link);
          this.#watcher.changed();
        },
      }),
    );
    this.#watcher.changed();
  }

  async #dial(client: Socket): Promise<Socket> {
    const target = typeof this.#target === "function" ? await this.#target() : this.#target;
    const { host, port } = targetAddress(target);
    if (client.destroyed || this.#closing !== undefined) throw new Error("Nobody waits for it");
    const broker = connect({ host, port, allowHalfOpen: true, noDelay: true });
    this.#track(broker);
    const leave = () => broker.destroy();
    client.once("close", leave);
    try {
      await new Promise<void>((resolve, reject) => {
        broker.once("connect", resolve);
        broker.once("error", reject);
        broker.once("close", () => reject(new Error("Closed while it was made")));
      });
    } finally {
      client.off("close", leave);
    }
    return broker;
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {}); // "close" follows, and says enough.
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #apply(): void {
    for (const link of this.#links) link.apply();
  }

  async #when(holds: () => boolean, what: string, options: WaitOptions): Promise<void> {
    if (this.#closing !== undefined) {
      throw new BrokerError("NOT_RUNNING", `Cannot wait for ${what}: the proxy is closed`);
    }
    const look = () => holds() ? true : undefined;
    await this.#watcher.when(look, () => `${what}; ${this.connections} are open`, options);
  }
}

function checkedTarget(target: ProxyTarget): ProxyTarget {
  if (typeof target !== "function") targetAddress(target);
  return target;
}
