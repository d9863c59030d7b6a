/** Puts records from here and there into one buffer. */

import {
  BOUNDS_PER_RECORD,
  HEADERS_START,
  KEY_LENGTH,
  KEY_START,
  type PackedRecords,
  type RecordTable,
  VALUE_LENGTH,
  VALUE_START,
} from "../../threads/records.ts";

/** Up to this many bytes a loop is quicker than a view for each record. */
const SMALL_COPY_BYTES = 48;

/** A record, by its table and its place there. */
export interface RecordPlace {
  readonly table: RecordTable | null;
  readonly index: number;
}

/** Copies records, in the order given, into one transferable buffer; see `packRecords`. */
export function gatherRecords(places: readonly RecordPlace[]): PackedRecords {
  const count = places.length;
  let size = 0;
  for (const { table, index } of places) size += endOf(table!, index) - startOf(table!, index);
  const columns = count * (16 + 4 * BOUNDS_PER_RECORD);
  const buffer = new ArrayBuffer(columns + size);
  const offsets = new Float64Array(buffer, 0, count);
  const timestamps = new Float64Array(buffer, count * 8, count);
  const bounds = new Int32Array(buffer, count * 16, count * BOUNDS_PER_RECORD);
  const bytes = new Uint8Array(buffer, columns);
  let position = 0;
  for (let record = 0; record < count; record++) {
    const { table, index } = places[record] as { table: RecordTable; index: number };
    offsets[record] = table.offsets[index]!;
    timestamps[record] = table.timestamps[index]!;
    const start = startOf(table, index);
    const shift = position - start;
    const from = index * BOUNDS_PER_RECORD;
    const to = record * BOUNDS_PER_RECORD;
    bounds[to + KEY_START] = table.bounds[from + KEY_START]! + shift;
    bounds[to + KEY_LENGTH] = table.bounds[from + KEY_LENGTH]!;
    bounds[to + VALUE_START] = table.bounds[from + VALUE_START]! + shift;
    bounds[to + VALUE_LENGTH] = table.bounds[from + VALUE_LENGTH]!;
    bounds[to + HEADERS_START] = table.bounds[from + HEADERS_START]! + shift;
    const length = endOf(table, index) - start;
    copy(table.bytes, start - table.base, bytes, position, length);
    position += length;
  }
  return { count, base: 0, buffer };
}

function copy(
  source: Uint8Array,
  from: number,
  target: Uint8Array,
  to: number,
  length: number,
): void {
  if (length > SMALL_COPY_BYTES) target.set(source.subarray(from, from + length), to);
  else for (let byte = 0; byte < length; byte++) target[to + byte] = source[from + byte]!;
}

function startOf(table: RecordTable, index: number): number {
  return table.bounds[index * BOUNDS_PER_RECORD + KEY_START]!;
}

function endOf(table: RecordTable, index: number): number {
  return index + 1 < table.count ? startOf(table, index + 1) : table.end;
}
