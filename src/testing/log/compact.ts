/** Compaction: of the records of a key, the latest stays. */

import { Buffer } from "node:buffer";
import { compress } from "./compression.ts";
import { assemble } from "./encode_batch.ts";
import {
  type BatchHeader,
  compressionOf,
  NO_TIMESTAMP,
  withoutCompression,
  writeHeader,
} from "./record_batch.ts";
import { recordBytes, type RecordPlace, timestampOf, visitRecords } from "./records.ts";

/** A batch to compact. */
export interface Compactable {
  readonly bytes: Buffer;
  readonly header: BatchHeader;
}

/** How to compact. */
export interface CompactionRules {
  /** Records below it count as deleted. */
  readonly startOffset: number;
  /** Tombstones older than this go too, in milliseconds since 1970. */
  readonly deleteTombstonesBefore: number;
  /** Whether a batch stays without records. */
  readonly keepsEmpty: (header: BatchHeader) => boolean;
}

/** What compaction made of the batches. */
export interface Compacted {
  /** For each batch: itself where nothing went, other bytes, or undefined: it is gone. */
  readonly batches: (Buffer | undefined)[];
  readonly keptRecords: number;
  readonly droppedRecords: number;
}

/**
 * Compacts batches.
 *
 * Records keep their offsets. A batch keeps its first and last offset, its times' base, its codec, its
 * leader epoch and its producer's id, epoch and sequence. Records without a key go, as in Apache
 * Kafka. A batch whose records cannot be read stays as it is.
 */
export function compactBatches(
  batches: readonly Compactable[],
  { startOffset, deleteTombstonesBefore, keepsEmpty }: CompactionRules,
): Compacted {
  const latest = new Map<string, number>();
  const records = batches.map(({ bytes, header }) => {
    try {
      const plain = recordBytes(bytes, header);
      // All of it is checked before any of it counts.
      visitRecords(plain, header.count, () => {});
      visitRecords(plain, header.count, (place) => {
        const key = keyOf(plain, place);
        if (key !== undefined) latest.set(key, header.baseOffset + place.offsetDelta);
      });
      return plain;
    } catch {
      return undefined;
    }
  });
  let keptRecords = 0;
  let droppedRecords = 0;
  const compacted = batches.map(({ bytes, header }, index) => {
    const plain = records[index];
    if (plain === undefined) {
      keptRecords += header.count;
      return bytes;
    }
    const kept: Buffer[] = [];
    let maxTimestamp = NO_TIMESTAMP;
    visitRecords(plain, header.count, (place) => {
      const offset = header.baseOffset + place.offsetDelta;
      const timestamp = timestampOf(header, place.timestampDelta);
      const key = keyOf(plain, place);
      if (offset < startOffset || key === undefined || latest.get(key) !== offset) return;
      if (place.valueLength < 0 && timestamp < deleteTombstonesBefore) return;
      kept.push(plain.subarray(place.start, place.end));
      maxTimestamp = Math.max(maxTimestamp, timestamp);
    });
    keptRecords += kept.length;
    droppedRecords += header.count - kept.length;
    if (kept.length === header.count && header.count > 0) return bytes;
    if (kept.length === 0 && !keepsEmpty(header)) return undefined;
    return rebuild(header, kept, kept.length > 0 ? maxTimestamp : header.maxTimestamp);
  });
  return { batches: compacted, keptRecords, droppedRecords };
}

/** As text, so that equal keys are one in a Map. */
function keyOf(records: Buffer, { keyStart, keyLength }: RecordPlace): string | undefined {
  return keyLength < 0 ? undefined : records.toString("latin1", keyStart, keyStart + keyLength);
}

function rebuild(header: BatchHeader, kept: Buffer[], maxTimestamp: number): Buffer {
  // Nothing at all is not a valid stream of every codec: an empty batch has none, as in Apache Kafka.
  const codec = kept.length === 0 ? 0 : compressionOf(header);
  const batch = assemble(compress(codec, Buffer.concat(kept)));
  writeHeader(batch, {
    ...header,
    attributes: withoutCompression(header.attributes) | codec,
    maxTimestamp,
    count: kept.length,
  });
  return batch;
}
