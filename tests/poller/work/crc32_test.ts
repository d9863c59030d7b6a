import assert from "node:assert/strict";
import fc from "fast-check";
import { crc32 as crc32OfZlib } from "node:zlib";
import { describe, it } from "#std/testing/bdd";
import { crc32 } from "../../../src/poller/work/crc32.ts";

describe("crc32()", () => {
  it("has the value by which catalogues of checksums know it", () => {
    assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf4_3926);
    assert.equal(crc32(new Uint8Array()), 0);
  });

  it("is that of zlib, in one go or in two", () => {
    fc.assert(fc.property(fc.uint8Array(), fc.uint8Array(), (before, bytes) => {
      const expected = crc32OfZlib(new Uint8Array([...before, ...bytes]));
      assert.equal(crc32(new Uint8Array([...before, ...bytes])), expected);
      assert.equal(crc32(bytes, crc32(before)), expected);
    }));
  });
});
