import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import {
  array,
  bool,
  field,
  int16,
  int32,
  int8,
  nullableString,
  string,
  struct,
} from "../codec.ts";

/*
 * DescribeClusterRequest (0-2) => include_cluster_authorized_operations endpoint_type[1+]
 *     include_fenced_brokers[2+]
 * DescribeClusterResponse (0-2) => throttle_time_ms error_code error_message endpoint_type[1+]
 *     cluster_id controller_id [brokers] cluster_authorized_operations
 *   brokers => broker_id host port rack is_fenced[2+]
 * Source: https://kafka.apache.org/protocol#The_Messages_DescribeCluster;
 * KIP-700, KIP-919 (controllers), KIP-1073 (fenced brokers).
 */

const request = struct({
  includeClusterAuthorizedOperations: bool,
  endpointType: field(int8, { since: 1, absent: 1 }),
  includeFencedBrokers: field(bool, { since: 2, absent: false }),
});

const describeClusterBroker = struct({
  brokerId: int32,
  host: string,
  port: int32,
  rack: field(nullableString, { absent: null }),
  isFenced: field(bool, { since: 2, absent: false }),
});

const response = struct({
  throttleTimeMs: field(int32, { absent: 0 }),
  errorCode: int16,
  errorMessage: field(nullableString, { absent: null }),
  endpointType: field(int8, { since: 1, absent: 1 }),
  clusterId: string,
  controllerId: field(int32, { absent: -1 }),
  brokers: array(describeClusterBroker),
  clusterAuthorizedOperations: field(int32, { absent: -2147483648 }),
});

/** API 60: the brokers, by an API of its own. */
export const describeCluster = defineApi({
  key: 60,
  name: "DescribeCluster",
  minVersion: 0,
  maxVersion: 2,
  flexibleSince: 0,
  request,
  response,
  failure: (_, errorCode) => ({ errorCode, clusterId: "", brokers: [] }),
});

/** The request of DescribeCluster. */
export type DescribeClusterRequest = RequestOf<typeof describeCluster>;
/** The response of DescribeCluster, as it is given to be written. */
export type DescribeClusterResponse = ResponseOf<typeof describeCluster>;
