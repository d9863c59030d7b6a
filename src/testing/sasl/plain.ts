/**
 * SASL PLAIN, the server's side: a user name and a password, once.
 *
 * Source: RFC 4616, https://www.rfc-editor.org/rfc/rfc4616
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { SaslFailure } from "./failure.ts";

/**
 * Checks the one message of the client: `[authzid] NUL username NUL password`.
 *
 * @param message The message.
 * @param passwordOf Gives the password of a user, if there is one.
 * @returns The name of the user.
 * @throws {SaslFailure} Where the client is not let in.
 */
export function checkPlain(
  message: Buffer,
  passwordOf: (username: string) => string | undefined,
): string {
  const tokens = message.toString("utf8").split("\0");
  const [authorizationId, username, password] = tokens;
  if (authorizationId === undefined || username === undefined || password === undefined) {
    throw new SaslFailure(`the message of PLAIN has ${tokens.length} parts instead of 3`);
  }
  if (tokens.length > 3) {
    throw new SaslFailure(`the message of PLAIN has ${tokens.length} parts instead of 3`);
  }
  if (username === "") throw new SaslFailure("the user name is empty");
  if (password === "") throw new SaslFailure("the password is empty");
  const expected = passwordOf(username);
  // Compared also where there is no such user, so that it takes as long.
  if (!sameText(password, expected ?? "") || expected === undefined) {
    throw new SaslFailure(
      expected === undefined ? `there is no user "${username}"` : `wrong password of "${username}"`,
      "Authentication failed: Invalid username or password",
    );
  }
  if (authorizationId !== "" && authorizationId !== username) {
    throw new SaslFailure(
      `"${username}" asks to act as "${authorizationId}"`,
      "Authentication failed: Client requested an authorization id that is different from username",
    );
  }
  return username;
}

// Of equal length whatever the texts are, as a comparison in constant time needs it.
function sameText(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text, "utf8").digest();
}
