/** Where reading begins: at what the group has committed, if the log still has it. */

import type { AssignedPartition, TopicPartition } from "../../../driver.ts";
import type { Logger } from "../../../logger.ts";
import type { Clock } from "../shared/clock.ts";
import type { Cluster } from "./cluster.ts";
import { answerError, CODES, isRetriable } from "./errors.ts";
import type { CommittedOffset } from "./group.ts";

/** Asks for the first offset that a log holds. */
export const EARLIEST = -2n;
/** Asks for the offset behind the last one. */
export const LATEST = -1n;

const READ_UNCOMMITTED = 0;
/** How long a leader may take to be known. */
const PATIENCE_MS = 1_000;
const STEP_MS = 100;

/** What the choice of a position depends on. */
export interface PositionsOptions {
  /** Where a group without commits begins. */
  startFrom: "latest" | "earliest";
  /** Of the fetches. */
  isolationLevel: number;
  /** Topics to ask for when a leader is not known. */
  topics: readonly string[];
  /** Gets the warnings. */
  logger: Logger;
  /** Whether a partition was made after this consumer began. */
  isNew: (partition: TopicPartition) => boolean;
}

/** Asks brokers for offsets and chooses among them. */
export class Positions {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #options: PositionsOptions;

  constructor(cluster: Cluster, clock: Clock, options: PositionsOptions) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#options = options;
  }

  /**
   * Chooses where to begin.
   *
   * @param committed What the group has committed, in the order of the partitions.
   * @throws {KafkaThreadsError} If the offsets cannot be had.
   */
  async choose(
    partitions: readonly TopicPartition[],
    committed: readonly CommittedOffset[],
  ): Promise<(AssignedPartition & { position: number })[]> {
    const { startFrom, isolationLevel } = this.#options;
    const [earliest, ends, starts] = await Promise.all([
      this.list(partitions, EARLIEST),
      this.list(partitions, LATEST),
      // The end of what may be read lies before that of the log while a transaction is open.
      startFrom === "latest" ? this.list(partitions, LATEST, isolationLevel) : null,
    ]);
    return partitions.map(({ topic, partition }, index) => {
      const { offset, metadata } = committed[index]!;
      const isNew = this.#options.isNew({ topic, partition });
      const start = isNew ? earliest[index]! : starts?.[index] ?? earliest[index]!;
      const position = offset === null
        ? start
        : this.#within(`committed offset ${offset}`, { topic, partition }, offset, {
          first: earliest[index]!,
          end: ends[index]!,
          start,
        });
      return { topic, partition, position, committed: offset, metadata };
    });
  }

  /** Chooses where to go on with a partition whose position the broker does not have. */
  async correct(partition: TopicPartition, position: number): Promise<number> {
    const [chosen] = await this.choose([partition], [{ offset: null, metadata: "" }]);
    const [[first], [end]] = await Promise.all([
      this.list([partition], EARLIEST),
      this.list([partition], LATEST),
    ]);
    return this.#within(`position ${position}`, partition, position, {
      first: first!,
      end: end!,
      start: chosen!.position,
    });
  }

  /**
   * Asks the leaders for offsets, in the order of the partitions.
   *
   * @throws {KafkaThreadsError} If a leader cannot be found within about a second.
   */
  async list(
    partitions: readonly TopicPartition[],
    timestamp: bigint,
    isolationLevel = READ_UNCOMMITTED,
  ): Promise<number[]> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const failed = { code: CODES.leaderNotAvailable as number, where: partitions[0] };
      const offsets = await this.#listOnce(partitions, timestamp, isolationLevel, failed);
      if (offsets !== null) return offsets;
      if (!isRetriable(failed.code) || Date.now() > deadline || this.#clock.stopped) {
        const { topic = "", partition = 0 } = failed.where ?? {};
        const attempt = `find the offsets of "${topic}" partition ${partition}`;
        throw answerError(attempt, failed.code, { topic, partition });
      }
      await this.#clock.sleep(STEP_MS);
      await this.#cluster.refresh(this.#options.topics);
    }
  }

  async #listOnce(
    partitions: readonly TopicPartition[],
    timestamp: bigint,
    isolationLevel: number,
    failed: { code: number; where: TopicPartition | undefined },
  ): Promise<number[] | null> {
    const offsets = new Map<string, number>();
    const byLeader = Map.groupBy(
      partitions,
      ({ topic, partition }) => this.#cluster.leaderOf(topic, partition).leader,
    );
    if (byLeader.has(-1)) return null;
    const asked = Array.from(byLeader, async ([leader, led]) => {
      const topics = Array.from(
        Map.groupBy(led, ({ topic }) => topic),
        ([name, list]) => ({
          name,
          partitions: list.map(({ topic, partition }) => ({
            partitionIndex: partition,
            currentLeaderEpoch: this.#cluster.leaderOf(topic, partition).leaderEpoch,
            timestamp,
          })),
        }),
      );
      const connection = await this.#cluster.toNode(leader, "ask");
      const answer = await connection.request("listOffsets", [-1, isolationLevel, topics]);
      for (const { name: topic, partitions } of answer.topics) {
        for (const { partitionIndex: partition, errorCode, offset } of partitions) {
          if (errorCode === CODES.none) offsets.set(`${topic}/${partition}`, Number(offset));
          else Object.assign(failed, { code: errorCode, where: { topic, partition } });
        }
      }
    });
    // All of them, so that none fails later, when nobody listens.
    for (const result of await Promise.allSettled(asked)) {
      if (result.status === "rejected") throw result.reason;
    }
    const listed = partitions.map(({ topic, partition }) => offsets.get(`${topic}/${partition}`));
    return listed.includes(undefined) ? null : listed as number[];
  }

  #within(
    what: string,
    { topic, partition }: TopicPartition,
    offset: number,
    log: { first: number; end: number; start: number },
  ): number {
    const { startFrom, logger } = this.#options;
    const where = `"${topic}" partition ${partition}`;
    if (offset < log.first) {
      logger.warn(
        `The ${what} of ${where} is gone: its log begins at ${log.first}, and reading goes on there`,
        { topic, partition, offset, position: log.first, skipped: log.first - offset },
      );
      return log.first;
    }
    if (offset > log.end) {
      logger.warn(
        `The ${what} of ${where} lies beyond the end of its log, ${log.end}: reading begins at the ${startFrom} offset, ${log.start}`,
        { topic, partition, offset, position: log.start },
      );
      return log.start;
    }
    return offset;
  }
}
