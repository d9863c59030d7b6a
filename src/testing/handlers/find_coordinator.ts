import { ERROR } from "../protocol/error_codes.ts";
import { findCoordinator as api } from "../protocol/messages/find_coordinator.ts";
import { type Handler, handler, type RequestContext } from "./handler.ts";

const GROUP = 0;
/** The first version that asks for several groups at once (KIP-699). */
const FIRST_WITH_MANY = 4;

/** API 10: which node coordinates a group. */
export const findCoordinator: Handler = handler(api, (request, context) => {
  if (context.version < FIRST_WITH_MANY) {
    const { key: _, ...found } = find(request.key, request.keyType, context);
    return found;
  }
  return {
    coordinators: request.coordinatorKeys.map((key) => find(key, request.keyType, context)),
  };
});

function find(key: string, keyType: number, { state, listener }: RequestContext) {
  const fault = (errorCode: number, errorMessage: string) => ({
    key,
    errorCode,
    errorMessage,
    nodeId: -1,
    host: "",
    port: -1,
  });
  if (keyType !== GROUP) {
    return fault(ERROR.INVALID_REQUEST, "Only groups have a coordinator here, not transactions.");
  }
  if (key === "") return fault(ERROR.INVALID_GROUP_ID, "The group's id is empty.");
  const nodeId = state.cluster.coordinatorOf(key);
  if (nodeId === -1) {
    return fault(ERROR.COORDINATOR_NOT_AVAILABLE, "The coordinator is not available.");
  }
  const address = state.address(nodeId, listener);
  return { key, errorCode: ERROR.NONE, errorMessage: null, nodeId, ...address };
}
