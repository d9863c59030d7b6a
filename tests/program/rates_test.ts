import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { Rates } from "../../src/program/rates.ts";

describe("Rates", () => {
  it("are 0 before there is a sample, and where no time has passed", () => {
    const rates = new Rates();
    assert.deepEqual(rates.perSecond(1_000, 5, 50), { messages: 0, bytes: 0 });
    rates.sample(1_000, 5, 50);
    assert.deepEqual(rates.perSecond(1_000, 9, 90), { messages: 0, bytes: 0 });
    assert.deepEqual(rates.perSecond(500, 9, 90), { messages: 0, bytes: 0 });
  });

  it("are the growth since the oldest sample, a second", () => {
    const rates = new Rates();
    rates.sample(1_000, 0, 0);
    rates.sample(2_000, 100, 1_000);
    assert.deepEqual(rates.perSecond(3_000, 300, 6_000), { messages: 150, bytes: 3_000 });
  });

  it("look back over six samples and no further", () => {
    fc.assert(fc.property(
      fc.array(
        fc.record({
          ms: fc.integer({ min: 1, max: 3_000 }),
          messages: fc.nat(1e6),
          bytes: fc.nat(1e9),
        }),
        { minLength: 1, maxLength: 30, size: "max" },
      ),
      (growth) => {
        const rates = new Rates();
        const now = { at: 0, messages: 0, bytes: 0 };
        const samples: (typeof now)[] = [];
        for (const { ms, messages, bytes } of growth) {
          now.at += ms;
          now.messages += messages;
          now.bytes += bytes;
          const oldest = samples.at(-6) ?? samples[0];
          const { messages: rate, bytes: byteRate } = rates.perSecond(
            now.at,
            now.messages,
            now.bytes,
          );
          if (oldest === undefined) assert.equal(rate + byteRate, 0);
          else {
            const seconds = (now.at - oldest.at) / 1_000;
            assert.ok(Math.abs(rate * seconds - (now.messages - oldest.messages)) < 1e-3);
            assert.ok(Math.abs(byteRate * seconds - (now.bytes - oldest.bytes)) < 1e-3);
          }
          rates.sample(now.at, now.messages, now.bytes);
          samples.push({ ...now });
        }
      },
    ));
  });
});
