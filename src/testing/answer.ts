import { Buffer } from "node:buffer";
import type { AnyApi } from "./protocol/api.ts";
import { inVersion, type Primitive, type Shape } from "./protocol/codec.ts";

const INTEGER_BITS: Readonly<Partial<Record<Primitive, number>>> = {
  int8: 8,
  int16: 16,
  int32: 32,
};
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * What is wrong with a message that is given as the answer to a request. The codecs do not look: they
 * would write 0 for what is missing, and nothing for what they do not know.
 *
 * @param api The API.
 * @param version The request's version.
 * @param answer The message.
 * @returns The reason, or null where nothing is wrong.
 */
export function answerFault(api: AnyApi, version: number, answer: unknown): string | null {
  return fault(api.response.shape, version, answer, "");
}

function fault(shape: Shape, version: number, value: unknown, path: string): string | null {
  // In versions that have no null, something else is written instead.
  if (value === null && shape.nullableSince !== undefined) return null;
  const expected = (what: string) => `${path || "it"} is ${print(value)}, where ${what} is needed`;
  switch (shape.type) {
    case "struct":
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        return expected("an object");
      }
      return structFault(shape, version, value as Record<string, unknown>, path);
    case "array":
      if (!Array.isArray(value)) return expected("a list");
      return first(
        value.map((item, index) => [`${path}[${index}]`, item] as const),
        (at, item) => fault(shape.items!, version, item, at),
      );
    case "pieces":
      return Array.isArray(value) && value.every((piece) => Buffer.isBuffer(piece))
        ? null
        : expected("a list of Buffers");
    case "bytes":
      return Buffer.isBuffer(value) ? null : expected("a Buffer");
    case "string":
      return typeof value === "string" ? null : expected("text");
    case "bool":
      return typeof value === "boolean" ? null : expected("true or false");
    case "uuid":
      return typeof value === "string" && UUID.test(value) ? null : expected("a UUID");
    case "int64":
      return Number.isSafeInteger(value) ? null : expected("an integer");
    default: {
      const limit = 2 ** (INTEGER_BITS[shape.type]! - 1);
      return Number.isInteger(value) && (value as number) >= -limit && (value as number) < limit
        ? null
        : expected(`an integer from ${-limit} to ${limit - 1}`);
    }
  }
}

function structFault(
  { fields = {} }: Shape,
  version: number,
  given: Record<string, unknown>,
  path: string,
): string | null {
  const at = (name: string) => path === "" ? name : `${path}.${name}`;
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(fields, name));
  if (unknown !== undefined) {
    return `there is no ${at(unknown)}, but there is ${Object.keys(fields).join(", ")}`;
  }
  return first(Object.entries(fields), (name, field) => {
    // What a version does not have is not sent, whatever it is: one answer serves several versions.
    if (!inVersion(field, version)) return null;
    const value = given[name];
    if (value !== undefined) return fault(field.shape, version, value, at(name));
    return Object.hasOwn(field, "absent") ? null : `${at(name)} is missing`;
  });
}

function first<T>(
  entries: readonly (readonly [string, T])[],
  look: (name: string, item: T) => string | null,
): string | null {
  for (const [name, item] of entries) {
    const found = look(name, item);
    if (found !== null) return found;
  }
  return null;
}

function print(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  return Array.isArray(value)
    ? "a list"
    : typeof value === "object"
    ? "an object"
    : `${JSON.stringify(value) ?? typeof value}`;
}
