/**
 * The log of one partition, in memory.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { ERROR } from "../protocol/error_codes.ts";
import { compactBatches } from "./compact.ts";
import { type EpochEnd, LeaderEpochs } from "./leader_epochs.ts";
import { ProducerStates } from "./producer_state.ts";
import { type BatchHeader, isLogAppendTime, place, readHeader, setTime } from "./record_batch.ts";
import { decodeRecords, type LogRecord } from "./records.ts";
import { type BatchRefusal, type RecordError, validateBatch } from "./validate_batch.ts";

/** Kafka's default of `message.max.bytes`. */
const MAX_BATCH_BYTES = 1_048_588;
/** Kafka's default of `log.message.timestamp.after.max.ms` since 4.0 (KIP-1030). */
const MAX_FUTURE_MS = 3_600_000;
/** The first version of Produce that may carry anything. */
const PRODUCE_VERSION = 7;
/** No offset: that of a failed append, or the one that deletes all. */
const NONE = -1;

/** What the topic's configuration says about the log. */
export interface PartitionLogOptions {
  /** `max.message.bytes`: bytes of a batch, header included. Default: 1,048,588. */
  readonly maxBatchBytes?: number;
  /** Whether `cleanup.policy` has "compact": records need keys then. Default: false. */
  readonly compacted?: boolean;
  /** Whether `message.timestamp.type` is LogAppendTime. Default: false. */
  readonly logAppendTime?: boolean;
  /** `message.timestamp.after.max.ms`. Default: 3,600,000, an hour. */
  readonly maxFutureMs?: number;
}

/** Who appends, and when. */
export interface AppendContext {
  /** The epoch of the partition's leader, which the batch gets. */
  readonly leaderEpoch: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** The version of the produce request: zstd needs 7. Default: 7. */
  readonly version?: number;
}

/** What became of an append; the names are those of a produce response. */
export interface AppendResult {
  readonly errorCode: number;
  /** What is wrong; null if nothing is. */
  readonly errorMessage: string | null;
  /** The records that are wrong, if single ones are. */
  readonly recordErrors: RecordError[];
  /** The offset of the first record; that of the first append for a duplicate; -1 on errors. */
  readonly baseOffset: number;
  /**
   * The time that all records got, if the topic has log append times; that of the first append for a
   * duplicate, as in Apache Kafka; otherwise -1.
   */
  readonly logAppendTimeMs: number;
  /** -1 where the bytes as such are wrong: so has it Apache Kafka. */
  readonly logStartOffset: number;
  /** Whether the log is longer now: a duplicate is acknowledged, not appended. */
  readonly appended: boolean;
}

/** What a fetch gets. */
export interface ReadResult {
  readonly errorCode: number;
  /** Whole batches, as views of the log: they are not to be changed. */
  readonly pieces: Buffer[];
  /** How many bytes these are. */
  readonly bytes: number;
}

/** A record that was looked up by its time. */
export interface TimestampedOffset {
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** The epoch of the leader that appended it. */
  readonly leaderEpoch: number;
}

/** What deleting records did. */
export interface DeleteRecordsResult {
  readonly errorCode: number;
  /** Where the log begins now; -1 on errors. */
  readonly lowWatermark: number;
}

/** What a compaction did. */
export interface CompactionResult {
  /** Records that are still there. */
  readonly keptRecords: number;
  /** Records that are gone. */
  readonly droppedRecords: number;
  /** Batches that are still there, some of them empty. */
  readonly keptBatches: number;
  /** Batches that are gone. */
  readonly droppedBatches: number;
  /** The bytes that are gone. */
  readonly freedBytes: number;
}

interface Stored {
  readonly bytes: Buffer;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly maxTimestamp: number;
  /** How many bytes stood before it since the log exists: grows only, so that it needs no shifting. */
  readonly position: number;
}

/**
 * The log of one partition: batches of records, each stored as it was sent.
 *
 * It has no clock and waits for nothing. Every record is replicated the moment it is appended, so the
 * high watermark is {@linkcode PartitionLog.endOffset}.
 */
