import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import type { OffsetRange } from "../../../src/poller/work/offset_map.ts";
import { Tracker } from "../../../src/poller/work/tracker.ts";

const item = (offset: number, finished = false) => ({ offset, finished });

describe("Tracker", () => {
  it("knows the lowest unfinished, and the ranges of what is finished beyond it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { maxLength: 60, size: "max" }),
        fc.array(fc.nat(), { maxLength: 80, size: "max" }),
        (gaps, finishes) => {
          const tracker = new Tracker<ReturnType<typeof item>>();
          let next = 0;
          const items = gaps.map(([gap]) => item((next += gap + 1) - 1));
          for (const each of items) tracker.add(each);
          const check = () => {
            tracker.advance();
            const left = items.findIndex(({ finished }) => !finished);
            assert.equal(tracker.lowest, left < 0 ? null : items[left]);
            assert.equal(tracker.span, left < 0 ? 0 : items.length - left);
            const ranges = [...tracker.finishedBeyond(next)];
            let end = tracker.lowest?.offset ?? next;
            for (const [from, to] of ranges) {
              assert.ok(end < from && from < to, "ranges that do not rise, or touch");
              end = to;
            }
            for (const { offset, finished } of left < 0 ? [] : items.slice(left)) {
              const inside = ranges.some(([from, to]) => from <= offset && offset < to);
              assert.equal(inside, finished, `${offset}`);
            }
          };
          check();
          for (const number of finishes) {
            if (items.length === 0) break;
            items[number % items.length]!.finished = true;
            check();
          }
        },
      ),
    );
  });

  it("joins offsets that no message was seen at to what is around them", () => {
    const tracker = new Tracker();
    for (const each of [item(3), item(5, true), item(9, true), item(11), item(20, true)]) {
      tracker.add(each);
    }
    tracker.advance();
    assert.deepEqual([...tracker.finishedBeyond(30)], [[5, 10], [20, 21]]);
  });

  it("keeps what was restored and has not been read again", () => {
    const tracker = new Tracker();
    const ranges: OffsetRange[] = [[4, 6], [8, 20], [30, 31]];
    tracker.restore(ranges);
    assert.deepEqual([...tracker.finishedBeyond(3)], ranges);
    assert.equal(tracker.endOfFinished(3), 3);
    assert.deepEqual([3, 4, 5, 6, 8].map((offset) => tracker.wasFinished(offset)), [
      false,
      true,
      true,
      false,
      true,
    ]);
    tracker.add(item(6));
    tracker.add(item(8, true));
    tracker.add(item(9, true));
    tracker.advance();
    // Read up to 10; and the same where compaction has taken 9.
    assert.deepEqual([...tracker.finishedBeyond(10)], [[8, 20], [30, 31]]);
    assert.equal(tracker.endOfFinished(10), 20);
    assert.equal(tracker.endOfFinished(20), 20);
    assert.deepEqual([...tracker.finishedBeyond(20)], [[8, 10], [30, 31]]);
  });

  it("forgets what is finished, however much there was", () => {
    const tracker = new Tracker();
    for (let offset = 0; offset < 10_000; offset++) {
      tracker.add(item(offset, true));
      tracker.advance();
      assert.equal(tracker.lowest, null);
      assert.equal(tracker.span, 0);
    }
    const last = item(10_000);
    tracker.add(last);
    tracker.advance();
    assert.equal(tracker.lowest, last);
    assert.equal(tracker.span, 1);
  });
});
