import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import {
  decodeOffsetMap,
  encodeOffsetMap,
  type OffsetRange,
} from "../../../src/poller/work/offset_map.ts";
import { bitmapOf, read, runsOf, seal, varint } from "./offset_map_reference.ts";

const MAX = Number.MAX_SAFE_INTEGER;

/** Bytes that a broker takes. */
const LIMIT = 4_096;

interface Sample {
  base: number;
  ranges: OffsetRange[];
}

/** Lengths of gaps and of ranges. */
const length = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 3 }) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 300 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: MAX }) },
);

const offset = fc.oneof(
  fc.nat(1_000),
  fc.integer({ min: 2 ** 32 - 500, max: 2 ** 32 + 500 }),
  fc.maxSafeNat(),
  fc.integer({ min: MAX - 500, max: MAX }),
);

/** Ranges behind a base, up to the highest offset there can be. */
const sample: fc.Arbitrary<Sample> = fc.record({
  base: offset,
  lengths: fc.array(fc.tuple(length, length), { maxLength: 200, size: "max" }),
}).map(({ base, lengths }) => {
  const ranges: OffsetRange[] = [];
  let end = base;
  for (const [gap, length] of lengths) {
    if (gap > MAX - end || length > MAX - end - gap) continue;
    ranges.push([end + gap, end + gap + length]);
    end += gap + length;
  }
  return { base, ranges };
});

const filled = sample.filter(({ ranges }) => ranges.length > 0);

/** Every other offset behind the base, this often. */
function alternating(base: number, count: number): OffsetRange[] {
  return Array.from({ length: count }, (_, index) => [base + 1 + index * 2, base + 2 + index * 2]);
}

/** What a reader must never do: take what is not sound for a map, or throw. */
function assertRefused(metadata: string, base: number): void {
  const { kind } = decodeOffsetMap(metadata, base, null);
  assert.ok(kind === "foreign" || kind === "damaged" || metadata === "", `${kind}: ${metadata}`);
}