export class PartitionLog {
  readonly #options: Required<PartitionLogOptions>;
  readonly #producers = new ProducerStates();
  readonly #epochs = new LeaderEpochs();
  #batches: Stored[] = [];
  #startOffset = 0;
  #endOffset = 0;
  /** The position behind the last batch. */
  #endPosition = 0;

  constructor(
    {
      maxBatchBytes = MAX_BATCH_BYTES,
      compacted = false,
      logAppendTime = false,
      maxFutureMs = MAX_FUTURE_MS,
    }: PartitionLogOptions = {},
  ) {
    this.#options = { maxBatchBytes, compacted, logAppendTime, maxFutureMs };
  }

  /** The first offset that can be read. */
  get startOffset(): number {
    return this.#startOffset;
  }

  /** The offset that the next record gets, and the high watermark. */
  get endOffset(): number {
    return this.#endOffset;
  }

  /** The bytes of all batches. */
  get sizeBytes(): number {
    return this.#endPosition - (this.#batches[0]?.position ?? this.#endPosition);
  }

  /** How many batches there are. */
  get batchCount(): number {
    return this.#batches.length;
  }

  /**
   * Appends the records of a produce request.
   *
   * The batch is copied out of the request and stored as it is: only its base offset and leader epoch
   * change, and, as in Apache Kafka, its newest time where it is wrong or is the broker's to say.
   *
   * @param records RECORDS of the request: exactly one batch of magic 2.
   * @param context Who appends, and when.
   * @returns What became of it. It never throws.
   */
  append(
    records: Buffer | null,
    { leaderEpoch, now, version = PRODUCE_VERSION }: AppendContext,
  ): AppendResult {
    const valid = validateBatch(records, { ...this.#options, now, version });
    if ("errorCode" in valid) return this.#failed(valid);
    const { header } = valid;
    const known = this.#producers.check(header);
    if (known !== undefined) {
      return "errorCode" in known
        ? this.#failed(known)
        : this.#acknowledge(known.baseOffset, known.timestamp, false);
    }
    const { logAppendTime } = this.#options;
    const maxTimestamp = logAppendTime ? now : valid.maxTimestamp;
    const batch = Buffer.from(valid.batch);
    if (maxTimestamp !== header.maxTimestamp || logAppendTime !== isLogAppendTime(header)) {
      setTime(batch, maxTimestamp, logAppendTime);
    }
    const baseOffset = this.#endOffset;
    place(batch, baseOffset, leaderEpoch);
    this.#epochs.begin(leaderEpoch, baseOffset);
    this.#producers.record(readHeader(batch));
    this.#store(batch, baseOffset, baseOffset + header.lastOffsetDelta, maxTimestamp);
    this.#endOffset = baseOffset + header.count;
    return this.#acknowledge(baseOffset, logAppendTime ? now : NONE, true);
  }

  #store(bytes: Buffer, baseOffset: number, lastOffset: number, maxTimestamp: number): void {
    this.#batches.push({
      bytes,
      baseOffset,
      lastOffset,
      maxTimestamp,
      position: this.#endPosition,
    });
    this.#endPosition += bytes.length;
  }

  #acknowledge(baseOffset: number, logAppendTimeMs: number, appended: boolean): AppendResult {
    return {
      errorCode: ERROR.NONE,
      errorMessage: null,
      recordErrors: [],
      baseOffset,
      logAppendTimeMs,
      logStartOffset: this.#startOffset,
      appended,
    };
  }

  #failed({ errorCode, errorMessage, malformed, recordErrors = [] }: BatchRefusal): AppendResult {
    const unknown = malformed || errorCode === ERROR.CORRUPT_MESSAGE ||
      errorCode === ERROR.MESSAGE_TOO_LARGE;
    return {
      errorCode,
      errorMessage,
      recordErrors,
      baseOffset: NONE,
      logAppendTimeMs: NONE,
      logStartOffset: unknown ? NONE : this.#startOffset,
      appended: false,
    };
  }

  /**
   * Reads whole batches, from the one that has an offset or, where compaction left a gap, the next one.
   *
   * The first batch may begin before the offset, and its records before {@linkcode startOffset} are in
   * it too: consumers skip them, as the protocol has it.
   *
   * @param offset From {@linkcode startOffset} to {@linkcode endOffset}, where nothing is read.
   * @param maxBytes How many bytes at most.
   * @param options.atLeastOne Whether the first batch is read even if it has more.
   */
  read(offset: number, maxBytes: number, { atLeastOne }: { atLeastOne: boolean }): ReadResult {
    if (!this.#has(offset)) return { errorCode: ERROR.OFFSET_OUT_OF_RANGE, pieces: [], bytes: 0 };
    const pieces: Buffer[] = [];
    let bytes = 0;
    for (let index = this.#find(offset); index < this.#batches.length; index++) {
      const batch = this.#batches[index]!.bytes;
      const first = atLeastOne && pieces.length === 0;
      if (bytes + batch.length > maxBytes && !first) break;
      pieces.push(batch);
      bytes += batch.length;
    }
    return { errorCode: ERROR.NONE, pieces, bytes };
  }

  /** How many bytes a fetch without limits would get; 0 out of range. */
  bytesFrom(offset: number): number {
    if (!this.#has(offset)) return 0;
    const batch = this.#batches[this.#find(offset)];
    return batch === undefined ? 0 : this.#endPosition - batch.position;
  }

  #has(offset: number): boolean {
    return offset >= this.#startOffset && offset <= this.#endOffset;
  }

  /** The index of the first batch that ends at or behind an offset. */
  #find(offset: number): number {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#batches[middle]!.lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Finds the first record that is as new as a time, or newer.
   *
   * @param timestamp Milliseconds since 1970.
   * @returns The record; null if all are older.
   */
  offsetForTimestamp(timestamp: number): TimestampedOffset | null {
    for (const batch of this.#batches) {
      if (batch.maxTimestamp < timestamp) continue;
      const found = this.#recordOf(
        batch,
        (records) => records.find((record) => record.timestamp >= timestamp),
      );
      if (found !== null) return found;
    }
    return null;
  }

  /** The first of the records that have the newest time; null if there are no records. */
  maxTimestamp(): TimestampedOffset | null {
    let newest: TimestampedOffset | null = null;
    for (const batch of this.#batches) {
      if (newest !== null && batch.maxTimestamp <= newest.timestamp) continue;
      const found = this.#recordOf(batch, newestOf);
      // What is compressed may claim a time that none of its records has.
      if (found !== null && found.timestamp > (newest?.timestamp ?? -Infinity)) newest = found;
    }
    return newest;
  }

  #recordOf(
    { bytes, baseOffset, maxTimestamp }: Stored,
    pick: (records: LogRecord[]) => LogRecord | undefined,
  ): TimestampedOffset | null {
    const header = readHeader(bytes);
    const { leaderEpoch } = header;
    try {
      const found = pick(
        decodeRecords(bytes, header).filter((record) => record.offset >= this.#startOffset),
      );
      if (found === undefined) return null;
      return { offset: found.offset, timestamp: found.timestamp, leaderEpoch };
    } catch {
      // What was compressed badly was stored unseen: its header is all that is known.
      const offset = Math.max(baseOffset, this.#startOffset);
      return { offset, timestamp: maxTimestamp, leaderEpoch };
    }
  }

  /**
   * Deletes all records below an offset.
   *
   * @param offset The new start; -1 for the end of the log. One below the start changes nothing.
   */
  deleteRecords(offset: number): DeleteRecordsResult {
    const target = offset === NONE ? this.#endOffset : offset;
    if (target < 0 || target > this.#endOffset) {
      return { errorCode: ERROR.OFFSET_OUT_OF_RANGE, lowWatermark: NONE };
    }
    if (target > this.#startOffset) {
      this.#startOffset = target;
      this.#batches.splice(0, this.#find(target));
      this.#epochs.dropBelow(target);
    }
    return { errorCode: ERROR.NONE, lowWatermark: this.#startOffset };
  }

  /**
   * Compacts the whole log: of the records of a key, the latest stays, at its offset.
   *
   * A batch that lost records is made anew, with its codec. Without records it goes, unless it is the
   * last one, which says where the log ends, or the last one of an idempotent producer, which says what
   * its next sequence is: those stay empty, as in Apache Kafka. Records without a key go.
   *
   * @param options.deleteTombstonesBefore Tombstones older than this go too, in milliseconds since 1970.
   * Default: all stay.
   */
  compact(
    { deleteTombstonesBefore = -Infinity }: { deleteTombstonesBefore?: number } = {},
  ): CompactionResult {
    const before = { batches: this.batchCount, bytes: this.sizeBytes };
    const lastOfProducers = this.#producers.lastBatches();
    const last = this.#batches.at(-1)?.baseOffset;
    const { batches, keptRecords, droppedRecords } = compactBatches(
      this.#batches.map(({ bytes }) => ({ bytes, header: readHeader(bytes) })),
      {
        startOffset: this.#startOffset,
        deleteTombstonesBefore,
        keepsEmpty: ({ baseOffset }: BatchHeader) =>
          baseOffset === last || lastOfProducers.has(baseOffset),
      },
    );
    const old = this.#batches;
    this.#batches = [];
    batches.forEach((bytes, index) => {
      if (bytes === undefined) return;
      const { baseOffset, lastOffset } = old[index]!;
      this.#store(bytes, baseOffset, lastOffset, readHeader(bytes).maxTimestamp);
    });
    return {
      keptRecords,
      droppedRecords,
      keptBatches: this.batchCount,
      droppedBatches: before.batches - this.batchCount,
      freedBytes: before.bytes - this.sizeBytes,
    };
  }

  /**
   * All records, decoded one batch at a time.
   *
   * @throws {Error} If a batch cannot be decompressed or decoded.
   */
  *records(): Generator<LogRecord, void> {
    // What happens to the log meanwhile does not disturb.
    for (const { bytes } of this.#batches.slice()) {
      for (const record of decodeRecords(bytes)) {
        if (record.offset >= this.#startOffset) yield record;
      }
    }
  }

  /** Notes that a leader begins its time here, even if it never appends. */
  beginLeaderEpoch(epoch: number): void {
    this.#epochs.begin(epoch, this.#endOffset);
  }

  /** Where a leader's time ended (OffsetForLeaderEpoch, KIP-279, KIP-320). */
  offsetForLeaderEpoch(epoch: number): EpochEnd {
    return this.#epochs.endOf(epoch, this.#endOffset);
  }

  /**
   * Cuts the log at an offset, as when a leader takes over that lacks the rest: records are lost.
   *
   * A batch that has the offset goes as a whole, and leaves a gap.
   *
   * @param endOffset The new end; one beyond the end changes nothing.
   */
  truncate(endOffset: number): void {
    if (endOffset >= this.#endOffset) return;
    this.#batches.length = this.#find(endOffset);
    const last = this.#batches.at(-1);
    this.#endPosition = last === undefined ? this.#endPosition : last.position + last.bytes.length;
    this.#endOffset = Math.max(0, endOffset);
    this.#startOffset = Math.min(this.#startOffset, this.#endOffset);
    this.#epochs.dropFrom(this.#endOffset);
    this.#producers.clear();
    for (const { bytes } of this.#batches) this.#producers.record(readHeader(bytes));
  }
}

function newestOf(records: LogRecord[]): LogRecord | undefined {
  const newest = records.reduce((max, { timestamp }) => Math.max(max, timestamp), -Infinity);
  return records.find(({ timestamp }) => timestamp === newest);
}
