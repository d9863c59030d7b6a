import { type Topic, TopicError } from "../cluster/cluster.ts";
import { ERROR } from "../protocol/error_codes.ts";
import { SETTING_SOURCE } from "../cluster/topic_config.ts";
import { createPartitions as createPartitionsApi } from "../protocol/messages/create_partitions.ts";
import { createTopics as createTopicsApi } from "../protocol/messages/create_topics.ts";
import { deleteRecords as deleteRecordsApi } from "../protocol/messages/delete_records.ts";
import { deleteTopics as deleteTopicsApi } from "../protocol/messages/delete_topics.ts";
import { ZERO_UUID } from "../protocol/codec.ts";
import { type BrokerState, type Handler, handler } from "./handler.ts";
import { attempt } from "./topics.ts";

/** "As many as the broker takes by default" (KIP-464). */
const DEFAULT = -1;

/** As in Kafka, more than this is taken for a mistake. */
const MAX_NEW_PARTITIONS = 10_000;

/** API 19 */
export const createTopics: Handler = handler(createTopicsApi, (request, { state }) => {
  const count = new Map<string, number>();
  for (const { name } of request.topics) count.set(name, (count.get(name) ?? 0) + 1);
  const newPartitions = request.topics.reduce(
    (sum, { numPartitions, assignments }) => sum + Math.max(numPartitions, assignments.length),
    0,
  );
  const topics = [...new Map(request.topics.map((topic) => [topic.name, topic])).values()].map(
    (asked) => {
      let topic: Topic | undefined;
      const outcome = attempt(() => {
        if (count.get(asked.name)! > 1) {
          throw new TopicError("INVALID_REQUEST", "Duplicate topic name.");
        }
        assertNotTooMany(newPartitions);
        const config = Object.fromEntries(asked.configs.map(({ name, value }) => [name, value]));
        topic = state.cluster.createTopic(asked.name, {
          ...size(asked),
          config,
        }, request.validateOnly);
      });
      const failed = topic === undefined;
      return {
        name: asked.name,
        topicId: failed || request.validateOnly ? ZERO_UUID : topic!.id,
        ...outcome,
        topicConfigErrorCode: ERROR.NONE,
        numPartitions: topic?.partitions.length ?? -1,
        replicationFactor: topic?.replicationFactor ?? -1,
        configs: topic?.config.settings().map(({ name, value, isDefault }) => ({
          name,
          value,
          readOnly: false,
          configSource: isDefault ? SETTING_SOURCE.DEFAULT : SETTING_SOURCE.TOPIC,
          isSensitive: false,
        })) ?? [],
      };
    },
  );
  state.changed();
  return { topics };
});

function assertNotTooMany(newPartitions: number): void {
  if (newPartitions <= MAX_NEW_PARTITIONS) return;
  throw new TopicError("POLICY_VIOLATION", "Excessively large number of partitions per request.");
}

interface AskedTopic {
  numPartitions: number;
  replicationFactor: number;
  assignments: { partitionIndex: number; brokerIds: number[] }[];
}

function size({ numPartitions, replicationFactor, assignments }: AskedTopic) {
  if (assignments.length === 0) {
    return {
      ...(numPartitions === DEFAULT ? {} : { partitions: numPartitions }),
      ...(replicationFactor === DEFAULT ? {} : { replicationFactor }),
    };
  }
  if (numPartitions !== DEFAULT || replicationFactor !== DEFAULT) {
    throw new TopicError(
      "INVALID_REQUEST",
      "Both replicaAssignment and numPartitions or replicationFactor were given.",
    );
  }
  const sorted = assignments.toSorted((a, b) => a.partitionIndex - b.partitionIndex);
  if (sorted.some(({ partitionIndex }, index) => partitionIndex !== index)) {
    throw new TopicError(
      "INVALID_REPLICA_ASSIGNMENT",
      "The partitions are not a consecutive 0-based sequence.",
    );
  }
  return { assignments: sorted.map(({ brokerIds }) => brokerIds) };
}

/** API 20 */
export const deleteTopics: Handler = handler(deleteTopicsApi, (request, { state, version }) => {
  const asked = version >= 6
    ? request.topics
    : request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
  const responses = asked.map(({ name, topicId }) => {
    const topic = name === null ? state.cluster.topicById(topicId) : state.cluster.topic(name);
    if (topic === undefined) {
      const errorCode = name === null ? ERROR.UNKNOWN_TOPIC_ID : ERROR.UNKNOWN_TOPIC_OR_PARTITION;
      return { name, topicId, errorCode, errorMessage: "This server does not host this topic." };
    }
    removeTopic(state, topic.name);
    return { name: topic.name, topicId: topic.id, errorCode: ERROR.NONE, errorMessage: null };
  });
  state.changed();
  return { responses };
});

function removeTopic(state: BrokerState, name: string): void {
  state.cluster.deleteTopic(name);
  state.groups.removeTopic(name);
}

/** API 37 */
export const createPartitions: Handler = handler(
  createPartitionsApi,
  (request, { state }) => {
    const newPartitions = request.topics.reduce(
      (sum, { name, count }) =>
        sum + Math.max(0, count - (state.cluster.topic(name)?.partitions.length ?? count)),
      0,
    );
    const results = request.topics.map(({ name, count, assignments }) => ({
      name,
      ...attempt(() => {
        assertNotTooMany(newPartitions);
        state.cluster.growTopic(
          name,
          count,
          assignments?.map(({ brokerIds }) => brokerIds) ?? null,
          request.validateOnly,
        );
      }),
    }));
    state.changed();
    return { results };
  },
);

/** API 21 */
export const deleteRecords: Handler = handler(deleteRecordsApi, (request, { state, nodeId }) => {
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, offset }) => {
      const partition = state.cluster.partition(name, partitionIndex);
      let errorCode = partition?.check(nodeId) ?? ERROR.UNKNOWN_TOPIC_OR_PARTITION;
      if (errorCode === ERROR.NONE) errorCode = partition!.log.deleteRecords(offset).errorCode;
      const lowWatermark = errorCode === ERROR.NONE ? partition!.log.startOffset : -1;
      return { partitionIndex, lowWatermark, errorCode };
    }),
  }));
  state.changed();
  return { topics };
});
