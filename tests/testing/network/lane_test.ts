import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { Lane } from "../../../src/testing/network/lane.ts";

describe("Lane", () => {
  it("keeps the order, whatever is done to it", async () => {
    const arbitraryStep = fc.oneof(
      { weight: 4, arbitrary: fc.record({ push: fc.integer({ min: 0, max: 20 }) }) },
      fc.record({ hold: fc.boolean() }),
      fc.record({ full: fc.boolean() }),
      fc.record({ pace: fc.constantFrom(null, { bytesPerSecond: 100_000 }, { latencyMs: 1 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryStep, { maxLength: 30 }), async (steps) => {
        const out: number[] = [];
        let pushed = 0;
        let full = false;
        const { promise: ended, resolve: onEnd } = Promise.withResolvers<void>();
        const lane = new Lane({
          deliver: (chunk) => {
            out.push(...chunk);
            return !full;
          },
          onEnd,
          onRoom: () => {},
        });
        for (const step of steps) {
          if ("push" in step) {
            lane.push(Buffer.from(Array.from({ length: step.push }, () => pushed++ & 0xff)));
          } else if ("hold" in step) lane.hold(step.hold);
          else if ("pace" in step) lane.setPace(step.pace);
          else {
            full = step.full;
            if (!full) lane.unblock();
          }
        }
        lane.end();
        lane.hold(false);
        full = false;
        lane.unblock();
        await ended;
        assert.deepEqual(out, Array.from({ length: pushed }, (_, index) => index & 0xff));
        assert.ok(lane.over);
        assert.equal(lane.queuedBytes, 0);
      }),
      { numRuns: 50 },
    );
  });

  it("delivers at once where nothing is in the way", () => {
    const out: string[] = [];
    const lane = new Lane({
      deliver: (chunk) => out.push(`${chunk}`) > 0,
      onEnd: () => out.push("end"),
      onRoom: () => out.push("room"),
    });
    assert.ok(lane.free);
    lane.push(Buffer.from("one"));
    lane.end();
    assert.deepEqual(out, ["one", "end"]);
  });

  it("is full while its target is, and says when there is room", () => {
    const out: string[] = [];
    let taking = false;
    const lane = new Lane({
      deliver: (chunk) => {
        out.push(`${chunk}`);
        return taking;
      },
      onEnd: () => out.push("end"),
      onRoom: () => out.push("room"),
    });
    lane.push(Buffer.from("one"));
    assert.ok(lane.full);
    lane.push(Buffer.from("two"));
    assert.deepEqual(out, ["one"]);
    taking = true;
    lane.unblock();
    assert.deepEqual(out, ["one", "two", "room"]);
    assert.equal(lane.full, false);
  });

  it("is full when a megabyte waits in it", () => {
    const lane = new Lane({ deliver: () => true, onEnd: () => {}, onRoom: () => {} });
    lane.hold(true);
    lane.push(Buffer.alloc(1_048_575));
    assert.equal(lane.full, false);
    lane.push(Buffer.alloc(1));
    assert.ok(lane.full);
    lane.discard();
    assert.equal(lane.queuedBytes, 0);
  });

  it("delivers nothing after it was discarded, also from within a delivery", () => {
    const out: string[] = [];
    const lane: Lane = new Lane({
      deliver: (chunk) => {
        out.push(`${chunk}`);
        lane.discard();
        return true;
      },
      onEnd: () => out.push("end"),
      onRoom: () => out.push("room"),
    });
    lane.hold(true);
    lane.push(Buffer.from("one"));
    lane.push(Buffer.from("two"));
    lane.end();
    lane.hold(false);
    assert.deepEqual(out, ["one"]);
  });
});
