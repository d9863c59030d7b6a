import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { PartitionLog } from "../../../src/testing/log/partition_log.ts";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { batchOf, forge, NOW } from "./batches.ts";
import { decodeByPlatformatic, type Decoded } from "./decoders.ts";

/** A record, and where its batch ends. */
interface ModelRecord {
  offset: number;
  timestamp: number;
  key: string | null;
  value: string | null;
  lastOfBatch: number;
}

/** What a log is, in the simplest way. */
class Model {
  records: ModelRecord[] = [];
  start = 0;
  end = 0;

  append(records: Pick<ModelRecord, "key" | "value" | "timestamp">[]): void {
    const lastOfBatch = this.end + records.length - 1;
    for (const record of records) this.records.push({ ...record, offset: this.end++, lastOfBatch });
  }

  from(offset: number): ModelRecord[] {
    return this.records.filter((record) => record.offset >= offset);
  }

  deleteBelow(offset: number): void {
    this.start = Math.max(this.start, offset);
    this.records = this.from(this.start);
  }

  truncate(end: number): void {
    if (end >= this.end) return;
    this.records = this.records.filter(({ lastOfBatch }) => lastOfBatch < end);
    this.end = end;
    this.start = Math.min(this.start, end);
  }

  compact(deleteTombstonesBefore: number): void {
    this.records = this.records.filter(({ key, value, timestamp }, index) =>
      key !== null && !this.records.slice(index + 1).some((later) => later.key === key) &&
      !(value === null && timestamp < deleteTombstonesBefore)
    );
  }
}

const percent = fc.integer({ min: 0, max: 100 });
const small = fc.constantFrom("a", "b", "c", "d", "e");
const timestamp = fc.integer({ min: NOW - 40, max: NOW });
const appended = fc.array(
  fc.record({
    key: fc.option(small, { nil: null, freq: 8 }),
    value: fc.option(fc.string({ maxLength: 30, unit: "grapheme-ascii" }), { nil: null }),
    timestamp,
  }),
  { minLength: 1, maxLength: 6 },
);
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(
      fc.constant("append" as const),
      appended,
      fc.constantFrom("none", "none", "gzip", "snappy", "lz4", "zstd"),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constant("deleteBelow" as const), percent),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constant("compact" as const), fc.option(timestamp, { nil: -Infinity })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constant("truncate" as const), percent),
  },
);

function plain({ offset, timestamp, key, value }: Decoded | ModelRecord) {
  return { offset, timestamp, key, value };
}

function readAll(log: PartitionLog, offset: number, maxBytes: number, atLeastOne = false) {
  const { errorCode, pieces, bytes } = log.read(offset, maxBytes, { atLeastOne });
  assert.equal(errorCode, ERROR.NONE);
  const whole = Buffer.concat(pieces);
  assert.equal(bytes, whole.length);
  return { pieces, bytes, records: decodeByPlatformatic(whole) };
}

function compare(log: PartitionLog, model: Model): void {
  assert.equal(log.startOffset, model.start);
  assert.equal(log.endOffset, model.end);
  assert.deepEqual(
    [...log.records()].map(({ offset, timestamp, key, value }) => ({
      offset,
      timestamp,
      key: key && String(key),
      value: value && String(value),
    })),
    model.records.map(plain),
  );
  for (let offset = model.start; offset <= model.end; offset++) {
    const { records, bytes, pieces } = readAll(log, offset, Infinity);
    assert.deepEqual(
      records.filter((record) => record.offset >= offset).map(plain),
      model.from(offset).map(plain),
    );
    assert.equal(log.bytesFrom(offset), bytes);
    // The first batch is needed: it does not end before the offset.
    if (pieces[0] !== undefined) {
      const first = Number(pieces[0].readBigInt64BE(0)) + pieces[0].readInt32BE(23);
      assert.ok(first >= offset);
    }
  }
  for (const offset of [-1, model.start - 1, model.end + 1]) {
    assert.equal(log.read(offset, 1, { atLeastOne: true }).errorCode, ERROR.OFFSET_OUT_OF_RANGE);
    assert.equal(log.bytesFrom(offset), 0);
  }
  for (let time = NOW - 41; time <= NOW + 1; time++) {
    const found = model.records.find((record) => record.timestamp >= time);
    assert.deepEqual(log.offsetForTimestamp(time), found === undefined ? null : at(found));
  }
  const newest = Math.max(...model.records.map((record) => record.timestamp));
  const newestRecord = model.records.find((record) => record.timestamp === newest);
  assert.deepEqual(log.maxTimestamp(), newestRecord === undefined ? null : at(newestRecord));
}

