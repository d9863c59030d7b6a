/**
 * The header of a record batch of magic 2, at its place in the bytes.
 *
 * Source: https://kafka.apache.org/documentation/#recordbatch
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { crc32c } from "@platformatic/kafka";

/** Base offset and length: what stands before the part that the length counts. */
export const LENGTH_END = 12;
/** The byte after the magic: shorter than this, not even the format is known. */
export const MAGIC_END = 17;
/** The whole header: the records begin here. */
export const HEADER_BYTES = 61;
/** The only format there is since Kafka 0.11. */
export const MAGIC = 2;
/** The producer id of a batch that is not idempotent. */
export const NO_PRODUCER_ID = -1;
/** The time of a record that has none. */
export const NO_TIMESTAMP = -1;

const BASE_OFFSET_AT = 0;
const LENGTH_AT = 8;
const LEADER_EPOCH_AT = 12;
const MAGIC_AT = 16;
const CRC_AT = 17;
/** The checksum covers all that follows it. */
const CHECKED_FROM = 21;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const BASE_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const PRODUCER_EPOCH_AT = 51;
const BASE_SEQUENCE_AT = 53;
const COUNT_AT = 57;

const COMPRESSION_MASK = 0b111;
const LOG_APPEND_TIME = 1 << 3;
const TRANSACTIONAL = 1 << 4;
const CONTROL = 1 << 5;

/** What the header of a record batch says. */
export interface BatchHeader {
  readonly baseOffset: number;
  /** Bytes of the whole batch, base offset and length included. */
  readonly sizeBytes: number;
  readonly leaderEpoch: number;
  readonly magic: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  /** Milliseconds since 1970; {@linkcode NO_TIMESTAMP} for none. */
  readonly baseTimestamp: number;
  /** Milliseconds since 1970; {@linkcode NO_TIMESTAMP} for none. */
  readonly maxTimestamp: number;
  /** {@linkcode NO_PRODUCER_ID} if the producer is not idempotent. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly count: number;
}

/** Reads the header; the batch has at least {@linkcode HEADER_BYTES} bytes. */
export function readHeader(batch: Buffer): BatchHeader {
  return {
    baseOffset: readInt64(batch, BASE_OFFSET_AT),
    sizeBytes: LENGTH_END + batch.readInt32BE(LENGTH_AT),
    leaderEpoch: batch.readInt32BE(LEADER_EPOCH_AT),
    magic: batch.readInt8(MAGIC_AT),
    attributes: batch.readInt16BE(ATTRIBUTES_AT),
    lastOffsetDelta: batch.readInt32BE(LAST_OFFSET_DELTA_AT),
    baseTimestamp: readInt64(batch, BASE_TIMESTAMP_AT),
    maxTimestamp: readInt64(batch, MAX_TIMESTAMP_AT),
    producerId: readInt64(batch, PRODUCER_ID_AT),
    producerEpoch: batch.readInt16BE(PRODUCER_EPOCH_AT),
    baseSequence: batch.readInt32BE(BASE_SEQUENCE_AT),
    count: batch.readInt32BE(COUNT_AT),
  };
}

/** Writes a header, and then the checksum: the records are already in place. */
export function writeHeader(batch: Buffer, header: Omit<BatchHeader, "sizeBytes">): void {
  writeInt64(batch, header.baseOffset, BASE_OFFSET_AT);
  batch.writeInt32BE(batch.length - LENGTH_END, LENGTH_AT);
  batch.writeInt32BE(header.leaderEpoch, LEADER_EPOCH_AT);
  batch.writeInt8(header.magic, MAGIC_AT);
  batch.writeInt16BE(header.attributes, ATTRIBUTES_AT);
  batch.writeInt32BE(header.lastOffsetDelta, LAST_OFFSET_DELTA_AT);
  writeInt64(batch, header.baseTimestamp, BASE_TIMESTAMP_AT);
  writeInt64(batch, header.maxTimestamp, MAX_TIMESTAMP_AT);
  writeInt64(batch, header.producerId, PRODUCER_ID_AT);
  batch.writeInt16BE(header.producerEpoch, PRODUCER_EPOCH_AT);
  batch.writeInt32BE(header.baseSequence, BASE_SEQUENCE_AT);
  batch.writeInt32BE(header.count, COUNT_AT);
  writeChecksum(batch);
}

/** The bytes of the batch that begins at a position, as its length says. */
export function sizeAt(bytes: Buffer, position: number): number {
  return LENGTH_END + bytes.readInt32BE(position + LENGTH_AT);
}

/** The format of the batch that begins at a position. */
export function magicAt(bytes: Buffer, position: number): number {
  return bytes.readInt8(position + MAGIC_AT);
}

/** Gives a batch its place in the log: neither field is under the checksum. */
export function place(batch: Buffer, baseOffset: number, leaderEpoch: number): void {
  writeInt64(batch, baseOffset, BASE_OFFSET_AT);
  batch.writeInt32BE(leaderEpoch, LEADER_EPOCH_AT);
}

/** Whether the checksum is right. */
export function isIntact(batch: Buffer): boolean {
  return batch.readUInt32BE(CRC_AT) === crc32c(batch.subarray(CHECKED_FROM));
}

/**
 * Says how new the records are, and corrects the checksum.
 *
 * @param batch The batch.
 * @param maxTimestamp The time of the newest record.
 * @param logAppendTime Whether this is the time of all records, whatever they say.
 */
export function setTime(batch: Buffer, maxTimestamp: number, logAppendTime: boolean): void {
  const attributes = batch.readInt16BE(ATTRIBUTES_AT) & ~LOG_APPEND_TIME;
  batch.writeInt16BE(attributes | (logAppendTime ? LOG_APPEND_TIME : 0), ATTRIBUTES_AT);
  writeInt64(batch, maxTimestamp, MAX_TIMESTAMP_AT);
  writeChecksum(batch);
}

/** The codec's number, 0 for none. */
export function compressionOf({ attributes }: BatchHeader): number {
  return attributes & COMPRESSION_MASK;
}

/** The attributes without a codec. */
export function withoutCompression(attributes: number): number {
  return attributes & ~COMPRESSION_MASK;
}

/** Whether all its records have the time at which the broker got them. */
export function isLogAppendTime({ attributes }: BatchHeader): boolean {
  return (attributes & LOG_APPEND_TIME) !== 0;
}

/** Whether it belongs to a transaction. */
export function isTransactional({ attributes }: BatchHeader): boolean {
  return (attributes & TRANSACTIONAL) !== 0;
}

/** Whether it ends a transaction, which only a broker may write. */
export function isControl({ attributes }: BatchHeader): boolean {
  return (attributes & CONTROL) !== 0;
}

function writeChecksum(batch: Buffer): void {
  batch.writeUInt32BE(crc32c(batch.subarray(CHECKED_FROM)), CRC_AT);
}

const TWO_32 = 2 ** 32;

/** Without BigInt, which costs an allocation; exact up to 2^53. */
function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * TWO_32 + bytes.readUInt32BE(at + 4);
}

function writeInt64(bytes: Buffer, value: number, at: number): void {
  bytes.writeInt32BE(Math.floor(value / TWO_32), at);
  bytes.writeUInt32BE(value - Math.floor(value / TWO_32) * TWO_32, at + 4);
}
