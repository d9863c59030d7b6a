/** A kafkajs cluster whose sockets and timers are ours to end. */

import net from "node:net";
import tls from "node:tls";
import type { DriverContext, DriverSasl, TlsOptions } from "../../../driver.ts";
import { ConnectionError } from "../../../errors.ts";
import {
  type Broker,
  type Cluster,
  type Connection,
  createCluster,
  createLogger,
  type KafkajsLogEntry,
  type KafkajsLogger,
  LEVELS,
  type RequestQueue,
} from "./internals.ts";
import type { KafkajsSettings } from "./settings.ts";

const KEEP_ALIVE_DELAY_MS = 60_000;
/** How soon to look again at requests that wait for room on their connection. */
const CHECK_PENDING_INTERVAL_MS = 10;

/** A cluster, and the way to be rid of it. */
export interface Connections {
  cluster: Cluster;
  /** Ends the sockets and requests to one broker, as its connections have gone wrong. */
  discard(broker: Broker): void;
  /** Ends every socket and every request at once. */
  destroy(): void;
}

/** Makes a cluster; nothing is connected yet. */
export function createConnections(
  context: DriverContext,
  settings: KafkajsSettings,
  logger: KafkajsLogger,
): Connections {
  const connections = new Set<Connection>();
  const sockets = new Set<net.Socket>();
  const { bootstrapServers, clientId, ssl, sasl } = context;
  let destroyed = false;

  const cluster = createCluster({
    logger,
    brokers: bootstrapServers,
    clientId,
    ssl: tlsOptions(ssl),
    sasl: sasl === undefined ? undefined : saslOptions(sasl),
    socketFactory: socketFactory(sockets, () => destroyed),
    connectionTimeout: settings.connectionTimeout,
    authenticationTimeout: settings.authenticationTimeout,
    reauthenticationThreshold: settings.reauthenticationThreshold,
    requestTimeout: settings.requestTimeout,
    enforceRequestTimeout: settings.enforceRequestTimeout,
    metadataMaxAge: settings.metadataMaxAge,
    allowAutoTopicCreation: settings.allowAutoTopicCreation,
    maxInFlightRequests: settings.maxInFlightRequests,
    isolationLevel: settings.isolationLevel,
    retry: { retries: 0, ...settings.retry },
    offsets: new Map(),
  });

  // kafkajs splits an address at its first colon, which breaks IPv6, and its request queues never rest.
  const { build } = cluster.connectionPoolBuilder;
  let next = 0;
  cluster.connectionPoolBuilder.build = async (destination) => {
    const address = destination?.host === undefined
      ? hostAndPort(bootstrapServers[next++ % bootstrapServers.length]!)
      : destination;
    const pool = await build(address);
    for (const connection of pool.pool) {
      connections.add(connection);
      letRest(connection.requestQueue);
    }
    return pool;
  };

  const closed = () =>
    new ConnectionError("Cannot go on: the connection is closed", { retriable: true });
  /** A socket that is destroyed from this side tells kafkajs nothing: its requests would wait. */
  const giveUp = ({ requestQueue }: Connection, error: Error) => {
    requestQueue.rejectAll(error);
    requestQueue.destroy();
  };
  return {
    cluster,
    discard({ connectionPool }) {
      const error = closed();
      for (const connection of connectionPool.pool) {
        giveUp(connection, error);
        connection.socket?.destroy(error);
        connections.delete(connection);
      }
      // The next metadata brings it back, with connections of its own.
      cluster.removeBroker(connectionPool);
    },
    destroy() {
      destroyed = true;
      const error = closed();
      for (const connection of connections) giveUp(connection, error);
      // With an error, or a connection that is only being made would go on waiting for its timeout.
      for (const socket of sockets) socket.destroy(error);
    },
  };
}

/**
 * Makes kafkajs's log a part of ours, all of it for debugging: what it calls an error is met with a
 * retry here, and is logged once, where that is decided.
 */
export function createKafkajsLogger({ logger }: DriverContext): KafkajsLogger {
  return createLogger({
    level: LEVELS.DEBUG,
    logCreator: () => ({ namespace, label, log }: KafkajsLogEntry) => {
      const { message, timestamp: _, logger: source, ...fields } = log;
      logger.debug(`${source} ${label} ${namespace}: ${message}`, fields);
    },
  });
}

/**
 * Keeps an idle queue from re-arming its timer for ever: kafkajs 2.2.4 schedules the next check
 * without anything to check, after a delay that is negative (kafkajs #1751).
 */
export function letRest(queue: RequestQueue): void {
  queue.scheduleCheckPendingRequests = () => {
    if (queue.throttleCheckTimeoutId !== null || queue.pending.length === 0) return;
    const throttledMs = queue.throttledUntil - Date.now();
    queue.throttleCheckTimeoutId = setTimeout(() => {
      queue.throttleCheckTimeoutId = null;
      queue.checkPendingRequests();
    }, throttledMs > 0 ? throttledMs : CHECK_PENDING_INTERVAL_MS);
  };
}

/** Splits `host:port`, where the host may be an IPv6 address in brackets. */
export function hostAndPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return {
    host: address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"),
    port: Number(address.slice(colon + 1)),
  };
}

function socketFactory(sockets: Set<net.Socket>, isDestroyed: () => boolean) {
  return ({ host, port, ssl, onConnect }: {
    host: string;
    port: number;
    ssl: tls.ConnectionOptions | null;
    onConnect: () => void;
  }): net.Socket => {
    const name = net.isIP(host) === 0 ? { servername: host } : {};
    const socket = ssl
      ? tls.connect({ host, port, ...name, ...ssl }, onConnect)
      : net.connect({ host, port }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
    // kafkajs unrefs a socket whenever it gives up a request on it, and one that never connected keeps
    // a listener for each: there is nothing to warn the user of.
    socket.setMaxListeners(0);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // What was under way when all was ended may still want a connection; kafkajs listens from then on.
    if (isDestroyed()) queueMicrotask(() => socket.destroy(new Error("Connection closed")));
    return socket;
  };
}

function tlsOptions(ssl: boolean | TlsOptions): tls.ConnectionOptions | null {
  if (ssl === false) return null;
  return ssl === true ? {} : { ...ssl };
}

function saslOptions(sasl: DriverSasl): Record<string, unknown> {
  if (sasl.mechanism !== "oauthbearer") return { ...sasl };
  return {
    mechanism: "oauthbearer",
    oauthBearerProvider: async () => ({ value: await sasl.token() }),
  };
}
