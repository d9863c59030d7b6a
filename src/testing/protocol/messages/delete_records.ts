import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { array, field, int16, int32, int64, string, struct } from "../codec.ts";

/*
 * DeleteRecordsRequest (0-2) => [topics] timeout_ms
 *   topics => name [partitions]
 *     partitions => partition_index offset
 * DeleteRecordsResponse (0-2) => throttle_time_ms [topics]
 *   topics => name [partitions]
 *     partitions => partition_index low_watermark error_code
 * Source: https://kafka.apache.org/protocol#The_Messages_DeleteRecords;
 * KIP-107.
 */

const deleteRecordsPartition = struct({
  partitionIndex: int32,
  offset: int64,
});

const deleteRecordsTopic = struct({
  name: string,
  partitions: array(deleteRecordsPartition),
});

const request = struct({
  topics: array(deleteRecordsTopic),
  timeoutMs: int32,
});

const deleteRecordsPartitionResult = struct({
  partitionIndex: int32,
  lowWatermark: int64,
  errorCode: int16,
});

const deleteRecordsTopicResult = struct({
  name: string,
  partitions: array(deleteRecordsPartitionResult),
});

const response = struct({
  throttleTimeMs: field(int32, { absent: 0 }),
  topics: array(deleteRecordsTopicResult),
});

/** API 21: the beginning of a log is deleted. */
export const deleteRecords = defineApi({
  key: 21,
  name: "DeleteRecords",
  minVersion: 0,
  maxVersion: 2,
  flexibleSince: 2,
  request,
  response,
  failure: ({ topics }, errorCode) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        lowWatermark: -1,
        errorCode,
      })),
    })),
  }),
});

/** The request of DeleteRecords. */
export type DeleteRecordsRequest = RequestOf<typeof deleteRecords>;
/** The response of DeleteRecords, as it is given to be written. */
export type DeleteRecordsResponse = ResponseOf<typeof deleteRecords>;
