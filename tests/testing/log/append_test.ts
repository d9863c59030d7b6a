import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "#std/testing/bdd";
import { PartitionLog } from "../../../src/testing/log/partition_log.ts";
import { isIntact } from "../../../src/testing/log/record_batch.ts";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { batchOf, forge, NOW } from "./batches.ts";
import { SCENARIOS, TOPICS } from "./scenarios.ts";

describe("PartitionLog.append()", () => {
  for (const { name, topic = "plain", sends } of SCENARIOS) {
    it(`takes or refuses ${name}`, () => {
      const log = new PartitionLog(TOPICS[topic].options);
      for (const { records, error = "NONE", wrong = [], version = 8 } of sends(NOW)) {
        const end = log.endOffset;
        const result = log.append(records, { leaderEpoch: 0, now: NOW, version });
        assert.equal(result.errorCode, ERROR[error], result.errorMessage ?? "");
        assert.deepEqual(result.recordErrors.map(({ batchIndex }) => batchIndex), wrong);
        assert.equal(log.endOffset > end, result.appended);
        assert.equal(result.errorMessage === null, error === "NONE");
        if (result.appended) assert.equal(result.baseOffset, end);
      }
    });
  }

  it("refuses no records at all", () => {
    const { errorCode } = new PartitionLog().append(null, { leaderEpoch: 0, now: NOW });
    assert.equal(errorCode, ERROR.INVALID_RECORD);
  });

  it("refuses a batch with any bit changed from the checksum on", () => {
    const batch = batchOf([{ key: "k", value: "v", headers: { h: "1" } }, { value: null }]);
    for (let bit = 17 * 8; bit < batch.length * 8; bit++) {
      const changed = Buffer.from(batch);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const log = new PartitionLog();
      const { errorCode } = log.append(changed, { leaderEpoch: 0, now: NOW });
      assert.equal(errorCode, ERROR.CORRUPT_MESSAGE, `bit ${bit}`);
      assert.equal(log.endOffset, 0);
    }
  });

  for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
    it(`never throws, whatever bytes say they are intact, ${compression}`, () => {
      const batch = batchOf([{ key: "k", value: "v", headers: { h: "1" } }, { key: "l" }], {
        compression,
      });
      for (const compacted of [false, true]) {
        const log = new PartitionLog({ compacted });
        for (let at = 12; at < batch.length; at++) {
          for (let byte = at % 5; byte < 256; byte += 5) {
            const changed = forge(batch, (bytes) => bytes[at] = byte);
            log.append(changed, { leaderEpoch: 0, now: NOW });
            log.append(changed.subarray(0, at), { leaderEpoch: 0, now: NOW });
          }
        }
        log.offsetForTimestamp(NOW - 1);
        log.maxTimestamp();
        log.compact();
        // What was looked at can be read.
        if (compacted) assert.ok([...log.records()].length > 0);
      }
    });
  }

  it("keeps the bytes as they were sent, but for offset and leader epoch", () => {
    const log = new PartitionLog();
    const sent = [
      batchOf([{ value: "a" }, { value: "b" }]),
      batchOf([{ value: "c" }], { compression: "zstd" }),
    ];
    for (const batch of sent) log.append(batch, { leaderEpoch: 0x01020304, now: NOW });
    const { pieces } = log.read(0, Infinity, { atLeastOne: false });
    pieces.forEach((piece, index) => {
      assert.deepEqual(piece.subarray(16), sent[index]!.subarray(16));
      assert.equal(piece.readInt32BE(12), 0x01020304);
    });
    assert.deepEqual(pieces.map((piece) => Number(piece.readBigInt64BE(0))), [0, 2]);
  });

  it("corrects the newest time, where it looks at the records", () => {
    const log = new PartitionLog();
    const lie = forge(batchOf([{ timestamp: 5 }, { timestamp: 9 }, { timestamp: 7 }]), (batch) => {
      batch.writeBigInt64BE(8n, 35);
    });
    log.append(lie, { leaderEpoch: 0, now: NOW });
    const [batch] = log.read(0, Infinity, { atLeastOne: true }).pieces;
    assert.equal(batch!.readBigInt64BE(35), 9n);
    assert.ok(isIntact(batch!));
    assert.equal(log.offsetForTimestamp(9)!.offset, 1);
  });

  it("copies: the frame may be used again", () => {
    const log = new PartitionLog();
    const frame = batchOf([{ value: "kept" }]);
    log.append(frame, { leaderEpoch: 0, now: NOW });
    frame.fill(0);
    assert.deepEqual([...log.records()].map(({ value }) => String(value)), ["kept"]);
  });
});