describe("encodeOffsetMap()", () => {
  it("writes what decodeOffsetMap() reads, up to the limit", () => {
    fc.assert(fc.property(
      sample,
      fc.oneof(fc.constant(LIMIT), fc.nat(200)),
      ({ base, ranges }, maxBytes) => {
        const { metadata, complete } = encodeOffsetMap(base, ranges, maxBytes);
        assert.ok(new TextEncoder().encode(metadata).length <= maxBytes);
        assert.match(metadata, /^(kt1:[A-Za-z0-9+/]+)?$/);
        const decoded = decodeOffsetMap(metadata, base, MAX);
        if (metadata === "") {
          assert.deepEqual(decoded, { kind: "none" });
          assert.equal(complete, ranges.length === 0);
          return;
        }
        assert.ok(decoded.kind === "map");
        assert.deepEqual(decoded.ranges, ranges.slice(0, decoded.ranges.length));
        assert.equal(complete, decoded.ranges.length === ranges.length);
        assert.deepEqual(read(metadata, base), decoded.ranges);
      },
    ));
  });

  it("leaves out only what does not fit, in the encoding that gets farthest and is shortest", () => {
    const size = (base: number, content: number[]) => seal(base, content).length;
    fc.assert(fc.property(filled, fc.nat(200), ({ base, ranges }, maxBytes) => {
      const { metadata } = encodeOffsetMap(base, ranges, maxBytes);
      const kept = metadata === "" ? 0 : read(metadata, base).length;
      const sizes = (count: number) => {
        const part = ranges.slice(0, count);
        const dense = part.at(-1)![1] - part[0]![0] < 10_000;
        return [runsOf, ...dense ? [bitmapOf] : []].map((encode) => size(base, encode(base, part)));
      };
      if (kept > 0) assert.equal(metadata.length, Math.min(...sizes(kept)));
      if (kept < ranges.length) assert.ok(Math.min(...sizes(kept + 1)) > maxBytes);
    }));
  });

  it("keeps no less when there is more room", () => {
    fc.assert(fc.property(filled, fc.nat(150), fc.nat(50), ({ base, ranges }, maxBytes, more) => {
      const end = (limit: number) => {
        const { metadata } = encodeOffsetMap(base, ranges, limit);
        return metadata === "" ? base : read(metadata, base).at(-1)![1];
      };
      assert.ok(end(maxBytes + more) >= end(maxBytes));
    }));
  });

  it("takes a few characters for a run of any length", () => {
    const { metadata, complete } = encodeOffsetMap(5, [[6, 10_006]]);
    assert.ok(complete && metadata.length <= 16, metadata);
    assert.ok(encodeOffsetMap(0, [[1, MAX]]).metadata.length <= 24);
  });

  it("has room for 24,000 offsets of which every other one is finished", () => {
    const ranges = alternating(1e15, 12_000);
    const { metadata, complete } = encodeOffsetMap(1e15, ranges);
    assert.ok(complete);
    assert.deepEqual(decodeOffsetMap(metadata, 1e15, 1e15 + 24_000), { kind: "map", ranges });
  });

  it("has room for 1,500 ranges anywhere within 190,000 offsets", () => {
    const ranges = Array.from({ length: 1_500 }, (_, index): OffsetRange => {
      return [1 + index * 128, 1 + index * 128 + 60];
    });
    assert.ok(encodeOffsetMap(0, ranges).complete);
  });

  it("goes on with the encoding that has room when the other has none", () => {
    // Dense beyond what run lengths hold, then one run that no bitmap holds.
    const dense = alternating(0, 3_000);
    const { metadata, complete } = encodeOffsetMap(0, [...dense, [7_000, 1_000_000]]);
    assert.ok(!complete);
    assert.deepEqual(read(metadata, 0), dense);
    // A run that no bitmap holds, and dense beyond it: nothing may be left out in the middle.
    const long: OffsetRange[] = [[1, 100_000], ...alternating(100_000, 5_000)];
    const kept = read(encodeOffsetMap(0, long).metadata, 0);
    assert.deepEqual(kept, long.slice(0, kept.length));
    assert.ok(kept.length > 1_500);
    const sparse: OffsetRange[] = [[1, 2], [50_000, 50_001], [100_000, 900_000]];
    assert.ok(encodeOffsetMap(0, sparse).complete);
  });

  it("looks at no more ranges than it needs", () => {
    let seen = 0;
    const endless = function* (): Generator<OffsetRange> {
      for (;; seen++) yield [1 + seen * 2, 2 + seen * 2];
    };
    assert.equal(encodeOffsetMap(0, endless()).complete, false);
    assert.ok(seen < 13_000);
  });

  it("is never longer than a string of Kafka's protocol", () => {
    const { metadata, complete } = encodeOffsetMap(0, alternating(0, 200_000), Infinity);
    assert.ok(!complete && metadata.length <= 32_767 && metadata.length > 32_760);
    assert.equal(decodeOffsetMap(metadata, 0, null).kind, "map");
  });

  it("refuses what is no offset, or ranges that do not rise", () => {
    const wrong: [base: number, ranges: OffsetRange[]][] = [
      [-1, []],
      [NaN, []],
      [1.5, []],
      [MAX + 1, []],
      [5, [[5, 6]]],
      [5, [[4, 9]]],
      [5, [[7, 7]]],
      [5, [[8, 7]]],
      [5, [[7, 9], [9, 10]]],
      [5, [[7, 9], [8, 10]]],
      [5, [[7, MAX + 1]]],
      [5, [[7.5, 9]]],
      [5, [[NaN, 9]]],
    ];
    for (const [base, ranges] of wrong) {
      assert.throws(
        () => encodeOffsetMap(base, ranges),
        RangeError,
        JSON.stringify([base, ranges]),
      );
    }
  });
});

