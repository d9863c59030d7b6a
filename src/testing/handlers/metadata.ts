import type { Topic } from "../cluster/cluster.ts";
import { topicNameFault } from "../cluster/topic_names.ts";
import { ERROR } from "../protocol/error_codes.ts";
import { metadata as api } from "../protocol/messages/metadata.ts";
import { ZERO_UUID } from "../protocol/codec.ts";
import { type Handler, handler, type RequestContext } from "./handler.ts";
import { autoCreate } from "./topics.ts";

/** Tells that nobody has asked for the allowed operations. */
const NOT_ASKED = -2147483648;

/** API 3: which nodes there are, and which one leads each partition. */
export const metadata: Handler = handler(api, (request, context) => {
  const { state, state: { cluster } } = context;
  const topics = asked(request.topics, context.version) === null
    ? cluster.topics.map((topic) => describe(topic, context))
    : (request.topics ?? []).map(({ name, topicId }) => {
      const byId = topicId !== ZERO_UUID;
      const topic = name === null ? cluster.topicById(topicId) ?? ERROR.UNKNOWN_TOPIC_ID : byId
        // As in Kafka, a topic is asked for by its name or by its id.
        ? ERROR.INVALID_REQUEST
        : topicNameFault(name) !== null
        // Whether or not it is to be made: it never can be.
        ? ERROR.INVALID_TOPIC_EXCEPTION
        : autoCreate(state, name, request.allowAutoTopicCreation);
      if (typeof topic !== "number") return describe(topic, context);
      return {
        errorCode: topic,
        name: name === null && context.version < 12 ? "" : name,
        topicId,
        partitions: [],
      };
    });
  return { ...describeNodes(context), topics };
}, (request, errorCode, context) => {
  // An error is about topics. Without its nodes, a client would not know whom to ask again.
  const { topics, errorCode: ofAll } = api.failure(request, errorCode);
  return { ...describeNodes(context), topics, errorCode: ofAll! };
});

function describeNodes({ state, state: { cluster }, listener }: RequestContext) {
  return {
    brokers: cluster.nodes.filter(({ up }) => up).map(({ id }) => ({
      nodeId: id,
      ...state.address(id, listener),
      rack: null,
    })),
    clusterId: cluster.clusterId,
    controllerId: cluster.controllerId,
    clusterAuthorizedOperations: NOT_ASKED,
  };
}

/** In version 0 an empty list means all topics, later null does. */
function asked<T>(topics: T[] | null, version: number): T[] | null {
  return version === 0 && topics?.length === 0 ? null : topics;
}

function describe(topic: Topic, { state: { cluster } }: RequestContext) {
  return {
    errorCode: ERROR.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: false,
    partitions: topic.partitions.map(({ index, leader, leaderEpoch, replicas }) => ({
      errorCode: leader === -1 ? ERROR.LEADER_NOT_AVAILABLE : ERROR.NONE,
      partitionIndex: index,
      leaderId: leader,
      leaderEpoch,
      replicaNodes: replicas,
      isrNodes: replicas.filter((id) => cluster.isUp(id)),
      offlineReplicas: replicas.filter((id) => !cluster.isUp(id)),
    })),
    topicAuthorizedOperations: NOT_ASKED,
  };
}
