import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { hashKey } from "../../../src/poller/work/key_hash.ts";

const hash = (bytes: Uint8Array) => hashKey(bytes, 0, bytes.length);

describe("hashKey", () => {
  it("depends on nothing but the key's bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), fc.uint8Array(), (before, key, after) => {
        const around = Uint8Array.of(...before, ...key, ...after);
        assert.equal(hashKey(around, before.length, before.length + key.length), hash(key));
      }),
    );
  });

  it("is a 32-bit number, and seldom the same for two keys", () => {
    const encoder = new TextEncoder();
    const hashes = new Set<number>();
    for (let key = 0; key < 50_000; key++) hashes.add(hash(encoder.encode(`order-${key}`)));
    for (const each of hashes) assert.equal(each, each | 0);
    // By chance 0.3 pairs of these would share one.
    assert.ok(hashes.size > 49_990, `${hashes.size}`);
  });

  it("tells keys of one byte apart, and the empty one", () => {
    const hashes = new Set([hash(new Uint8Array(0))]);
    for (let byte = 0; byte < 256; byte++) hashes.add(hash(Uint8Array.of(byte)));
    assert.equal(hashes.size, 257);
  });
});
