import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { array, field, int16, int32, string, struct } from "../codec.ts";

/*
 * OffsetDeleteRequest (0) => group_id [topics]
 *   topics => name [partitions]
 *     partitions => partition_index
 * OffsetDeleteResponse (0) => error_code throttle_time_ms [topics]
 *   topics => name [partitions]
 *     partitions => partition_index error_code
 * Source: https://kafka.apache.org/protocol#The_Messages_OffsetDelete;
 * KIP-496.
 */

const offsetDeleteRequestPartition = struct({
  partitionIndex: int32,
});

const offsetDeleteRequestTopic = struct({
  name: string,
  partitions: array(offsetDeleteRequestPartition),
});

const request = struct({
  groupId: string,
  topics: array(offsetDeleteRequestTopic),
});

const offsetDeleteResponsePartition = struct({
  partitionIndex: int32,
  errorCode: int16,
});

const offsetDeleteResponseTopic = struct({
  name: string,
  partitions: array(offsetDeleteResponsePartition),
});

const response = struct({
  errorCode: int16,
  throttleTimeMs: field(int32, { absent: 0 }),
  topics: array(offsetDeleteResponseTopic),
});

/** API 47: committed offsets of a group are deleted. */
export const offsetDelete = defineApi({
  key: 47,
  name: "OffsetDelete",
  minVersion: 0,
  maxVersion: 0,
  flexibleSince: Infinity,
  request,
  response,
  failure: ({ topics }, errorCode) => ({
    errorCode,
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }),
});

/** The request of OffsetDelete. */
export type OffsetDeleteRequest = RequestOf<typeof offsetDelete>;
/** The response of OffsetDelete, as it is given to be written. */
export type OffsetDeleteResponse = ResponseOf<typeof offsetDelete>;
