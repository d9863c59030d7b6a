import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import {
  array,
  field,
  int16,
  int32,
  int64,
  int8,
  nullableArray,
  nullableString,
  orNull,
  pieces,
  string,
  struct,
  uuid,
  ZERO_UUID,
} from "../codec.ts";

/*
 * FetchRequest (4-17) => cluster_id[12+]<tag 0> replica_id[-14] replica_state[15+]<tag 1>
 *     max_wait_ms min_bytes max_bytes isolation_level session_id[7+] session_epoch[7+] [topics]
 *     [forgotten_topics_data][7+] rack_id[11+]
 *   replica_state => replica_id replica_epoch
 *   topics => topic[-12] topic_id[13+] [partitions]
 *     partitions => partition current_leader_epoch[9+] fetch_offset last_fetched_epoch[12+]
 *         log_start_offset[5+] partition_max_bytes replica_directory_id[17+]<tag 0>
 *   forgotten_topics_data => topic[-12] topic_id[13+] [partitions]
 * FetchResponse (4-17) => throttle_time_ms error_code[7+] session_id[7+] [responses]
 *     [node_endpoints][16+]<tag 0>
 *   responses => topic[-12] topic_id[13+] [partitions]
 *     partitions => partition_index error_code high_watermark last_stable_offset
 *         log_start_offset[5+] diverging_epoch[12+]<tag 0> current_leader[12+]<tag 1>
 *         snapshot_id[12+]<tag 2> [aborted_transactions] preferred_read_replica[11+] records
 *       diverging_epoch => epoch end_offset
 *       current_leader => leader_id leader_epoch
 *       snapshot_id => end_offset epoch
 *       aborted_transactions => producer_id first_offset
 *   node_endpoints => node_id host port rack
 * Source: https://kafka.apache.org/protocol#The_Messages_Fetch;
 * KIP-227 (sessions), KIP-320 (epochs), KIP-392 (racks), KIP-516 (topic ids), KIP-951 (leaders).
 */

const replicaState = struct({
  replicaId: field(int32, { absent: -1 }),
  replicaEpoch: field(int64, { absent: -1 }),
});

const fetchPartition = struct({
  partition: int32,
  currentLeaderEpoch: field(int32, { since: 9, absent: -1 }),
  fetchOffset: int64,
  lastFetchedEpoch: field(int32, { since: 12, absent: -1 }),
  logStartOffset: field(int64, { since: 5, absent: -1 }),
  partitionMaxBytes: int32,
  replicaDirectoryId: field(uuid, { since: 17, tag: 0, absent: ZERO_UUID }),
});

const fetchTopic = struct({
  topic: field(string, { until: 12, absent: "" }),
  topicId: field(uuid, { since: 13, absent: ZERO_UUID }),
  partitions: array(fetchPartition),
});

const forgottenTopic = struct({
  topic: field(string, { until: 12, absent: "" }),
  topicId: field(uuid, { since: 13, absent: ZERO_UUID }),
  partitions: array(int32),
});

const request = struct({
  clusterId: field(nullableString, { since: 12, tag: 0, absent: null }),
  replicaId: field(int32, { until: 14, absent: -1 }),
  replicaState: field(orNull(replicaState), { since: 15, tag: 1, absent: null }),
  maxWaitMs: int32,
  minBytes: int32,
  maxBytes: field(int32, { absent: 0x7fffffff }),
  isolationLevel: field(int8, { absent: 0 }),
  sessionId: field(int32, { since: 7, absent: 0 }),
  sessionEpoch: field(int32, { since: 7, absent: -1 }),
  topics: array(fetchTopic),
  forgottenTopicsData: field(array(forgottenTopic), { since: 7, absent: [] }),
  rackId: field(string, { since: 11, absent: "" }),
});

const epochEndOffset = struct({
  epoch: field(int32, { absent: -1 }),
  endOffset: field(int64, { absent: -1 }),
});

const leaderIdAndEpoch = struct({
  leaderId: field(int32, { absent: -1 }),
  leaderEpoch: field(int32, { absent: -1 }),
});

const snapshotId = struct({
  endOffset: field(int64, { absent: -1 }),
  epoch: field(int32, { absent: -1 }),
});

const abortedTransaction = struct({
  producerId: int64,
  firstOffset: int64,
});

const partitionData = struct({
  partitionIndex: int32,
  errorCode: int16,
  highWatermark: int64,
  lastStableOffset: field(int64, { absent: -1 }),
  logStartOffset: field(int64, { since: 5, absent: -1 }),
  divergingEpoch: field(orNull(epochEndOffset), { since: 12, tag: 0, absent: null }),
  currentLeader: field(orNull(leaderIdAndEpoch), { since: 12, tag: 1, absent: null }),
  snapshotId: field(orNull(snapshotId), { since: 12, tag: 2, absent: null }),
  abortedTransactions: nullableArray(abortedTransaction),
  preferredReadReplica: field(int32, { since: 11, absent: -1 }),
  records: pieces,
});

const fetchableTopicResponse = struct({
  topic: field(string, { until: 12, absent: "" }),
  topicId: field(uuid, { since: 13, absent: ZERO_UUID }),
  partitions: array(partitionData),
});

const nodeEndpoint = struct({
  nodeId: int32,
  host: string,
  port: int32,
  rack: field(nullableString, { absent: null }),
});

const response = struct({
  throttleTimeMs: field(int32, { absent: 0 }),
  errorCode: field(int16, { since: 7, absent: 0 }),
  sessionId: field(int32, { since: 7, absent: 0 }),
  responses: array(fetchableTopicResponse),
  nodeEndpoints: field(array(nodeEndpoint), { since: 16, tag: 0, absent: [] }),
});

/** API 1: a consumer reads batches of records. */
export const fetch = defineApi({
  key: 1,
  name: "Fetch",
  minVersion: 4,
  maxVersion: 17,
  flexibleSince: 12,
  request,
  response,
  failure: ({ topics }, errorCode) => ({
    errorCode,
    responses: topics.map(({ topic, topicId, partitions }) => ({
      topic,
      topicId,
      partitions: partitions.map(({ partition }) => ({
        partitionIndex: partition,
        errorCode,
        highWatermark: -1,
        abortedTransactions: null,
        records: [],
      })),
    })),
  }),
});

/** The request of Fetch. */
export type FetchRequest = RequestOf<typeof fetch>;
/** The response of Fetch, as it is given to be written. */
export type FetchResponse = ResponseOf<typeof fetch>;
