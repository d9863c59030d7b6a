/**
 * Makes record batches.
 *
 * `@platformatic/kafka` makes them too, but its varints are wrong for times that lie 25 days or more
 * apart in one batch, and its headers cannot have two values for one key.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { varintSize, writeVarint } from "../../threads/varint.ts";
import { compress, type Compression, compressionNumber } from "./compression.ts";
import { HEADER_BYTES, MAGIC, NO_PRODUCER_ID, writeHeader } from "./record_batch.ts";

/** A record to write; text becomes UTF-8. */
export interface NewRecord {
  /** Default: null. */
  readonly key?: string | Uint8Array | null;
  /** Default: null, which is a tombstone where the topic is compacted. */
  readonly value?: string | Uint8Array | null;
  /** By name, or as pairs where a name occurs twice or the order matters. Default: none. */
  readonly headers?:
    | Readonly<Record<string, string | Uint8Array | null>>
    | readonly (readonly [string, string | Uint8Array | null])[];
  /** Milliseconds since 1970. Default: that of the batch. */
  readonly timestamp?: number;
}

/** What a batch is, apart from its records. */
export interface EncodeBatchOptions {
  /** The time of the records that have none of their own, in milliseconds since 1970. */
  readonly timestamp: number;
  /** Default: "none". */
  readonly compression?: Compression;
  /** Default: -1, which is no idempotent producer. */
  readonly producerId?: number;
  /** Default: -1. */
  readonly producerEpoch?: number;
  /** Default: -1. */
  readonly baseSequence?: number;
}

/**
 * Makes a record batch, ready for `PartitionLog.append` or a produce request.
 *
 * @param records Its records, at least one.
 * @param options What else it is.
 * @returns The batch, with base offset 0.
 * @throws {RangeError} If there are no records: Kafka has no such batch in a produce request.
 */
export function encodeBatch(
  records: readonly NewRecord[],
  {
    timestamp,
    compression = "none",
    producerId = NO_PRODUCER_ID,
    producerEpoch = -1,
    baseSequence = -1,
  }: EncodeBatchOptions,
): Buffer {
  if (records.length === 0) throw new RangeError("Cannot make a record batch of no records");
  const times = records.map((record) => record.timestamp ?? timestamp);
  const baseTimestamp = times[0]!;
  const plain = records.map(toBytes);
  const sizes = plain.map((record, index) =>
    bodySize(record, index, times[index]! - baseTimestamp)
  );
  const bytes = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + varintSize(size) + size, 0));
  let at = 0;
  plain.forEach((record, index) => {
    at = writeVarint(bytes, at, sizes[index]!);
    at = writeBody(bytes, at, record, index, times[index]! - baseTimestamp);
  });
  const codec = compressionNumber(compression);
  const batch = assemble(compress(codec, bytes));
  writeHeader(batch, {
    baseOffset: 0,
    leaderEpoch: -1,
    magic: MAGIC,
    attributes: codec,
    lastOffsetDelta: records.length - 1,
    baseTimestamp,
    maxTimestamp: times.reduce((max, time) => Math.max(max, time)),
    producerId,
    producerEpoch,
    baseSequence,
    count: records.length,
  });
  return batch;
}

/** Room for a header, and then the records. */
export function assemble(records: Buffer): Buffer {
  const batch = Buffer.allocUnsafe(HEADER_BYTES + records.length);
  batch.set(records, HEADER_BYTES);
  return batch;
}

interface PlainRecord {
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: { key: Uint8Array; value: Uint8Array | null }[];
}

function toBytes({ key, value, headers = [] }: NewRecord): PlainRecord {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  return {
    key: utf8(key),
    value: utf8(value),
    headers: pairs.map(([name, value]) => ({ key: Buffer.from(name), value: utf8(value) })),
  };
}

function utf8(value: string | Uint8Array | null | undefined): Uint8Array | null {
  return typeof value === "string" ? Buffer.from(value) : value ?? null;
}

function bodySize({ key, value, headers }: PlainRecord, offsetDelta: number, delta: number) {
  return headers.reduce(
    (sum, header) => sum + bytesSize(header.key) + bytesSize(header.value),
    1 + varlongSize(delta) + varintSize(offsetDelta) + bytesSize(key) + bytesSize(value) +
      varintSize(headers.length),
  );
}

function writeBody(
  bytes: Buffer,
  at: number,
  { key, value, headers }: PlainRecord,
  offsetDelta: number,
  timestampDelta: number,
): number {
  bytes[at++] = 0; // attributes
  at = writeVarlong(bytes, at, timestampDelta);
  at = writeVarint(bytes, at, offsetDelta);
  at = writeBytes(bytes, at, key);
  at = writeBytes(bytes, at, value);
  at = writeVarint(bytes, at, headers.length);
  for (const header of headers) {
    at = writeBytes(bytes, at, header.key);
    at = writeBytes(bytes, at, header.value);
  }
  return at;
}

function bytesSize(value: Uint8Array | null): number {
  return value === null ? varintSize(-1) : varintSize(value.length) + value.length;
}

function writeBytes(bytes: Buffer, at: number, value: Uint8Array | null): number {
  if (value === null) return writeVarint(bytes, at, -1);
  at = writeVarint(bytes, at, value.length);
  bytes.set(value, at);
  return at + value.length;
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

function varlongSize(value: number): number {
  let size = 1;
  for (let rest = zigzag(value); rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** A zigzag varint of 64 bits: times further apart than 2^31 ms need more than 32. */
function writeVarlong(bytes: Buffer, at: number, value: number): number {
  let rest = zigzag(value);
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
  bytes[at++] = rest;
  return at;
}