function at({ offset, timestamp }: ModelRecord) {
  return { offset, timestamp, leaderEpoch: 4 };
}

describe("PartitionLog", () => {
  it("is what a list of records is, whatever is done to it", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 14, size: "max" }), (steps) => {
        const log = new PartitionLog();
        const model = new Model();
        for (const step of steps) {
          if (step[0] === "append") {
            const [, records, compression] = step;
            const result = log.append(batchOf(records, { compression }), {
              leaderEpoch: 4,
              now: NOW,
            });
            assert.equal(result.baseOffset, model.end);
            model.append(records);
          } else if (step[0] === "deleteBelow") {
            const offset = Math.round(step[1] * model.end / 100);
            const result = log.deleteRecords(offset);
            model.deleteBelow(offset);
            assert.deepEqual(result, { errorCode: ERROR.NONE, lowWatermark: model.start });
          } else if (step[0] === "compact") {
            const before = [...log.records()].length;
            const size = log.sizeBytes;
            const { keptRecords, droppedRecords, freedBytes, keptBatches } = log.compact({
              deleteTombstonesBefore: step[1],
            });
            model.compact(step[1]);
            assert.equal(keptRecords, model.records.length);
            assert.ok(droppedRecords >= before - keptRecords);
            assert.equal(freedBytes, size - log.sizeBytes);
            assert.equal(keptBatches, log.batchCount);
            // A second time there is nothing left to do.
            assert.equal(log.compact({ deleteTombstonesBefore: step[1] }).droppedRecords, 0);
          } else {
            const offset = Math.round(step[1] * model.end / 100);
            log.truncate(offset);
            model.truncate(offset);
          }
        }
        compare(log, model);
      }),
      { seed: 5, numRuns: 150 },
    );
  });

  it("reads as many batches as fit, and one more than none if asked", () => {
    fc.assert(
      fc.property(
        fc.array(appended, { minLength: 1, maxLength: 8 }),
        fc.nat(1000),
        fc.nat(100),
        (batches, maxBytes, place) => {
          const log = new PartitionLog();
          for (const batch of batches) log.append(batchOf(batch), { leaderEpoch: 0, now: NOW });
          const offset = place % log.endOffset;
          const all = readAll(log, offset, Infinity);
          const strict = readAll(log, offset, maxBytes);
          assert.ok(strict.bytes <= maxBytes);
          const next = all.pieces[strict.pieces.length];
          assert.ok(next === undefined || strict.bytes + next.length > maxBytes);
          const lenient = readAll(log, offset, maxBytes, true);
          assert.equal(lenient.pieces.length, Math.max(1, strict.pieces.length));
        },
      ),
      { seed: 6, numRuns: 100 },
    );
  });

  it("reads what fits exactly", () => {
    const log = new PartitionLog();
    for (const value of ["x", "y", "z"]) {
      log.append(batchOf([{ value }]), { leaderEpoch: 0, now: NOW });
    }
    const two = log.sizeBytes * 2 / 3;
    assert.equal(readAll(log, 0, two).bytes, two);
    assert.equal(readAll(log, 0, two - 1).bytes, two / 2);
  });

  it("has the newest of the times that are left in a batch", () => {
    const log = new PartitionLog();
    const append = (...times: number[]) =>
      log.append(batchOf(times.map((timestamp) => ({ timestamp }))), {
        leaderEpoch: 4,
        now: NOW,
      });
    append(9, 3, 4);
    append(8, 2);
    append(1, 5);
    const newest = () => log.maxTimestamp()!;
    assert.deepEqual([newest().offset, newest().timestamp], [0, 9]);
    log.deleteRecords(1);
    assert.deepEqual([newest().offset, newest().timestamp], [3, 8]);
    log.deleteRecords(4);
    assert.deepEqual([newest().offset, newest().timestamp], [6, 5]);
    const lie = forge(batchOf([{ timestamp: 3 }], { compression: "gzip" }), (batch) => {
      batch.writeBigInt64BE(9n, 35);
    });
    log.append(lie, { leaderEpoch: 4, now: NOW });
    assert.deepEqual([newest().offset, newest().timestamp], [6, 5]);
  });

  it("is empty at its end, and at its beginning while it is empty", () => {
    const log = new PartitionLog();
    const nothing = { errorCode: ERROR.NONE, pieces: [], bytes: 0 };
    assert.deepEqual(log.read(0, 100, { atLeastOne: true }), nothing);
    log.append(batchOf([{ value: "x" }]), { leaderEpoch: 0, now: NOW });
    assert.deepEqual(log.read(1, 100, { atLeastOne: true }), nothing);
    assert.equal(log.maxTimestamp()!.offset, 0);
    assert.equal(log.sizeBytes, log.bytesFrom(0));
  });

  it("deletes up to its end for -1, and refuses what is out of range", () => {
    const log = new PartitionLog();
    log.append(batchOf([{ value: "x" }, { value: "y" }]), { leaderEpoch: 0, now: NOW });
    const refused = { errorCode: ERROR.OFFSET_OUT_OF_RANGE, lowWatermark: -1 };
    assert.deepEqual(log.deleteRecords(3), refused);
    assert.deepEqual(log.deleteRecords(-2), refused);
    assert.deepEqual(log.deleteRecords(1), { errorCode: ERROR.NONE, lowWatermark: 1 });
    assert.equal(log.batchCount, 1, "the batch is needed still");
    assert.deepEqual(log.deleteRecords(-1), { errorCode: ERROR.NONE, lowWatermark: 2 });
    assert.equal(log.batchCount, 0);
    assert.equal(log.sizeBytes, 0);
  });

  it("hands out views, which later changes do not touch", () => {
    const log = new PartitionLog();
    for (const value of ["old", "new"]) {
      log.append(batchOf([{ key: "k", value }, { key: value, value }]), {
        leaderEpoch: 0,
        now: NOW,
      });
    }
    const { pieces } = log.read(0, Infinity, { atLeastOne: true });
    const copy = Buffer.concat(pieces);
    assert.equal(log.read(0, 1, { atLeastOne: true }).pieces[0]!.buffer, pieces[0]!.buffer);
    log.compact();
    log.deleteRecords(-1);
    assert.deepEqual(Buffer.concat(pieces), copy);
  });

  it("goes on by the header where a batch was compressed badly", () => {
    const log = new PartitionLog();
    const batch = batchOf([{ key: "k", value: "v" }]);
    log.append(forge(batch, (bytes) => bytes.writeInt16BE(1, 21)), { leaderEpoch: 7, now: NOW });
    const found = { offset: 0, timestamp: NOW, leaderEpoch: 7 };
    assert.deepEqual(log.offsetForTimestamp(NOW), found);
    assert.deepEqual(log.maxTimestamp(), found);
    assert.equal(log.compact().droppedRecords, 0);
    assert.equal(log.batchCount, 1);
    assert.throws(() => [...log.records()]);
  });

  it("finds its way in hundreds of thousands of batches at once", () => {
    const log = new PartitionLog();
    const batch = batchOf([{ value: "x" }, { value: "y" }]);
    for (let index = 0; index < 200_000; index++) log.append(batch, { leaderEpoch: 0, now: NOW });
    let bytes = 0;
    const start = performance.now();
    for (let offset = 0; offset < log.endOffset; offset += 7) {
      bytes += log.read(offset, 1, { atLeastOne: true }).bytes + log.bytesFrom(offset);
    }
    // 57,000 times: by walking it would take minutes.
    assert.ok(performance.now() - start < 5000);
    assert.ok(bytes > log.sizeBytes);
  });
});
