import { ERROR, errorName } from "../protocol/error_codes.ts";
import { produce as api, type ProduceRequest } from "../protocol/messages/produce.ts";
import { type Handler, handler, type RequestContext } from "./handler.ts";
import { findTopic } from "./topics.ts";

type TopicData = ProduceRequest["topicData"][number];
type PartitionData = TopicData["partitionData"][number];

/** From this version on topics go by their ids. */
const FIRST_WITH_IDS = 13;

/** Answers when all replicas that are in sync have the records. */
const ALL_REPLICAS = -1;

/** API 0: records are appended, each partition on its own. */
export const produce: Handler = handler(api, (request, context) => {
  const badAcks = ![ALL_REPLICAS, 0, 1].includes(request.acks);
  const responses = request.topicData.map((topic) => ({
    name: topic.name,
    topicId: topic.topicId,
    partitionResponses: topic.partitionData.map((partition) =>
      badAcks
        ? failed(partition.index, ERROR.INVALID_REQUIRED_ACKS)
        : append(context, topic, partition, request.acks)
    ),
  }));
  context.state.changed();
  return told(request, { responses }, context);
}, (request, errorCode, context) => told(request, api.failure(request, errorCode), context));

/** Who wants no acknowledgement gets none; that something went wrong is told by the connection. */
function told(
  { acks }: ProduceRequest,
  response: ReturnType<typeof api.failure>,
  { hangUp }: RequestContext,
) {
  if (acks !== 0) return response;
  const error = response.responses
    .flatMap(({ partitionResponses }) => partitionResponses.map(({ errorCode }) => errorCode))
    .find((errorCode) => errorCode !== ERROR.NONE);
  if (error !== undefined) hangUp(`Produce without acknowledgement failed: ${errorName(error)}`);
  return null;
}

function append(
  context: RequestContext,
  asked: TopicData,
  { index, records }: PartitionData,
  acks: number,
) {
  const { state, nodeId, version } = context;
  // As in Kafka, only asking for a topic makes it: who produces has asked before.
  const topic = findTopic(state, asked, version >= FIRST_WITH_IDS);
  if (typeof topic === "number") return failed(index, topic);
  const partition = topic.partitions[index];
  if (partition === undefined) return failed(index, ERROR.UNKNOWN_TOPIC_OR_PARTITION);
  const fault = partition.check(nodeId);
  if (fault !== ERROR.NONE) return failed(index, fault);
  const inSync = partition.replicas.filter((id) => state.cluster.isUp(id)).length;
  if (acks === ALL_REPLICAS && inSync < topic.config.minInsyncReplicas) {
    return failed(index, ERROR.NOT_ENOUGH_REPLICAS);
  }
  const { leaderEpoch, log } = partition;
  const { appended, ...result } = log.append(records, { leaderEpoch, now: state.now(), version });
  if (appended) partition.changed();
  return { index, ...result };
}

function failed(index: number, errorCode: number) {
  return { index, errorCode, baseOffset: -1 };
}
