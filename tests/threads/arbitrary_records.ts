// Random records, as a driver hands them over.

import fc from "fast-check";
import type { DriverRecord } from "../../src/driver.ts";

const bytes = fc.uint8Array({ maxLength: 40 });

/** Bytes, text of any script, nothing, or null. */
const content = fc.oneof(
  bytes,
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constant(""),
  fc.constant(null),
);

/** Few names, so that they repeat; the long one takes a varint of two bytes. */
const headerName = fc.oneof(
  fc.constantFrom("a", "", "trace-id", "ключ", "🔑", "n".repeat(70)),
  fc.string({ unit: "grapheme", maxLength: 5 }),
);

/** A record without its offset. */
export const recordContent: fc.Arbitrary<Omit<DriverRecord, "offset">> = fc.record({
  timestamp: fc.integer({ min: -1, max: 8_640_000_000_000_000 }),
  key: content,
  value: content,
  headers: fc.array(fc.record({ key: headerName, value: content }), { maxLength: 4 }),
}, { requiredKeys: ["value"] });

/** Records with offsets that rise, with gaps, possibly beyond 32 bits. */
export function records(
  { minLength = 0, maxLength = 20 } = {},
): fc.Arbitrary<DriverRecord[]> {
  return fc.tuple(
    fc.oneof(fc.nat(1_000), fc.integer({ min: 2 ** 32, max: 2 ** 52 })),
    fc.array(fc.tuple(fc.nat(3), recordContent), { minLength, maxLength }),
  ).map(([first, contents]) => {
    let offset = first;
    return contents.map(([gap, record]) => ({ ...record, offset: offset += gap + 1 }));
  });
}

/** The bytes that a field of a record should have on the other side. */
export function bytesOf(value: Uint8Array | string | null | undefined): Uint8Array | null {
  if (value === null || value === undefined) return null;
  return typeof value === "string" ? new TextEncoder().encode(value) : value;
}
