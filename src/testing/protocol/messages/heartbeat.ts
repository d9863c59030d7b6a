import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { field, int16, int32, nullableString, string, struct } from "../codec.ts";

/*
 * HeartbeatRequest (0-4) => group_id generation_id member_id group_instance_id[3+]
 * HeartbeatResponse (0-4) => throttle_time_ms[1+] error_code
 * Source: https://kafka.apache.org/protocol#The_Messages_Heartbeat;
 * KIP-345 (static membership).
 */

const request = struct({
  groupId: string,
  generationId: int32,
  memberId: string,
  groupInstanceId: field(nullableString, { since: 3, absent: null }),
});

const response = struct({
  throttleTimeMs: field(int32, { since: 1, absent: 0 }),
  errorCode: int16,
});

/** API 12: a member says that it is alive. */
export const heartbeat = defineApi({
  key: 12,
  name: "Heartbeat",
  minVersion: 0,
  maxVersion: 4,
  flexibleSince: 4,
  request,
  response,
  failure: (_, errorCode) => ({ errorCode }),
});

/** The request of Heartbeat. */
export type HeartbeatRequest = RequestOf<typeof heartbeat>;
/** The response of Heartbeat, as it is given to be written. */
export type HeartbeatResponse = ResponseOf<typeof heartbeat>;
