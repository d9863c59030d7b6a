/**
 * The server's side of SASL on one connection: SaslHandshake, then SaslAuthenticate (KIP-43, KIP-152).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { ERROR } from "../protocol/error_codes.ts";
import { SaslFailure } from "./failure.ts";
import { checkPlain } from "./plain.ts";
import { ScramExchange, type ScramHash } from "./scram.ts";

/** A mechanism, as it is called on the wire. */
export type SaslMechanism = "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";

/**
 * How far a connection is: it must name a mechanism, is in the middle of it, is let in, or was turned
 * away and is to be closed as soon as it has its answer.
 */
export type SaslState = "handshake" | "authenticate" | "done" | "failed";

/** The answer to SaslHandshake, named as in Kafka's message definition. */
export interface SaslHandshakeAnswer {
  readonly errorCode: number;
  /** The mechanisms that may be used. */
  readonly mechanisms: string[];
}

/** The answer to SaslAuthenticate, named as in Kafka's message definition. */
export interface SaslAuthenticateAnswer {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly authBytes: Buffer;
  /** Whether the client is let in now. */
  readonly done: boolean;
}

const HASHES: ReadonlyMap<string, ScramHash> = new Map([
  ["SCRAM-SHA-256", "sha256"],
  ["SCRAM-SHA-512", "sha512"],
]);
const API_VERSIONS = 18;
const SASL_HANDSHAKE = 17;
const SASL_AUTHENTICATE = 36;

/** Lets one client in, or turns it away. */
export class SaslSession {
  readonly #users: Readonly<Record<string, string>>;
  readonly #mechanisms: readonly string[];
  #state: SaslState = "handshake";
  #mechanism = "";
  #scram: ScramExchange | undefined;
  #username: string | undefined;
  #failure: string | undefined;

  /**
   * Makes the session of a connection.
   *
   * @param users Passwords by user name.
   * @param mechanisms The mechanisms that may be used, in lower or upper case.
   */
  constructor(
    users: Readonly<Record<string, string>>,
    mechanisms: readonly (SaslMechanism | Lowercase<SaslMechanism>)[],
  ) {
    this.#users = users;
    this.#mechanisms = mechanisms.map((mechanism) => mechanism.toUpperCase());
  }

  /** How far the connection is. */
  get state(): SaslState {
    return this.#state;
  }

  /** Whether the client is let in. */
  get done(): boolean {
    return this.#state === "done";
  }

  /** Who has logged in, once that is done. */
  get username(): string | undefined {
    return this.#username;
  }

  /** Why the client was turned away, for the log; it says more than the client is told. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /**
   * Tells whether a request may be handled now. Kafka closes a connection that sends any other,
   * without an answer.
   *
   * @param apiKey The API of the request.
   * @returns Whether it may.
   */
  allows(apiKey: number): boolean {
    switch (this.#state) {
      case "handshake":
        return apiKey === API_VERSIONS || apiKey === SASL_HANDSHAKE || apiKey === SASL_AUTHENTICATE;
      case "authenticate":
        return apiKey === SASL_HANDSHAKE || apiKey === SASL_AUTHENTICATE;
      case "done":
        return true;
      case "failed":
        return false;
    }
  }

  /**
   * Answers SaslHandshake.
   *
   * @param mechanism What the client would like to use.
   * @returns The answer.
   */
  handshake(mechanism: string): SaslHandshakeAnswer {
    const mechanisms = [...this.#mechanisms];
    if (this.#state !== "handshake") {
      // Who is let in stays it; Kafka, too, only says that this makes no sense.
      if (this.#state !== "done") this.#fail("a second SaslHandshake on one connection");
      return { errorCode: ERROR.ILLEGAL_SASL_STATE, mechanisms };
    }
    if (!mechanisms.includes(mechanism)) {
      this.#fail(`the mechanism "${mechanism}" is not one of ${mechanisms.join(", ")}`);
      return { errorCode: ERROR.UNSUPPORTED_SASL_MECHANISM, mechanisms };
    }
    const hash = HASHES.get(mechanism);
    if (hash !== undefined) {
      this.#scram = new ScramExchange({ hash, passwordOf: (name) => this.#passwordOf(name) });
    }
    this.#mechanism = mechanism;
    this.#state = "authenticate";
    return { errorCode: ERROR.NONE, mechanisms };
  }

  /**
   * Answers SaslAuthenticate.
   *
   * @param bytes What the mechanism sends.
   * @returns The answer; it never rejects because of what a client sent.
   */
  async authenticate(bytes: Buffer): Promise<SaslAuthenticateAnswer> {
    if (this.#state !== "authenticate") {
      // Kafka's wording, for those who look for it.
      const message = this.#state === "done"
        ? "SaslAuthenticate request received after successful authentication"
        : "Unexpected Kafka request of type SASL_AUTHENTICATE during SASL handshake.";
      if (this.#state !== "done") this.#fail(message);
      return refused(ERROR.ILLEGAL_SASL_STATE, message);
    }
    try {
      if (this.#scram === undefined) {
        this.#username = checkPlain(bytes, (name) => this.#passwordOf(name));
        this.#state = "done";
        return { errorCode: ERROR.NONE, errorMessage: null, authBytes: NOTHING, done: true };
      }
      const { bytes: authBytes, username } = await this.#scram.step(bytes);
      const done = username !== undefined;
      if (done) this.#state = "done";
      this.#username = username;
      return { errorCode: ERROR.NONE, errorMessage: null, authBytes, done };
    } catch (error) {
      if (!(error instanceof SaslFailure)) throw error;
      this.#fail(error.message);
      return refused(
        ERROR.SASL_AUTHENTICATION_FAILED,
        error.told ??
          "Authentication failed during authentication due to invalid credentials with SASL " +
            `mechanism ${this.#mechanism}`,
      );
    }
  }

  #passwordOf(username: string): string | undefined {
    return Object.hasOwn(this.#users, username) ? this.#users[username] : undefined;
  }

  #fail(reason: string): void {
    this.#state = "failed";
    this.#username = undefined;
    this.#failure = reason;
  }
}

const NOTHING = Buffer.alloc(0);

function refused(errorCode: number, errorMessage: string): SaslAuthenticateAnswer {
  return { errorCode, errorMessage, authBytes: NOTHING, done: false };
}
