import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createRecordsBatch } from "@platformatic/kafka";
import fc from "fast-check";
import recordBatchModule from "kafkajs/src/protocol/recordBatch/v0/index.js";
import recordModule from "kafkajs/src/protocol/recordBatch/record/v0/index.js";
import { describe, it } from "#std/testing/bdd";
import { encodeBatch, type NewRecord } from "../../../src/testing/log/encode_batch.ts";
import { PartitionLog } from "../../../src/testing/log/partition_log.ts";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { batchOf, NOW } from "./batches.ts";
import { decodeByKafkajs, decodeByPlatformatic, type Decoded } from "./decoders.ts";

const bytes = fc.option(fc.uint8Array({ maxLength: 200 }), { nil: null });
const record = fc.record({
  key: bytes,
  value: bytes,
  headers: fc.dictionary(fc.string({ minLength: 1, maxLength: 5 }), bytes, { maxKeys: 3 }),
  timestamp: fc.integer({ min: 0, max: NOW }),
});
const records = fc.array(record, { minLength: 1, maxLength: 20 });
const compression = fc.constantFrom("none", "gzip", "snappy", "lz4", "zstd");

function text(value: Uint8Array | null): string | null {
  return value === null ? null : Buffer.from(value).toString("latin1");
}

function decoded(sent: readonly NewRecord[]): Decoded[] {
  return sent.map(({ key, value, headers = {}, timestamp }, offset) => ({
    offset,
    timestamp: timestamp!,
    key: text(key as Uint8Array | null),
    value: text(value as Uint8Array | null),
    headers: Object.entries(headers).map(([name, value]) => [name, text(value)]),
  }));
}

function logged(batch: Buffer): Decoded[] {
  const log = new PartitionLog();
  const { errorCode, errorMessage } = log.append(batch, { leaderEpoch: 0, now: NOW });
  assert.equal(errorCode, ERROR.NONE, errorMessage ?? "");
  return [...log.records()].map(({ key, value, headers, ...rest }) => ({
    ...rest,
    key: text(key),
    value: text(value),
    headers: headers.map(({ key, value }) => [key, text(value)]),
  }));
}

describe("encodeBatch()", () => {
  it("makes what @platformatic/kafka and the log read, with every codec", () => {
    fc.assert(
      fc.property(records, compression, (sent, codec) => {
        const batch = encodeBatch(sent, { timestamp: NOW, compression: codec });
        assert.deepEqual(decodeByPlatformatic(batch), decoded(sent));
        assert.deepEqual(logged(batch), decoded(sent));
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it("makes what kafkajs reads", async () => {
    await fc.assert(
      fc.asyncProperty(records, fc.constantFrom("none", "gzip"), async (sent, codec) => {
        const batch = encodeBatch(sent, { timestamp: NOW, compression: codec });
        assert.deepEqual(await decodeByKafkajs(batch), decoded(sent));
      }),
      { seed: 2, numRuns: 100 },
    );
  });

  it("takes text, leaves out what is not given, and keeps headers of one name apart", () => {
    const [first, second] = logged(batchOf([
      { key: "ä", value: "ö", headers: [["h", "1"], ["h", null], ["", "ü"]] },
      {},
    ]));
    assert.deepEqual(first, {
      offset: 0,
      timestamp: NOW,
      key: text(Buffer.from("ä")),
      value: text(Buffer.from("ö")),
      headers: [["h", "1"], ["h", null], ["", text(Buffer.from("ü"))]],
    });
    assert.deepEqual(second, { offset: 1, timestamp: NOW, key: null, value: null, headers: [] });
  });

  it("has no batch of nothing", () => {
    assert.throws(() => batchOf([]), RangeError);
  });
});

describe("PartitionLog.append() of what clients make", () => {
  it("takes batches of kafkajs", async () => {
    await fc.assert(
      fc.asyncProperty(records, fc.constantFrom(0, 1), async (drawn, codec) => {
        // It cannot write a header that is null.
        const sent = drawn.map((record) => ({
          ...record,
          headers: Object.fromEntries(
            Object.entries(record.headers).filter(([, value]) => value !== null),
          ),
        }));
        const times = sent.map(({ timestamp }) => timestamp);
        const batch = await recordBatchModule.RecordBatch({
          compression: codec,
          firstTimestamp: times[0],
          maxTimestamp: Math.max(...times),
          lastOffsetDelta: sent.length - 1,
          records: sent.map(({ key, value, headers, timestamp }, offsetDelta) =>
            recordModule({
              offsetDelta,
              timestampDelta: timestamp - times[0]!,
              key: key && Buffer.from(key),
              value: value && Buffer.from(value),
              headers: Object.fromEntries(
                Object.entries(headers).map(([name, value]) => [name, Buffer.from(value!)]),
              ),
            })
          ),
        });
        assert.deepEqual(logged(batch.buffer), decoded(sent));
      }),
      { seed: 3, numRuns: 100 },
    );
  });

  it("takes batches of @platformatic/kafka", () => {
    // Further apart, its varints are wrong.
    const apart = fc.integer({ min: NOW - 1_000_000, max: NOW });
    const value = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(
        fc.array(fc.record({ key: value, value, timestamp: apart }), { minLength: 1 }),
        compression,
        (sent, codec) => {
          const { buffer } = createRecordsBatch(
            sent.map(({ key, value, timestamp }) => ({
              topic: "t",
              key: Buffer.from(key),
              value: Buffer.from(value),
              timestamp: BigInt(timestamp),
            })),
            { compression: codec },
          );
          assert.deepEqual(logged(buffer), decoded(sent));
        },
      ),
      { seed: 4, numRuns: 100 },
    );
  });
});
