/** What the poller and its commits need to know of an assigned partition, whoever handles its messages. */

import type { TopicPartition } from "../driver.ts";

/** Where a group would go on. */
export interface CommitPoint {
  /** The offset. */
  readonly offset: number;
  /** Text stored with it, or undefined for none. */
  readonly metadata?: string;
}

/** An assigned partition. */
export interface Ledger extends TopicPartition {
  /** Epoch of the assignment. */
  readonly epoch: number;
  /** Offset from which the next fetch reads, or null before the first batch of a vague source. */
  readonly position: number | null;
  /** Offset the group has committed, or null. */
  readonly committed: number | null;
  /** End of the log as last seen, or null. */
  endOffset: number | null;
  /** Whether the client has been told not to fetch it. */
  paused: boolean;
  /** Messages that wait here. */
  readonly queuedMessages: number;
  /** Their bytes. */
  readonly queuedBytes: number;
  /** Messages that are handed over and not finished. */
  readonly inFlight: number;
  /** Where this consumer stands: the offset behind all that is finished, or where it began. */
  readonly finishedTo: number | null;
  /** Whether finished messages are not committed yet: they would be handled again. */
  readonly uncommitted: boolean;
  /** The offset to commit now, or null if nothing is news. */
  commitable(): number | null;
  /** Whether a commit of this offset would tell the group something. */
  isNews(offset: number): boolean;
  /** What to send when this offset, or a later one, is to be committed. */
  commitPoint(offset: number): CommitPoint;
  /** The group has what was sent last. */
  wasCommitted(point: CommitPoint): void;
  /** Drops what waits and takes in nothing more: the partition is going, or gone. */
  discard(): void;
}
