import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { CreditWindow } from "../../src/executor/credit_window.ts";

const step = fc.record({
  do: fc.constantFrom("take", "receive", "settle", "dry", "turn"),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  queued: fc.nat(100),
  free: fc.nat(10),
});

describe("CreditWindow", () => {
  it("never asks for more than a window, whatever happens", () => {
    fc.assert(fc.property(
      fc.array(step, { maxLength: 200, size: "max" }),
      fc.constantFrom(1, 4, 1_000, 20_000),
      fc.constantFrom(1, 50),
      (steps, concurrency, callSize) => {
        const window = new CreditWindow({ concurrency, callSize });
        const most = Math.max(8_192, 2 * concurrency * callSize, concurrency * callSize + 64);
        let asked = 0;
        let held = 0;
        for (const { do: what, share, queued, free } of steps) {
          if (what === "take") {
            const credit = window.take();
            assert(credit >= 0);
            asked += credit;
            assert(asked + held <= Math.max(most, held), `${asked} + ${held}`);
          } else if (what === "receive" && asked > 0) {
            // A batch call may be more than was asked for.
            const count = Math.max(callSize, Math.ceil(share * asked));
            window.received(count);
            asked -= count;
            held += count;
          } else if (what === "settle") {
            const count = Math.floor(share * held);
            window.settled(count);
            held -= count;
          } else if (what === "dry") window.ranDry();
          else window.turnOver({ queued, free, begun: queued });
          assert.equal(window.held, held);
        }
      },
    ));
  });

  it("always asks for something when nothing is left", () => {
    for (const callSize of [1, 50]) {
      const window = new CreditWindow({ concurrency: 4, callSize });
      for (let round = 0; round < 50; round++) {
        const credit = window.take();
        assert(credit > 0);
        window.received(credit);
        window.turnOver({ queued: credit, free: 1, begun: 0 });
        window.settled(credit);
      }
    }
  });

  it("asks for more where all that is here stays under way", () => {
    const window = new CreditWindow({ concurrency: 64, callSize: 1 });
    const credit = window.take();
    window.received(credit);
    // The first handler took all of a slice: the window shrinks to what has begun in it.
    window.turnOver({ queued: credit - 1, free: 63, begun: 1 });
    // The others have begun, and none of them ends.
    let held = credit;
    while (held < 64) {
      window.turnOver({ queued: 0, free: 64 - held, begun: 1 });
      const more = window.take();
      assert(more > 0, `nothing is asked for, and ${held} are under way`);
      window.received(more);
      held += more;
    }
  });

  it("that is closed asks for nothing", () => {
    const window = new CreditWindow({ concurrency: 4, callSize: 1 });
    window.close();
    assert.equal(window.take(), 0);
  });
});
