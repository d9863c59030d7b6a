/** Kafka's compression codecs, by the number that stands in a batch's attributes. */

import type { Buffer } from "node:buffer";
import { compressionsAlgorithms } from "@platformatic/kafka";

/** The name of a codec. */
export type Compression = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** The highest number that is a codec. */
export const LAST_COMPRESSION = 4;
/** The codec that not all versions of the protocol know (KIP-110). */
export const ZSTD = 4;

/** The number of a codec. */
export function compressionNumber(compression: Compression): number {
  return compressionsAlgorithms[compression].bitmask;
}

/**
 * Compresses the records of a batch.
 *
 * @throws {RangeError} If there is no such codec.
 */
export function compress(codec: number, records: Buffer): Buffer {
  return codec === 0 ? records : algorithm(codec).compressSync(records);
}

/**
 * Undoes {@linkcode compress}.
 *
 * @throws {Error} If the bytes are not of that codec, or there is no such codec.
 */
export function decompress(codec: number, records: Buffer): Buffer {
  return codec === 0 ? records : algorithm(codec).decompressSync(records);
}

function algorithm(codec: number) {
  const found = Object.values(compressionsAlgorithms).find(({ bitmask }) => bitmask === codec);
  if (found === undefined) throw new RangeError(`Cannot find the compression codec ${codec}`);
  return found;
}
