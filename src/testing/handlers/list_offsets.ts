import { ERROR } from "../protocol/error_codes.ts";
import { listOffsets as api } from "../protocol/messages/list_offsets.ts";
import { type Handler, handler } from "./handler.ts";

/** The times that mean a place in the log. */
const LATEST = -1;
const EARLIEST = -2;
/** KIP-734 */
const MAX_TIMESTAMP = -3;
/** KIP-405: nothing is tiered here, so that all there is is local. */
const EARLIEST_LOCAL = -4;

const NOWHERE = { offset: -1, timestamp: -1, leaderEpoch: -1 };

/** API 2: where a partition begins and ends, and which record is the first of a time. */
export const listOffsets: Handler = handler(api, (request, { state, nodeId }) => ({
  topics: request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, timestamp, currentLeaderEpoch }) => {
      const partition = state.cluster.partition(name, partitionIndex);
      const errorCode = partition === undefined
        ? ERROR.UNKNOWN_TOPIC_OR_PARTITION
        : partition.check(nodeId, currentLeaderEpoch);
      if (partition === undefined || errorCode !== ERROR.NONE) {
        return { partitionIndex, errorCode, ...NOWHERE };
      }
      const { log, leaderEpoch } = partition;
      const found = timestamp === LATEST
        ? { offset: log.endOffset, timestamp: -1, leaderEpoch }
        : timestamp === EARLIEST || timestamp === EARLIEST_LOCAL
        ? { offset: log.startOffset, timestamp: -1, leaderEpoch }
        : timestamp === MAX_TIMESTAMP
        ? log.maxTimestamp()
        : timestamp < 0
        ? null
        : log.offsetForTimestamp(timestamp);
      return { partitionIndex, errorCode, ...(found ?? NOWHERE) };
    }),
  })),
}));
