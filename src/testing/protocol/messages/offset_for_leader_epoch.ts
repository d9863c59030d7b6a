import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { array, field, int16, int32, int64, string, struct } from "../codec.ts";

/*
 * OffsetForLeaderEpochRequest (2-4) => replica_id[3+] [topics]
 *   topics => topic [partitions]
 *     partitions => partition current_leader_epoch leader_epoch
 * OffsetForLeaderEpochResponse (2-4) => throttle_time_ms [topics]
 *   topics => topic [partitions]
 *     partitions => error_code partition leader_epoch end_offset
 * Source: https://kafka.apache.org/protocol#The_Messages_OffsetForLeaderEpoch;
 * KIP-101, KIP-320.
 */

const offsetForLeaderPartition = struct({
  partition: int32,
  currentLeaderEpoch: field(int32, { absent: -1 }),
  leaderEpoch: int32,
});

const offsetForLeaderTopic = struct({
  topic: string,
  partitions: array(offsetForLeaderPartition),
});

const request = struct({
  replicaId: field(int32, { since: 3, absent: -2 }),
  topics: array(offsetForLeaderTopic),
});

const epochEndOffset = struct({
  errorCode: int16,
  partition: int32,
  leaderEpoch: field(int32, { absent: -1 }),
  endOffset: field(int64, { absent: -1 }),
});

const offsetForLeaderTopicResult = struct({
  topic: string,
  partitions: array(epochEndOffset),
});

const response = struct({
  throttleTimeMs: field(int32, { absent: 0 }),
  topics: array(offsetForLeaderTopicResult),
});

/** API 23: where a leader's epoch ended, so that a consumer sees a cut log. */
export const offsetForLeaderEpoch = defineApi({
  key: 23,
  name: "OffsetForLeaderEpoch",
  minVersion: 2,
  maxVersion: 4,
  flexibleSince: 4,
  request,
  response,
  failure: ({ topics }, errorCode) => ({
    topics: topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => ({ errorCode, partition })),
    })),
  }),
});

/** The request of OffsetForLeaderEpoch. */
export type OffsetForLeaderEpochRequest = RequestOf<typeof offsetForLeaderEpoch>;
/** The response of OffsetForLeaderEpoch, as it is given to be written. */
export type OffsetForLeaderEpochResponse = ResponseOf<typeof offsetForLeaderEpoch>;
