import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { array, field, int16, int32, string, struct } from "../codec.ts";

/*
 * ListGroupsRequest (0-5) => [states_filter][4+] [types_filter][5+]
 * ListGroupsResponse (0-5) => throttle_time_ms[1+] error_code [groups]
 *   groups => group_id protocol_type group_state[4+] group_type[5+]
 * Source: https://kafka.apache.org/protocol#The_Messages_ListGroups;
 * KIP-518 (states), KIP-848 (types).
 */

const request = struct({
  statesFilter: field(array(string), { since: 4, absent: [] }),
  typesFilter: field(array(string), { since: 5, absent: [] }),
});

const listedGroup = struct({
  groupId: string,
  protocolType: string,
  groupState: field(string, { since: 4, absent: "" }),
  groupType: field(string, { since: 5, absent: "" }),
});

const response = struct({
  throttleTimeMs: field(int32, { since: 1, absent: 0 }),
  errorCode: int16,
  groups: array(listedGroup),
});

/** API 16: the groups that this broker coordinates. */
export const listGroups = defineApi({
  key: 16,
  name: "ListGroups",
  minVersion: 0,
  maxVersion: 5,
  flexibleSince: 3,
  request,
  response,
  failure: (_, errorCode) => ({ errorCode, groups: [] }),
});

/** The request of ListGroups. */
export type ListGroupsRequest = RequestOf<typeof listGroups>;
/** The response of ListGroups, as it is given to be written. */
export type ListGroupsResponse = ResponseOf<typeof listGroups>;
