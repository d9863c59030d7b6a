import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import {
  array,
  bool,
  field,
  int16,
  int32,
  nullableArray,
  nullableString,
  string,
  struct,
} from "../codec.ts";

/*
 * CreatePartitionsRequest (0-3) => [topics] timeout_ms validate_only
 *   topics => name count [assignments]
 *     assignments => [broker_ids]
 * CreatePartitionsResponse (0-3) => throttle_time_ms [results]
 *   results => name error_code error_message
 * Source: https://kafka.apache.org/protocol#The_Messages_CreatePartitions;
 * KIP-195.
 */

const createPartitionsAssignment = struct({
  brokerIds: array(int32),
});

const createPartitionsTopic = struct({
  name: string,
  count: int32,
  assignments: nullableArray(createPartitionsAssignment),
});

const request = struct({
  topics: array(createPartitionsTopic),
  timeoutMs: int32,
  validateOnly: bool,
});

const createPartitionsTopicResult = struct({
  name: string,
  errorCode: int16,
  errorMessage: field(nullableString, { absent: null }),
});

const response = struct({
  throttleTimeMs: field(int32, { absent: 0 }),
  results: array(createPartitionsTopicResult),
});

/** API 37: a topic gets more partitions. */
export const createPartitions = defineApi({
  key: 37,
  name: "CreatePartitions",
  minVersion: 0,
  maxVersion: 3,
  flexibleSince: 2,
  request,
  response,
  failure: ({ topics }, errorCode) => ({
    results: topics.map(({ name }) => ({ name, errorCode })),
  }),
});

/** The request of CreatePartitions. */
export type CreatePartitionsRequest = RequestOf<typeof createPartitions>;
/** The response of CreatePartitions, as it is given to be written. */
export type CreatePartitionsResponse = ResponseOf<typeof createPartitions>;
