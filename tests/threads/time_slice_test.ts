import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { TimeSlice } from "../../src/threads/time_slice.ts";

/** A clock that the test moves; it counts how often it is looked at. */
function clock(at = 1_000) {
  return {
    at,
    looks: 0,
    now(): number {
      this.looks++;
      return this.at;
    },
  };
}

/** Runs tasks of `taskMs` until the slice is over; returns how many, or null after `most`. */
function runSlice(
  slice: TimeSlice,
  time: { at: number },
  taskMs: number,
  most = 1e6,
): number | null {
  for (let tasks = 1; tasks <= most; tasks++) {
    time.at += taskMs;
    if (slice.over()) return tasks;
  }
  return null;
}

describe("TimeSlice", () => {
  it("is over after the first task that takes the whole slice by itself", () => {
    const time = clock();
    const slice = new TimeSlice(() => time.now());
    for (let task = 0; task < 5; task++) {
      assert.equal(runSlice(slice, time, 20), 1);
      slice.begin();
    }
  });

  it("is never over while no time passes", () => {
    const time = clock();
    const slice = new TimeSlice(() => time.now());
    assert.equal(runSlice(slice, time, 0, 10_000), null);
  });

  it("lasts 5 ms, and at most the tasks between two looks longer", () => {
    fc.assert(fc.property(
      fc.array(fc.double({ min: 0.0001, max: 30, noNaN: true }), { minLength: 1, maxLength: 10 }),
      (taskTimes) => {
        const time = clock();
        const slice = new TimeSlice(() => time.now());
        for (const taskMs of taskTimes) {
          // Of tasks that take their usual time: the first slice of a kind learns what that is.
          runSlice(slice, time, taskMs);
          slice.begin();
          runSlice(slice, time, taskMs);
          slice.begin();
          const begun = time.at;
          const tasks = runSlice(slice, time, taskMs)!;
          const lasted = time.at - begun;
          assert.ok(lasted > 5 - 0.001, `it lasted ${lasted} ms`);
          assert.ok(lasted <= 5 + Math.max(taskMs, 0.51) + 0.001, `it lasted ${lasted} ms`);
          assert.ok(tasks >= 1);
          slice.begin();
        }
      },
    ));
  });

  it("notices tasks that become slow within 16 of them", () => {
    fc.assert(fc.property(
      fc.double({ min: 0.00001, max: 1, noNaN: true }),
      fc.integer({ min: 1, max: 5_000 }),
      fc.double({ min: 5, max: 1_000, noNaN: true }),
      (quickMs, quick, slowMs) => {
        const time = clock();
        const slice = new TimeSlice(() => time.now());
        for (let task = 0; task < quick; task++) {
          time.at += quickMs;
          if (slice.over()) slice.begin();
        }
        assert.ok(runSlice(slice, time, slowMs)! <= 16);
        slice.begin();
        // The first look may have seen quick ones among them; from the second on it looks after each.
        runSlice(slice, time, slowMs);
        slice.begin();
        assert.equal(runSlice(slice, time, slowMs), 1);
      },
    ));
  });

  it("looks at the clock seldom where tasks are short", () => {
    const time = clock();
    const slice = new TimeSlice(() => time.now());
    for (let task = 0; task < 100_000; task++) {
      time.at += 0.0005;
      if (slice.over()) slice.begin();
    }
    assert.ok(time.looks < 8_000, `it looked ${time.looks} times`);
  });

  it("bears a clock that stands still or jumps", () => {
    fc.assert(fc.property(
      fc.array(fc.constantFrom(-50, -1, 0, 0, 0.001, 3, 1e6), { maxLength: 300, size: "max" }),
      (jumps) => {
        const time = clock();
        const slice = new TimeSlice(() => time.now());
        for (const jump of jumps) {
          time.at += jump;
          if (slice.over()) slice.begin();
        }
        slice.begin();
        assert.ok(runSlice(slice, time, 6, 100)! <= 16);
      },
    ));
  });
});
