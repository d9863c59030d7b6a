/**
 * Reads record batches straight into a table of positions, without an object per record.
 *
 * Source: Kafka protocol guide, "Record Batch" (magic 2, KIP-98), and for aborted transactions the
 * "Aborted Transactions" of the fetch response (KIP-98, "Guarantees").
 *
 *     RecordBatch => baseOffset int64, batchLength int32, partitionLeaderEpoch int32, magic int8,
 *       crc uint32, attributes int16, lastOffsetDelta int32, baseTimestamp int64, maxTimestamp int64,
 *       producerId int64, producerEpoch int16, baseSequence int32, records [Record]
 *     Record => length varint, attributes int8, timestampDelta varlong, offsetDelta varint,
 *       keyLength varint, key, valueLength varint, value, headers [Header]
 */

import { BOUNDS_PER_RECORD, type RecordTable } from "../../../threads/records.ts";

const BATCH_LENGTH = 8;
const MAGIC = 16;
const ATTRIBUTES = 21;
const LAST_OFFSET_DELTA = 23;
const BASE_TIMESTAMP = 27;
const MAX_TIMESTAMP = 35;
const PRODUCER_ID = 43;
const RECORD_COUNT = 57;
const RECORDS = 61;
/** What a batch's length does not count: the base offset and the length itself. */
const LENGTH_OVERHEAD = 12;

const COMPRESSED = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
/** Fewest bytes of a record: every field one byte long, nothing in it. */
const SMALLEST_RECORD = 7;

/** A transaction that was aborted, as the fetch response names it. */
export interface AbortedTransaction {
  /** Its producer. */
  producerId: bigint;
  /** Its first offset in the partition. */
  firstOffset: number;
}

/** What a fetch read of one partition. */
export interface DecodedRecords {
  /** The records to hand over: those of adjacent uncompressed batches share a table. */
  tables: RecordTable[];
  /** The offset behind the last whole batch, or null if there was none. */
  nextOffset: number | null;
}

/** Undoes the compression that a batch's attributes name. */
export type Decompress = (attributes: number, bytes: Uint8Array) => Promise<Uint8Array>;

interface Batch {
  /** Where its records begin in `bytes`. */
  start: number;
  end: number;
  bytes: Uint8Array;
  baseOffset: number;
  baseTimestamp: number;
  appendTime: number | null;
  count: number;
}

/**
 * Decodes what a fetch returned for a partition.
 *
 * @param bytes Whole record batches, and possibly a part of one more at the end.
 * @param fetchOffset The offset asked for; a batch may begin before it.
 * @param aborted Aborted transactions, by first offset; null where the isolation level is
 * "read uncommitted".
 * @throws {RangeError} If a whole batch is not what its header or the format says.
 */
export async function decodeRecordBatches(
  bytes: Uint8Array,
  fetchOffset: number,
  aborted: readonly AbortedTransaction[] | null,
  decompress: Decompress,
): Promise<DecodedRecords> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isAborted = abortedFilter(aborted ?? []);
  const groups: Batch[][] = [];
  let plain: Batch[] | null = null;
  let nextOffset: number | null = null;
  let position = 0;

  while (position + RECORDS <= bytes.length) {
    const end = position + LENGTH_OVERHEAD + view.getInt32(position + BATCH_LENGTH);
    // The last batch of a response may be cut off by the limit on its size.
    if (end > bytes.length) break;
    if (end < position + RECORDS) {
      // Taken for the end, it would be asked for again for ever.
      throw new RangeError(
        `Cannot decode a batch of ${end - position} bytes: its header alone has ${RECORDS}`,
      );
    }
    const attributes = view.getInt16(position + ATTRIBUTES);
    const baseOffset = readInt64(view, position);
    const lastOffset = baseOffset + view.getInt32(position + LAST_OFFSET_DELTA);
    nextOffset = lastOffset + 1;
    const skip = lastOffset < fetchOffset;
    const hidden = (attributes & (TRANSACTIONAL | CONTROL)) !== 0 &&
      isAborted(view, bytes, position, attributes, lastOffset);
    if (!skip && !hidden) {
      const batch: Batch = {
        start: position + RECORDS,
        end,
        bytes,
        baseOffset,
        baseTimestamp: readInt64(view, position + BASE_TIMESTAMP),
        appendTime: (attributes & LOG_APPEND_TIME) !== 0
          ? readInt64(view, position + MAX_TIMESTAMP)
          : null,
        count: view.getInt32(position + RECORD_COUNT),
      };
      if ((attributes & COMPRESSED) === 0) {
        if (plain === null) groups.push(plain = []);
        plain.push(batch);
      } else {
        plain = null;
        batch.bytes = await decompress(attributes, bytes.subarray(batch.start, end));
        batch.start = 0;
        batch.end = batch.bytes.length;
        groups.push([batch]);
      }
    }
    position = end;
  }
  const tables = groups.map((batches) => decodeBatches(batches, fetchOffset))
    .filter(({ count }) => count > 0);
  return { tables, nextOffset };
}

