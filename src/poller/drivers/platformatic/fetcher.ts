/**
 * Reads the assigned partitions.
 *
 * Each broker has at most one fetch under way, of all the partitions it leads that want records. What
 * has arrived waits here until it is taken; a partition with something waiting is not fetched. So a
 * pause needs no more than to leave its partition out, and loses nothing that has arrived.
 */

import type { Buffer } from "node:buffer";
import * as kafka from "@platformatic/kafka";
import type { DriverBatch, TopicPartition } from "../../../driver.ts";
import { DriverError, KafkaThreadsError } from "../../../errors.ts";
import { type FetchedPartition, readableEnd } from "../shared/fetch_response.ts";
import { decodeRecordBatches, magicOf } from "../shared/record_batches.ts";
import type { Clock } from "../shared/clock.ts";
import type { Cluster } from "./cluster.ts";
import { answerError, CODES } from "./errors.ts";
import type { PlatformaticOptions } from "./options.ts";
import type { Positions } from "./positions.ts";

/**
 * One partition under one assignment. A new assignment makes a new object, so that what an old one
 * has under way finds that it is not in the table any more.
 */
interface Partition extends TopicPartition {
  /** Offset of the next fetch. */
  position: number;
  paused: boolean;
  /** Whether a fetch of it is under way. */
  busy: boolean;
  /** Batches that wait to be taken. */
  ready: DriverBatch[];
  /** Why it could not be fetched, since the last time it could. */
  failure: KafkaThreadsError | null;
  /** Not to be fetched earlier. */
  retryAt: number;
  /** The end of its log that the poller has been told last. */
  toldEnd: number;
}

/** What a fetcher is made from. */
export interface FetcherOptions extends
  Pick<
    PlatformaticOptions,
    "isolationLevel" | "maxBytes" | "maxBytesPerPartition" | "maxWaitTime" | "minBytes"
  > {
  /** Topics to ask for when a leader is not known. */
  topics: readonly string[];
  /** Called when something has arrived or failed. */
  onChange: () => void;
  /** Called when one partition fails while others do not. */
  onWarning: (error: KafkaThreadsError) => void;
}

/** Longest wait of a fetch that leaves out a partition of its broker. */
const INCOMPLETE_WAIT_MS = 100;
/** Rest between two attempts to fetch what failed. */
const RETRY_MS = 250;
const COMPRESSION = 0x07;
const CURRENT_MAGIC = 2;

/** Fetches, and keeps what has arrived. */
export class Fetcher {
  readonly #cluster: Cluster;
  readonly #positions: Positions;
  readonly #clock: Clock;
  readonly #options: FetcherOptions;
  readonly #busyBrokers = new Set<number>();
  #partitions = new Map<string, Partition>();
  #refreshing = false;
  #wakeUp = false;

  constructor(cluster: Cluster, positions: Positions, clock: Clock, options: FetcherOptions) {
    this.#cluster = cluster;
    this.#positions = positions;
    this.#clock = clock;
    this.#options = options;
  }

