/**
 * Writes record batches, exactly as they were given: repeated header names, null values and all.
 *
 * `@platformatic/kafka` writes them too, but garbles times that lie 25 days apart, and kafkajs can
 * write neither null header values nor repeated names in their order.
 *
 * Source: Kafka protocol guide, "Record Batch" (magic 2); the layout is in `record_batches.ts`.
 */

import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { ProducedRecord } from "../../../driver.ts";
import { varintSize, writeVarint } from "../../../threads/varint.ts";

const BATCH_LENGTH = 8;
const LEADER_EPOCH = 12;
const MAGIC = 16;
const CRC = 17;
const ATTRIBUTES = 21;
const LAST_OFFSET_DELTA = 23;
const BASE_TIMESTAMP = 27;
const MAX_TIMESTAMP = 35;
const PRODUCER_ID = 43;
const PRODUCER_EPOCH = 51;
const BASE_SEQUENCE = 53;
const RECORD_COUNT = 57;
const RECORDS = 61;
/** What a batch's length does not count: the base offset and the length itself. */
const LENGTH_OVERHEAD = 12;
const CURRENT_MAGIC = 2;
const GZIP = 1;

const encoder = new TextEncoder();

/**
 * Writes one batch, uncompressed.
 *
 * @param records Its records, at least one.
 * @param now Time of those records that have none of their own.
 */
export function writeRecordBatch(records: readonly ProducedRecord[], now: number): Uint8Array {
  const times = records.map(({ timestamp = now }) => timestamp);
  const [baseTimestamp] = times as [number, ...number[]];
  const names = records.map(({ headers }) => headers.map(({ key }) => encoder.encode(key)));
  const sizes = records.map((record, index) =>
    bodySize(record, names[index]!, index, times[index]! - baseTimestamp)
  );
  const length = sizes.reduce((sum, size) => sum + varintSize(size) + size, RECORDS);
  const batch = new Uint8Array(length);
  const view = new DataView(batch.buffer);
  view.setInt32(LEADER_EPOCH, -1);
  view.setInt8(MAGIC, CURRENT_MAGIC);
  view.setInt32(LAST_OFFSET_DELTA, records.length - 1);
  setInt64(view, BASE_TIMESTAMP, baseTimestamp);
  setInt64(view, MAX_TIMESTAMP, times.reduce((max, time) => Math.max(max, time)));
  setInt64(view, PRODUCER_ID, -1);
  view.setInt16(PRODUCER_EPOCH, -1);
  view.setInt32(BASE_SEQUENCE, -1);
  view.setInt32(RECORD_COUNT, records.length);
  let at = RECORDS;
  records.forEach((record, index) => {
    at = writeVarint(batch, at, sizes[index]!);
    at = writeBody(batch, at, record, names[index]!, index, times[index]! - baseTimestamp);
  });
  seal(batch, view);
  return batch;
}

/** The same batch with its records compressed. */
export async function compressRecordBatch(batch: Uint8Array): Promise<Uint8Array> {
  const records = await promisify(gzip)(batch.subarray(RECORDS));
  const compressed = new Uint8Array(RECORDS + records.length);
  compressed.set(batch.subarray(0, RECORDS));
  compressed.set(records, RECORDS);
  const view = new DataView(compressed.buffer);
  view.setInt16(ATTRIBUTES, GZIP);
  seal(compressed, view);
  return compressed;
}

/** At least how many bytes a record takes in a batch, and not many less. */
export function recordSize({ key, value, headers }: ProducedRecord): number {
  return headers.reduce(
    (sum, header) => sum + header.key.length + (header.value?.length ?? 0) + 2,
    (key?.length ?? 0) + (value?.length ?? 0) + 7,
  );
}

/** Writes what depends on all the rest. */
function seal(batch: Uint8Array, view: DataView): void {
  view.setInt32(BATCH_LENGTH, batch.length - LENGTH_OVERHEAD);
  view.setUint32(CRC, crc32c(batch.subarray(ATTRIBUTES)));
}

function bodySize(
  { key, value, headers }: ProducedRecord,
  names: readonly Uint8Array[],
  offsetDelta: number,
  timestampDelta: number,
): number {
  return headers.reduce(
    (sum, header, index) => sum + bytesSize(names[index]!) + bytesSize(header.value),
    1 + varlongSize(timestampDelta) + varintSize(offsetDelta) + bytesSize(key) + bytesSize(value) +
      varintSize(headers.length),
  );
}

function writeBody(
  batch: Uint8Array,
  at: number,
  { key, value, headers }: ProducedRecord,
  names: readonly Uint8Array[],
  offsetDelta: number,
  timestampDelta: number,
): number {
  at++; // attributes, unused
  at = writeVarlong(batch, at, timestampDelta);
  at = writeVarint(batch, at, offsetDelta);
  at = writeBytes(batch, at, key);
  at = writeBytes(batch, at, value);
  at = writeVarint(batch, at, headers.length);
  headers.forEach((header, index) => {
    at = writeBytes(batch, at, names[index]!);
    at = writeBytes(batch, at, header.value);
  });
  return at;
}

function bytesSize(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : varintSize(bytes.length) + bytes.length;
}

function writeBytes(batch: Uint8Array, at: number, bytes: Uint8Array | null): number {
  if (bytes === null) return writeVarint(batch, at, -1);
  at = writeVarint(batch, at, bytes.length);
  batch.set(bytes, at);
  return at + bytes.length;
}

// Times lie further apart than 32 bits reach; bit operations would cut them off.

function zigzag(value: number): number {
  return value >= 0 ? 2 * value : -2 * value - 1;
}

function varlongSize(value: number): number {
  let size = 1;
  for (let rest = zigzag(value); rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

function writeVarlong(bytes: Uint8Array, at: number, value: number): number {
  let rest = zigzag(value);
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = rest % 0x80 | 0x80;
  bytes[at++] = rest;
  return at;
}

function setInt64(view: DataView, at: number, value: number): void {
  const high = Math.floor(value / 2 ** 32);
  view.setInt32(at, high);
  view.setUint32(at + 4, value - high * 2 ** 32);
}

/** The Castagnoli polynomial, bits reversed. */
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  for (let at = 0; at < bytes.length; at++) {
    crc = CRC_TABLE[(crc ^ bytes[at]!) & 0xff]! ^ crc >>> 8;
  }
  return (crc ^ -1) >>> 0;
}
