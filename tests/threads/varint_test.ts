import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { readVarint, varintSize, writeVarint } from "../../src/threads/varint.ts";

function written(value: number): number[] {
  const bytes = new Uint8Array(8);
  const size = writeVarint(bytes, 0, value);
  assert.equal(varintSize(value), size);
  return [...bytes.subarray(0, size)];
}

describe("writeVarint()", () => {
  it("writes what the protocol's examples say", () => {
    assert.deepEqual(written(0), [0]);
    assert.deepEqual(written(-1), [1]);
    assert.deepEqual(written(1), [2]);
    assert.deepEqual(written(63), [126]);
    assert.deepEqual(written(-64), [127]);
    assert.deepEqual(written(64), [0x80, 1]);
    assert.deepEqual(written(2_147_483_647), [0xfe, 0xff, 0xff, 0xff, 0x0f]);
    assert.deepEqual(written(-2_147_483_648), [0xff, 0xff, 0xff, 0xff, 0x0f]);
  });

  it("takes the bytes that varintSize() foretells, and readVarint() finds the value again", () => {
    fc.assert(fc.property(
      fc.array(fc.oneof(fc.integer(), fc.integer({ min: -200, max: 200 })), { maxLength: 20 }),
      (values) => {
        const bytes = new Uint8Array(values.length * 5);
        let position = 0;
        for (const value of values) {
          const next = writeVarint(bytes, position, value);
          assert.equal(next - position, varintSize(value));
          position = next;
        }
        const cursor = { position: 0 };
        assert.deepEqual(values.map(() => readVarint(bytes, cursor)), values);
        assert.equal(cursor.position, position);
      },
    ));
  });
});

describe("readVarint()", () => {
  it("ends, whatever it reads", () => {
    fc.assert(fc.property(
      fc.uint8Array({ maxLength: 12 }),
      fc.nat(12),
      (bytes, position) => {
        const cursor = { position };
        assert.ok(Number.isInteger(readVarint(bytes, cursor)));
        assert.ok(cursor.position > position && cursor.position <= position + 5);
      },
    ));
  });
});
