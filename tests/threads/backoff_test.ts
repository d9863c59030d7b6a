import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { Backoff } from "../../src/threads/backoff.ts";

const options = fc.tuple(
  fc.integer({ min: 1, max: 3_600_000 }),
  fc.integer({ min: 1, max: 3_600_000 }),
).map(([a, b]) => ({ initialMs: Math.min(a, b), maxMs: Math.max(a, b) }));

describe("Backoff", () => {
  it("doubles up to its limit; half of each wait is chance", () => {
    fc.assert(fc.property(
      options,
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
        minLength: 1,
        maxLength: 80,
        size: "max",
      }),
      ({ initialMs, maxMs }, chances) => {
        let chance = 0;
        const backoff = new Backoff({ initialMs, maxMs, budgetMs: null }, () => chance);
        chances.forEach((each, failure) => {
          chance = each;
          const ceiling = Math.min(maxMs, initialMs * 2 ** Math.min(failure, 40));
          const wait = backoff.failed(failure);
          assert.ok(wait !== null && Math.abs(wait - ceiling * (1 + each) / 2) <= 1e-6 * ceiling);
          assert.ok(wait > 0 && wait <= maxMs);
          assert.equal(backoff.failures, failure + 1);
        });
      },
    ));
  });

  it("gives up when the budget is spent, counted from the first failure after a success", () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.array(fc.record({ after: fc.nat(3_000), ok: fc.boolean() }), {
        maxLength: 40,
        size: "max",
      }),
      (budgetMs, events) => {
        const backoff = new Backoff({ initialMs: 1, maxMs: 10, budgetMs }, () => 0.5);
        let now = 50;
        let since: number | null = null;
        for (const { after, ok } of events) {
          now += after;
          if (ok) {
            backoff.succeeded();
            assert.equal(backoff.failures, 0);
            since = null;
          } else {
            since ??= now;
            assert.equal(backoff.failed(now) === null, now - since >= budgetMs);
          }
        }
      },
    ));
  });

  it("begins anew after a success", () => {
    const backoff = new Backoff({ initialMs: 100, maxMs: 1_000, budgetMs: 500 }, () => 1);
    assert.deepEqual([0, 1, 2].map((now) => backoff.failed(now)), [100, 200, 400]);
    backoff.succeeded();
    assert.equal(backoff.failed(400), 100);
    assert.equal(backoff.failed(899), 200);
    assert.equal(backoff.failed(900), null);
  });

  it("never gives up without a budget", () => {
    const backoff = new Backoff({ initialMs: 1, maxMs: 3_600_000, budgetMs: null }, () => 1);
    let last: number | null = 0;
    for (let now = 0; now < 2_000; now++) last = backoff.failed(now * 1e9);
    assert.equal(last, 3_600_000);
  });
});
