/** The records within a batch: where their parts are, and what they say. */

import type { Buffer } from "node:buffer";
import { type Cursor, readVarint } from "../../threads/varint.ts";
import { decompress } from "./compression.ts";
import {
  type BatchHeader,
  compressionOf,
  HEADER_BYTES,
  isLogAppendTime,
  readHeader,
} from "./record_batch.ts";

/** A header of a record. */
export interface LogRecordHeader {
  /** Its name. */
  readonly key: string;
  /** What it says, or null. */
  readonly value: Buffer | null;
}

/** A record as it stands in a log. */
export interface LogRecord {
  /** Its place in the partition. */
  readonly offset: number;
  /** Milliseconds since 1970; -1 for none. */
  readonly timestamp: number;
  /** Its key, or null. */
  readonly key: Buffer | null;
  /** Its value, or null. */
  readonly value: Buffer | null;
  /** Its headers, in order; a name may occur twice. */
  readonly headers: LogRecordHeader[];
}

/** Where the parts of a record are. */
export interface RecordPlace {
  /** Where its length begins. */
  start: number;
  end: number;
  timestampDelta: number;
  offsetDelta: number;
  keyStart: number;
  /** -1 for null. */
  keyLength: number;
  valueStart: number;
  /** -1 for null. */
  valueLength: number;
  headersStart: number;
  headerCount: number;
}

/** Bytes that are not the records that their batch announces. */
export class InvalidRecordsError extends Error {
  override readonly name = "InvalidRecordsError";
}

/**
 * The records of a batch, decompressed if need be.
 *
 * @throws {Error} If they cannot be decompressed.
 */
export function recordBytes(batch: Buffer, header: BatchHeader): Buffer {
  return decompress(compressionOf(header), batch.subarray(HEADER_BYTES));
}

/**
 * Finds each record of a batch and checks that it is well formed.
 *
 * @param records The records of the batch, decompressed.
 * @param count How many they are.
 * @param visit Is called with the place of each; the object is the same every time.
 * @throws {InvalidRecordsError} If the bytes are not so many records.
 */
export function visitRecords(
  records: Buffer,
  count: number,
  visit: (place: RecordPlace, index: number) => void,
): void {
  const cursor: Cursor = { position: 0 };
  const place: RecordPlace = {
    start: 0,
    end: 0,
    timestampDelta: 0,
    offsetDelta: 0,
    keyStart: 0,
    keyLength: 0,
    valueStart: 0,
    valueLength: 0,
    headersStart: 0,
    headerCount: 0,
  };
  for (let index = 0; index < count; index++) {
    locate(records, cursor, place, index);
    visit(place, index);
  }
  if (cursor.position !== records.length) {
    throw new InvalidRecordsError(
      `${records.length - cursor.position} bytes are left after the last of ${count} records`,
    );
  }
}

/** Reads bytes that may be null: their length, and the cursor behind them. */
function skipBytes(records: Buffer, cursor: Cursor, end: number, nullable: boolean): number {
  const length = readVarint(records, cursor);
  if (length < (nullable ? -1 : 0) || length > end - cursor.position) return Number.NaN;
  if (length > 0) cursor.position += length;
  return length;
}

function locate(records: Buffer, cursor: Cursor, place: RecordPlace, index: number): void {
  place.start = cursor.position;
  const length = readVarint(records, cursor);
  const end = cursor.position + length;
  if (length < 0 || end > records.length) throw malformed(index, `its length is ${length}`);
  place.end = end;
  cursor.position++; // attributes: none is in use
  place.timestampDelta = readVarlong(records, cursor);
  place.offsetDelta = readVarint(records, cursor);
  place.keyLength = skipBytes(records, cursor, end, true);
  if (Number.isNaN(place.keyLength)) throw malformed(index, "its key is longer than itself");
  place.keyStart = cursor.position - Math.max(0, place.keyLength);
  place.valueLength = skipBytes(records, cursor, end, true);
  if (Number.isNaN(place.valueLength)) throw malformed(index, "its value is longer than itself");
  place.valueStart = cursor.position - Math.max(0, place.valueLength);
  place.headerCount = readVarint(records, cursor);
  place.headersStart = cursor.position;
  // Each header takes two bytes at least: a forged count must not keep this loop busy.
  if (place.headerCount < 0 || place.headerCount * 2 > end - cursor.position) {
    throw malformed(index, `it has ${place.headerCount} headers`);
  }
  for (let header = 0; header < place.headerCount; header++) {
    if (
      Number.isNaN(skipBytes(records, cursor, end, false)) ||
      Number.isNaN(skipBytes(records, cursor, end, true))
    ) throw malformed(index, `header ${header} is longer than the record`);
  }
  if (cursor.position !== end) {
    throw malformed(index, `it says it has ${length} bytes and has ${cursor.position - end} more`);
  }
}

function malformed(index: number, why: string): InvalidRecordsError {
  return new InvalidRecordsError(`Record ${index} is malformed: ${why}`);
}

/** A zigzag varint of 64 bits; exact up to 2^53. */
function readVarlong(bytes: Buffer, cursor: Cursor): number {
  let result = 0;
  let scale = 1;
  let byte: number;
  do {
    byte = bytes[cursor.position++]!;
    result += (byte & 0x7f) * scale;
    scale *= 128;
  } while (byte >= 0x80 && scale < 2 ** 70);
  return result % 2 === 0 ? result / 2 : -(result + 1) / 2;
}

/** The time of a record. */
export function timestampOf(header: BatchHeader, timestampDelta: number): number {
  return isLogAppendTime(header) ? header.maxTimestamp : header.baseTimestamp + timestampDelta;
}

/**
 * Decodes the records of a batch.
 *
 * @throws {Error} If they cannot be decompressed, or are not what the batch announces.
 */
export function decodeRecords(batch: Buffer, header: BatchHeader = readHeader(batch)): LogRecord[] {
  if (header.count === 0) return [];
  const bytes = recordBytes(batch, header);
  const records: LogRecord[] = [];
  visitRecords(bytes, header.count, (place) => records.push(decode(bytes, place, header)));
  return records;
}

function decode(bytes: Buffer, place: RecordPlace, header: BatchHeader): LogRecord {
  const headers: LogRecordHeader[] = [];
  const cursor: Cursor = { position: place.headersStart };
  const next = (): Buffer | null => {
    const length = readVarint(bytes, cursor);
    if (length < 0) return null;
    cursor.position += length;
    return bytes.subarray(cursor.position - length, cursor.position);
  };
  for (let index = 0; index < place.headerCount; index++) {
    headers.push({ key: next()!.toString("utf8"), value: next() });
  }
  return {
    offset: header.baseOffset + place.offsetDelta,
    timestamp: timestampOf(header, place.timestampDelta),
    key: part(bytes, place.keyStart, place.keyLength),
    value: part(bytes, place.valueStart, place.valueLength),
    headers,
  };
}

function part(bytes: Buffer, start: number, length: number): Buffer | null {
  return length < 0 ? null : bytes.subarray(start, start + length);
}
