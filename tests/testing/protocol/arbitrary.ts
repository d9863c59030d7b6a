// Arbitrary messages, made from their descriptions.
import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { inVersion, type Shape } from "../../../src/testing/protocol/codec.ts";

const bytes = fc.uint8Array({ maxLength: 24 }).map((array) => Buffer.from(array));
const int = (bits: number) => fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });

const SIMPLE: Partial<Record<Shape["type"], fc.Arbitrary<unknown>>> = {
  bool: fc.boolean(),
  int8: int(8),
  int16: int(16),
  int32: int(32),
  int64: fc.maxSafeInteger(),
  uuid: fc.uuid({ version: [1, 2, 3, 4, 5, 6, 7, 8] }),
  string: fc.string({ unit: "grapheme", maxLength: 12 }),
  bytes,
  pieces: fc.array(bytes, { maxLength: 3 }),
};

/**
 * What one version of a message can say: fields that are not on its wire have the value that reading
 * gives them.
 */
export function messageOf(shape: Shape, version: number): fc.Arbitrary<unknown> {
  const value = notNull(shape, version);
  return version >= (shape.nullableSince ?? Infinity) ? fc.option(value, { freq: 4 }) : value;
}

function notNull(shape: Shape, version: number): fc.Arbitrary<unknown> {
  if (shape.type === "array") return fc.array(messageOf(shape.items!, version), { maxLength: 3 });
  if (shape.type === "struct") {
    const fields = Object.entries(shape.fields!).map(([name, field]) => [
      name,
      inVersion(field, version) ? messageOf(field.shape, version) : fc.constant(field.absent),
    ]);
    return fc.record(Object.fromEntries(fields), { noNullPrototype: true });
  }
  return SIMPLE[shape.type]!;
}

/** A message as a version of it reads: with the absent value of each field that it does not have. */
export function asReadIn(shape: Shape, version: number, value: unknown): unknown {
  if (value === null) return null;
  if (shape.type === "pieces") return Buffer.concat(value as Buffer[]);
  if (shape.type === "array") {
    return (value as unknown[]).map((item) => asReadIn(shape.items!, version, item));
  }
  if (shape.type !== "struct") return value;
  const given = value as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(shape.fields!).map(([name, field]) => {
      const there = inVersion(field, version) && given[name] !== undefined;
      return [name, asReadIn(field.shape, version, there ? given[name] : field.absent)];
    }),
  );
}
