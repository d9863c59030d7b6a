/** One commit at a time, always with the newest offsets. */

import type { OffsetCommit } from "../driver.ts";
import { LostPartitionError } from "../errors.ts";
import type { PartitionLedger } from "./partition_ledger.ts";

interface Request {
  offset: number;
  waiters: PromiseWithResolvers<void>[];
}

/**
 * Sends commits one after the other.
 *
 * While one is under way, requests gather: the next one carries the highest offset asked for of each
 * partition, so that any number of requests costs one round trip.
 */
export class Committer {
  readonly #commit: (offsets: readonly OffsetCommit[]) => Promise<void>;
  #requests = new Map<PartitionLedger, Request>();
  #running: Promise<void> | null = null;

  constructor(commit: (offsets: readonly OffsetCommit[]) => Promise<void>) {
    this.#commit = commit;
  }

  /**
   * Asks for a commit.
   *
   * @returns Resolves when the offset, or a later one, is acknowledged.
   * @throws {LostPartitionError} If the partition goes before that.
   * @throws What the driver's commit threw.
   */
  submit(ledger: PartitionLedger, offset: number): Promise<void> {
    if (ledger.committed !== null && offset <= ledger.committed) return Promise.resolve();
    const request = this.#requests.get(ledger) ?? { offset, waiters: [] };
    request.offset = Math.max(request.offset, offset);
    const waiter = Promise.withResolvers<void>();
    request.waiters.push(waiter);
    this.#requests.set(ledger, request);
    this.#running ??= this.#run();
    return waiter.promise;
  }

  /** Resolves when nothing is under way and nothing waits. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** Refuses what waits for this partition: it is gone. */
  drop(ledger: PartitionLedger): void {
    const request = this.#requests.get(ledger);
    this.#requests.delete(ledger);
    const { topic, partition } = ledger;
    for (const waiter of request?.waiters ?? []) {
      waiter.reject(
        new LostPartitionError(
          `Cannot commit "${topic}" partition ${partition}: it is no longer assigned`,
          { topic, partition },
        ),
      );
    }
  }

  async #run(): Promise<void> {
    // The requests of one turn go together.
    await Promise.resolve();
    while (this.#requests.size > 0) {
      const requests = this.#requests;
      this.#requests = new Map();
      // The commit before may have brought more than was asked for during it, and the group believes
      // the last one: an older offset would take it back.
      for (const [ledger, { offset, waiters }] of requests) {
        if (offset > (ledger.committed ?? -1)) continue;
        requests.delete(ledger);
        for (const waiter of waiters) waiter.resolve();
      }
      if (requests.size === 0) continue;
      try {
        await this.#commit(
          Array.from(requests, ([{ topic, partition }, { offset }]) => ({
            topic,
            partition,
            offset,
          })),
        );
        for (const [ledger, { offset, waiters }] of requests) {
          ledger.committed = offset;
          for (const waiter of waiters) waiter.resolve();
        }
      } catch (error) {
        for (const { waiters } of requests.values()) {
          for (const waiter of waiters) waiter.reject(error);
        }
      }
    }
    this.#running = null;
  }
}
