import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { Deque } from "../../src/threads/deque.ts";

describe("Deque", () => {
  it("is what an array is, whatever is done to it", () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant("push"), count: fc.nat(200) }) },
      { weight: 5, arbitrary: fc.record({ do: fc.constant("shift"), count: fc.nat(200) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("insert"), count: fc.nat(9) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("clear"), count: fc.constant(1) }) },
    );
    fc.assert(fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      const deque = new Deque<number>();
      let model: number[] = [];
      let next = 0;
      for (const { do: what, count } of steps) {
        for (let time = 0; time < count; time++) {
          if (what === "push") {
            deque.push(next);
            model.push(next++);
          } else if (what === "shift") assert.equal(deque.shift(), model.shift());
          else if (what === "clear") {
            deque.clear();
            model = [];
          } else {
            const item = (model[time] ?? next) - 0.5;
            deque.insert(item, (other) => other < item);
            const place = model.findIndex((other) => other >= item);
            model.splice(place < 0 ? model.length : place, 0, item);
          }
        }
        assert.equal(deque.length, model.length);
        assert.deepEqual([...deque], model);
        assert.equal(deque.at(0), model[0]);
        assert.equal(deque.at(model.length), undefined);
      }
    }));
  });
});
