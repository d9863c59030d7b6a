import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import {
  array,
  bool,
  field,
  int16,
  int32,
  nullableArray,
  nullableSince,
  nullableString,
  string,
  struct,
  uuid,
  ZERO_UUID,
} from "../codec.ts";

/*
 * MetadataRequest (0-13) => [topics] allow_auto_topic_creation[4+]
 *     include_cluster_authorized_operations[8-10] include_topic_authorized_operations[8+]
 *   topics => topic_id[10+] name
 * MetadataResponse (0-13) => throttle_time_ms[3+] [brokers] cluster_id[2+] controller_id[1+]
 *     [topics] cluster_authorized_operations[8-10] error_code[13+]
 *   brokers => node_id host port rack[1+]
 *   topics => error_code name topic_id[10+] is_internal[1+] [partitions]
 *       topic_authorized_operations[8+]
 *     partitions => error_code partition_index leader_id leader_epoch[7+] [replica_nodes]
 *         [isr_nodes] [offline_replicas][5+]
 * Source: https://kafka.apache.org/protocol#The_Messages_Metadata;
 * KIP-516 (topic ids), KIP-1102 (an error of its own).
 */

const metadataRequestTopic = struct({
  topicId: field(uuid, { since: 10, absent: ZERO_UUID }),
  name: nullableSince(10, nullableString, ""),
});

const request = struct({
  topics: nullableSince(1, nullableArray(metadataRequestTopic), []),
  allowAutoTopicCreation: field(bool, { since: 4, absent: true }),
  includeClusterAuthorizedOperations: field(bool, { since: 8, until: 10, absent: false }),
  includeTopicAuthorizedOperations: field(bool, { since: 8, absent: false }),
});

const metadataResponseBroker = struct({
  nodeId: int32,
  host: string,
  port: int32,
  rack: field(nullableString, { since: 1, absent: null }),
});

const metadataResponsePartition = struct({
  errorCode: int16,
  partitionIndex: int32,
  leaderId: int32,
  leaderEpoch: field(int32, { since: 7, absent: -1 }),
  replicaNodes: array(int32),
  isrNodes: array(int32),
  offlineReplicas: field(array(int32), { since: 5, absent: [] }),
});

const metadataResponseTopic = struct({
  errorCode: int16,
  name: nullableSince(12, nullableString, ""),
  topicId: field(uuid, { since: 10, absent: ZERO_UUID }),
  isInternal: field(bool, { since: 1, absent: false }),
  partitions: array(metadataResponsePartition),
  topicAuthorizedOperations: field(int32, { since: 8, absent: -2147483648 }),
});

const response = struct({
  throttleTimeMs: field(int32, { since: 3, absent: 0 }),
  brokers: array(metadataResponseBroker),
  clusterId: field(nullableString, { since: 2, absent: null }),
  controllerId: field(int32, { since: 1, absent: -1 }),
  topics: array(metadataResponseTopic),
  clusterAuthorizedOperations: field(int32, { since: 8, until: 10, absent: -2147483648 }),
  errorCode: field(int16, { since: 13, absent: 0 }),
});

/** API 3: the brokers, and the topics with their leaders. */
export const metadata = defineApi({
  key: 3,
  name: "Metadata",
  minVersion: 0,
  maxVersion: 13,
  flexibleSince: 9,
  request,
  response,
  failure: ({ topics }, errorCode) => ({
    brokers: [],
    topics: (topics ?? []).map(({ name, topicId }) => ({
      errorCode,
      name,
      topicId,
      partitions: [],
    })),
    errorCode,
  }),
});

/** The request of Metadata. */
export type MetadataRequest = RequestOf<typeof metadata>;
/** The response of Metadata, as it is given to be written. */
export type MetadataResponse = ResponseOf<typeof metadata>;
