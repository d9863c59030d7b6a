import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import {
  HANDLING_TIME_BOUNDS_MS,
  TimesByTopic,
  TopicTimes,
  TotalTimes,
} from "../../src/threads/handling_times.ts";

const some = fc.array(fc.record({
  topic: fc.constantFrom("a", "b", "true a"),
  success: fc.boolean(),
  ms: fc.oneof(
    fc.constantFrom(...HANDLING_TIME_BOUNDS_MS, 0),
    fc.double({ min: 0, max: 60_000, noNaN: true }),
  ),
  messages: fc.integer({ min: 1, max: 50 }),
}));

describe("TopicTimes", () => {
  it("counts what takes exactly as long as a bound below that", () => {
    for (const [bucket, bound] of HANDLING_TIME_BOUNDS_MS.entries()) {
      const times = new TopicTimes("t");
      times.add(true, bound);
      times.add(true, bound + bound / 1e6);
      const { buckets } = times.list()[0]!;
      assert.deepEqual([buckets[bucket], buckets[bucket + 1]], [1, 1]);
    }
  });

  it("lists no outcome that has not been", () => {
    const times = new TopicTimes("t");
    assert.deepEqual(times.list(), []);
    times.add(false, 3, 2);
    const [only, ...others] = times.list();
    assert.deepEqual(others, []);
    assert.deepEqual([only!.topic, only!.success, only!.count, only!.sumMs], ["t", false, 2, 6]);
  });
});

describe("TimesByTopic and TotalTimes", () => {
  it("however it is taken and added up, it comes to the same", () => {
    const parts = fc.array(some, { maxLength: 8 });
    fc.assert(fc.property(parts, (parts) => {
      const whole = new TimesByTopic();
      // Two who count, and one who adds up.
      const counting = [new TimesByTopic(), new TimesByTopic()];
      const total = new TotalTimes();
      for (const [index, part] of parts.entries()) {
        const one = counting[index % 2]!;
        for (const { topic, success, ms, messages } of part) {
          one.of(topic).add(success, ms, messages);
          whole.of(topic).add(success, ms, messages);
        }
        // It crosses between threads.
        total.add(structuredClone(one.take()));
        assert.deepEqual(one.list(), [], "what is taken is not there any more");
      }
      const key = ({ topic, success }: { topic: string; success: boolean }) =>
        `${success} ${topic}`;
      const sorted = <T extends { topic: string; success: boolean }>(list: T[]) =>
        list.toSorted((a, b) => key(a).localeCompare(key(b)));
      const rounded = sorted(total.all()).map(({ sumMs, ...rest }) => [Math.round(sumMs), rest]);
      assert.deepEqual(
        rounded,
        sorted(whole.list()).map(({ sumMs, ...rest }) => [Math.round(sumMs), rest]),
      );
    }));
  });

  it("what is given out does not change any more", () => {
    const times = new TimesByTopic();
    const total = new TotalTimes();
    times.of("t").add(true, 1);
    const taken = times.take();
    total.add(taken);
    const all = total.all();
    times.of("t").add(true, 1);
    total.add(taken);
    taken[0]!.buckets[0] = 99;
    assert.deepEqual(all.map(({ count }) => count), [1]);
    assert.deepEqual(total.all().map(({ count, buckets }) => [count, buckets[0]]), [[2, 0]]);
  });

  it("goes on in the same place when it has been taken", () => {
    const times = new TimesByTopic();
    const kept = times.of("t");
    kept.add(true, 1);
    times.take();
    kept.add(true, 1);
    assert.equal(times.list()[0]!.count, 1);
  });
});
