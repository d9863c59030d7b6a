/** What is committed, and when: at intervals, on request, and before partitions go. */

import type { OffsetCommit } from "../driver.ts";
import { CommitError, type KafkaThreadsError, LostPartitionError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { Committer } from "./committer.ts";
import type { Ledger } from "./ledger.ts";
import type { Timers } from "./timers.ts";

/** Longest time that commits are tried before partitions go. */
const LAST_COMMIT_TIMEOUT_MS = 5_000;
/** Wait between these tries. */
const LAST_COMMIT_RETRY_MS = 200;

/** What commits are made with. */
export interface CommitsOptions {
  /** Sends one to the driver. */
  commit(offsets: readonly OffsetCommit[]): Promise<void>;
  /** Whether what is finished is committed without being asked for. */
  automatic: boolean;
  /** Longest time for which commits may fail, or null for no limit. */
  budgetMs: number | null;
  /** Milliseconds, on a clock that does not go back. */
  now(): number;
  /** Called when commits cannot go on: the failure must not stay here. */
  giveUp(error: Error): void;
  timers: Timers;
  logger: Logger;
}

/** Commits of all partitions. */
export class Commits {
  readonly #options: CommitsOptions;
  readonly #committer: Committer;
  #failingSince: number | null = null;
  /** Partitions whose last commit has failed. */
  readonly #failing = new Set<Ledger>();
  readonly #gone = new WeakSet<Ledger>();
  /** The last failure that no success has followed, or null. */
  failure: Error | null = null;
  /** Commits that were acknowledged. */
  count = 0;
  /** Commits that failed. */
  failures = 0;

  constructor(options: CommitsOptions) {
    this.#options = options;
    this.#committer = new Committer(async (offsets) => {
      await options.commit(offsets);
      this.count++;
      this.#recovered();
    });
  }

  /**
   * Commits where a group begins that has no commit yet. At the latest offset it has no other memory of
   * where that was: a rebalance or a restart before the first commit would begin later, and skip what
   * came between.
   */
  pin(ledger: Ledger): void {
    if (ledger.committed !== null || ledger.position === null) return;
    this.#committer.submit(ledger, ledger.position).catch((error) =>
      this.#options.logger.debug(`Cannot commit where the group begins: ${error.message}`)
    );
  }

  /**
   * Commits what is finished and not committed. Failures are counted and logged.
   *
   * @returns What failed, or null. A partition that is somebody else's by now is no failure.
   */
  async finished(ledgers: readonly Ledger[]): Promise<Error | null> {
    const open: Ledger[] = [];
    const commits = ledgers.flatMap((ledger) => {
      const offset = ledger.commitable();
      if (offset === null) return [];
      open.push(ledger);
      return [this.#committer.submit(ledger, offset)];
    });
    let failure: Error | null = null;
    for (const [index, result] of (await Promise.allSettled(commits)).entries()) {
      if (result.status === "fulfilled" || LostPartitionError.is(result.reason)) continue;
      failure ??= result.reason as Error;
      // One that went meanwhile is for its next owner to commit.
      if (!this.#gone.has(open[index]!)) this.#failing.add(open[index]!);
    }
    if (failure !== null) this.#failed(failure);
    return failure;
  }

  /**
   * Commits before partitions go, or the consumer closes: tries again as long as there is time.
   *
   * @returns Null, or why what is finished could not be committed.
   */
  async last(ledgers: readonly Ledger[]): Promise<CommitError | null> {
    const { automatic, timers, now } = this.#options;
    if (!automatic) {
      await timers.within(LAST_COMMIT_TIMEOUT_MS, this.#committer.idle());
      return null;
    }
    const deadline = now() + LAST_COMMIT_TIMEOUT_MS;
    // A position beyond which nothing has been finished is worth one try, and no wait.
    const isOpen = () => ledgers.some(({ uncommitted }) => uncommitted);
    let failure: Partial<KafkaThreadsError> | null | undefined;
    do {
      const attempt = this.finished(ledgers).then((error) => failure = error);
      await timers.within(deadline - now(), attempt);
      if (failure === null || failure?.retriable === false) break;
      if (isOpen()) await timers.wait(LAST_COMMIT_RETRY_MS);
    } while (isOpen() && now() < deadline);
    if (failure === null || !isOpen()) return null;
    const cause = this.failure;
    return new CommitError(
      `Cannot commit what is finished, so that it will be handled again: ${
        cause?.message ?? `no answer within ${LAST_COMMIT_TIMEOUT_MS} ms`
      }`,
      cause === null ? {} : { cause },
    );
  }

  /**
   * Commits everything up to an offset because the program asks for it.
   *
   * @throws {LostPartitionError} If the partition is not assigned any more.
   * @throws What the driver's commit threw.
   */
  async upTo(ledger: Ledger, offset: number): Promise<void> {
    try {
      await this.#committer.submit(ledger, offset + 1);
    } catch (error) {
      if (!LostPartitionError.is(error)) this.failures++;
      throw error;
    }
  }

  /** Refuses what waits for this partition: it is gone. */
  drop(ledger: Ledger): void {
    this.#committer.drop(ledger);
    this.#gone.add(ledger);
    // What could not be committed is not this consumer's to commit any more: it does not fail for ever.
    if (this.#failing.delete(ledger) && this.#failing.size === 0) this.#recovered();
  }

  #recovered(): void {
    this.#failing.clear();
    this.failure = this.#failingSince = null;
  }

  #failed(error: Error): void {
    const { now, budgetMs, giveUp, logger } = this.#options;
    this.failures++;
    if (this.#failing.size > 0) {
      this.failure = error;
      this.#failingSince ??= now();
    }
    logger.warn(`Cannot commit, trying again with the next one: ${error.message}`);
    const spent = budgetMs !== null && this.#failingSince !== null &&
      now() - this.#failingSince >= budgetMs;
    if (spent || (error as Partial<KafkaThreadsError>).retriable === false) {
      const reason = spent ? `no success within ${budgetMs} ms, the last error was: ` : "";
      giveUp(
        new CommitError(`Cannot commit: ${reason}${error.message}`, {
          cause: error,
          retriable: false,
        }),
      );
    }
  }
}
