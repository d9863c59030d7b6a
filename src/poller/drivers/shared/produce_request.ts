/**
 * Produce requests and their answers.
 *
 * Source: Kafka protocol guide, Produce API, versions 3 (the first with record batches) to 7; what
 * comes later is of no use here.
 *
 *     Produce Request => transactional_id nullable_string, acks int16, timeout_ms int32, [topic_data]
 *       topic_data => name string, [partition_data]
 *         partition_data => index int32, records bytes
 *     Produce Response => [responses], throttle_time_ms int32
 *       responses => name string, [partition_responses]
 *         partition_responses => index int32, error_code int16, base_offset int64,
 *           log_append_time_ms int64, log_start_offset int64 (5+)
 */

import { Buffer } from "node:buffer";
import type { TopicPartition } from "../../../driver.ts";

/** The oldest version that carries record batches. */
export const OLDEST_PRODUCE_VERSION = 3;
/** The newest version this module knows. */
export const NEWEST_PRODUCE_VERSION = 7;

/** From this version on it is the client that has to wait (KIP-219). */
const CLIENT_THROTTLE_VERSION = 6;
const ALL_IN_SYNC_REPLICAS = -1;
const NO_TRANSACTION = -1;

/** A record batch, and where it goes. */
export interface PartitionBatch extends TopicPartition {
  /** The batch, as it will stand in the log. */
  batch: Uint8Array;
}

/** What has become of a batch. */
export interface PartitionAnswer extends TopicPartition {
  /** 0 if all in-sync replicas have it. */
  errorCode: number;
}

/** The answer to a produce request. */
export interface ProduceResponse {
  /** Milliseconds for which the broker wants no more requests on this connection. */
  clientSideThrottleTime: number;
  partitions: PartitionAnswer[];
}

/**
 * Writes the body of a request.
 *
 * @param batches At most one for each partition: brokers refuse more.
 * @param timeoutMs How long the broker may wait for the replicas.
 */
export function writeProduceRequest(
  batches: readonly PartitionBatch[],
  timeoutMs: number,
): Buffer {
  const byTopic = Map.groupBy(batches, ({ topic }) => topic);
  const parts: Uint8Array[] = [
    int16(NO_TRANSACTION),
    int16(ALL_IN_SYNC_REPLICAS),
    int32(timeoutMs),
    int32(byTopic.size),
  ];
  for (const [topic, list] of byTopic) {
    const name = Buffer.from(topic);
    parts.push(int16(name.length), name, int32(list.length));
    for (const { partition, batch } of list) {
      parts.push(int32(partition), int32(batch.length), batch);
    }
  }
  return Buffer.concat(parts);
}

/**
 * Reads the payload of an answer of this version.
 *
 * @throws {RangeError} If it ends too early.
 */
export function readProduceResponse(payload: Uint8Array, version: number): ProduceResponse {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const partitions: PartitionAnswer[] = [];
  let at = 0;
  const int16 = () => bytes.readInt16BE((at += 2) - 2);
  const int32 = () => bytes.readInt32BE((at += 4) - 4);
  for (let topics = int32(); topics > 0; topics--) {
    const length = int16();
    const topic = bytes.toString("utf8", at, at += length);
    for (let count = int32(); count > 0; count--) {
      partitions.push({ topic, partition: int32(), errorCode: int16() });
      at += 8 + 8 + (version >= 5 ? 8 : 0); // base offset, log append time, log start offset
    }
  }
  const throttle = int32();
  return { clientSideThrottleTime: version >= CLIENT_THROTTLE_VERSION ? throttle : 0, partitions };
}

function int16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value);
  return bytes;
}
