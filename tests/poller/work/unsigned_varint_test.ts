import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import {
  readUnsigned,
  unsignedSize,
  writeUnsigned,
} from "../../../src/poller/work/unsigned_varint.ts";

const read = (...bytes: number[]) => readUnsigned(new Uint8Array(bytes), { position: 0 });

describe("writeUnsigned()", () => {
  it("takes the bytes that unsignedSize() foretells, and readUnsigned() finds the value again", () => {
    const value = fc.oneof(
      fc.maxSafeNat(),
      fc.tuple(fc.nat(53), fc.nat(2)).map(([power, less]) => Math.max(0, 2 ** power - less)),
    ).filter(Number.isSafeInteger);
    fc.assert(fc.property(fc.array(value), (values) => {
      const bytes = new Uint8Array(values.length * 8);
      let position = 0;
      for (const value of values) {
        const next = writeUnsigned(bytes, position, value);
        assert.equal(next - position, unsignedSize(value));
        position = next;
      }
      const cursor = { position: 0 };
      assert.deepEqual(values.map(() => readUnsigned(bytes, cursor)), values);
      assert.equal(cursor.position, position);
    }));
  });
});

describe("readUnsigned()", () => {
  it("reads the lowest seven bits first", () => {
    assert.equal(read(0), 0);
    assert.equal(read(0x7f), 127);
    assert.equal(read(0x80, 1), 128);
    assert.equal(read(0xac, 2), 300);
    assert.equal(read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f), Number.MAX_SAFE_INTEGER);
  });

  it("refuses what ends early, has more bytes than it needs, or is too large", () => {
    assert.equal(read(), null);
    assert.equal(read(0x80), null);
    assert.equal(read(0x80, 0), null);
    assert.equal(read(0xff, 0x80, 0), null);
    assert.equal(read(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10), null);
    assert.equal(read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), null);
  });

  it("ends, whatever it reads", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 12 }), fc.nat(12), (bytes, position) => {
      const cursor = { position };
      const value = readUnsigned(bytes, cursor);
      assert.ok(value === null || Number.isSafeInteger(value) && value >= 0);
      assert.ok(cursor.position > position && cursor.position <= position + 8);
    }));
  });
});
