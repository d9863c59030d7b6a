/** What checks tell of an error. */

import type { WireError } from "../threads/error_wire.ts";
import type { ErrorFacts } from "./judge_health.ts";

/** What a name or a code looks like; anything else may be a message in disguise. */
const WORD = /^[\w$][\w$.-]{0,63}$/;

/**
 * Takes an error apart, so that its message can be left out where strangers read.
 *
 * @param error The error, as plain data: reading a user's own may run their code.
 * @returns Its name, code and message.
 */
export function errorFacts({ name, message, fields }: WireError): ErrorFacts {
  const code = fields.find(({ key }) => key === "code")?.value;
  const value = code?.kind === "plain" ? code.value : undefined;
  return {
    name: WORD.test(name) ? name : "Error",
    code: (typeof value === "string" || typeof value === "number") && WORD.test(`${value}`)
      ? `${value}`
      : null,
    message,
  };
}
