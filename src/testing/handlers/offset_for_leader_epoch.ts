import { ERROR } from "../protocol/error_codes.ts";
import { offsetForLeaderEpoch as api } from "../protocol/messages/offset_for_leader_epoch.ts";
import { type Handler, handler } from "./handler.ts";

/** API 23: where the records of a leader end (KIP-320). */
export const offsetForLeaderEpoch: Handler = handler(api, (request, { state, nodeId }) => ({
  topics: request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition: index, currentLeaderEpoch, leaderEpoch }) => {
      const partition = state.cluster.partition(topic, index);
      const errorCode = partition?.check(nodeId, currentLeaderEpoch) ??
        ERROR.UNKNOWN_TOPIC_OR_PARTITION;
      if (partition === undefined || errorCode !== ERROR.NONE) {
        return { errorCode, partition: index, leaderEpoch: -1, endOffset: -1 };
      }
      const found = partition.log.offsetForLeaderEpoch(leaderEpoch);
      return { errorCode, partition: index, ...found };
    }),
  })),
}));
