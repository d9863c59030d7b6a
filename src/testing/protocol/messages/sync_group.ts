import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import {
  array,
  bytes,
  field,
  int16,
  int32,
  NO_BYTES,
  nullableString,
  string,
  struct,
} from "../codec.ts";

/*
 * SyncGroupRequest (0-5) => group_id generation_id member_id group_instance_id[3+]
 *     protocol_type[5+] protocol_name[5+] [assignments]
 *   assignments => member_id assignment
 * SyncGroupResponse (0-5) => throttle_time_ms[1+] error_code protocol_type[5+]
 *     protocol_name[5+] assignment
 * Source: https://kafka.apache.org/protocol#The_Messages_SyncGroup;
 * KIP-345 (static membership), KIP-559 (protocol).
 */

const syncGroupRequestAssignment = struct({
  memberId: string,
  assignment: bytes,
});

const request = struct({
  groupId: string,
  generationId: int32,
  memberId: string,
  groupInstanceId: field(nullableString, { since: 3, absent: null }),
  protocolType: field(nullableString, { since: 5, absent: null }),
  protocolName: field(nullableString, { since: 5, absent: null }),
  assignments: array(syncGroupRequestAssignment),
});

const response = struct({
  throttleTimeMs: field(int32, { since: 1, absent: 0 }),
  errorCode: int16,
  protocolType: field(nullableString, { since: 5, absent: null }),
  protocolName: field(nullableString, { since: 5, absent: null }),
  assignment: bytes,
});

/** API 14: the leader hands in the assignments, each member gets its own. */
export const syncGroup = defineApi({
  key: 14,
  name: "SyncGroup",
  minVersion: 0,
  maxVersion: 5,
  flexibleSince: 4,
  request,
  response,
  failure: (_, errorCode) => ({ errorCode, assignment: NO_BYTES }),
});

/** The request of SyncGroup. */
export type SyncGroupRequest = RequestOf<typeof syncGroup>;
/** The response of SyncGroup, as it is given to be written. */
export type SyncGroupResponse = ResponseOf<typeof syncGroup>;
