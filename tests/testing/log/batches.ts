import { Buffer } from "node:buffer";
import { jsCRC32C } from "@platformatic/kafka";
import {
  encodeBatch,
  type EncodeBatchOptions,
  type NewRecord,
} from "../../../src/testing/log/encode_batch.ts";

/** The time in tests. */
export const NOW = 1_700_000_000_000;

/** A batch of these records, at {@linkcode NOW} unless told otherwise. */
export function batchOf(
  records: readonly NewRecord[],
  options: Partial<EncodeBatchOptions> = {},
): Buffer {
  return encodeBatch(records, { timestamp: NOW, ...options });
}

/** Changes a batch and makes its checksum right again, by another implementation than the log's. */
export function forge(batch: Buffer, change: (batch: Buffer) => void): Buffer {
  const forged = Buffer.from(batch);
  change(forged);
  forged.writeUInt32BE(jsCRC32C(forged.subarray(21)), 17);
  return forged;
}
