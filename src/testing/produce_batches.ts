import { Buffer } from "node:buffer";
import type { NewRecord } from "./log/encode_batch.ts";

/** As many bytes as a batch of a producer that is in a hurry has. */
const BATCH_BYTES = 65_536;
/** What a batch has beside its records. */
const HEADER_BYTES = 61;
/** What a record, and each of its headers, has at most beside its bytes: lengths, times, offsets. */
const OVERHEAD_BYTES = 32;

/**
 * Cuts items into batches.
 *
 * @typeParam T What is cut.
 * @param items The items, in order.
 * @param bytesOf How many bytes one has.
 * @param maxBytes How many bytes a batch may have, unless a single item has more.
 * @returns The batches, in order.
 */
export function inBatches<T>(
  items: readonly T[],
  bytesOf: (item: T) => number,
  maxBytes: number,
): T[][] {
  const limit = Math.min(BATCH_BYTES, maxBytes) - HEADER_BYTES;
  const batches: T[][] = [];
  let bytes = Infinity;
  for (const item of items) {
    const size = bytesOf(item);
    if (bytes + size > limit) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)!.push(item);
    bytes += size;
  }
  return batches;
}

/**
 * How many bytes a message has in a batch that is not compressed, at most.
 *
 * @param message The message.
 * @returns The bytes.
 */
export function sizeOf({ key, value, headers = [] }: NewRecord): number {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  return pairs.reduce(
    (sum, [name, value]) => sum + OVERHEAD_BYTES + bytesOf(name) + bytesOf(value),
    OVERHEAD_BYTES + bytesOf(key) + bytesOf(value),
  );
}

function bytesOf(value: string | Uint8Array | null | undefined): number {
  return typeof value === "string" ? Buffer.byteLength(value) : value?.length ?? 0;
}
