import type { Api } from "../api.ts";
import {
  field,
  int16,
  int32,
  nullableString,
  string,
  struct,
  type StructInput,
  type StructOutput,
} from "../codec.ts";

/*
 * HeartbeatRequest (0-4)  => group_id generation_id member_id group_instance_id[3+]
 * HeartbeatResponse (0-4) => throttle_time_ms[1+] error_code
 * Source: https://kafka.apache.org/protocol#The_Messages_Heartbeat; static membership by KIP-345.
 */

const request = {
  groupId: string,
  generationId: int32,
  memberId: string,
  groupInstanceId: field(nullableString, { since: 3, absent: null }),
};

const response = {
  throttleTimeMs: field(int32, { since: 1, absent: 0 }),
  errorCode: int16,
};

/** API 12: a member says that it is alive. */
export const heartbeat: Api<
  StructOutput<typeof request>,
  StructOutput<typeof response>,
  StructInput<typeof response>
> = {
  key: 12,
  name: "Heartbeat",
  minVersion: 0,
  maxVersion: 4,
  flexibleSince: 4,
  request: struct(request),
  response: struct(response),
  failure: (_, errorCode) => ({ errorCode }),
};
