// Writes record batches and fetch responses from the protocol guide, by other means than the code under
// test: BigInt varints, arrays of bytes, one field after the other. What it writes, kafkajs reads.

import { Buffer } from "node:buffer";

/** A record to write. */
export interface PlainRecord {
  offset: number;
  timestamp: number;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: { key: string; value: Uint8Array | null }[];
}

/** A record batch to write; its records may be none (compaction keeps empty batches). */
export interface PlainBatch {
  records: PlainRecord[];
  /** Offset of the batch. Default: that of its first record. */
  baseOffset?: number;
  /** Its last offset. Default: that of its last record. */
  lastOffset?: number;
  /** Time that all deltas are relative to. Default: that of its first record. */
  baseTimestamp?: number;
  /** Append time of the broker, instead of the records' own times. */
  appendTime?: number;
  producerId?: number;
  transactional?: boolean;
  control?: boolean;
  /** Number of the codec in the attributes. */
  codec?: number;
  compress?: (records: Uint8Array) => Uint8Array;
  /** What the batch says of the number of its records. Default: the truth. */
  count?: number;
}

/** Where fields of a batch are, from its first byte. */
export const COUNT_AT = 57;
export const RECORDS_AT = 61;

export function encodeBatch(batch: PlainBatch): Buffer {
  const { records, codec = 0, compress = (bytes) => bytes } = batch;
  const baseOffset = batch.baseOffset ?? records[0]?.offset ?? 0;
  const lastOffset = batch.lastOffset ?? records.at(-1)?.offset ?? baseOffset;
  const baseTimestamp = batch.baseTimestamp ?? records[0]?.timestamp ?? 0;
  const newest = Math.max(baseTimestamp, ...records.map(({ timestamp }) => timestamp));
  const attributes = codec | (batch.appendTime === undefined ? 0 : 8) |
    (batch.transactional ? 0x10 : 0) | (batch.control ? 0x20 : 0);
  const body = compress(
    Buffer.concat(records.map((record) => encodeRecord(record, baseOffset, baseTimestamp))),
  );
  const rest = Buffer.concat([
    int32(3), // partition leader epoch
    int8(2), // magic
    int32(0x12345678), // checksum, which nobody here checks
    int16(attributes),
    int32(lastOffset - baseOffset),
    int64(baseTimestamp),
    int64(batch.appendTime ?? newest),
    int64(batch.producerId ?? -1),
    int16(0), // producer epoch
    int32(-1), // base sequence
    int32(batch.count ?? records.length),
    body,
  ]);
  return Buffer.concat([int64(baseOffset), int32(rest.length), rest]);
}

function encodeRecord(
  { offset, timestamp, key, value, headers }: PlainRecord,
  baseOffset: number,
  baseTimestamp: number,
): Buffer {
  const body = Buffer.concat([
    int8(0), // attributes
    varint(timestamp - baseTimestamp),
    varint(offset - baseOffset),
    varintBytes(key),
    varintBytes(value),
    varint(headers.length),
    ...headers.flatMap(({ key, value }) => [varintBytes(Buffer.from(key)), varintBytes(value)]),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

/** The marker that ends a transaction. */
export function encodeMarker(
  { offset, producerId, commit }: { offset: number; producerId: number; commit: boolean },
): Buffer {
  const key = Uint8Array.of(0, 0, 0, commit ? 1 : 0);
  const value = Uint8Array.of(0, 0, 0, 0, 0, 0);
  return encodeBatch({
    records: [{ offset, timestamp: 0, key, value, headers: [] }],
    producerId,
    transactional: true,
    control: true,
  });
}

/** A partition of a fetch response to write. */
export interface PlainPartition {
  partition: number;
  errorCode: number;
  highWatermark: number;
  /** Null is written as a null array. */
  aborted: { producerId: number; firstOffset: number }[] | null;
  preferredReadReplica: number;
  /** Null is written as null. */
  records: Uint8Array | null;
}

/** A fetch response to write. */
export interface PlainResponse {
  throttleTime: number;
  errorCode: number;
  topics: { topic: string; partitions: PlainPartition[] }[];
}

export function encodeFetchResponse(
  { throttleTime, errorCode, topics }: PlainResponse,
  version: number,
): Buffer {
  return Buffer.concat([
    int32(throttleTime),
    ...version >= 7 ? [int16(errorCode), int32(99)] : [],
    ...array(topics, ({ topic, partitions }) => [
      int16(Buffer.byteLength(topic)),
      Buffer.from(topic),
      ...array(partitions, (partition) => [
        int32(partition.partition),
        int16(partition.errorCode),
        int64(partition.highWatermark),
        int64(partition.highWatermark - 1), // last stable offset
        ...version >= 5 ? [int64(0)] : [], // log start offset
        ...array(partition.aborted, ({ producerId, firstOffset }) => [
          int64(producerId),
          int64(firstOffset),
        ]),
        ...version >= 11 ? [int32(partition.preferredReadReplica)] : [],
        int32(partition.records?.length ?? -1),
        ...partition.records === null ? [] : [partition.records],
      ]),
    ]),
  ]);
}

function array<T>(items: readonly T[] | null, encode: (item: T) => Uint8Array[]): Uint8Array[] {
  return items === null ? [int32(-1)] : [int32(items.length), ...items.flatMap(encode)];
}

function varintBytes(bytes: Uint8Array | null): Buffer {
  return bytes === null ? varint(-1) : Buffer.concat([varint(bytes.length), bytes]);
}

/** A zigzag varint of up to 64 bits. */
export function varint(value: number | bigint): Buffer {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  const bytes: number[] = [];
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

const int8 = (value: number) => Buffer.from([value]);

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}
