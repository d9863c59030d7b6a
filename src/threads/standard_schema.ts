/** Tells schemas from other things, where options are read and in threads that load them. */

import type { StandardSchema } from "../handler.ts";

/**
 * Tells whether a value keeps the part of the Standard Schema specification that is used here.
 *
 * @param value Anything.
 * @returns Whether it does.
 */
export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== "object" || value === null) && typeof value !== "function") return false;
  try {
    const { version, vendor, validate } = (value as StandardSchema)["~standard"];
    return version === 1 && typeof vendor === "string" && typeof validate === "function";
  } catch {
    return false; // There is none, or a getter threw.
  }
}
