import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { describe, it } from "#std/testing/bdd";
import { PartitionLog } from "../../../src/testing/log/partition_log.ts";
import { isIntact, readHeader } from "../../../src/testing/log/record_batch.ts";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { batchOf, NOW } from "./batches.ts";
import { decodeByKafkajs, decodeByPlatformatic } from "./decoders.ts";

const context = { leaderEpoch: 3, now: NOW };

function batches(log: PartitionLog): Buffer[] {
  return log.read(log.startOffset, Infinity, { atLeastOne: true }).pieces;
}

describe("PartitionLog.compact()", () => {
  it("keeps the latest of each key, at its offset", () => {
    const log = new PartitionLog();
    log.append(batchOf([{ key: "a", value: "1" }, { key: "b", value: "2" }]), context);
    log.append(batchOf([{ key: "a", value: "3" }, { key: "c", value: "4" }]), context);
    log.append(batchOf([{ key: "d", value: "5" }, { key: "a", value: "6" }]), context);
    log.append(batchOf([{ key: "c", value: null }]), context);
    assert.deepEqual(log.compact(), {
      keptRecords: 4,
      droppedRecords: 3,
      keptBatches: 3,
      droppedBatches: 1,
      freedBytes: batchOf([{ key: "a", value: "3" }, { key: "c", value: "4" }]).length + 9,
    });
    assert.deepEqual([...log.records()].map(({ offset }) => offset), [1, 4, 5, 6]);
    assert.equal(log.endOffset, 7);
  });

  for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
    it(`makes batches anew that clients read, ${compression}`, async () => {
      const log = new PartitionLog();
      const year = 31_536_000_000;
      const first = batchOf([
        { key: "a", value: "1", timestamp: NOW - year },
        { key: "b", value: "2", timestamp: NOW - 2 * year, headers: { h: "x" } },
        { key: "a", value: "3", timestamp: NOW },
        { key: "c", value: "4", timestamp: NOW - year / 2 },
      ], { compression, producerId: 8, producerEpoch: 2, baseSequence: 40 });
      log.append(first, context);
      log.append(batchOf([{ key: "c", value: "5" }, { key: "a", value: "6" }]), context);
      log.compact();
      const [batch] = batches(log);
      assert.ok(isIntact(batch!));
      assert.deepEqual(readHeader(batch!), {
        ...readHeader(first),
        sizeBytes: batch!.length,
        leaderEpoch: 3,
        maxTimestamp: NOW - 2 * year,
        count: 1,
      });
      const expected = [{
        offset: 1,
        timestamp: NOW - 2 * year,
        key: "b",
        value: "2",
        headers: [["h", "x"]],
      }];
      assert.deepEqual(decodeByPlatformatic(batch!), expected);
      if (compression === "none" || compression === "gzip") {
        assert.deepEqual(await decodeByKafkajs(batch!), expected);
      }
    });
  }

  it("keeps tombstones, unless they are old enough", () => {
    const log = new PartitionLog();
    log.append(
      batchOf([
        { key: "a", value: "1" },
        { key: "a", value: null, timestamp: NOW - 10 },
        { key: "b", value: null, timestamp: NOW - 5 },
      ]),
      context,
    );
    const offsets = () => [...log.records()].map(({ offset }) => offset);
    log.compact();
    assert.deepEqual(offsets(), [1, 2]);
    log.compact({ deleteTombstonesBefore: NOW - 5 });
    assert.deepEqual(offsets(), [2]);
    log.compact({ deleteTombstonesBefore: Infinity });
    assert.deepEqual(offsets(), []);
  });

  it("keeps an empty batch at its end, so that consumers get there", async () => {
    const log = new PartitionLog();
    log.append(batchOf([{ key: "a", value: "1" }]), context);
    log.append(
      batchOf([{ key: "a", value: null }, { key: "b", value: null }], {
        compression: "snappy",
      }),
      context,
    );
    log.compact({ deleteTombstonesBefore: Infinity });
    const [batch, ...others] = batches(log);
    assert.equal(others.length, 0);
    assert.equal(batch!.length, 61);
    const { baseOffset, lastOffsetDelta, count, attributes } = readHeader(batch!);
    assert.deepEqual({ baseOffset, lastOffsetDelta, count, attributes }, {
      baseOffset: 1,
      lastOffsetDelta: 1,
      count: 0,
      attributes: 0,
    });
    assert.deepEqual(decodeByPlatformatic(batch!), []);
    assert.deepEqual(await decodeByKafkajs(batch!), []);
    // It goes when another one says where the log ends.
    log.append(batchOf([{ key: "c", value: "1" }]), context);
    assert.deepEqual(log.compact().droppedBatches, 1);
    assert.equal(log.endOffset, 4);
  });

  it("keeps what says which sequence of a producer was the last", () => {
    const log = new PartitionLog();
    const producer = { producerId: 1, producerEpoch: 0 };
    log.append(batchOf([{ key: "a", value: "1" }], { ...producer, baseSequence: 0 }), context);
    log.append(batchOf([{ key: "a", value: "2" }], { ...producer, baseSequence: 1 }), context);
    log.append(batchOf([{ key: "a", value: "3" }]), context);
    log.compact();
    assert.deepEqual(batches(log).map((batch) => readHeader(batch).baseSequence), [1, -1]);
    const again = batchOf([{ key: "a", value: "2" }], { ...producer, baseSequence: 1 });
    assert.equal(log.append(again, context).baseOffset, 1);
    const gap = batchOf([{ key: "a", value: "9" }], { ...producer, baseSequence: 3 });
    assert.equal(log.append(gap, context).errorCode, ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER);
  });

  it("drops records without a key, and those below the start", () => {
    const log = new PartitionLog();
    log.append(batchOf([{ key: "a", value: "1" }, { value: "2" }, { key: "b" }]), context);
    log.deleteRecords(1);
    const { keptRecords, droppedRecords } = log.compact();
    assert.deepEqual({ keptRecords, droppedRecords }, { keptRecords: 1, droppedRecords: 2 });
    assert.deepEqual([...log.records()].map(({ offset }) => offset), [2]);
  });
});
