import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import {
  HANDLING_TIME_BOUNDS_MS,
  type HandlingTimes,
  TimesByTopic,
} from "../../src/threads/handling_times.ts";
import { Laps } from "../../src/threads/laps.ts";

/** What becomes of a message, and what happens beside messages. */
type Step =
  /** Handled at once. */
  | { kind: "handled"; topic: string; ms: number }
  /** Failed at once. */
  | { kind: "failed"; topic: string; ms: number }
  /** It took so long until it had to be waited for, and nobody waits here. */
  | { kind: "waits"; topic: string; ms: number }
  /** Somebody counts: a slice is over. */
  | { kind: "begin" | "settle" }
  /** Nothing is handled for a while. */
  | { kind: "idle"; ms: number };

/** Laps by a clock of the test's own. */
class Rig {
  time = 1_000;
  looks = 0;
  readonly times = new TimesByTopic();
  readonly laps = new Laps(() => {
    this.looks++;
    return this.time;
  });
  /** What each message really took, by topic and outcome. */
  readonly real = new Map<string, number[]>();

  handle(topic: string, ms: number): void {
    this.time += ms;
    this.note(topic, true, ms);
    this.laps.handled(this.times.of(topic));
  }

  note(topic: string, success: boolean, ms: number): void {
    const key = `${success} ${topic}`;
    this.real.set(key, [...this.real.get(key) ?? [], ms]);
  }

  step(step: Step): void {
    switch (step.kind) {
      case "handled":
        return this.handle(step.topic, step.ms);
      case "failed":
      case "waits": {
        this.time += step.ms;
        const success = step.kind === "waits";
        this.note(step.topic, success, step.ms);
        return this.times.of(step.topic).add(success, this.laps.lap());
      }
      case "idle":
        // Before a wait there is a look, and another one behind it.
        this.laps.settle();
        this.time += step.ms;
        return void this.laps.begin();
      default:
        this.laps[step.kind]();
    }
  }

  /** What was counted, beside what was real. */
  compared(): { counted: HandlingTimes; real: number[] }[] {
    this.laps.begin();
    const list = this.times.list();
    const keys = list.map(({ success, topic }) => `${success} ${topic}`);
    assert.deepEqual(keys.toSorted(), [...this.real.keys()].toSorted());
    return list.map((counted, index) => ({ counted, real: this.real.get(keys[index]!)! }));
  }
}

const topics = fc.constantFrom("a", "b");
const short = fc.double({ min: 0, max: 0.02, noNaN: true });
const any = fc.oneof(
  { weight: 6, arbitrary: short },
  { weight: 2, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
  { weight: 1, arbitrary: fc.double({ min: 0, max: 40_000, noNaN: true }) },
);
const stepsOf = (ms: fc.Arbitrary<number>): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 20,
        arbitrary: fc.record({ kind: fc.constant("handled" as const), topic: topics, ms }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constantFrom("failed" as const, "waits" as const),
          topic: topics,
          ms,
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constantFrom("begin" as const, "settle" as const) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("idle" as const),
          ms: fc.double({ min: 0, max: 60_000, noNaN: true }),
        }),
      },
    ),
    { maxLength: 200 },
  );

const bucketOf = (ms: number) => {
  const bucket = HANDLING_TIME_BOUNDS_MS.findIndex((bound) => ms <= bound);
  return bucket === -1 ? HANDLING_TIME_BOUNDS_MS.length : bucket;
};
const bucketsOf = (all: readonly number[]) => {
  const buckets = new Array<number>(HANDLING_TIME_BOUNDS_MS.length + 1).fill(0);
  for (const ms of all) buckets[bucketOf(ms)]!++;
  return buckets;
};
const sum = (all: readonly number[]) => all.reduce((total, one) => total + one, 0);
const near = (actual: number, expected: number, what: string) =>
  assert.ok(Math.abs(actual - expected) <= 1e-6 * Math.max(1, expected), `${what}: ${actual}`);

