import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { Corrupter, type CorrupterOptions } from "../../../src/testing/fault_proxy/corrupter.ts";

const LENGTH = 2_000;
const ORIGINAL = Buffer.from(Array.from({ length: LENGTH }, (_, index) => index * 7 & 0xff));

const arbitraryOptions = fc.record({
  after: fc.integer({ min: 0, max: LENGTH }),
  every: fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
  seed: fc.nat(),
});

function pass(options: CorrupterOptions, sizes: readonly number[]) {
  const corrupter = new Corrupter(options);
  const out: Buffer[] = [];
  let changed = 0;
  for (let start = 0, turn = 0; start < LENGTH; turn++) {
    const size = sizes[turn % sizes.length]!;
    const passed = corrupter.pass(ORIGINAL.subarray(start, start + size));
    out.push(passed.chunk);
    changed += passed.changed;
    start += size;
  }
  return { bytes: Buffer.concat(out), changed };
}

function positions(bytes: Buffer): number[] {
  return [...bytes.keys()].filter((index) => bytes[index] !== ORIGINAL[index]);
}

describe("Corrupter", () => {
  it("changes one bit of one byte in each block, and nothing before the first", () => {
    fc.assert(fc.property(arbitraryOptions, (options) => {
      const { bytes, changed } = pass(options, [LENGTH]);
      const { after, every } = options;
      const found = positions(bytes);
      assert.equal(found.length, changed);
      assert.equal(bytes.length, LENGTH);
      for (const index of found) {
        assert.ok(index >= after);
        const difference = bytes[index]! ^ ORIGINAL[index]!;
        assert.equal(difference & (difference - 1), 0, "more than one bit");
      }
      if (every === undefined) assert.deepEqual(found, after < LENGTH ? [after] : []);
      else {
        const blocks = found.map((index) => Math.floor((index - after) / every));
        assert.deepEqual(blocks, [...blocks.keys()]);
        const whole = Math.floor((LENGTH - after) / every);
        assert.ok(found.length === whole || found.length === whole + 1);
      }
    }));
  });

  it("changes the same bits however the bytes are cut into chunks, and not the chunks", () => {
    const copy = Buffer.from(ORIGINAL);
    fc.assert(fc.property(
      arbitraryOptions,
      fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 8 }),
      (options, sizes) => {
        assert.deepEqual(pass(options, sizes), pass(options, [LENGTH]));
        assert.ok(copy.equals(ORIGINAL));
      },
    ));
  });

  it("chooses by the seed", () => {
    const chosen = [1, 2, 3, 4].map((seed) =>
      `${positions(pass({ after: 0, every: 100, seed }, [LENGTH]).bytes)}`
    );
    assert.equal(new Set(chosen).size, 4);
  });
});
