import type { AnyApi, RequestOf, ResponseOf } from "../protocol/api.ts";
import { ERROR } from "../protocol/error_codes.ts";
import { deleteGroups as deleteGroupsApi } from "../protocol/messages/delete_groups.ts";
import { describeGroups as describeGroupsApi } from "../protocol/messages/describe_groups.ts";
import { heartbeat as heartbeatApi } from "../protocol/messages/heartbeat.ts";
import { joinGroup as joinGroupApi } from "../protocol/messages/join_group.ts";
import { leaveGroup as leaveGroupApi } from "../protocol/messages/leave_group.ts";
import { listGroups as listGroupsApi } from "../protocol/messages/list_groups.ts";
import { offsetCommit as offsetCommitApi } from "../protocol/messages/offset_commit.ts";
import { offsetDelete as offsetDeleteApi } from "../protocol/messages/offset_delete.ts";
import { offsetFetch as offsetFetchApi } from "../protocol/messages/offset_fetch.ts";
import { syncGroup as syncGroupApi } from "../protocol/messages/sync_group.ts";
import { type Handle, type Handler, handler, type RequestContext } from "./handler.ts";

/** An error code if the node that was asked does not coordinate the group. */
function misplaced(groupId: string, { state, nodeId }: RequestContext): number {
  const coordinator = state.cluster.coordinatorOf(groupId);
  if (coordinator === -1) return ERROR.COORDINATOR_NOT_AVAILABLE;
  return coordinator === nodeId ? ERROR.NONE : ERROR.NOT_COORDINATOR;
}

/** A handler of requests about one group, which only its coordinator answers. */
function coordinated<A extends AnyApi>(
  api: A,
  handle: (
    request: RequestOf<A>,
    context: RequestContext,
  ) => ResponseOf<A> | Promise<ResponseOf<A>>,
): Handler {
  const gated: Handle<A> = async (request, context) => {
    const errorCode = misplaced((request as { groupId: string }).groupId, context);
    if (errorCode !== ERROR.NONE) return api.failure(request, errorCode);
    const answer = await handle(request, context);
    context.state.changed();
    return answer;
  };
  return handler(api, gated);
}

/** Waits for an answer that comes when other members have done their part. */
function later<T>(
  { state, gone }: RequestContext,
  ask: (reply: (answer: T) => void) => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  // The signal is the connection's and outlives the request: nothing of this may stay with it.
  const leave = () => reject(gone.reason);
  gone.addEventListener("abort", leave, { once: true });
  ask((answer) => {
    gone.removeEventListener("abort", leave);
    resolve(answer);
  });
  // The group's timers have changed, although there is no answer yet.
  state.changed();
  return promise;
}

/** API 11 */
export const joinGroup: Handler = coordinated(
  joinGroupApi,
  (request, context) =>
    later(context, (reply) => {
      const { clientId, clientHost, version, state } = context;
      const caller = { clientId, clientHost, version, now: state.now() };
      state.groups.join(request, caller, reply);
    }),
);

/** API 14 */
export const syncGroup: Handler = coordinated(
  syncGroupApi,
  (request, context) =>
    later(context, (reply) => context.state.groups.sync(request, context.state.now(), reply)),
);

/** API 12 */
export const heartbeat: Handler = coordinated(
  heartbeatApi,
  (request, { state }) => state.groups.heartbeat(request, state.now()),
);

/** API 13 */
export const leaveGroup: Handler = coordinated(
  leaveGroupApi,
  (request, { state }) => state.groups.leave(request, state.now()),
);

/** API 8 */
export const offsetCommit: Handler = coordinated(
  offsetCommitApi,
  (request, { state, version }) => state.groups.commitOffsets(request, state.now(), version),
);

/** API 47 */
export const offsetDelete: Handler = coordinated(
  offsetDeleteApi,
  (request, { state }) => state.groups.deleteOffsets(request),
);

/** API 9: of one group up to version 7, of several from version 8 on. */
export const offsetFetch: Handler = handler(offsetFetchApi, (request, context) => {
  const { groups } = context.state;
  if (context.version < 8) {
    const errorCode = misplaced(request.groupId, context);
    if (errorCode !== ERROR.NONE) return offsetFetchApi.failure(request, errorCode);
    const { errorCode: code, topics } = groups.fetchOffsets(request);
    return { errorCode: code, topics };
  }
  return {
    groups: request.groups.map((asked) => {
      const errorCode = misplaced(asked.groupId, context);
      return errorCode === ERROR.NONE
        ? { groupId: asked.groupId, ...groups.fetchOffsets(asked) }
        : { groupId: asked.groupId, topics: [], errorCode };
    }),
  };
});

/** API 15 */
export const describeGroups: Handler = handler(describeGroupsApi, (request, context) => ({
  groups: request.groups.map((groupId) => {
    const errorCode = misplaced(groupId, context);
    if (errorCode === ERROR.NONE) {
      return context.state.groups.describe([groupId], context.version)[0]!;
    }
    return describeGroupsApi.failure({ ...request, groups: [groupId] }, errorCode).groups[0]!;
  }),
}));

/** API 16: each node tells of the groups that it coordinates. */
export const listGroups: Handler = handler(listGroupsApi, (request, context) => ({
  errorCode: ERROR.NONE,
  groups: context.state.groups.list({ states: request.statesFilter, types: request.typesFilter })
    .filter(({ groupId }) => misplaced(groupId, context) === ERROR.NONE),
}));

/** API 42 */
export const deleteGroups: Handler = handler(deleteGroupsApi, (request, context) => {
  const { state } = context;
  const results = request.groupsNames.map((groupId) => {
    const errorCode = misplaced(groupId, context);
    if (errorCode !== ERROR.NONE) return { groupId, errorCode };
    return state.groups.deleteGroups([groupId])[0]!;
  });
  state.changed();
  return { results };
});