describe("Laps", () => {
  it("counts each message once, by its topic and outcome, whatever they take", () => {
    fc.assert(fc.property(stepsOf(any), (steps) => {
      const rig = new Rig();
      for (const step of steps) rig.step(step);
      for (const { counted, real } of rig.compared()) {
        assert.equal(counted.count, real.length);
        assert.equal(sum(counted.buckets), real.length);
      }
    }));
  });

  it("gives out all the time that messages took, and none of the time between them", () => {
    fc.assert(fc.property(stepsOf(any), (steps) => {
      const rig = new Rig();
      for (const step of steps) rig.step(step);
      const compared = rig.compared();
      const counted = sum(compared.map(({ counted: { sumMs } }) => sumMs));
      near(counted, sum(compared.flatMap(({ real }) => real)), "of all");
    }));
  });

  it("is exact where no message is much faster than the first bucket is wide", () => {
    const ms = fc.double({ min: 0.051, max: 40_000, noNaN: true });
    fc.assert(fc.property(stepsOf(ms), (steps) => {
      const rig = new Rig();
      for (const step of steps) rig.step(step);
      for (const { counted, real } of rig.compared()) {
        near(counted.sumMs, sum(real), counted.topic);
        assert.deepEqual(counted.buckets, bucketsOf(real));
      }
    }));
  });

  it("is exact to the bucket where all messages are of the first", () => {
    fc.assert(fc.property(stepsOf(short), (steps) => {
      const rig = new Rig();
      for (const step of steps) rig.step(step);
      for (const { counted, real } of rig.compared()) {
        assert.deepEqual(counted.buckets, bucketsOf(real));
      }
    }));
  });

  it("an outlier among short ones stays one, of about its own length", () => {
    const outliers = fc.array(
      fc.record({
        // Two in a stride would be taken for one; strides are short where that would be likely.
        after: fc.integer({ min: 16, max: 300 }),
        ms: fc.double({ min: 1, max: 40_000, noNaN: true }),
      }),
      { minLength: 1, maxLength: 20 },
    );
    fc.assert(fc.property(outliers, (outliers) => {
      const rig = new Rig();
      for (const { after, ms } of outliers) {
        for (let n = 0; n < after; n++) rig.handle("a", 0.001);
        rig.handle("a", ms);
        // The stride is one again: what follows at once is not taken together with it.
        rig.handle("a", 0.001);
      }
      const [{ counted, real }] = rig.compared() as [ReturnType<Rig["compared"]>[number]];
      // As many are long as were long; with it goes at most what the 15 others of its stride took.
      assert.equal(sum(counted.buckets.slice(1)), outliers.length);
      near(counted.sumMs, sum(real), "the sum");
      const longest = Math.max(...outliers.map(({ ms }) => ms));
      const last = counted.buckets.findLastIndex((count) => count > 0);
      assert.ok(last >= bucketOf(longest - 0.015) && last <= bucketOf(longest + 0.015));
    }));
  });

  it("is exact where a third of the messages are long, and come one after the other", () => {
    const rig = new Rig();
    for (let n = 0; n < 1_000; n++) rig.handle("a", n % 6 < 2 ? 3 : 0.001);
    for (const { counted, real } of rig.compared()) {
      assert.deepEqual(counted.buckets, bucketsOf(real));
    }
  });

  it("a long message of another topic does not add to what the ones before took", () => {
    const rig = new Rig();
    for (let n = 0; n < 100; n++) rig.handle("a", 0.001);
    rig.handle("b", 20);
    for (const { counted, real } of rig.compared()) {
      near(counted.sumMs, sum(real), counted.topic);
      assert.deepEqual(counted.buckets, bucketsOf(real));
    }
  });

  it("looks at the clock once in sixteen short messages, and at each long one", () => {
    const rig = new Rig();
    for (let n = 0; n < 120; n++) rig.handle("a", 0.001);
    let before = rig.looks;
    for (let n = 0; n < 1_600; n++) rig.handle("a", 0.001);
    assert.equal(rig.looks - before, 100);
    for (let n = 0; n < 16; n++) rig.handle("a", 2);
    before = rig.looks;
    for (let n = 0; n < 100; n++) rig.handle("a", 2);
    assert.equal(rig.looks - before, 100);
  });

  it("settle() looks only where something has not been counted", () => {
    const rig = new Rig();
    for (let n = 0; n < 200; n++) rig.handle("a", 0.001);
    rig.laps.begin();
    const before = rig.looks;
    rig.laps.settle();
    assert.equal(rig.looks, before);
    rig.handle("a", 0.001);
    assert.equal(rig.times.list()[0]!.count, 200);
    assert.equal(rig.laps.settle(), rig.time);
    assert.equal(rig.looks, before + 1);
    assert.equal(rig.times.list()[0]!.count, 201);
  });
});
