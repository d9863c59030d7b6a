import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { Alarms } from "../../../src/poller/work/alarms.ts";

describe("Alarms", () => {
  it("gives what is due, the earliest first, and keeps the rest", () => {
    const step = fc.record({ sets: fc.array(fc.nat(100)), until: fc.nat(100) });
    fc.assert(fc.property(fc.array(step), (steps) => {
      const alarms = new Alarms<{ at: number }>();
      let model: { at: number }[] = [];
      for (const { sets, until } of steps) {
        for (const at of sets) {
          const item = { at };
          alarms.set(at, item);
          model.push(item);
        }
        const due = [...alarms.due(until)];
        const expected = model.filter(({ at }) => at <= until);
        assert.deepEqual(
          due.map(({ at }) => at),
          expected.map(({ at }) => at).sort((a, b) => a - b),
        );
        assert.deepEqual(new Set(due), new Set(expected));
        model = model.filter(({ at }) => at > until);
        const earliest = Math.min(...model.map(({ at }) => at));
        assert.equal(alarms.next, model.length === 0 ? null : earliest);
      }
    }));
  });

  it("gives what is set for now while it gives", () => {
    const alarms = new Alarms<string>();
    alarms.set(1, "first");
    const given: string[] = [];
    for (const item of alarms.due(5)) {
      given.push(item);
      if (item === "first") {
        alarms.set(5, "second");
        alarms.set(6, "later");
      }
    }
    assert.deepEqual(given, ["first", "second"]);
    assert.equal(alarms.next, 6);
  });
});
