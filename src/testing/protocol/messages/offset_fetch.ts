import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import {
  array,
  bool,
  field,
  int16,
  int32,
  int64,
  nullableArray,
  nullableSince,
  nullableString,
  type Output,
  string,
  struct,
} from "../codec.ts";

/*
 * OffsetFetchRequest (1-9) => group_id[-7] [topics][-7] [groups][8+] require_stable[7+]
 *   topics => name [partition_indexes]
 *   groups => group_id member_id[9+] member_epoch[9+] [topics]
 *     topics => name [partition_indexes]
 * OffsetFetchResponse (1-9) => throttle_time_ms[3+] [topics][-7] error_code[2-7] [groups][8+]
 *   topics => name [partitions]
 *     partitions => partition_index committed_offset committed_leader_epoch[5+] metadata
 *         error_code
 *   groups => group_id [topics] error_code
 *     topics => name [partitions]
 *       partitions => partition_index committed_offset committed_leader_epoch metadata
 *           error_code
 * Source: https://kafka.apache.org/protocol#The_Messages_OffsetFetch;
 * KIP-447 (stable offsets), KIP-709 (several groups), KIP-848 (members).
 */

const requestTopic = struct({
  name: string,
  partitionIndexes: array(int32),
});

const requestGroup = struct({
  groupId: string,
  memberId: field(nullableString, { since: 9, absent: null }),
  memberEpoch: field(int32, { since: 9, absent: -1 }),
  topics: nullableArray(requestTopic),
});

// Null asks for all topics.
const request = struct({
  groupId: field(string, { until: 7, absent: "" }),
  topics: field(nullableSince(2, nullableArray(requestTopic), []), { until: 7, absent: [] }),
  groups: field(array(requestGroup), { since: 8, absent: [] }),
  requireStable: field(bool, { since: 7, absent: false }),
});

const responsePartition = struct({
  partitionIndex: int32,
  committedOffset: int64,
  committedLeaderEpoch: field(int32, { since: 5, absent: -1 }),
  metadata: nullableString,
  errorCode: int16,
});

const responseTopic = struct({
  name: string,
  partitions: array(responsePartition),
});

const responseGroup = struct({
  groupId: string,
  topics: array(responseTopic),
  errorCode: field(int16, { absent: 0 }),
});

const response = struct({
  throttleTimeMs: field(int32, { since: 3, absent: 0 }),
  topics: field(array(responseTopic), { until: 7, absent: [] }),
  errorCode: field(int16, { since: 2, until: 7, absent: 0 }),
  groups: field(array(responseGroup), { since: 8, absent: [] }),
});

function failed(topics: readonly Output<typeof requestTopic>[] | null, errorCode: number) {
  return (topics ?? []).map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: -1,
      metadata: "",
      errorCode,
    })),
  }));
}

/** API 9: how far a group has come. */
export const offsetFetch = defineApi({
  key: 9,
  name: "OffsetFetch",
  minVersion: 1,
  maxVersion: 9,
  flexibleSince: 6,
  request,
  response,
  failure: ({ topics, groups }, errorCode) => ({
    topics: failed(topics, errorCode),
    errorCode,
    groups: groups.map(({ groupId, topics }) => ({
      groupId,
      topics: failed(topics, errorCode),
      errorCode,
    })),
  }),
});

/** The request of OffsetFetch. */
export type OffsetFetchRequest = RequestOf<typeof offsetFetch>;
/** The response of OffsetFetch, as it is given to be written. */
export type OffsetFetchResponse = ResponseOf<typeof offsetFetch>;
