import { Buffer } from "node:buffer";

/** What a client needs to log in on the SASL listener. */
export interface SaslAccess {
  /** The SASL_PLAINTEXT listeners, `host:port,…`. */
  bootstrapServers: string;
  username: string;
  password: string;
  /** The names of the mechanisms that the listener accepts, as kafka-threads and kafkajs spell them. */
  mechanisms: ("plain" | "scram-sha-256" | "scram-sha-512" | "oauthbearer")[];
}

/** The one user that the SASL listener knows. */
export const SASL_USER = { username: "alice", password: "alice-secret" } as const;

/**
 * Makes a token that the OAUTHBEARER mechanism of a test broker accepts: an unsecured JWT, which
 * Apache Kafka takes by default and only for development.
 *
 * @param subject Whom the token names.
 * @param options How long it is valid, in milliseconds; default an hour.
 * @returns The token.
 */
export function unsecuredToken(
  subject: string = SASL_USER.username,
  options: { lifetimeMs?: number } = {},
): string {
  const now = Math.floor(Date.now() / 1_000);
  const expires = now + Math.ceil((options.lifetimeMs ?? 3_600_000) / 1_000);
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  // The signature of an unsecured JWT is empty; its dot is not optional.
  return `${part({ alg: "none" })}.${part({ sub: subject, iat: now, exp: expires })}.`;
}
