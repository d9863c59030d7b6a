/** Fields of a log line on their way to another thread. */

import { decodeError, encodeError, type WireError } from "./error_wire.ts";

/**
 * Makes the fields of a line about an error: the error, and the message that it is about.
 *
 * @param error What has happened.
 * @returns The fields.
 */
export function errorFields(error: unknown): Record<string, unknown> {
  const { topic, partition, offset } = Object(error) as {
    topic?: string;
    partition?: number;
    offset?: number;
  };
  return {
    ...(topic === undefined ? {} : { topic }),
    ...(partition === undefined ? {} : { partition }),
    ...(offset === undefined ? {} : { offset }),
    error,
  };
}

/**
 * Makes fields that can be posted. Errors keep what they carry; what cannot be cloned becomes text.
 *
 * @param fields What was logged.
 * @returns A copy for `postMessage`.
 */
export function encodeFields(fields: Record<string, unknown>): Record<string, unknown> {
  const encoded: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) encoded[key] = encodeField(value);
  return encoded;
}

/**
 * Makes the fields again out of what {@linkcode encodeFields} made.
 *
 * @param fields What came over.
 * @returns The fields.
 */
export function decodeFields(fields: Record<string, unknown>): Record<string, unknown> {
  const decoded: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    decoded[key] = isWireError(value) ? decodeError(value) : value;
  }
  return decoded;
}

function encodeField(value: unknown): unknown {
  if (typeof value !== "object" && typeof value !== "function" && typeof value !== "symbol") {
    return value;
  }
  if (value instanceof Error) return encodeError(value);
  try {
    return structuredClone(value);
  } catch {
    return printed(value);
  }
}

function printed(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return "something that cannot be printed";
  }
}

function isWireError(value: unknown): value is WireError {
  return typeof value === "object" && value !== null &&
    (value as WireError).kind === "error" && Array.isArray((value as WireError).fields);
}
