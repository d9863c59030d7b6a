import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import {
  array,
  field,
  int16,
  int32,
  nullableSince,
  nullableString,
  string,
  struct,
  uuid,
  ZERO_UUID,
} from "../codec.ts";

/*
 * DeleteTopicsRequest (1-6) => [topics][6+] [topic_names][-5] timeout_ms
 *   topics => name topic_id
 * DeleteTopicsResponse (1-6) => throttle_time_ms [responses]
 *   responses => name topic_id[6+] error_code error_message[5+]
 * Source: https://kafka.apache.org/protocol#The_Messages_DeleteTopics;
 * KIP-599 (error messages), KIP-516 (topic ids).
 */

const deleteTopicState = struct({
  name: field(nullableString, { absent: null }),
  topicId: uuid,
});

const request = struct({
  topics: field(array(deleteTopicState), { since: 6, absent: [] }),
  topicNames: field(array(string), { until: 5, absent: [] }),
  timeoutMs: int32,
});

const deletableTopicResult = struct({
  name: nullableSince(6, nullableString, ""),
  topicId: field(uuid, { since: 6, absent: ZERO_UUID }),
  errorCode: int16,
  errorMessage: field(nullableString, { since: 5, absent: null }),
});

const response = struct({
  throttleTimeMs: field(int32, { absent: 0 }),
  responses: array(deletableTopicResult),
});

/** API 20: topics are deleted. */
export const deleteTopics = defineApi({
  key: 20,
  name: "DeleteTopics",
  minVersion: 1,
  maxVersion: 6,
  flexibleSince: 4,
  request,
  response,
  failure: ({ topics, topicNames }, errorCode) => ({
    responses: [
      ...topicNames.map((name) => ({ name, errorCode })),
      ...topics.map(({ name, topicId }) => ({ name, topicId, errorCode })),
    ],
  }),
});

/** The request of DeleteTopics. */
export type DeleteTopicsRequest = RequestOf<typeof deleteTopics>;
/** The response of DeleteTopics, as it is given to be written. */
export type DeleteTopicsResponse = ResponseOf<typeof deleteTopics>;
