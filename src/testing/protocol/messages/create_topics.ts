import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import {
  array,
  bool,
  field,
  int16,
  int32,
  int8,
  nullableArray,
  nullableString,
  string,
  struct,
  uuid,
  ZERO_UUID,
} from "../codec.ts";

/*
 * CreateTopicsRequest (2-7) => [topics] timeout_ms validate_only
 *   topics => name num_partitions replication_factor [assignments] [configs]
 *     assignments => partition_index [broker_ids]
 *     configs => name value
 * CreateTopicsResponse (2-7) => throttle_time_ms [topics]
 *   topics => name topic_id[7+] error_code error_message topic_config_error_code[5+]<tag 0>
 *       num_partitions[5+] replication_factor[5+] [configs][5+]
 *     configs => name value read_only config_source is_sensitive
 * Source: https://kafka.apache.org/protocol#The_Messages_CreateTopics;
 * KIP-464 (defaults), KIP-525 (configuration in the response), KIP-516 (topic ids).
 */

const creatableReplicaAssignment = struct({
  partitionIndex: int32,
  brokerIds: array(int32),
});

const creatableTopicConfig = struct({
  name: string,
  value: nullableString,
});

const creatableTopic = struct({
  name: string,
  numPartitions: int32,
  replicationFactor: int16,
  assignments: array(creatableReplicaAssignment),
  configs: array(creatableTopicConfig),
});

const request = struct({
  topics: array(creatableTopic),
  timeoutMs: field(int32, { absent: 60000 }),
  validateOnly: field(bool, { absent: false }),
});

const creatableTopicConfigs = struct({
  name: string,
  value: nullableString,
  readOnly: bool,
  configSource: field(int8, { absent: -1 }),
  isSensitive: bool,
});

const creatableTopicResult = struct({
  name: string,
  topicId: field(uuid, { since: 7, absent: ZERO_UUID }),
  errorCode: int16,
  errorMessage: field(nullableString, { absent: null }),
  topicConfigErrorCode: field(int16, { since: 5, tag: 0, absent: 0 }),
  numPartitions: field(int32, { since: 5, absent: -1 }),
  replicationFactor: field(int16, { since: 5, absent: -1 }),
  configs: field(nullableArray(creatableTopicConfigs), { since: 5, absent: [] }),
});

const response = struct({
  throttleTimeMs: field(int32, { absent: 0 }),
  topics: array(creatableTopicResult),
});

/** API 19: topics are created. */
export const createTopics = defineApi({
  key: 19,
  name: "CreateTopics",
  minVersion: 2,
  maxVersion: 7,
  flexibleSince: 5,
  request,
  response,
  failure: ({ topics }, errorCode) => ({ topics: topics.map(({ name }) => ({ name, errorCode })) }),
});

/** The request of CreateTopics. */
export type CreateTopicsRequest = RequestOf<typeof createTopics>;
/** The response of CreateTopics, as it is given to be written. */
export type CreateTopicsResponse = ResponseOf<typeof createTopics>;
