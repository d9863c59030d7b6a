import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { array, field, int16, int32, int64, int8, string, struct } from "../codec.ts";

/*
 * ListOffsetsRequest (1-10) => replica_id isolation_level[2+] [topics] timeout_ms[10+]
 *   topics => name [partitions]
 *     partitions => partition_index current_leader_epoch[4+] timestamp
 * ListOffsetsResponse (1-10) => throttle_time_ms[2+] [topics]
 *   topics => name [partitions]
 *     partitions => partition_index error_code timestamp offset leader_epoch[4+]
 * Source: https://kafka.apache.org/protocol#The_Messages_ListOffsets;
 * KIP-79 (one offset a time), KIP-320 (epochs), KIP-734 (latest time), KIP-1075 (timeout).
 */

const listOffsetsPartition = struct({
  partitionIndex: int32,
  currentLeaderEpoch: field(int32, { since: 4, absent: -1 }),
  timestamp: int64,
});

const listOffsetsTopic = struct({
  name: string,
  partitions: array(listOffsetsPartition),
});

const request = struct({
  replicaId: int32,
  isolationLevel: field(int8, { since: 2, absent: 0 }),
  topics: array(listOffsetsTopic),
  timeoutMs: field(int32, { since: 10, absent: 0 }),
});

const listOffsetsPartitionResponse = struct({
  partitionIndex: int32,
  errorCode: int16,
  timestamp: field(int64, { absent: -1 }),
  offset: field(int64, { absent: -1 }),
  leaderEpoch: field(int32, { since: 4, absent: -1 }),
});

const listOffsetsTopicResponse = struct({
  name: string,
  partitions: array(listOffsetsPartitionResponse),
});

const response = struct({
  throttleTimeMs: field(int32, { since: 2, absent: 0 }),
  topics: array(listOffsetsTopicResponse),
});

/** API 2: the offset of a time, or of the beginning or the end, of a partition. */
export const listOffsets = defineApi({
  key: 2,
  name: "ListOffsets",
  minVersion: 1,
  maxVersion: 10,
  flexibleSince: 6,
  request,
  response,
  failure: ({ topics }, errorCode) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }),
});

/** The request of ListOffsets. */
export type ListOffsetsRequest = RequestOf<typeof listOffsets>;
/** The response of ListOffsets, as it is given to be written. */
export type ListOffsetsResponse = ResponseOf<typeof listOffsets>;
