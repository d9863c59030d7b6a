/** How messages reach those who handle them: all that differs between a manager and a consumer. */

import type { AssignedPartition, ConsumerDriver, DriverBatch, TopicPartition } from "../driver.ts";
import type { Logger } from "../logger.ts";
import type { Channel } from "../threads/channel.ts";
import type { FromPoller, ToPoller, WorkSnapshot } from "../threads/messages.ts";
import type { Ledger } from "./ledger.ts";
import type { Timers } from "./timers.ts";

/** Between the poller, which polls and commits, and those who handle messages. */
export interface Delivery {
  /** The partitions that are assigned. */
  readonly ledgers: readonly Ledger[];
  /**
   * Looks at the driver before it joins the group.
   *
   * @throws {DriverError} If it cannot do what will be asked of it.
   */
  check(driver: ConsumerDriver): void;
  /** Begins an assignment: each one has an epoch of its own. */
  assign(partitions: readonly AssignedPartition[]): readonly Ledger[];
  /** The ledger of a partition, if it is assigned. */
  find(partition: TopicPartition): Ledger | undefined;
  /**
   * Takes in what was polled.
   *
   * @throws {DriverError} If it is of a partition that was never assigned.
   */
  takeIn(batches: readonly DriverBatch[], now: number): void;
  /** Hands over what may be handled, as far as there is room. */
  handOver(): void;
  /** Finds the partitions to pause and those to resume, and marks them so. */
  balance(): { pause: TopicPartition[]; resume: TopicPartition[] };
  /**
   * Has partitions given up, or (null) everything, for good.
   *
   * @param timeoutMs Longest wait for what is under way; null: as long as this delivery waits at all.
   * @returns Whether nothing of them is under way any more.
   */
  drain(ledgers: readonly Ledger[] | null, timeoutMs: number | null): Promise<boolean>;
  /** Ends assignments: late results count for nothing. */
  forget(ledgers: readonly Ledger[]): void;
  /** Takes a message from the program's thread; others than its own are none of its business. */
  receive(message: ToPoller): void;
  /** What it does, for stats and health; null where there is nothing to say. */
  snapshot(): WorkSnapshot | null;
  /** Lets go of everything. */
  close(): void;
}

/** What a delivery is given by the poller. */
export interface DeliveryContext {
  /** To the program's thread. */
  readonly channel: Channel<ToPoller, FromPoller>;
  readonly logger: Logger;
  readonly timers: Timers;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Numbers from 0 to 1. */
  random(): number;
  /** There is room, or something may start that might not before. */
  changed(): void;
  /** Commits what is finished of these partitions; resolves with what failed, or null. */
  commit(ledgers: readonly Ledger[]): Promise<Error | null>;
  /** Ends the consumer because of an error. */
  fail(error: Error): void;
  /** The driver, once there is one. */
  driver(): ConsumerDriver | null;
}
