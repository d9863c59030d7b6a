/** One commit at a time, always with the newest offsets. */

import type { OffsetCommit } from "../driver.ts";
import { LostPartitionError } from "../errors.ts";
import type { CommitPoint, Ledger } from "./ledger.ts";

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
  #requests = new Map<Ledger, Request>();
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
  submit(ledger: Ledger, offset: number): Promise<void> {
    if (!ledger.isNews(offset)) return Promise.resolve();
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
  drop(ledger: Ledger): void {
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
        if (ledger.isNews(offset)) continue;
        requests.delete(ledger);
        for (const waiter of waiters) waiter.resolve();
      }
      if (requests.size === 0) continue;
      try {
        const points = new Map<Ledger, CommitPoint>();
        for (const [ledger, { offset }] of requests) points.set(ledger, ledger.commitPoint(offset));
        await this.#commit(
          Array.from(points, ([{ topic, partition }, point]) => ({ topic, partition, ...point })),
        );
        for (const [ledger, { waiters }] of requests) {
          ledger.wasCommitted(points.get(ledger)!);
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
