import { ERROR } from "../protocol/error_codes.ts";
import { produce as api, type ProduceRequest } from "../protocol/messages/produce.ts";
import { type Handler, handler, type RequestContext } from "./handler.ts";
import { autoCreate, findTopic } from "./topics.ts";

type TopicData = ProduceRequest["topicData"][number];
type PartitionData = TopicData["partitionData"][number];

/** From this version on topics go by their ids. */
const FIRST_WITH_IDS = 13;

/** API 0: records are appended, each partition on its own; with acks 0 nobody is told. */
export const produce: Handler = handler(api, (request, context) => {
  const badAcks = ![-1, 0, 1].includes(request.acks);
  const responses = request.topicData.map((topic) => ({
    name: topic.name,
    topicId: topic.topicId,
    partitionResponses: topic.partitionData.map((partition) =>
      badAcks
        ? failed(partition.index, ERROR.INVALID_REQUIRED_ACKS)
        : append(context, topic, partition)
    ),
  }));
  context.state.changed();
  return request.acks === 0 ? null : { responses };
});

function append(context: RequestContext, asked: TopicData, { index, records }: PartitionData) {
  const { state, nodeId, version } = context;
  const byId = version >= FIRST_WITH_IDS;
  if (!byId) autoCreate(state, asked.name);
  const topic = findTopic(state, asked, byId);
  if (typeof topic === "number") return failed(index, topic);
  const partition = topic.partitions[index];
  if (partition === undefined) return failed(index, ERROR.UNKNOWN_TOPIC_OR_PARTITION);
  const fault = partition.check(nodeId);
  if (fault !== ERROR.NONE) return failed(index, fault);
  const { leaderEpoch, log } = partition;
  const { appended, ...result } = log.append(records, { leaderEpoch, now: state.now(), version });
  if (appended) partition.changed();
  return { index, ...result };
}

function failed(index: number, errorCode: number) {
  return { index, errorCode, baseOffset: -1 };
}
