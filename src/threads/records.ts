/**
 * How messages cross threads: many records in one buffer, with a table of where each one lies.
 *
 * A {@linkcode RecordTable} describes records without an object per record: columns of offsets and
 * timestamps, and five positions per record into one byte array. {@linkcode packRecords} copies any
 * run of them into a single transferable buffer, and {@linkcode unpackRecords} reads that buffer in
 * place on the other side.
 */

import type { DriverRecord, MessageHeader } from "../driver.ts";
import { readVarint, varintSize, writeVarint } from "./varint.ts";

/** Positions a record has in {@linkcode RecordTable.bounds}, in this order. */
export const KEY_START = 0;
/** Length of the key in bytes, -1 for a null key. */
export const KEY_LENGTH = 1;
/** Where the value's first byte is. */
export const VALUE_START = 2;
/** Length of the value in bytes, -1 for a null value. */
export const VALUE_LENGTH = 3;
/** Where the headers are, encoded as in Kafka's record format v2: a varint count, then each header. */
export const HEADERS_START = 4;
/** Positions per record. */
export const BOUNDS_PER_RECORD = 5;

/**
 * Records of one partition in offset order, as columns.
 *
 * Invariant: `KEY_START` rises from record to record, so that the bytes of records `from` to `to` are
 * one run, from the key of `from` to the key of `to`.
 */
export interface RecordTable {
  /** How many records there are. */
  readonly count: number;
  /** Offset of each record. */
  readonly offsets: Float64Array;
  /** Timestamp of each record, milliseconds since the epoch. */
  readonly timestamps: Float64Array;
  /** {@linkcode BOUNDS_PER_RECORD} positions of each record; they count from `base`. */
  readonly bounds: Int32Array;
  /** What the positions point into. */
  readonly bytes: Uint8Array;
  /** The position that `bytes[0]` has. */
  readonly base: number;
  /** The position after the last byte of the last record. */
  readonly end: number;
}

/** A table whose text is quick to read. */
export interface ReadableTable extends RecordTable {
  /** The bytes from `start` (included) to `end` (excluded), counted from `base`, as UTF-8 text. */
  readonly text: (start: number, end: number) => string;
}

/** A run of records in one transferable buffer. */
export interface PackedRecords {
  /** How many records there are. */
  readonly count: number;
  /** The position that the first byte of the body has. */
  readonly base: number;
  /** Offsets, timestamps, bounds, then the body. */
  readonly buffer: ArrayBuffer;
}

const BYTES_PER_RECORD = 8 + 8 + 4 * BOUNDS_PER_RECORD;

/** Whether what a driver returned is a table already. */
export function isRecordTable(records: unknown): records is RecordTable {
  return typeof records === "object" && records !== null && "bounds" in records;
}

/** Bytes of the body that records `from` (included) to `to` (excluded) take. */
export function recordBytes(table: RecordTable, from: number, to: number): number {
  return bodyPosition(table, to) - bodyPosition(table, from);
}

function bodyPosition(table: RecordTable, index: number): number {
  return index < table.count ? table.bounds[index * BOUNDS_PER_RECORD + KEY_START]! : table.end;
}

/** Copies records `from` (included) to `to` (excluded) into one buffer of their own. */
export function packRecords(table: RecordTable, from: number, to: number): PackedRecords {
  const count = to - from;
  const base = bodyPosition(table, from);
  const bodyLength = bodyPosition(table, to) - base;
  const buffer = new ArrayBuffer(count * BYTES_PER_RECORD + bodyLength);
  new Float64Array(buffer, 0, count).set(table.offsets.subarray(from, to));
  new Float64Array(buffer, count * 8, count).set(table.timestamps.subarray(from, to));
  new Int32Array(buffer, count * 16, count * BOUNDS_PER_RECORD)
    .set(table.bounds.subarray(from * BOUNDS_PER_RECORD, to * BOUNDS_PER_RECORD));
  const start = base - table.base;
  new Uint8Array(buffer, count * BYTES_PER_RECORD)
    .set(table.bytes.subarray(start, start + bodyLength));
  return { count, base, buffer };
}

/** Reads a packed run in place: the columns are views of its buffer. */
export function unpackRecords({ count, base, buffer }: PackedRecords): ReadableTable {
  const bytes = new Uint8Array(buffer, count * BYTES_PER_RECORD);
  return readable({
    count,
    offsets: new Float64Array(buffer, 0, count),
    timestamps: new Float64Array(buffer, count * 8, count),
    bounds: new Int32Array(buffer, count * 16, count * BOUNDS_PER_RECORD),
    bytes,
    base,
    end: base + bytes.length,
  });
}

/** Adds a reader of text to a table. */
export function readable(table: RecordTable): ReadableTable {
  const { bytes, base } = table;
  const { Buffer } = globalThis as { Buffer?: BufferConstructor };
  if (Buffer === undefined) {
    const text = (start: number, end: number) =>
      decoder.decode(bytes.subarray(start - base, end - base));
    return { ...table, text };
  }
  // Where there is a Buffer, it makes text of a part of itself without a view for each message, which
  // takes a fifth off the time of a `JSON.parse`. It stays in here: its slice() is not that of others.
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (start: number, end: number) => buffer.toString("utf8", start - base, end - base);
  return { ...table, text };
}

