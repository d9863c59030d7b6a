import { Buffer } from "node:buffer";

/** A record to write. */
export interface PlainRecord {
  key: Uint8Array | null;
  value: Uint8Array;
}

/** Everything up to and including the number of records. */
const HEADER_BYTES = 61;
/** The checksum covers what follows it. */
const CRC_AT = 17;
const CHECKED_FROM = 21;
/** Five varints of at most five bytes, the attributes and the number of headers. */
const RECORD_BYTES = 32;

/**
 * Writes a record batch as it stands in Kafka's log (magic 2, uncompressed, no producer id).
 *
 * Clients make several objects per record on the way to these bytes; tests that need a million
 * records would wait for that.
 *
 * @param records The records, at least one.
 * @returns The batch.
 */
export function encodeRecordBatch(records: PlainRecord[]): Buffer {
  const room = records.reduce(
    (sum, { key, value }) => sum + RECORD_BYTES + (key?.length ?? 0) + value.length,
    HEADER_BYTES,
  );
  const batch = Buffer.allocUnsafe(room);
  let at = HEADER_BYTES;

  const varint = (value: number): void => {
    // Zigzag: small negative numbers stay short too.
    let rest = (value << 1) ^ (value >> 31);
    while ((rest & ~0x7f) !== 0) {
      batch[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    batch[at++] = rest;
  };

  records.forEach(({ key, value }, offsetDelta) => {
    varint(
      3 + varintBytes(offsetDelta) + varintBytes(key?.length ?? -1) + (key?.length ?? 0) +
        varintBytes(value.length) + value.length,
    );
    batch[at++] = 0; // attributes
    batch[at++] = 0; // timestamp delta
    varint(offsetDelta);
    varint(key?.length ?? -1);
    if (key) {
      batch.set(key, at);
      at += key.length;
    }
    varint(value.length);
    batch.set(value, at);
    at += value.length;
    batch[at++] = 0; // headers
  });

  const now = BigInt(Date.now());
  batch.writeBigInt64BE(0n, 0); // base offset: the broker's business
  batch.writeInt32BE(at - 12, 8); // length of what follows
  batch.writeInt32BE(-1, 12); // partition leader epoch
  batch.writeInt8(2, 16); // magic
  batch.writeInt16BE(0, 21); // attributes
  batch.writeInt32BE(records.length - 1, 23); // last offset delta
  batch.writeBigInt64BE(now, 27); // base timestamp
  batch.writeBigInt64BE(now, 35); // max timestamp
  batch.writeBigInt64BE(-1n, 43); // producer id
  batch.writeInt16BE(-1, 51); // producer epoch
  batch.writeInt32BE(-1, 53); // base sequence
  batch.writeInt32BE(records.length, 57);
  batch.writeUInt32BE(crc32c(batch, CHECKED_FROM, at), CRC_AT);
  return batch.subarray(0, at);
}

function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  return Math.max(1, Math.ceil((32 - Math.clz32(zigzag)) / 7));
}

/** The Castagnoli polynomial, bits reversed. */
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

function crc32c(bytes: Uint8Array, from: number, to: number): number {
  let crc = -1;
  for (let at = from; at < to; at++) crc = CRC_TABLE[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}
