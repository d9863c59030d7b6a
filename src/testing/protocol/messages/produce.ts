import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import {
  array,
  field,
  int16,
  int32,
  int64,
  nullableBytes,
  nullableString,
  orNull,
  string,
  struct,
  uuid,
  ZERO_UUID,
} from "../codec.ts";

/*
 * ProduceRequest (3-13) => transactional_id acks timeout_ms [topic_data]
 *   topic_data => name[-12] topic_id[13+] [partition_data]
 *     partition_data => index records
 * ProduceResponse (3-13) => [responses] throttle_time_ms [node_endpoints][10+]<tag 0>
 *   responses => name[-12] topic_id[13+] [partition_responses]
 *     partition_responses => index error_code base_offset log_append_time_ms
 *         log_start_offset[5+] [record_errors][8+] error_message[8+] current_leader[10+]<tag 0>
 *       record_errors => batch_index batch_index_error_message
 *       current_leader => leader_id leader_epoch
 *   node_endpoints => node_id host port rack
 * Source: https://kafka.apache.org/protocol#The_Messages_Produce;
 * KIP-467 (record errors), KIP-951 (leaders), KIP-516 (topic ids).
 */

const partitionProduceData = struct({
  index: int32,
  records: nullableBytes,
});

const topicProduceData = struct({
  name: field(string, { until: 12, absent: "" }),
  topicId: field(uuid, { since: 13, absent: ZERO_UUID }),
  partitionData: array(partitionProduceData),
});

const request = struct({
  transactionalId: field(nullableString, { absent: null }),
  acks: int16,
  timeoutMs: int32,
  topicData: array(topicProduceData),
});

const batchIndexAndErrorMessage = struct({
  batchIndex: int32,
  batchIndexErrorMessage: field(nullableString, { absent: null }),
});

const leaderIdAndEpoch = struct({
  leaderId: field(int32, { absent: -1 }),
  leaderEpoch: field(int32, { absent: -1 }),
});

const partitionProduceResponse = struct({
  index: int32,
  errorCode: int16,
  baseOffset: int64,
  logAppendTimeMs: field(int64, { absent: -1 }),
  logStartOffset: field(int64, { since: 5, absent: -1 }),
  recordErrors: field(array(batchIndexAndErrorMessage), { since: 8, absent: [] }),
  errorMessage: field(nullableString, { since: 8, absent: null }),
  currentLeader: field(orNull(leaderIdAndEpoch), { since: 10, tag: 0, absent: null }),
});

const topicProduceResponse = struct({
  name: field(string, { until: 12, absent: "" }),
  topicId: field(uuid, { since: 13, absent: ZERO_UUID }),
  partitionResponses: array(partitionProduceResponse),
});

const nodeEndpoint = struct({
  nodeId: int32,
  host: string,
  port: int32,
  rack: field(nullableString, { absent: null }),
});

const response = struct({
  responses: array(topicProduceResponse),
  throttleTimeMs: field(int32, { absent: 0 }),
  nodeEndpoints: field(array(nodeEndpoint), { since: 10, tag: 0, absent: [] }),
});

/** API 0: a producer appends batches of records. */
export const produce = defineApi({
  key: 0,
  name: "Produce",
  minVersion: 3,
  maxVersion: 13,
  // librdkafka takes a broker that does not offer Produce 0 for one without compression, so Apache
  // Kafka 4 offers it too and refuses it when it comes (KAFKA-18659).
  offeredSince: 0,
  flexibleSince: 9,
  request,
  response,
  failure: ({ topicData }, errorCode) => ({
    responses: topicData.map(({ name, topicId, partitionData }) => ({
      name,
      topicId,
      partitionResponses: partitionData.map(({ index }) => ({ index, errorCode, baseOffset: -1 })),
    })),
  }),
});

/** The request of Produce. */
export type ProduceRequest = RequestOf<typeof produce>;
/** The response of Produce, as it is given to be written. */
export type ProduceResponse = ResponseOf<typeof produce>;
