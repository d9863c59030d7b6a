/**
 * SASL SCRAM, the server's side: a client proves that it knows the password, and the server that it
 * does too, without either of them sending it.
 *
 * Sources: RFC 5802, https://www.rfc-editor.org/rfc/rfc5802, and RFC 7677 for SHA-256. Passwords are
 * taken as UTF-8 as they are, without SASLprep, as Kafka and its clients do.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { SaslFailure } from "./failure.ts";

/** A hash that SCRAM is used with. */
export type ScramHash = "sha256" | "sha512";

/** Kafka's least number, which its clients insist on. */
const ITERATIONS = 4_096;
const HASH_BYTES: Readonly<Record<ScramHash, number>> = { sha256: 32, sha512: 64 };

// gs2-header = gs2-cbind-flag "," [authzid] ","; channel binding ("p=…", "y") is not for Kafka.
const FIRST =
  /^(?<header>n,(?:a=(?<authzid>[^,\0]+))?,)(?<bare>n=(?<name>[^,\0]+),r=(?<nonce>[^,\0]+)(?:,.*)?)$/s;
const FINAL =
  /^(?<unproved>c=(?<channel>[A-Za-z0-9+/=]+),r=(?<nonce>[^,\0]+)(?:,.*)?),p=(?<proof>[A-Za-z0-9+/=]+)$/s;

/** What an exchange is made with. */
export interface ScramExchangeOptions {
  /** The hash. */
  readonly hash: ScramHash;
  /** Gives the password of a user, if there is one. */
  readonly passwordOf: (username: string) => string | undefined;
  /** Makes the server's part of the nonce. Default: 144 random bits. */
  readonly newNonce?: () => string;
  /** Makes the salt. Default: 16 random bytes. */
  readonly newSalt?: () => Buffer;
}

/** The answer to one message of the client. */
export interface ScramAnswer {
  /** What is sent back. */
  readonly bytes: Buffer;
  /** Who has logged in, when the exchange is over. */
  readonly username: string | undefined;
}

interface Challenge {
  readonly username: string;
  readonly password: string;
  readonly header: string;
  readonly bare: string;
  readonly nonce: string;
  readonly salt: Buffer;
  readonly serverFirst: string;
}

/** One exchange of four messages: two from the client, two answers. */
export class ScramExchange {
  readonly #options: ScramExchangeOptions;
  #challenge: Challenge | undefined;

  /**
   * Makes the server's side of an exchange that has not begun.
   *
   * @param options The hash, and whom it knows.
   */
  constructor(options: ScramExchangeOptions) {
    this.#options = options;
  }

  /**
   * Takes the client's next message.
   *
   * @param message The message.
   * @returns The answer.
   * @throws {SaslFailure} Where the client is not let in.
   */
  async step(message: Buffer): Promise<ScramAnswer> {
    const text = message.toString("utf8");
    if (this.#challenge !== undefined) return await this.#finish(this.#challenge, text);
    this.#challenge = this.#begin(text);
    return { bytes: Buffer.from(this.#challenge.serverFirst, "utf8"), username: undefined };
  }

  #begin(text: string): Challenge {
    const { header, authzid, bare, name, nonce: clientNonce } = FIRST.exec(text)?.groups ?? {};
    if (
      header === undefined || bare === undefined || name === undefined || clientNonce === undefined
    ) {
      throw new SaslFailure("the first message of SCRAM is malformed");
    }
    const username = unescapeName(name);
    const password = this.#options.passwordOf(username);
    if (password === undefined) throw new SaslFailure(`there is no user "${username}"`);
    if (authzid !== undefined && unescapeName(authzid) !== username) {
      throw new SaslFailure(
        `"${username}" asks to act as "${unescapeName(authzid)}"`,
        "Authentication failed: Client requested an authorization id that is different from username",
      );
    }
    const serverNonce = this.#options.newNonce?.() ?? randomBytes(18).toString("base64url");
    const nonce = clientNonce + serverNonce;
    const salt = this.#options.newSalt?.() ?? randomBytes(16);
    const serverFirst = `r=${nonce},s=${salt.toString("base64")},i=${ITERATIONS}`;
    return { username, password, header, bare, nonce, salt, serverFirst };
  }

  async #finish(challenge: Challenge, text: string): Promise<ScramAnswer> {
    const { username, password, header, bare, nonce, salt, serverFirst } = challenge;
    const { unproved, channel, nonce: givenNonce, proof } = FINAL.exec(text)?.groups ?? {};
    if (unproved === undefined || channel === undefined || proof === undefined) {
      throw new SaslFailure("the final message of SCRAM is malformed");
    }
    if (givenNonce !== nonce) {
      throw new SaslFailure("the nonce of the final message of SCRAM is not the one of the first");
    }
    if (!Buffer.from(channel, "base64").equals(Buffer.from(header, "utf8"))) {
      throw new SaslFailure("the header of the final message of SCRAM is not the one of the first");
    }
    const { hash } = this.#options;
    const salted = await hi(password, salt, ITERATIONS, HASH_BYTES[hash], hash);
    const authMessage = `${bare},${serverFirst},${unproved}`;
    const storedKey = createHash(hash).update(hmac(hash, salted, "Client Key")).digest();
    const signature = hmac(hash, storedKey, authMessage);
    const given = Buffer.from(proof, "base64");
    // The client's key, if this is its proof; hashed, because then the length is right in any case.
    const clientKey = Buffer.from(signature.map((byte, index) => byte ^ (given[index] ?? 0)));
    const givenKey = createHash(hash).update(clientKey).digest();
    if (!timingSafeEqual(givenKey, storedKey) || given.length !== signature.length) {
      throw new SaslFailure(`wrong password of "${username}"`);
    }
    const serverSignature = hmac(hash, hmac(hash, salted, "Server Key"), authMessage);
    return { bytes: Buffer.from(`v=${serverSignature.toString("base64")}`), username };
  }
}

const hi = promisify(pbkdf2);

function hmac(hash: ScramHash, key: Buffer, data: string): Buffer {
  return createHmac(hash, key).update(data, "utf8").digest();
}

// RFC 5802, section 5.1: "=2C" is a comma, "=3D" an equals sign, and any other "=" is an error.
function unescapeName(name: string): string {
  if (/=(?!2C|3D)/.test(name)) throw new SaslFailure(`the user name "${name}" is malformed`);
  return name.replaceAll("=2C", ",").replaceAll("=3D", "=");
}
