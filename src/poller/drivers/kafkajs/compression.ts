import { Buffer } from "node:buffer";
/** Undoes the compression of record batches, all four codecs of Kafka. */

import { lookupCodecByAttributes } from "./internals.ts";

const CODEC_MASK = 0x07;
const GZIP = 1;

/**
 * Decompresses the records of a batch.
 *
 * kafkajs itself has gzip alone and says "not implemented" to the others; the codecs of
 * `@platformatic/kafka`, which is here for its own driver, fill the gap. It is loaded when the first
 * such batch arrives.
 */
export async function decompress(attributes: number, bytes: Uint8Array): Promise<Uint8Array> {
  const codec = attributes & CODEC_MASK;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (codec === GZIP) return await lookupCodecByAttributes(attributes)!.decompress(buffer);
  const { compressionsAlgorithms } = await import("@platformatic/kafka");
  const found = Object.values(compressionsAlgorithms).find(({ bitmask }) => bitmask === codec);
  if (found === undefined) {
    throw new RangeError(`Cannot decompress a record batch of the unknown codec ${codec}`);
  }
  return found.decompressSync(buffer);
}
