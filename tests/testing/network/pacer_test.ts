import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { Pacer } from "../../../src/testing/network/pacer.ts";

interface Passed {
  readonly at: number;
  readonly bytes: number;
}

/** Sends segments at their times and takes what has arrived whenever the pacer says so. */
function run(pacer: Pacer, segments: readonly Passed[]): Passed[] {
  const passed: Passed[] = [];
  const take = (at: number) => {
    const bytes = pacer.take(at);
    if (bytes > 0) passed.push({ at, bytes });
  };
  let now = 0;
  const until = (end: number) => {
    for (let turns = 0;; turns++) {
      assert.ok(turns < 200_000, "it does not come to an end");
      const at = pacer.nextAt(now);
      if (at === undefined || at > end) break;
      assert.ok(at >= now);
      now = at;
      take(now);
    }
    if (end < Number.POSITIVE_INFINITY) now = Math.max(now, end);
  };
  for (const { at, bytes } of segments) {
    until(at);
    pacer.add(now, bytes);
  }
  until(Number.POSITIVE_INFINITY);
  return passed;
}

const arbitrarySegments = fc.array(
  fc.record({ gap: fc.integer({ min: 0, max: 500 }), bytes: fc.integer({ min: 0, max: 500 }) }),
  { minLength: 1, maxLength: 6 },
).map((steps) => {
  let at = 0;
  return steps.map(({ gap, bytes }): Passed => ({ at: at += gap, bytes }));
});
// Down to rates at which bytes pass one by one.
const arbitraryRate = fc.oneof(
  fc.integer({ min: 1, max: 1_000 }),
  fc.integer({ min: 1_000, max: 1_000_000 }),
);

function sum(passed: readonly Passed[]): number {
  return passed.reduce((total, { bytes }) => total + bytes, 0);
}

describe("Pacer", () => {
  it("lets all pass at once, as long as nothing is said", () => {
    fc.assert(fc.property(arbitrarySegments, (segments) => {
      const pacer = new Pacer();
      for (const { at, bytes } of segments) {
        pacer.add(at, bytes);
        assert.equal(pacer.take(at), bytes);
        assert.ok(pacer.empty);
      }
    }));
  });

  it("lets every byte pass, none before the latency is over", () => {
    fc.assert(fc.property(
      arbitrarySegments,
      fc.integer({ min: 0, max: 1_000 }),
      fc.option(arbitraryRate, { nil: undefined }),
      (segments, latencyMs, rate) => {
        const pacer = new Pacer();
        pacer.set(0, { latencyMs, ...(rate === undefined ? {} : { bytesPerSecond: rate }) });
        const passed = run(pacer, segments);
        assert.equal(sum(passed), sum(segments));
        let soFar = 0;
        for (const { at, bytes } of passed) {
          soFar += bytes;
          assert.ok(soFar <= sum(segments.filter((segment) => segment.at + latencyMs <= at)));
        }
      },
    ));
  });

  it("keeps to the rate in any span of time, but for one burst", () => {
    fc.assert(fc.property(arbitrarySegments, arbitraryRate, (segments, bytesPerSecond) => {
      const pacer = new Pacer();
      pacer.set(0, { bytesPerSecond });
      const passed = run(pacer, segments);
      // In every span at once: what passed beyond the rate since the best beginning for that.
      let ahead = 0;
      let last = 0;
      for (const { at, bytes } of passed) {
        ahead = Math.max(0, ahead - (at - last) / 1_000 * bytesPerSecond) + bytes;
        last = at;
        assert.ok(ahead <= pacer.burst + 0.01, `${ahead} bytes ahead of the rate`);
      }
    }));
  });

  it("is no slower than it was told to be", () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 500 }),
      arbitraryRate,
      fc.integer({ min: 0, max: 1_000 }),
      (bytes, bytesPerSecond, latencyMs) => {
        const pacer = new Pacer();
        pacer.set(0, { bytesPerSecond, latencyMs });
        const last = run(pacer, [{ at: 0, bytes }]).at(-1)!;
        assert.ok(last.at <= latencyMs + bytes / bytesPerSecond * 1_000 + 1);
      },
    ));
  });

  it("applies a change to what is on the way", () => {
    const pacer = new Pacer();
    pacer.set(0, { latencyMs: 1_000, bytesPerSecond: 10 });
    pacer.add(0, 100);
    assert.equal(pacer.take(500), 0);
    pacer.set(500, {});
    assert.equal(pacer.take(500), 100);
    pacer.add(500, 100);
    pacer.set(500, { latencyMs: 50 });
    assert.equal(pacer.take(549), 0);
    assert.equal(pacer.take(550), 100);
  });

  it("does not save up what an idle line could have passed", () => {
    const pacer = new Pacer();
    pacer.set(0, { bytesPerSecond: 1_000 });
    pacer.add(60_000, 1_000);
    assert.equal(pacer.take(60_000), pacer.burst);
    assert.equal(pacer.burst, 10);
  });

  it("lets a mark of no bytes pass behind what is before it", () => {
    const pacer = new Pacer();
    pacer.set(0, { latencyMs: 10 });
    pacer.add(0, 5);
    pacer.add(3, 0);
    assert.equal(pacer.take(10), 5);
    assert.equal(pacer.empty, false);
    assert.equal(pacer.nextAt(10), 13);
    assert.equal(pacer.take(13), 0);
    assert.ok(pacer.empty);
  });
});
