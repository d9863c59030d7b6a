import type { OffsetCommitPartition, OffsetFetchRequest, OffsetFetchResponse } from "./messages.ts";
import { ERROR } from "../protocol/error_codes.ts";

/** What a group has committed for one partition. */
export interface CommittedOffset {
  /** The offset of the message to go on with. */
  readonly offset: number;
  /** What the committer has put beside it; "" if nothing. */
  readonly metadata: string;
  /** The epoch of the partition's leader that the offset is known from, or -1. */
  readonly leaderEpoch: number;
  /** When it was committed, in milliseconds. */
  readonly committedAt: number;
}

/** What Kafka answers where nothing is committed. */
const NOTHING: CommittedOffset = { offset: -1, metadata: "", leaderEpoch: -1, committedAt: -1 };

/** The offsets of one group. They outlive its members. */
export class GroupOffsets {
  readonly #topics = new Map<string, Map<number, CommittedOffset>>();

  /**
   * Stores an offset, whatever was stored for the partition before.
   *
   * @param topic The topic.
   * @param partition What to store.
   * @param now The time in milliseconds.
   * @returns What is stored now.
   */
  commit(topic: string, partition: OffsetCommitPartition, now: number): CommittedOffset {
    const committed = {
      offset: partition.committedOffset,
      metadata: partition.committedMetadata ?? "",
      leaderEpoch: partition.committedLeaderEpoch,
      committedAt: now,
    };
    let partitions = this.#topics.get(topic);
    if (partitions === undefined) this.#topics.set(topic, partitions = new Map());
    partitions.set(partition.partitionIndex, committed);
    return committed;
  }

  /**
   * What is committed for a topic.
   *
   * @param topic The topic.
   * @returns Its partitions with an offset.
   */
  of(topic: string): Map<number, CommittedOffset> {
    return new Map(this.#topics.get(topic));
  }

  /**
   * Answers OffsetFetch.
   *
   * @param topics Which partitions; null: those with an offset.
   * @returns The topics of the response.
   */
  fetch(topics: OffsetFetchRequest["topics"]): OffsetFetchResponse["topics"] {
    const wanted = topics ??
      [...this.#topics].map(([name, partitions]) => ({
        name,
        partitionIndexes: [...partitions.keys()],
      }));
    return wanted.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partitionIndex) => {
        const { offset, metadata, leaderEpoch } = this.#topics.get(name)?.get(partitionIndex) ??
          NOTHING;
        return {
          partitionIndex,
          committedOffset: offset,
          committedLeaderEpoch: leaderEpoch,
          metadata,
          errorCode: ERROR.NONE,
        };
      }),
    }));
  }

  /**
   * Forgets an offset.
   *
   * @param topic The topic.
   * @param partition The partition's number.
   */
  delete(topic: string, partition: number): void {
    const partitions = this.#topics.get(topic);
    partitions?.delete(partition);
    if (partitions?.size === 0) this.#topics.delete(topic);
  }

  /**
   * Forgets a topic's offsets.
   *
   * @param topic The topic.
   */
  deleteTopic(topic: string): void {
    this.#topics.delete(topic);
  }
}
