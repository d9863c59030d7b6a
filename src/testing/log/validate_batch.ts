/**
 * What Apache Kafka's broker demands of the records in a produce request, in its order.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { ERROR } from "../protocol/error_codes.ts";
import { LAST_COMPRESSION, ZSTD } from "./compression.ts";
import type { Refusal } from "./producer_state.ts";
import {
  type BatchHeader,
  compressionOf,
  HEADER_BYTES,
  isControl,
  isIntact,
  isTransactional,
  MAGIC,
  MAGIC_END,
  magicAt,
  NO_PRODUCER_ID,
  NO_TIMESTAMP,
  readHeader,
  sizeAt,
} from "./record_batch.ts";
import { recordBytes, type RecordPlace, timestampOf, visitRecords } from "./records.ts";

/** The first version of Produce that may carry zstd (KIP-110). */
const ZSTD_SINCE = 7;
/** As many as Kafka lists in its message. */
const LISTED_ERRORS = 3;

/** A record that made the broker refuse its batch, as in a produce response. */
export interface RecordError {
  /** The record's place in the batch. */
  readonly batchIndex: number;
  readonly batchIndexErrorMessage: string;
}

/** A refusal, perhaps because of single records. */
export interface BatchRefusal extends Refusal {
  /** Whether the request as such is wrong: it has not one whole batch. */
  readonly malformed?: true;
  readonly recordErrors?: RecordError[];
}

/** A batch that may be appended. */
export interface ValidBatch {
  /** A view of the request. */
  readonly batch: Buffer;
  readonly header: BatchHeader;
  /** The newest time that the records have, where they were looked at. */
  readonly maxTimestamp: number;
}

/** What is allowed. */
export interface ValidationRules {
  readonly maxBatchBytes: number;
  readonly compacted: boolean;
  readonly logAppendTime: boolean;
  readonly maxFutureMs: number;
  /** The version of the produce request. */
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Thrown within this module alone. */
class Refused extends Error {
  readonly refusal: BatchRefusal;

