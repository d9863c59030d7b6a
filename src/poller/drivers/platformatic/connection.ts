/** One connection to one broker, and the versions that the broker speaks. */

import type { Buffer } from "node:buffer";
import * as kafka from "@platformatic/kafka";
import type { DriverContext } from "../../../driver.ts";
import { ConnectionError, DriverError } from "../../../errors.ts";
import { answerError, connectionError } from "./errors.ts";
import { type BrokerVersions, findApi, type RequestName, type Requests } from "./requests.ts";

/** Where a broker listens. */
export interface BrokerAddress {
  /** Name or IP address, without brackets. */
  host: string;
  /** Number of the port. */
  port: number;
}

/** What all connections have in common. */
export interface ConnectionSettings {
  /** Name this client gives itself. */
  clientId: string;
  /** TLS, or false. */
  ssl: DriverContext["ssl"];
  /** SASL, or undefined. */
  sasl: DriverContext["sasl"];
  /** Longest wait for a connection, log-in included. */
  connectTimeoutMs: number;
  /** Longest wait for an answer. */
  requestTimeoutMs: number;
}

const MECHANISMS = {
  plain: "PLAIN",
  "scram-sha-256": "SCRAM-SHA-256",
  "scram-sha-512": "SCRAM-SHA-512",
  oauthbearer: "OAUTHBEARER",
} as const;

// This file keeps the time of each request itself: some wait for a rebalance.
const NEVER_MS = 2 ** 31 - 1;
const UNSUPPORTED_VERSION = 35;

/** A connection that is made, logged in, and knows what the broker can do. */
export class BrokerConnection {
  readonly #name: string;
  readonly #settings: ConnectionSettings;
  readonly #connection: kafka.Connection;
  #versions: BrokerVersions = new Map();
  #alive = true;

  private constructor(name: string, settings: ConnectionSettings) {
    this.#name = name;
    this.#settings = settings;
    this.#connection = new kafka.Connection(settings.clientId, {
      connectTimeout: settings.connectTimeoutMs,
      requestTimeout: NEVER_MS,
      ...tlsOptions(settings.ssl),
      ...saslOptions(settings.sasl),
    });
    // Without a listener, an error would be thrown where nobody catches it.
    this.#connection.on("error", () => this.destroy());
    this.#connection.on("close", () => this.#alive = false);
  }

  /**
   * Connects, logs in and asks for the versions.
   *
   * @param address Where to.
   * @param onOpening Gets the connection at once, so that it can be destroyed before it is made.
   * @throws {AuthenticationError} If the broker or this client refuses the other.
   * @throws {ConnectionError} If there is no connection in time.
   */
  static async open(
    address: BrokerAddress,
    settings: ConnectionSettings,
    onOpening: (connection: BrokerConnection) => void,
  ): Promise<BrokerConnection> {
    const { host, port } = address;
    const name = `${host}:${port}`;
    if (!(port > 0 && port < 65_536)) {
      // The client would throw, and leave a timer behind.
      throw new ConnectionError(`Cannot connect to "${name}": there is no such port`, {
        retriable: false,
      });
    }
    const opened = new BrokerConnection(name, settings);
    onOpening(opened);
    try {
      await opened.#connection.connect(host, port);
      opened.#versions = await opened.#askForVersions();
      return opened;
    } catch (error) {
      opened.destroy();
      throw connectionError(`connect to "${name}"`, error);
    }
  }

  /** Whether requests can be made. */
  get alive(): boolean {
    return this.#alive;
  }

  /**
   * Makes a request. The answer may carry error codes; that is no failure of the request.
   *
   * @param timeoutMs Time the broker may hold the answer back, beside the usual time for an answer.
   * @throws {ConnectionError} If the connection breaks or no answer comes in time; it is destroyed.
   * @throws {DriverError} If the broker speaks no version of this API that this client does.
   */
  async request<Name extends RequestName>(
    name: Name,
    args: Requests[Name]["args"],
    timeoutMs = 0,
  ): Promise<Requests[Name]["answer"]> {
    const api = findApi(name, this.#versions);
    if (api === undefined) {
      throw new DriverError(`Cannot ask "${this.#name}" for ${name}: no version suits both sides`, {
        retriable: false,
      });
    }
    const attempt = `ask "${this.#name}" for ${name}`;
    const limitMs = this.#settings.requestTimeoutMs + timeoutMs;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.destroy();
    }, limitMs);
    try {
      await this.#loggedIn();
      return await api.async(this.#connection, ...args);
    } catch (error) {
      const answer = (error as { response?: Requests[Name]["answer"] }).response;
      if (answer !== undefined) return answer;
      if (late) {
        throw new ConnectionError(`Cannot ${attempt}: no answer within ${limitMs} ms`, {
          cause: error,
        });
      }
      // Whatever else it is, what follows on this connection cannot be trusted.
      this.destroy();
      throw connectionError(attempt, error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes at once: what waits for an answer fails. */
  destroy(): void {
    if (!this.#alive) return;
    this.#alive = false;
    const { socket, status } = this.#connection;
    // close() alone would wait until a half-open socket has sent what it holds.
    if (status !== "error") this.#connection.close(() => {});
    socket?.on("error", () => {});
    socket?.destroy();
  }

  async #askForVersions(): Promise<BrokerVersions> {
    const own = [kafka.clientSoftwareName, kafka.clientSoftwareVersion] as const;
    const timer = setTimeout(() => this.destroy(), this.#settings.requestTimeoutMs);
    try {
      const answer = await kafka.apiVersionsV3.api.async(this.#connection, ...own)
        .catch((error) => {
          if (kafka.findErrorBy(error, "apiCode", UNSUPPORTED_VERSION) === null) throw error;
          return kafka.apiVersionsV1.api.async(this.#connection, ...own);
        });
      if (answer.errorCode !== 0) throw answerError(`connect to "${this.#name}"`, answer.errorCode);
      return new Map(answer.apiKeys.map((api) => [api.apiKey, api]));
    } finally {
      clearTimeout(timer);
    }
  }

  /** While a session is being renewed, a broker takes nothing but the log-in. */
  async #loggedIn(): Promise<void> {
    if (this.#connection.status !== "reauthenticating") return;
    await new Promise<void>((resolve, reject) => {
      this.#connection.once("connect", resolve);
      this.#connection.once("close", () => reject(new Error("Connection closed")));
    });
  }
}

function tlsOptions(ssl: DriverContext["ssl"]): kafka.ConnectionOptions {
  if (ssl === false) return {};
  return { tls: ssl === true ? {} : { ...ssl } };
}

function saslOptions(sasl: DriverContext["sasl"]): kafka.ConnectionOptions {
  if (sasl === undefined) return {};
  const { mechanism } = sasl;
  return {
    sasl: sasl.mechanism === "oauthbearer"
      ? {
        mechanism: MECHANISMS[mechanism],
        token: sasl.token,
        authBytesValidator: refuseInvalidToken,
      }
      : {
        mechanism: MECHANISMS[mechanism],
        username: sasl.username,
        password: sasl.password,
      },
  };
}

/**
 * A broker that does not take a token says so in an answer that looks like a success (RFC 7628, 3.2.2).
 * The client's own check of it calls back twice.
 */
function refuseInvalidToken(
  answer: Buffer,
  callback: (error: Error | null, answer: Buffer) => void,
): void {
  if (answer.length === 0) return callback(null, answer);
  callback(new kafka.AuthenticationError(`The token is refused: ${answer.toString()}`), answer);
}