/** The magic byte of the first batch or message, or null if there is nothing to read. */
export function magicOf(bytes: Uint8Array): number | null {
  return bytes[MAGIC] ?? null;
}

/**
 * Makes the filter of batches that must not be handed over: control batches, and those of aborted
 * transactions. It is to be asked about every transactional or control batch, in order.
 */
function abortedFilter(aborted: readonly AbortedTransaction[]) {
  const producers = new Set<bigint>();
  const waiting = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  return (
    view: DataView,
    bytes: Uint8Array,
    position: number,
    attributes: number,
    lastOffset: number,
  ): boolean => {
    while (waiting[0] !== undefined && waiting[0].firstOffset <= lastOffset) {
      producers.add(waiting.shift()!.producerId);
    }
    const producerId = view.getBigInt64(position + PRODUCER_ID);
    if ((attributes & CONTROL) === 0) return producers.has(producerId);
    if (isAbortMarker(bytes, position + RECORDS)) producers.delete(producerId);
    return true;
  };
}

/** A control record's key is a version and a type, both int16; type 0 is an abort. */
function isAbortMarker(bytes: Uint8Array, record: number): boolean {
  at = record;
  readVarlong(bytes); // length
  at++; // attributes
  readVarlong(bytes); // timestamp delta
  readVarlong(bytes); // offset delta
  return readVarlong(bytes) >= 4 && bytes[at + 2] === 0 && bytes[at + 3] === 0;
}

// The reader's position. A variable of the module instead of an object: this is the innermost loop,
// and it is synchronous from end to end.
let at = 0;

function decodeBatches(batches: readonly Batch[], fetchOffset: number): RecordTable {
  const [{ bytes }] = batches as [Batch, ...Batch[]];
  // The count is the sender's word; the bytes bound it.
  const capacity = batches.reduce(
    (sum, { count, start, end }) =>
      sum + Math.max(0, Math.min(count, Math.floor((end - start) / SMALLEST_RECORD))),
    0,
  );
  const offsets = new Float64Array(capacity);
  const timestamps = new Float64Array(capacity);
  const bounds = new Int32Array(capacity * BOUNDS_PER_RECORD);
  let count = 0;
  let bound = 0;
  let tableEnd = 0;

  for (const batch of batches) {
    at = batch.start;
    let record = 0;
    for (; record < batch.count && at < batch.end && count < capacity; record++) {
      const length = readVarlong(bytes);
      const end = at + length;
      if (length <= 0 || end > batch.end) {
        throw new RangeError(
          `Cannot decode a record of ${length} bytes at offset ${batch.baseOffset} + ${record}: its batch ends before`,
        );
      }
      at++; // attributes, unused
      const timestamp = batch.baseTimestamp + readVarlong(bytes);
      const offset = batch.baseOffset + readVarlong(bytes);
      if (offset >= fetchOffset) {
        const keyLength = readVarlong(bytes);
        bounds[bound++] = at;
        bounds[bound++] = keyLength;
        if (keyLength > 0) at += keyLength;
        const valueLength = readVarlong(bytes);
        bounds[bound++] = at;
        bounds[bound++] = valueLength;
        if (valueLength > 0) at += valueLength;
        bounds[bound++] = at;
        if (at > end) {
          throw new RangeError(
            `Cannot decode the record at offset ${offset}: its key and value end beyond it`,
          );
        }
        offsets[count] = offset;
        timestamps[count] = batch.appendTime ?? timestamp;
        count++;
        tableEnd = end;
      }
      at = end;
    }
    // Fewer or more of them would be messages that nobody misses.
    if (record !== batch.count || at !== batch.end) {
      throw new RangeError(
        `Cannot decode the batch at offset ${batch.baseOffset}: the number of its records is not the ${batch.count} that it says`,
      );
    }
  }
  return {
    count,
    offsets: offsets.subarray(0, count),
    timestamps: timestamps.subarray(0, count),
    bounds: bounds.subarray(0, bound),
    bytes,
    base: 0,
    end: tableEnd,
  };
}

/** Reads a zigzag varint of up to 64 bits at `at`, exact as far as a number is. */
function readVarlong(bytes: Uint8Array): number {
  let byte = bytes[at++]!;
  let low = byte & 0x7f;
  if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
  byte = bytes[at++]!;
  low |= (byte & 0x7f) << 7;
  if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
  let scale = 2 ** 14;
  let value = low;
  do {
    byte = bytes[at++]!;
    value += (byte & 0x7f) * scale;
    scale *= 128;
  } while (byte >= 0x80 && scale < 2 ** 70);
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

/** Reads an int64 as a number; offsets and timestamps are safe integers. */
export function readInt64(view: DataView, position: number): number {
  return view.getInt32(position) * 2 ** 32 + view.getUint32(position + 4);
}
