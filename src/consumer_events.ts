/**
 * What a consumer tells of beside its messages.
 *
 * @module
 */

import type { TopicPartition } from "./driver.ts";

/** Partitions have come, or gone. */
export interface PartitionsDetail {
  /** Which ones. */
  readonly partitions: readonly TopicPartition[];
}

/** A message could not be handled. */
export interface FailureDetail extends TopicPartition {
  /** Its offset. */
  readonly offset: number;
  /** The attempt that has failed, from 1. */
  readonly attempt: number;
  /** Milliseconds until the next attempt; 0 where there is none. */
  readonly delayMs: number;
  /** Why. */
  readonly error: Error;
}

/** The events of a consumer: names, and what their `detail` is. */
export interface ConsumerEvents {
  /** Partitions were assigned to this consumer. */
  assigned: PartitionsDetail;
  /** Partitions went to others; what was finished of them is committed. */
  revoked: PartitionsDetail;
  /** Partitions had gone before they could be let go of. */
  lost: PartitionsDetail;
  /** A message has failed and will be tried again. */
  retry: FailureDetail;
  /** A message has failed, or is invalid, and is skipped. */
  skip: FailureDetail;
  /** A message has failed, or is invalid, and becomes a dead letter. */
  "dead-letter": FailureDetail;
}
