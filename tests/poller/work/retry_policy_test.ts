import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { judge, type RetryPolicy } from "../../../src/poller/work/retry_policy.ts";

const policy: RetryPolicy = {
  retries: 3,
  backoff: { initialMs: 100, maxMs: 500, factor: 2 },
  then: "dead-letter",
  onInvalid: "skip",
};
const failure = { kind: "failed", retriable: true } as const;

describe("judge", () => {
  it("waits longer from attempt to attempt, up to the most, half of it at random", () => {
    const delays = (random: number) =>
      [1, 2, 3].map((attempt) => judge(policy, failure, attempt, random));
    const retries = (...delays: number[]) => delays.map((delayMs) => ({ do: "retry", delayMs }));
    assert.deepEqual(delays(0), retries(50, 100, 200));
    assert.deepEqual(delays(0.5), retries(75, 150, 300));
    assert.deepEqual(
      judge({ ...policy, retries: null }, failure, 4, 1),
      { do: "retry", delayMs: 500 },
    );
  });

  it("gives up when no attempt is left, or none would help", () => {
    assert.deepEqual(judge(policy, failure, 4, 0), { do: "dead-letter" });
    assert.deepEqual(judge(policy, { ...failure, retriable: false }, 1, 0), { do: "dead-letter" });
    assert.deepEqual(judge({ ...policy, retries: 0 }, failure, 1, 0), { do: "dead-letter" });
  });

  it("has its own word for what is invalid, and never tries that again", () => {
    const invalid = { kind: "invalid", retriable: true } as const;
    assert.deepEqual(judge({ ...policy, retries: null }, invalid, 1, 0), { do: "skip" });
  });

  it("takes what is over its time for failed", () => {
    const timeout = { kind: "timeout", retriable: true } as const;
    assert.deepEqual(judge(policy, timeout, 1, 0), { do: "retry", delayMs: 50 });
    assert.deepEqual(judge(policy, timeout, 4, 0), { do: "dead-letter" });
  });

  it("waits a finite time within the bounds at any attempt", () => {
    fc.assert(
      fc.property(
        fc.record({
          initialMs: fc.nat(3_600_000),
          maxMs: fc.nat(3_600_000),
          factor: fc.double({ min: 1, max: 100, noNaN: true }),
        }),
        fc.integer({ min: 1, max: 1e9 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (backoff, attempt, random) => {
          const verdict = judge({ ...policy, retries: null, backoff }, failure, attempt, random);
          assert.ok(verdict.do === "retry");
          assert.ok(verdict.delayMs >= 0 && verdict.delayMs <= backoff.maxMs);
        },
      ),
    );
  });
});
