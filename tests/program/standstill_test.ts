import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { type MovingParts, Standstill } from "../../src/program/standstill.ts";
import { encodeError } from "../../src/threads/error_wire.ts";
import type { PartitionSnapshot, WorkSnapshot } from "../../src/threads/messages.ts";

const SESSION_MS = 10_000;

const partition: PartitionSnapshot = {
  topic: "orders",
  partition: 0,
  epoch: 1,
  position: 5,
  fetched: 9,
  committed: 5,
  endOffset: 20,
  queuedMessages: 0,
  queuedBytes: 0,
  inFlight: 0,
  paused: false,
};
const work: WorkSnapshot = {
  finished: 5,
  bytes: 0,
  failed: 0,
  invalid: 0,
  retried: 0,
  skipped: 0,
  deadLettered: 0,
  leftOut: 0,
  busyMs: 0,
  underWay: 0,
  paused: false,
  oldestUnderWayMs: null,
  oldestBegunMs: null,
  dueAt: null,
  times: [],
  active: [],
};

/** What a snapshot shows in which something should move. */
function still(at: number, overrides: Partial<MovingParts> = {}): MovingParts {
  const partitions = [partition];
  return { at, group: "stable", heartbeatAt: at, error: null, partitions, work, ...overrides };
}

/** What it says after something was the case in the middle of a minute in which nothing moved. */
function afterMiddle(overrides: (at: number) => Partial<MovingParts>): number {
  const standstill = new Standstill(SESSION_MS);
  for (let second = 0; second <= 60; second++) {
    const at = 1_000 * second;
    standstill.observe(still(at, second === 30 ? overrides(at) : {}));
  }
  return standstill.ms;
}

describe("Standstill", () => {
  it("counts from the first snapshot on in which nothing has moved", () => {
    const standstill = new Standstill(SESSION_MS);
    assert.equal(standstill.ms, 0);
    standstill.observe(still(5_000));
    assert.equal(standstill.ms, 0);
    standstill.observe(still(65_000));
    assert.equal(standstill.ms, 60_000);
  });

  it("counts in a source without a group", () => {
    assert.equal(afterMiddle(() => ({ group: "none", heartbeatAt: null })), 60_000);
  });

  it("begins anew when anything has moved", () => {
    const standstill = new Standstill(SESSION_MS);
    let at = 0;
    const moves: Partial<MovingParts>[] = [
      { partitions: [{ ...partition, position: 6 }] },
      ...(["finished", "failed", "invalid", "skipped", "deadLettered", "leftOut"] as const)
        .map((count) => ({ work: { ...work, [count]: 6 } })),
    ];
    for (const move of moves) {
      standstill.observe(still(at += 50_000));
      standstill.observe(still(at += 50_000));
      assert(standstill.ms > 0);
      standstill.observe(still(at += 50_000, move));
      assert.equal(standstill.ms, 0, JSON.stringify(move));
    }
  });

  const excuses: Record<string, (at: number) => Partial<MovingParts>> = {
    "there is nothing to read": () => ({ partitions: [{ ...partition, position: 20 }] }),
    "the end of the log is not known": () => ({ partitions: [{ ...partition, endOffset: null }] }),
    "it has no partitions": () => ({ partitions: [] }),
    "a message is under way": () => ({ work: { ...work, underWay: 1 } }),
    "it is paused": () => ({ work: { ...work, paused: true } }),
    "a message waits for its next attempt": (at) => ({ work: { ...work, dueAt: at + 1 } }),
    "polls fail": () => ({ error: encodeError(new Error("gone")) }),
    "no heartbeat is answered": (at) => ({ heartbeatAt: at - SESSION_MS }),
    "the group is rebalancing": () => ({ group: "rebalancing" }),
    "it is joining": () => ({ group: "joining" }),
    "it is disconnected": () => ({ group: "disconnected" }),
  };
  for (const [why, overrides] of Object.entries(excuses)) {
    it(`begins anew where ${why}`, () => assert.equal(afterMiddle(overrides), 29_000));
  }

  it("does not excuse what has been due for long", () => {
    assert.equal(afterMiddle((at) => ({ work: { ...work, dueAt: at } })), 60_000);
  });
});
