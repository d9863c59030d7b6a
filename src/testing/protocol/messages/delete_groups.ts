import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { array, field, int16, int32, string, struct } from "../codec.ts";

/*
 * DeleteGroupsRequest (0-2) => [groups_names]
 * DeleteGroupsResponse (0-2) => throttle_time_ms [results]
 *   results => group_id error_code
 * Source: https://kafka.apache.org/protocol#The_Messages_DeleteGroups;
 * KIP-229.
 */

const request = struct({
  groupsNames: array(string),
});

const deletableGroupResult = struct({
  groupId: string,
  errorCode: int16,
});

const response = struct({
  throttleTimeMs: field(int32, { absent: 0 }),
  results: array(deletableGroupResult),
});

/** API 42: groups without members are deleted. */
export const deleteGroups = defineApi({
  key: 42,
  name: "DeleteGroups",
  minVersion: 0,
  maxVersion: 2,
  flexibleSince: 2,
  request,
  response,
  failure: ({ groupsNames }, errorCode) => ({
    results: groupsNames.map((groupId) => ({ groupId, errorCode })),
  }),
});

/** The request of DeleteGroups. */
export type DeleteGroupsRequest = RequestOf<typeof deleteGroups>;
/** The response of DeleteGroups, as it is given to be written. */
export type DeleteGroupsResponse = ResponseOf<typeof deleteGroups>;
