import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, randomBytes, randomInt } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { describe, it } from "#std/testing/bdd";
import type { ProducedRecord } from "../../../../src/driver.ts";
import {
  compressRecordBatch,
  recordSize,
  writeRecordBatch,
} from "../../../../src/poller/drivers/shared/record_batch_writer.ts";
import { decodeRecordBatches } from "../../../../src/poller/drivers/shared/record_batches.ts";
import { isIntact } from "../../../../src/testing/log/record_batch.ts";
import { headersAt, keyAt, valueAt } from "../../../../src/threads/records.ts";

const NOW = 1_800_000_000_000;

async function read(batch: Uint8Array) {
  const { tables, nextOffset } = await decodeRecordBatches(
    batch,
    0,
    null,
    (_, bytes) => Promise.resolve(gunzipSync(bytes)),
  );
  assert.equal(tables.length, 1);
  const [table] = tables;
  assert.equal(nextOffset, table!.count);
  return Array.from({ length: table!.count }, (_, index) => ({
    key: plain(keyAt(table!, index)),
    value: plain(valueAt(table!, index)),
    timestamp: table!.timestamps[index],
    headers: headersAt(table!, index).map(({ key, value }) => [key, plain(value)]),
  }));
}

/** Short enough to be printed. */
const plain = (bytes: Uint8Array | null) =>
  bytes &&
  `${bytes.length} bytes, ${createHash("sha256").update(bytes).digest("hex").slice(0, 16)}`;

const expected = (records: ProducedRecord[]) =>
  records.map(({ key, value, timestamp = NOW, headers }) => ({
    key: plain(key),
    value: plain(value),
    timestamp,
    headers: headers.map(({ key, value }) => [key, plain(value)]),
  }));

/** Lengths at which a varint gets longer, and others. */
const LENGTHS = [0, 1, 62, 63, 64, 127, 128, 8_191, 8_192, 20_000];
const anyBytes = () => randomInt(4) === 0 ? null : randomBytes(LENGTHS[randomInt(LENGTHS.length)]!);
const NAMES = ["", "a", "b", "ключ", "🌍"];
const TIMES = [undefined, 0, 1, -1, NOW - 2 ** 33, NOW + 2 ** 40, 2 ** 51, NOW - 64, NOW - 65];

const anyRecord = (): ProducedRecord => {
  const timestamp = TIMES[randomInt(TIMES.length)];
  return {
    topic: "t",
    key: anyBytes(),
    value: anyBytes(),
    headers: Array.from({ length: randomInt(5) }, () => ({
      key: NAMES[randomInt(NAMES.length)]!,
      value: anyBytes(),
    })),
    ...(timestamp === undefined ? {} : { timestamp }),
  };
};

describe("writeRecordBatch()", () => {
  it("writes what is read again, in every respect", async () => {
    for (let round = 0; round < 50; round++) {
      const records = Array.from({ length: 1 + randomInt(100) }, anyRecord);
      const batch = writeRecordBatch(records, NOW);
      assert(isIntact(Buffer.from(batch)), "the checksum");
      assert.deepEqual(await read(batch), expected(records));
      const estimated = records.reduce((sum, record) => sum + recordSize(record), 0);
      // Names of headers may take three bytes a character.
      assert(batch.length - 61 >= estimated && batch.length - 61 <= 3 * estimated + 100);
    }
  });
});

describe("compressRecordBatch()", () => {
  it("changes nothing but the size", async () => {
    const records = Array.from({ length: 100 }, () => ({
      ...anyRecord(),
      value: Buffer.alloc(1_000, "0123456789"),
    }));
    const batch = writeRecordBatch(records, NOW);
    const compressed = await compressRecordBatch(batch);
    assert(isIntact(Buffer.from(compressed)), "the checksum");
    assert(compressed.length < batch.length);
    assert.deepEqual(await read(compressed), expected(records));
    assert.deepEqual(await read(batch), expected(records));
  });
});