interface BufferConstructor {
  from(buffer: ArrayBufferLike, start: number, length: number): {
    toString(encoding: "utf8", start: number, end: number): string;
  };
}

const encoder = new TextEncoder();
// A byte order mark is a part of the text, as it is for Buffer.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const EMPTY = new Uint8Array(0);

function toBytes(value: Uint8Array | string | null | undefined): Uint8Array | null {
  if (value === null || value === undefined) return null;
  return typeof value === "string" ? encoder.encode(value) : value;
}

/**
 * Makes a table of record objects, for drivers that have no table of their own.
 *
 * @param records Records of one partition, in offset order.
 * @param now Timestamp of records that carry none.
 */
export function tableOfRecords(records: readonly DriverRecord[], now: number): RecordTable {
  const count = records.length;
  const parts = records.map((record) => {
    const headers = (record.headers ?? []).map((header) => ({
      key: encoder.encode(header.key),
      value: toBytes(header.value),
    }));
    let size = varintSize(headers.length);
    for (const { key, value } of headers) {
      size += varintSize(key.length) + key.length + varintSize(value?.length ?? -1) +
        (value?.length ?? 0);
    }
    return { key: toBytes(record.key), value: toBytes(record.value), headers, size };
  });
  let total = 0;
  for (const part of parts) {
    total += (part.key?.length ?? 0) + (part.value?.length ?? 0) + part.size;
  }

  const table = {
    count,
    offsets: new Float64Array(count),
    timestamps: new Float64Array(count),
    bounds: new Int32Array(count * BOUNDS_PER_RECORD),
    bytes: new Uint8Array(total),
    base: 0,
    end: total,
  };
  let position = 0;
  const write = (bytes: Uint8Array | null) => {
    if (bytes === null) return;
    table.bytes.set(bytes, position);
    position += bytes.length;
  };
  for (let index = 0; index < count; index++) {
    const record = records[index]!;
    const { key, value, headers } = parts[index]!;
    table.offsets[index] = record.offset;
    table.timestamps[index] = record.timestamp ?? now;
    const bounds = index * BOUNDS_PER_RECORD;
    table.bounds[bounds + KEY_START] = position;
    table.bounds[bounds + KEY_LENGTH] = key?.length ?? -1;
    write(key);
    table.bounds[bounds + VALUE_START] = position;
    table.bounds[bounds + VALUE_LENGTH] = value?.length ?? -1;
    write(value);
    table.bounds[bounds + HEADERS_START] = position;
    position = writeVarint(table.bytes, position, headers.length);
    for (const header of headers) {
      position = writeVarint(table.bytes, position, header.key.length);
      write(header.key);
      position = writeVarint(table.bytes, position, header.value?.length ?? -1);
      write(header.value);
    }
  }
  return table;
}

/** A view of the key of record `index`, or null. */
export function keyAt(table: RecordTable, index: number): Uint8Array | null {
  return fieldAt(table, index, KEY_START);
}

/** A view of the value of record `index`, or null. */
export function valueAt(table: RecordTable, index: number): Uint8Array | null {
  return fieldAt(table, index, VALUE_START);
}

function fieldAt(table: RecordTable, index: number, field: number): Uint8Array | null {
  const bound = index * BOUNDS_PER_RECORD + field;
  const length = table.bounds[bound + 1]!;
  if (length < 0) return null;
  if (length === 0) return EMPTY;
  const start = table.bounds[bound]! - table.base;
  return table.bytes.subarray(start, start + length);
}

/** The value of record `index` as UTF-8 text, or null. */
export function textAt(table: ReadableTable, index: number): string | null {
  const bound = index * BOUNDS_PER_RECORD;
  const length = table.bounds[bound + VALUE_LENGTH]!;
  if (length < 0) return null;
  const start = table.bounds[bound + VALUE_START]!;
  return table.text(start, start + length);
}

/**
 * The headers of record `index`, in their order, repeated names and null values kept.
 *
 * @throws {RangeError} If they are not what Kafka's format says.
 */
export function headersAt(table: RecordTable, index: number): MessageHeader[] {
  const cursor = {
    position: table.bounds[index * BOUNDS_PER_RECORD + HEADERS_START]! - table.base,
  };
  const count = readVarint(table.bytes, cursor);
  const headers: MessageHeader[] = [];
  // The count is the producer's word; the bytes bound it.
  const take = (length: number) => {
    if (length < 0 || cursor.position + length > table.bytes.length) {
      throw new RangeError(
        `Cannot read the headers at offset ${table.offsets[index]}: they end beyond the record`,
      );
    }
    return table.bytes.subarray(cursor.position, cursor.position += length);
  };
  for (let header = 0; header < count; header++) {
    const key = decoder.decode(take(readVarint(table.bytes, cursor)));
    const length = readVarint(table.bytes, cursor);
    headers.push({ key, value: length < 0 ? null : take(length) });
  }
  return headers;
}
