import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import {
  array,
  bool,
  bytes,
  field,
  int16,
  int32,
  nullableSince,
  nullableString,
  string,
  struct,
} from "../codec.ts";

/*
 * JoinGroupRequest (0-9) => group_id session_timeout_ms rebalance_timeout_ms[1+] member_id
 *     group_instance_id[5+] protocol_type [protocols] reason[8+]
 *   protocols => name metadata
 * JoinGroupResponse (0-9) => throttle_time_ms[2+] error_code generation_id protocol_type[7+]
 *     protocol_name leader skip_assignment[9+] member_id [members]
 *   members => member_id group_instance_id[5+] metadata
 * Source: https://kafka.apache.org/protocol#The_Messages_JoinGroup;
 * KIP-394 (member ids), KIP-345 (static membership), KIP-559 (protocol), KIP-800 (reason), KIP-814.
 */

const joinGroupRequestProtocol = struct({
  name: string,
  metadata: bytes,
});

const request = struct({
  groupId: string,
  sessionTimeoutMs: int32,
  rebalanceTimeoutMs: field(int32, { since: 1, absent: -1 }),
  memberId: string,
  groupInstanceId: field(nullableString, { since: 5, absent: null }),
  protocolType: string,
  protocols: array(joinGroupRequestProtocol),
  reason: field(nullableString, { since: 8, absent: null }),
});

const joinGroupResponseMember = struct({
  memberId: string,
  groupInstanceId: field(nullableString, { since: 5, absent: null }),
  metadata: bytes,
});

const response = struct({
  throttleTimeMs: field(int32, { since: 2, absent: 0 }),
  errorCode: int16,
  generationId: field(int32, { absent: -1 }),
  protocolType: field(nullableString, { since: 7, absent: null }),
  protocolName: nullableSince(7, nullableString, ""),
  leader: string,
  skipAssignment: field(bool, { since: 9, absent: false }),
  memberId: string,
  members: array(joinGroupResponseMember),
});

/** API 11: a member joins its group, and waits for the others. */
export const joinGroup = defineApi({
  key: 11,
  name: "JoinGroup",
  minVersion: 0,
  maxVersion: 9,
  flexibleSince: 6,
  request,
  response,
  failure: ({ memberId }, errorCode) => ({
    errorCode,
    protocolName: null,
    leader: "",
    memberId,
    members: [],
  }),
});

/** The request of JoinGroup. */
export type JoinGroupRequest = RequestOf<typeof joinGroup>;
/** The response of JoinGroup, as it is given to be written. */
export type JoinGroupResponse = ResponseOf<typeof joinGroup>;
