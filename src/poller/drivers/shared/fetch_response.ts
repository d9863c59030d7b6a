/**
 * Reads a fetch response without touching its records.
 *
 * Source: Kafka protocol guide, Fetch API, response versions 4 to 11. What each version added is said
 * where it is read.
 *
 *     Fetch Response => throttle_time_ms int32, error_code int16 (7+), session_id int32 (7+),
 *       [responses] => topic string, [partitions]
 *         partitions => partition_index int32, error_code int16, high_watermark int64,
 *           last_stable_offset int64, log_start_offset int64 (5+), [aborted_transactions],
 *           preferred_read_replica int32 (11+), records
 *         aborted_transactions => producer_id int64, first_offset int64
 */

import { type AbortedTransaction, readInt64 } from "./record_batches.ts";

/** The oldest version that carries record batches. */
export const OLDEST_FETCH_VERSION = 4;

/** One partition of a fetch response. */
export interface FetchedPartition {
  topic: string;
  partition: number;
  errorCode: number;
  highWatermark: number;
  /** Offset of the first message whose transaction is open, or the high watermark; -1: not told. */
  lastStableOffset: number;
  aborted: AbortedTransaction[];
  /** Broker to read from instead, or -1. */
  preferredReadReplica: number;
  /** Record batches, undecoded. */
  records: Uint8Array;
}

/** A fetch response. */
export interface FetchResponse {
  /** Milliseconds for which the broker wants no more requests on this connection (KIP-219). */
  clientSideThrottleTime: number;
  errorCode: number;
  partitions: FetchedPartition[];
}

/**
 * The offset up to which a partition can be read, as Kafka's own clients have it: what lies behind an
 * open transaction is no lag of who reads what is committed, and does not come however long they wait.
 *
 * @param fetched What the broker has told.
 * @param isolationLevel 0: read uncommitted, 1: read committed.
 * @returns The offset.
 */
export function readableEnd(
  { highWatermark, lastStableOffset }: Pick<FetchedPartition, "highWatermark" | "lastStableOffset">,
  isolationLevel: number,
): number {
  return isolationLevel === 0 || lastStableOffset < 0 ? highWatermark : lastStableOffset;
}

const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder();

/**
 * Reads the payload of a fetch response of this version.
 *
 * @throws {RangeError} If it ends too early.
 */
export function readFetchResponse(payload: Uint8Array, version: number): FetchResponse {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  let at = 0;
  const int16 = () => view.getInt16((at += 2) - 2);
  const int32 = () => view.getInt32((at += 4) - 4);
  const int64 = () => readInt64(view, (at += 8) - 8);
  const take = (length: number) => {
    if (length < 0 || at + length > payload.length) {
      throw new RangeError(
        `Cannot read a fetch response: ${length} bytes at ${at} of ${payload.length} are not in it`,
      );
    }
    return payload.subarray(at, at += length);
  };
  const each = (read: () => void) => {
    for (let count = int32(); count > 0; count--) read();
  };

  const throttle = int32();
  const errorCode = version >= 7 ? int16() : 0;
  if (version >= 7) int32(); // session id: each fetch is a full one
  const partitions: FetchedPartition[] = [];
  each(() => {
    const topic = decoder.decode(take(int16()));
    each(() => {
      const partition = int32();
      const partitionError = int16();
      const highWatermark = int64();
      const lastStableOffset = int64();
      if (version >= 5) int64(); // log start offset
      const aborted: AbortedTransaction[] = [];
      each(() => {
        const producerId = view.getBigInt64((at += 8) - 8);
        aborted.push({ producerId, firstOffset: int64() });
      });
      const preferredReadReplica = version >= 11 ? int32() : -1;
      const size = int32();
      const records = size > 0 ? take(size) : NOTHING;
      partitions.push({
        topic,
        partition,
        errorCode: partitionError,
        highWatermark,
        lastStableOffset,
        aborted,
        preferredReadReplica,
        records,
      });
    });
  });
  // Before version 8 the broker itself held the answer back for that long.
  return { clientSideThrottleTime: version >= 8 ? throttle : 0, errorCode, partitions };
}
