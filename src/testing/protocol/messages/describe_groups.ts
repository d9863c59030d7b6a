import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import {
  array,
  bool,
  bytes,
  field,
  int16,
  int32,
  nullableString,
  string,
  struct,
} from "../codec.ts";

/*
 * DescribeGroupsRequest (0-6) => [groups] include_authorized_operations[3+]
 * DescribeGroupsResponse (0-6) => throttle_time_ms[1+] [groups]
 *   groups => error_code error_message[6+] group_id group_state protocol_type protocol_data
 *       [members] authorized_operations[3+]
 *     members => member_id group_instance_id[4+] client_id client_host member_metadata
 *         member_assignment
 * Source: https://kafka.apache.org/protocol#The_Messages_DescribeGroups;
 * KIP-430 (operations), KIP-345 (static membership), KIP-1043 (error messages).
 */

const request = struct({
  groups: array(string),
  includeAuthorizedOperations: field(bool, { since: 3, absent: false }),
});

const describedGroupMember = struct({
  memberId: string,
  groupInstanceId: field(nullableString, { since: 4, absent: null }),
  clientId: string,
  clientHost: string,
  memberMetadata: bytes,
  memberAssignment: bytes,
});

const describedGroup = struct({
  errorCode: int16,
  errorMessage: field(nullableString, { since: 6, absent: null }),
  groupId: string,
  groupState: string,
  protocolType: string,
  protocolData: string,
  members: array(describedGroupMember),
  authorizedOperations: field(int32, { since: 3, absent: -2147483648 }),
});

const response = struct({
  throttleTimeMs: field(int32, { since: 1, absent: 0 }),
  groups: array(describedGroup),
});

/** API 15: groups with their members. */
export const describeGroups = defineApi({
  key: 15,
  name: "DescribeGroups",
  minVersion: 0,
  maxVersion: 6,
  flexibleSince: 5,
  request,
  response,
  failure: ({ groups }, errorCode) => ({
    groups: groups.map((groupId) => ({
      errorCode,
      groupId,
      groupState: "",
      protocolType: "",
      protocolData: "",
      members: [],
    })),
  }),
});

/** The request of DescribeGroups. */
export type DescribeGroupsRequest = RequestOf<typeof describeGroups>;
/** The response of DescribeGroups, as it is given to be written. */
export type DescribeGroupsResponse = ResponseOf<typeof describeGroups>;
