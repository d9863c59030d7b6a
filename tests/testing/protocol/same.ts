// Compares what a client made of a response with what was written.
import assert from "node:assert/strict";
import { inVersion, type Shape } from "../../../src/testing/protocol/codec.ts";
import { texts } from "./records.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

/** How a client names and leaves out what it reads. */
export interface Reading {
  /** The fields that the client skips. */
  skips?(field: string, version: number, path: string): boolean;
  /** The messages, as texts, in what the client has in place of records. */
  texts(records: Any): string[];
}

/**
 * Each field that is on the wire must be in what the client read, with its value; INT64 may be a
 * number, a bigint or text.
 */
export function assertRead(
  actual: Any,
  expected: Any,
  shape: Shape,
  version: number,
  reading: Reading,
  path = "",
): void {
  if (shape.type === "pieces") {
    assert.deepEqual(reading.texts(actual), texts(expected), path);
  } else if (expected === null) {
    // No array is for some clients an empty one.
    assert.ok(actual === null || (Array.isArray(actual) && actual.length === 0), path);
  } else if (shape.type === "array") {
    assert.equal(actual.length, expected.length, path);
    expected.forEach((item: Any, index: number) =>
      assertRead(actual[index], item, shape.items!, version, reading, `${path}/${index}`)
    );
  } else if (shape.type === "struct") {
    for (const [name, field] of Object.entries(shape.fields!)) {
      if (!inVersion(field, version)) continue;
      // Absence of a tagged structure is for a client the structure of the default values.
      if (field.tag !== undefined && expected[name] === null) continue;
      if (reading.skips?.(name, version, path)) continue;
      const at = `${path}/${name}`;
      assertRead(actual[name], expected[name], field.shape, version, reading, at);
    }
  } else {
    assert.deepEqual(shape.type === "int64" ? Number(actual) : actual, expected, path);
  }
}
