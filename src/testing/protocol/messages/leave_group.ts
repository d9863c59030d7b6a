import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { array, field, int16, int32, nullableString, string, struct } from "../codec.ts";

/*
 * LeaveGroupRequest (0-5) => group_id member_id[-2] [members][3+]
 *   members => member_id group_instance_id reason[5+]
 * LeaveGroupResponse (0-5) => throttle_time_ms[1+] error_code [members][3+]
 *   members => member_id group_instance_id error_code
 * Source: https://kafka.apache.org/protocol#The_Messages_LeaveGroup;
 * KIP-345 (several members), KIP-800 (reason).
 */

const memberIdentity = struct({
  memberId: string,
  groupInstanceId: field(nullableString, { absent: null }),
  reason: field(nullableString, { since: 5, absent: null }),
});

const request = struct({
  groupId: string,
  memberId: field(string, { until: 2, absent: "" }),
  members: field(array(memberIdentity), { since: 3, absent: [] }),
});

const memberResponse = struct({
  memberId: string,
  groupInstanceId: nullableString,
  errorCode: int16,
});

const response = struct({
  throttleTimeMs: field(int32, { since: 1, absent: 0 }),
  errorCode: int16,
  members: field(array(memberResponse), { since: 3, absent: [] }),
});

/** API 13: members leave their group. */
export const leaveGroup = defineApi({
  key: 13,
  name: "LeaveGroup",
  minVersion: 0,
  maxVersion: 5,
  flexibleSince: 4,
  request,
  response,
  failure: ({ members }, errorCode) => ({
    errorCode,
    members: members.map(({ memberId, groupInstanceId }) => ({
      memberId,
      groupInstanceId,
      errorCode,
    })),
  }),
});

/** The request of LeaveGroup. */
export type LeaveGroupRequest = RequestOf<typeof leaveGroup>;
/** The response of LeaveGroup, as it is given to be written. */
export type LeaveGroupResponse = ResponseOf<typeof leaveGroup>;
