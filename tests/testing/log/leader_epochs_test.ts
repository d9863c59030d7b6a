import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { PartitionLog } from "../../../src/testing/log/partition_log.ts";
import { batchOf, NOW } from "./batches.ts";

function logOf(...epochs: number[]): PartitionLog {
  const log = new PartitionLog();
  for (const leaderEpoch of epochs) {
    log.append(batchOf([{ value: "x" }]), { leaderEpoch, now: NOW });
  }
  return log;
}

function ends(log: PartitionLog, ...epochs: number[]): [number, number][] {
  return epochs.map((epoch) => {
    const { leaderEpoch, endOffset } = log.offsetForLeaderEpoch(epoch);
    return [leaderEpoch, endOffset];
  });
}

describe("PartitionLog.offsetForLeaderEpoch()", () => {
  it("tells where an epoch ended, and of one without records the one before", () => {
    const log = logOf(2, 2, 5, 7, 7, 7);
    assert.deepEqual(ends(log, 2, 3, 5, 6, 7), [[2, 2], [2, 2], [5, 3], [5, 3], [7, 6]]);
  });

  it("tells where the first epoch began to those before it", () => {
    assert.deepEqual(ends(logOf(2, 5), 0, 1), [[0, 0], [1, 0]]);
  });

  it("knows nothing of epochs to come, of none, and in an empty log", () => {
    assert.deepEqual(ends(logOf(2), 3, -1), [[-1, -1], [-1, -1]]);
    assert.deepEqual(ends(logOf(), 0), [[-1, -1]]);
  });

  it("knows of a leader that wrote nothing", () => {
    const log = logOf(0, 0);
    log.beginLeaderEpoch(1);
    assert.deepEqual(ends(log, 0, 1), [[0, 2], [1, 2]]);
    log.beginLeaderEpoch(2);
    assert.deepEqual(ends(log, 0, 1, 2), [[0, 2], [0, 2], [2, 2]]);
  });

  it("forgets what was deleted or cut off", () => {
    const log = logOf(1, 1, 2, 3);
    log.deleteRecords(3);
    assert.deepEqual(ends(log, 1, 2, 3), [[1, 3], [2, 3], [3, 4]]);
    const cut = logOf(1, 1, 2, 3);
    cut.truncate(2);
    assert.deepEqual(ends(cut, 1, 2), [[1, 2], [-1, -1]]);
  });
});