  /** Reads these partitions from now on, from their positions. */
  assign(partitions: readonly (TopicPartition & { position: number })[]): void {
    for (const { topic, partition, position } of partitions) {
      this.#partitions.set(keyOf({ topic, partition }), {
        topic,
        partition,
        position,
        paused: false,
        busy: false,
        ready: [],
        failure: null,
        retryAt: 0,
        toldEnd: -1,
      });
    }
  }

  /** Reads nothing any more, and drops what has arrived. */
  clear(): void {
    this.#partitions.clear();
  }

  /** Sets whether these partitions are paused; others are left alone. */
  setPaused(partitions: readonly TopicPartition[], paused: boolean): void {
    for (const partition of partitions) {
      const found = this.#partitions.get(keyOf(partition));
      if (found !== undefined) found.paused = paused;
    }
    this.#options.onChange();
  }

  /** Takes what has arrived and starts to fetch what follows. */
  take(): DriverBatch[] {
    const taken: DriverBatch[] = [];
    for (const [key, partition] of [...this.#partitions]) {
      if (partition.paused || partition.ready.length === 0) continue;
      taken.push(...partition.ready.splice(0));
      // Behind all others: a broker fills its answer in the order of the request.
      this.#partitions.delete(key);
      this.#partitions.set(key, partition);
    }
    this.#start();
    return taken;
  }

  /** If no partition can be fetched: why. It is forgotten, so that it is tried again. */
  takeFailure(): KafkaThreadsError | null {
    const wanted = [...this.#partitions.values()].filter(({ paused }) => !paused);
    const failure = wanted[0]?.failure ?? null;
    if (failure === null || wanted.some((partition) => partition.failure === null)) return null;
    for (const partition of wanted) {
      partition.failure = null;
      partition.retryAt = 0;
    }
    return failure;
  }

  #start(): void {
    if (this.#clock.stopped) return;
    const now = Date.now();
    const byLeader = Map.groupBy(
      this.#partitions.values(),
      ({ topic, partition }) => this.#cluster.leaderOf(topic, partition).leader,
    );
    for (const [leader, led] of byLeader) {
      const partitions = led.filter((partition) =>
        !partition.paused && !partition.busy && partition.ready.length === 0 &&
        partition.retryAt <= now
      );
      if (partitions.length === 0) continue;
      if (leader === -1) {
        const { topic, partition } = partitions[0]!;
        this.#fail(
          partitions,
          answerError(read(partitions[0]!), CODES.leaderNotAvailable, {
            topic,
            partition,
          }),
        );
      } else if (!this.#busyBrokers.has(leader)) {
        // One that is left out may soon be wanted, and would wait for this fetch.
        const longest = partitions.length === led.length ? Infinity : INCOMPLETE_WAIT_MS;
        void this.#fetch(leader, partitions, Math.min(this.#options.maxWaitTime, longest));
      }
    }
  }

  async #fetch(leader: number, partitions: Partition[], waitMs: number): Promise<void> {
    this.#busyBrokers.add(leader);
    for (const partition of partitions) partition.busy = true;
    try {
      const connection = await this.#cluster.toNode(leader, "fetch");
      const { minBytes, maxBytes, maxBytesPerPartition, isolationLevel } = this.#options;
      const topics = Array.from(
        Map.groupBy(partitions, ({ topic }) => topic),
        ([topicId, list]) => ({
          topicId,
          partitions: list.map(({ topic, partition, position }) => ({
            partition,
            currentLeaderEpoch: this.#cluster.leaderOf(topic, partition).leaderEpoch,
            fetchOffset: BigInt(position),
            lastFetchedEpoch: -1,
            partitionMaxBytes: maxBytesPerPartition,
          })),
        }),
      );
      // No session: what is wanted changes with each pause.
      const answer = await connection.request("fetch", [
        waitMs,
        minBytes,
        maxBytes,
        isolationLevel,
        0,
        -1,
        topics,
        [],
        "",
      ], waitMs);
      if (answer.errorCode !== CODES.none) {
        throw answerError(`fetch from broker ${leader}`, answer.errorCode);
      }
      for (const fetched of answer.partitions) {
        const partition = this.#partitions.get(keyOf(fetched));
        // Of an assignment that has ended meanwhile.
        if (partition === undefined || !partitions.includes(partition)) continue;
        await this.#takeIn(partition, fetched);
      }
    } catch (error) {
      this.#fail(partitions, error as KafkaThreadsError);
    } finally {
      this.#busyBrokers.delete(leader);
      for (const partition of partitions) partition.busy = false;
      this.#options.onChange();
    }
  }

  async #takeIn(partition: Partition, fetched: FetchedPartition): Promise<void> {
    const { topic, partition: number } = partition;
    const { errorCode, records, aborted } = fetched;
    const endOffset = readableEnd(fetched, this.#options.isolationLevel);
    try {
      if (errorCode === CODES.offsetOutOfRange) {
        partition.position = await this.#positions.correct(partition, partition.position);
        return;
      }
      if (errorCode !== CODES.none) {
        throw answerError(read(partition), errorCode, { topic, partition: number });
      }
      const magic = magicOf(records);
      if (magic !== null && magic !== CURRENT_MAGIC) {
        throw new DriverError(
          `Cannot ${read(partition)}: its records are of the old format ${magic}`,
          { retriable: false, topic, partition: number, offset: partition.position },
        );
      }
      const { tables, nextOffset } = await decodeRecordBatches(
        records,
        partition.position,
        this.#options.isolationLevel === 0 ? null : aborted,
        decompress,
      );
      partition.failure = null;
      const moved = nextOffset !== null && nextOffset > partition.position;
      if (!moved && endOffset === partition.toldEnd) return;
      if (moved) partition.position = nextOffset;
      partition.toldEnd = endOffset;
      const at = { topic, partition: number, endOffset };
      // Even without records: the end has moved, or the position, beyond what is not to be seen.
      if (tables.length === 0) {
        partition.ready.push({ ...at, records: [], nextOffset: partition.position });
      }
      tables.forEach((records, index) => {
        const last = index === tables.length - 1;
        partition.ready.push({
          ...at,
          records,
          ...(last ? { nextOffset: partition.position } : {}),
        });
      });
    } catch (error) {
      this.#fail([partition], asFailure(error, partition));
    }
  }

  #fail(partitions: readonly Partition[], error: KafkaThreadsError): void {
    if (this.#clock.stopped) return;
    const healthy = [...this.#partitions.values()].some((partition) =>
      partition.failure === null && !partitions.includes(partition)
    );
    if (healthy && partitions.some(({ failure }) => failure?.message !== error.message)) {
      this.#options.onWarning(error);
    }
    for (const partition of partitions) {
      partition.failure = error;
      partition.retryAt = Date.now() + RETRY_MS;
    }
    void this.#refresh();
    this.#wakeLater();
  }

  /** Whatever failed, the leader may be another by now. */
  async #refresh(): Promise<void> {
    if (this.#refreshing) return;
    this.#refreshing = true;
    // Its failure is that of the next fetch as well.
    await this.#cluster.refresh(this.#options.topics).catch(() => {});
    this.#refreshing = false;
  }

  async #wakeLater(): Promise<void> {
    if (this.#wakeUp) return;
    this.#wakeUp = true;
    await this.#clock.sleep(RETRY_MS);
    this.#wakeUp = false;
    this.#options.onChange();
  }
}

// deno-lint-ignore require-await -- The reader waits for other drivers' decompression.
async function decompress(attributes: number, bytes: Uint8Array): Promise<Uint8Array> {
  const codec = kafka.compressionsAlgorithmsByBitmask[attributes & COMPRESSION];
  if (codec === undefined) {
    throw new DriverError(`Cannot decompress records of codec ${attributes & COMPRESSION}`, {
      retriable: false,
    });
  }
  return codec.decompressSync(bytes as Buffer);
}

function asFailure(error: unknown, { topic, partition, position }: Partition): KafkaThreadsError {
  if (KafkaThreadsError.is(error)) return error;
  const message =
    `Cannot decode records of "${topic}" partition ${partition} from offset ${position}: ${
      (error as Error).message
    }`;
  return new DriverError(message, {
    cause: error,
    retriable: true,
    topic,
    partition,
    offset: position,
  });
}

function read({ topic, partition }: TopicPartition): string {
  return `read "${topic}" partition ${partition}`;
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
