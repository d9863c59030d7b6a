import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { TimeSlice } from "../../src/threads/time_slice.ts";

describe("TimeSlice", () => {
  it("is over after the first task that takes the whole slice by itself", () => {
    const slice = new TimeSlice(1_000);
    assert.equal(slice.over(1_020), true);
    slice.begin(1_030);
    assert.equal(slice.over(1_050), true);
  });

  it("is never over while no time passes", () => {
    const slice = new TimeSlice(7);
    for (let task = 0; task < 100; task++) assert.equal(slice.over(7), false);
  });

  it("lasts 5 ms, and at most one task longer", () => {
    const tasks = fc.array(fc.double({ min: 0.0001, max: 30, noNaN: true }), { minLength: 1 });
    fc.assert(fc.property(tasks, (taskTimes) => {
      let now = 1_000;
      let begunAt = now;
      const slice = new TimeSlice(now);
      for (const taskMs of taskTimes) {
        const before = now - begunAt;
        now += taskMs;
        const over = slice.over(now);
        assert.equal(over, now - begunAt >= 5);
        assert.ok(before < 5);
        if (over) slice.begin(begunAt = now);
      }
    }));
  });
});
