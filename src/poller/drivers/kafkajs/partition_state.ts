/** Where the driver stands in one assigned partition. */

import type { DriverBatch, TopicPartition } from "../../../driver.ts";

/** A partition under the present assignment. */
export interface PartitionState extends TopicPartition {
  /** Offset of the next fetch. */
  position: number;
  /** Offset the group has committed, or null. */
  committed: number | null;
  /** Metadata of that commit. */
  metadata: string | undefined;
  /** Whether records of it may be returned. */
  paused: boolean;
  /** Whether a fetch of it is under way. */
  fetching: boolean;
  /** What was fetched and not returned yet. */
  ready: DriverBatch[];
  /** No fetch before this time: its last one failed. */
  notBefore: number;
  /** A nearer replica to read from, for as long as metadata is trusted. */
  replica: { nodeId: number; until: number } | null;
}

/** Most fetched batches of a partition that may wait here, so that one fetch runs ahead. */
const READY_LIMIT = 2;

/** A partition at its start. */
export function partitionState(
  { topic, partition }: TopicPartition,
  position: number,
  committed: number | null,
  metadata: string | undefined,
): PartitionState {
  return {
    topic,
    partition,
    position,
    committed,
    metadata,
    paused: false,
    fetching: false,
    ready: [],
    notBefore: 0,
    replica: null,
  };
}

/** Whether a fetch of this partition may be sent now. */
export function isFetchable(state: PartitionState, now: number): boolean {
  return !state.paused && !state.fetching && state.ready.length < READY_LIMIT &&
    state.notBefore <= now;
}

/** A key for maps. */
export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

/** Lists partitions by topic, as Kafka's requests want them. */
export function byTopic<T extends TopicPartition>(
  partitions: readonly T[],
): { topic: string; partitions: T[] }[] {
  return Array.from(
    Map.groupBy(partitions, ({ topic }) => topic),
    ([topic, list]) => ({ topic, partitions: list }),
  );
}