  constructor(refusal: BatchRefusal) {
    super(refusal.errorMessage);
    this.refusal = refusal;
  }
}

/**
 * Looks whether the records of a produce request may be appended.
 *
 * The records of a compressed batch are looked at only where the topic is compacted, as they need
 * keys then: Kafka decompresses all, which costs more than the rest together.
 *
 * @param records RECORDS of the request.
 * @returns The only batch in it, or why it is refused.
 */
export function validateBatch(
  records: Buffer | null,
  rules: ValidationRules,
): ValidBatch | BatchRefusal {
  try {
    const batch = onlyBatch(records, rules.version);
    const header = readHeader(batch);
    validateBytes(batch, header, rules.maxBatchBytes);
    validateHeader(header);
    return { batch, header, maxTimestamp: validateRecords(batch, header, rules) };
  } catch (error) {
    if (error instanceof Refused) return error.refusal;
    throw error;
  }
}

function refuse(errorCode: number, errorMessage: string, recordErrors: RecordError[] = []): never {
  throw new Refused({ errorCode, errorMessage, recordErrors });
}

function refuseRequest(errorCode: number, errorMessage: string): never {
  throw new Refused({ errorCode, errorMessage, malformed: true });
}

function onlyBatch(records: Buffer | null, version: number): Buffer {
  const size = records === null ? undefined : completeBatch(records, 0);
  if (records === null || size === undefined) {
    refuseRequest(
      ERROR.INVALID_RECORD,
      "A produce request needs a record batch for each partition",
    );
  }
  if (magicAt(records, 0) !== MAGIC) {
    refuseRequest(
      ERROR.INVALID_RECORD,
      `Record batches have magic ${MAGIC}, not ${magicAt(records, 0)}`,
    );
  }
  if (size < HEADER_BYTES) {
    refuseRequest(
      ERROR.CORRUPT_MESSAGE,
      `A record batch of ${size} bytes is shorter than its header`,
    );
  }
  const batch = records.subarray(0, size);
  if (version < ZSTD_SINCE && compressionOf(readHeader(batch)) === ZSTD) {
    refuseRequest(ERROR.UNSUPPORTED_COMPRESSION_TYPE, `Produce ${version} has no zstd`);
  }
  if (completeBatch(records, size) !== undefined) {
    refuseRequest(
      ERROR.INVALID_RECORD,
      "A produce request has one record batch for each partition",
    );
  }
  return batch;
}

/** The size of the batch at a position; undefined if it is not all there. */
function completeBatch(records: Buffer, position: number): number | undefined {
  const rest = records.length - position;
  if (rest < MAGIC_END) return undefined;
  const size = sizeAt(records, position);
  const magic = magicAt(records, position);
  if (size < MAGIC_END || magic < 0 || magic > MAGIC) {
    refuseRequest(
      ERROR.CORRUPT_MESSAGE,
      `A record batch cannot have ${size} bytes and magic ${magic}`,
    );
  }
  return size > rest ? undefined : size;
}

function validateBytes(batch: Buffer, { baseOffset }: BatchHeader, maxBatchBytes: number): void {
  if (baseOffset !== 0) {
    refuse(ERROR.INVALID_RECORD, `The base offset of a new batch is 0, not ${baseOffset}`);
  }
  if (batch.length > maxBatchBytes) {
    refuse(
      ERROR.MESSAGE_TOO_LARGE,
      `The batch has ${batch.length} bytes, more than the ${maxBatchBytes} that are allowed`,
    );
  }
  if (!isIntact(batch)) refuse(ERROR.CORRUPT_MESSAGE, "The checksum of the batch is wrong");
}

function validateHeader(header: BatchHeader): void {
  const { count, lastOffsetDelta, producerId, baseSequence } = header;
  if (compressionOf(header) > LAST_COMPRESSION) {
    // Not UNSUPPORTED_COMPRESSION_TYPE: nothing in Apache Kafka expects it.
    refuse(ERROR.UNKNOWN_SERVER_ERROR, `There is no codec ${compressionOf(header)}`);
  }
  if (lastOffsetDelta < 0 || count <= 0 || lastOffsetDelta + 1 !== count) {
    refuse(
      ERROR.INVALID_RECORD,
      `A batch whose last offset delta is ${lastOffsetDelta} cannot have ${count} records`,
    );
  }
  if (isControl(header)) {
    refuse(ERROR.INVALID_RECORD, "Only brokers write control records");
  }
  if (producerId > NO_PRODUCER_ID && baseSequence < 0) {
    refuse(
      ERROR.INVALID_RECORD,
      `The sequence of producer ${producerId} cannot be ${baseSequence}`,
    );
  }
  if (isTransactional(header)) {
    refuse(ERROR.INVALID_TXN_STATE, "This broker has no transactions");
  }
}

/** @returns The newest time of the records. */
function validateRecords(batch: Buffer, header: BatchHeader, rules: ValidationRules): number {
  const latest = rules.logAppendTime ? Infinity : rules.now + rules.maxFutureMs;
  if (compressionOf(header) !== 0 && !rules.compacted && header.maxTimestamp <= latest) {
    return header.maxTimestamp;
  }
  let maxTimestamp = NO_TIMESTAMP;
  let errorCode = ERROR.NONE;
  const errors: RecordError[] = [];
  visit(batch, header, (place, batchIndex) => {
    const timestamp = timestampOf(header, place.timestampDelta);
    if (timestamp > maxTimestamp) maxTimestamp = timestamp;
    const add = (code: number, batchIndexErrorMessage: string) => {
      errorCode = code;
      errors.push({ batchIndex, batchIndexErrorMessage });
    };
    if (rules.compacted && place.keyLength < 0) {
      add(ERROR.INVALID_RECORD, "Records of a compacted topic need a key");
    } else if (timestamp > latest) {
      add(ERROR.INVALID_TIMESTAMP, `Its time ${timestamp} is too far ahead of the broker's`);
    } else if (place.offsetDelta !== batchIndex) {
      add(ERROR.INVALID_RECORD, `Its offset delta is ${place.offsetDelta}`);
    }
  });
  if (errors.length === 0) return maxTimestamp;
  const listed = errors.slice(0, LISTED_ERRORS)
    .map(({ batchIndex, batchIndexErrorMessage }) => `${batchIndex}: ${batchIndexErrorMessage}`);
  refuse(
    errorCode,
    `${errors.length} of ${header.count} records are refused, among them ${listed.join(", ")}`,
    errors,
  );
}

function visit(
  batch: Buffer,
  header: BatchHeader,
  look: (place: RecordPlace, index: number) => void,
): void {
  let records: Buffer;
  try {
    records = recordBytes(batch, header);
  } catch (error) {
    refuse(ERROR.UNKNOWN_SERVER_ERROR, `Cannot decompress the batch: ${(error as Error).message}`);
  }
  try {
    visitRecords(records, header.count, look);
  } catch (error) {
    refuse(ERROR.INVALID_RECORD, (error as Error).message);
  }
}
