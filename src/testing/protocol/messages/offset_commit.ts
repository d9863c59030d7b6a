import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { array, field, int16, int32, int64, nullableString, string, struct } from "../codec.ts";

/*
 * OffsetCommitRequest (2-9) => group_id generation_id_or_member_epoch member_id
 *     group_instance_id[7+] retention_time_ms[-4] [topics]
 *   topics => name [partitions]
 *     partitions => partition_index committed_offset committed_leader_epoch[6+]
 *         committed_metadata
 * OffsetCommitResponse (2-9) => throttle_time_ms[3+] [topics]
 *   topics => name [partitions]
 *     partitions => partition_index error_code
 * Source: https://kafka.apache.org/protocol#The_Messages_OffsetCommit;
 * KIP-320 (epochs), KIP-345 (static membership), KIP-848 (member epochs).
 */

const offsetCommitRequestPartition = struct({
  partitionIndex: int32,
  committedOffset: int64,
  committedLeaderEpoch: field(int32, { since: 6, absent: -1 }),
  committedMetadata: nullableString,
});

const offsetCommitRequestTopic = struct({
  name: string,
  partitions: array(offsetCommitRequestPartition),
});

const request = struct({
  groupId: string,
  generationIdOrMemberEpoch: field(int32, { absent: -1 }),
  memberId: string,
  groupInstanceId: field(nullableString, { since: 7, absent: null }),
  retentionTimeMs: field(int64, { until: 4, absent: -1 }),
  topics: array(offsetCommitRequestTopic),
});

const offsetCommitResponsePartition = struct({
  partitionIndex: int32,
  errorCode: int16,
});

const offsetCommitResponseTopic = struct({
  name: string,
  partitions: array(offsetCommitResponsePartition),
});

const response = struct({
  throttleTimeMs: field(int32, { since: 3, absent: 0 }),
  topics: array(offsetCommitResponseTopic),
});

/** API 8: a member commits how far its group has come. */
export const offsetCommit = defineApi({
  key: 8,
  name: "OffsetCommit",
  minVersion: 2,
  maxVersion: 9,
  flexibleSince: 8,
  request,
  response,
  failure: ({ topics }, errorCode) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }),
});

/** The request of OffsetCommit. */
export type OffsetCommitRequest = RequestOf<typeof offsetCommit>;
/** The response of OffsetCommit, as it is given to be written. */
export type OffsetCommitResponse = ResponseOf<typeof offsetCommit>;