describe("decodeOffsetMap()", () => {
  it("tells no metadata, other software and other versions apart", () => {
    assert.deepEqual(decodeOffsetMap("", 5, 10), { kind: "none" });
    assert.deepEqual(decodeOffsetMap(null, 5, 10), { kind: "none" });
    for (const text of ["bf5AAPv", "consumer-1", "kt", "kt1", "KT1:", " kt1:", "kt:AQ", "\u0000"]) {
      const decoded = decodeOffsetMap(text, 5, 10);
      assert.deepEqual(decoded, { kind: "foreign", reason: "other software wrote it" });
    }
    const later = decodeOffsetMap(seal(5, runsOf(5, [[6, 7]]), "kt2:"), 5, 10);
    assert.ok(later.kind === "foreign" && later.reason.includes("version 2"));
  });

  it("takes no map for one when a single character is another", () => {
    fc.assert(fc.property(
      filled,
      fc.nat(),
      fc.oneof(
        fc.constantFrom(...fromAlphabet()),
        fc.string({ minLength: 1, maxLength: 1, unit: "binary" }),
      ),
      ({ base, ranges }, at, character) => {
        const { metadata } = encodeOffsetMap(base, ranges);
        const index = at % metadata.length;
        const changed = metadata.slice(0, index) + character + metadata.slice(index + 1);
        if (changed !== metadata) assertRefused(changed, base);
      },
    ));
  });

  it("takes no map for one when up to four neighbouring characters are others, of its alphabet", () => {
    const others = fc.array(fc.constantFrom(...fromAlphabet()), { minLength: 2, maxLength: 4 });
    fc.assert(fc.property(filled, fc.nat(), others, ({ base, ranges }, at, others) => {
      const { metadata } = encodeOffsetMap(base, ranges);
      const index = 4 + at % (metadata.length - 3 - others.length);
      const changed = metadata.slice(0, index) + others.join("") +
        metadata.slice(index + others.length);
      assert.equal(changed.length, metadata.length);
      if (changed !== metadata) assertRefused(changed, base);
    }));
  });

  it("takes no map for one when it is cut short or has more at its end", () => {
    fc.assert(fc.property(
      filled,
      fc.nat(),
      fc.string({ minLength: 1 }),
      ({ base, ranges }, at, more) => {
        const { metadata } = encodeOffsetMap(base, ranges);
        assertRefused(metadata.slice(0, at % metadata.length), base);
        assertRefused(metadata.slice(at % metadata.length + 1), base);
        for (const end of ["=", "==", " ", "\n", "A", more]) assertRefused(metadata + end, base);
      },
    ));
  });

  it("takes no text for a map that is none", () => {
    const base64 = fc.array(fc.constantFrom(...fromAlphabet())).map((list) => list.join(""));
    fc.assert(fc.property(
      fc.oneof(fc.string({ unit: "binary" }), base64),
      fc.constantFrom("", "kt1:", "kt", "kt2:"),
      offset,
      (text, prefix, base) => assertRefused(prefix + text, base),
    ));
  });

  it("takes no map that was written beside another offset", () => {
    fc.assert(fc.property(
      filled,
      fc.oneof(offset, fc.integer({ min: -200, max: 200 })),
      ({ base, ranges }, other) => {
        const { metadata } = encodeOffsetMap(base, ranges);
        for (const wrong of [other, base + other]) {
          if (wrong !== base) assert.equal(decodeOffsetMap(metadata, wrong, null).kind, "damaged");
        }
        assert.equal(decodeOffsetMap(metadata, NaN, null).kind, "damaged");
      },
    ));
  });

  it("takes no map that goes beyond the end of the log", () => {
    fc.assert(fc.property(filled, fc.nat(), ({ base, ranges }, less) => {
      const { metadata } = encodeOffsetMap(base, ranges);
      const end = read(metadata, base).at(-1)![1];
      assert.equal(decodeOffsetMap(metadata, base, end).kind, "map");
      assert.equal(decodeOffsetMap(metadata, base, null).kind, "map");
      for (const logEnd of [end - 1, end - 1 - less, -1, NaN]) {
        assert.equal(decodeOffsetMap(metadata, base, logEnd).kind, "beyond-the-log");
      }
    }));
  });

  it("gives sound ranges or none, whatever has the right checksum", () => {
    const content = fc.tuple(
      fc.oneof(fc.constantFrom(1, 2), fc.nat(255)),
      fc.array(fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xff)), { maxLength: 40 }),
    );
    fc.assert(
      fc.property(content, offset, offset, ([encoding, bytes], base, logEnd) => {
        const decoded = decodeOffsetMap(seal(base, [encoding, ...bytes]), base, logEnd);
        if (decoded.kind !== "map") {
          assert.ok(decoded.kind === "damaged" || decoded.kind === "beyond-the-log", decoded.kind);
          return;
        }
        assert.ok(encoding === 1 || encoding === 2);
        assert.ok(decoded.ranges.length > 0 && decoded.ranges.length <= bytes.length * 4);
        let end = base;
        for (const [from, to] of decoded.ranges) {
          assert.ok(Number.isSafeInteger(from) && from > end && to > from);
          end = to;
        }
        assert.ok(Number.isSafeInteger(end) && end <= logEnd);
      }),
      { numRuns: 500 },
    );
  });

  it("refuses ranges that are not well-formed, though the checksum be right", () => {
    const endless = Array.from({ length: 12 }, () => 0xff);
    const wrong: [string, number[]][] = [
      ["no encoding", []],
      ["no range", [1]],
      ["half a range", [1, 0]],
      ["an endless varint", [1, ...endless]],
      ["a varint with a byte too many", [1, 0x80, 0, 0]],
      ["a range beyond 2**53 - 1", [1, 0, ...varint(MAX)]],
      ["a varint beyond 2**53 - 1", [1, ...varint(2n ** 53n), 0]],
      ["an empty bitmap", [2, 0]],
      ["a bitmap without its first bit", [2, 0, 2]],
      ["a bitmap of zeros", [2, 0, 0]],
      ["a bitmap with a zero at its end", [2, 0, 1, 0]],
      ["a bitmap beyond 2**53 - 1", [2, ...varint(MAX - 5), 1]],
      ["another encoding", [3, 0, 0]],
      ["encoding 0", [0, 0, 0]],
    ];
    for (const [what, content] of wrong) {
      assert.equal(decodeOffsetMap(seal(5, content), 5, null).kind, "damaged", what);
    }
    assert.equal(decodeOffsetMap(seal(5, [1, 0, 0]), 5, null).kind, "map");
    assert.equal(decodeOffsetMap(seal(5, [2, 0, 1]), 5, null).kind, "map");
  });

  it("takes no text that is longer than Kafka's protocol allows", () => {
    assert.deepEqual(decodeOffsetMap(`kt1:${"A".repeat(40_000_000)}`, 5, null), {
      kind: "damaged",
      reason: "it is too long",
    });
  });
});

