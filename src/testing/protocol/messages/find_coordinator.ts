import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { array, field, int16, int32, int8, nullableString, string, struct } from "../codec.ts";

/*
 * FindCoordinatorRequest (0-6) => key[-3] key_type[1+] [coordinator_keys][4+]
 * FindCoordinatorResponse (0-6) => throttle_time_ms[1+] error_code[-3] error_message[1-3]
 *     node_id[-3] host[-3] port[-3] [coordinators][4+]
 *   coordinators => key node_id host port error_code error_message
 * Source: https://kafka.apache.org/protocol#The_Messages_FindCoordinator;
 * KIP-98 (transactional ids), KIP-699 (several keys).
 */

const request = struct({
  key: field(string, { until: 3, absent: "" }),
  keyType: field(int8, { since: 1, absent: 0 }),
  coordinatorKeys: field(array(string), { since: 4, absent: [] }),
});

const coordinator = struct({
  key: string,
  nodeId: int32,
  host: string,
  port: int32,
  errorCode: int16,
  errorMessage: field(nullableString, { absent: null }),
});

const response = struct({
  throttleTimeMs: field(int32, { since: 1, absent: 0 }),
  errorCode: field(int16, { until: 3, absent: 0 }),
  errorMessage: field(nullableString, { since: 1, until: 3, absent: null }),
  nodeId: field(int32, { until: 3, absent: 0 }),
  host: field(string, { until: 3, absent: "" }),
  port: field(int32, { until: 3, absent: 0 }),
  coordinators: field(array(coordinator), { since: 4, absent: [] }),
});

/** API 10: which broker coordinates a group or a transactional id. */
export const findCoordinator = defineApi({
  key: 10,
  name: "FindCoordinator",
  minVersion: 0,
  maxVersion: 6,
  flexibleSince: 3,
  request,
  response,
  failure: ({ coordinatorKeys }, errorCode) => ({
    errorCode,
    nodeId: -1,
    port: -1,
    coordinators: coordinatorKeys.map((key) => ({
      key,
      nodeId: -1,
      host: "",
      port: -1,
      errorCode,
    })),
  }),
});

/** The request of FindCoordinator. */
export type FindCoordinatorRequest = RequestOf<typeof findCoordinator>;
/** The response of FindCoordinator, as it is given to be written. */
export type FindCoordinatorResponse = ResponseOf<typeof findCoordinator>;
