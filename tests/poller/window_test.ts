import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { Window } from "../../src/poller/window.ts";

describe("Window", () => {
  it("has taken exactly what is under way, and leaks nothing", () => {
    const room = fc.record({ messages: fc.integer({ min: 1, max: 20 }), bytes: fc.nat(2_000) });
    const steps = fc.array(
      fc.oneof(
        fc.record({ add: room }),
        // Also of batches that are unknown, or gone already.
        fc.record({ remove: fc.nat(30) }),
      ),
      { maxLength: 60, size: "max" },
    );
    const limit = fc.record({
      messages: fc.integer({ min: 1, max: 50 }),
      bytes: fc.integer({ min: 1, max: 5_000 }),
    });
    fc.assert(fc.property(limit, steps, (limit, script) => {
      const window = new Window({ ...limit });
      const underWay = new Map<number, { messages: number; bytes: number }>();
      let next = 0;
      const check = () => {
        const taken = [...underWay.values()].reduce(
          (sum, { messages, bytes }) => ({
            messages: sum.messages + messages,
            bytes: sum.bytes + bytes,
          }),
          { messages: 0, bytes: 0 },
        );
        const left = {
          messages: limit.messages - taken.messages,
          bytes: limit.bytes - taken.bytes,
        };
        assert.deepEqual(window.left, left);
        assert.equal(window.open, left.messages > 0 && left.bytes > 0);
      };
      check();
      for (const step of script) {
        if ("add" in step) {
          window.add(next, step.add);
          underWay.set(next++, step.add);
        } else {
          window.remove(step.remove);
          underWay.delete(step.remove);
        }
        check();
      }
      for (const id of [...underWay.keys(), ...underWay.keys()]) window.remove(id);
      assert.deepEqual(window.left, { ...limit });
      assert.equal(window.open, true);
    }));
  });

  it("is not changed through what it returns", () => {
    const window = new Window({ messages: 3, bytes: 30 });
    window.left.messages = 0;
    assert.deepEqual(window.left, { messages: 3, bytes: 30 });
  });
});