describe("docs/offset_map.md", () => {
  it("has examples that are what is written and read", async () => {
    const text = await readFile(new URL("../../../docs/offset_map.md", import.meta.url), "utf8");
    const section = text.slice(text.indexOf("\n## Examples\n")).split("\n## ")[1]!;
    const rows = section.split("\n").filter((line) => line.startsWith("|")).slice(2)
      .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
    assert.ok(rows.length >= 4);
    for (const row of rows) {
      const [base, listed, hex, metadata] = row.map((cell) => cell.replaceAll(/[`,]/g, ""));
      const ranges = listed!.split(" ").map((range): OffsetRange => {
        const [first, last] = range.split("-").map(Number);
        return [first!, (last ?? first!) + 1];
      });
      assert.equal(encodeOffsetMap(Number(base), ranges).metadata, metadata);
      const bytes = Array.from(atob(metadata!.slice(4)), (character) => {
        return character.charCodeAt(0).toString(16).padStart(2, "0");
      });
      assert.equal(bytes.join(" "), hex);
      assert.deepEqual(read(metadata!, Number(base)), ranges);
      assert.deepEqual(decodeOffsetMap(metadata!, Number(base), null), { kind: "map", ranges });
    }
  });
});

function fromAlphabet(): string[] {
  return [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"];
}
