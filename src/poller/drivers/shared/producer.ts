/**
 * Appends records to topics, and tries again for a while: what the drivers' `produce` have in common.
 *
 * There are no sequence numbers: an answer that gets lost makes the records come twice, which whoever
 * calls this must be able to bear. The order within a partition is kept, as only one batch of a
 * partition and a call is under way.
 */

import type { ProducedRecord, TopicPartition } from "../../../driver.ts";
import {
  ConnectionError,
  DriverError,
  isKafkaThreadsError,
  type KafkaThreadsError,
  TopicNotFoundError,
} from "../../../errors.ts";
import type { Logger } from "../../../logger.ts";
import { Clock } from "./clock.ts";
import { partitionOfKey } from "./partitioner.ts";
import type { PartitionAnswer, PartitionBatch } from "./produce_request.ts";
import { compressRecordBatch, recordSize, writeRecordBatch } from "./record_batch_writer.ts";

/** What a broker says of a topic. */
export interface TopicAnswer {
  /** 0 if the topic is there. */
  errorCode: number;
  /** The leaders by partition; -1 where there is none. */
  leaders: readonly number[];
}

/** The connections that a producer has for itself. What its methods throw is typed. */
export interface ProducerConnections {
  /** Asks for these topics, and has the brokers make what is missing, if they are set up to do so. */
  topics(names: readonly string[]): Promise<ReadonlyMap<string, TopicAnswer>>;
  /** Sends batches to their leader, which may take that long to have them replicated. */
  send(
    leader: number,
    batches: readonly PartitionBatch[],
    timeoutMs: number,
  ): Promise<readonly PartitionAnswer[]>;
  /** The error of an error code. */
  answerError(attempt: string, code: number, where: Partial<TopicPartition>): KafkaThreadsError;
  /** Ends all connections, and with them what waits for an answer; the next call makes others. */
  reset(): void;
  /** Ends all connections; there will be no others. */
  close(): void;
}

/** How long nothing may become of records, all attempts together. */
const BUDGET_MS = 10_000;
/** How long the replicas may take in one attempt. */
const REPLICATION_MS = 4_000;
/** How long a client waits for an answer: then the broker has been silent for too long. */
export const ANSWER_TIMEOUT_MS = 5_000;
/** How long a topic that is asked for may be unknown: brokers that make it need a moment. */
const CREATION_MS = 5_000;
/** After this time the number of a topic's partitions is asked for again. */
const METADATA_MAX_AGE_MS = 300_000;
const FIRST_BACKOFF_MS = 50;
const LONGEST_BACKOFF_MS = 1_000;
/** A batch grows up to this: a limit of the topic is for the batch, not for each record. */
const BATCH_BYTES = 128 * 1024;
/** A request grows up to this, far below what brokers refuse. */
const REQUEST_BYTES = 8 * 1024 * 1024;

// Kafka error codes (protocol guide, "Error Codes").
const UNKNOWN_TOPIC_OR_PARTITION = 3;
const LEADER_NOT_AVAILABLE = 5;
const TOO_LARGE = new Set([10, 18]);

/** A topic as it is known here. */
interface Topic extends TopicAnswer {
  /** When that was the answer. */
  askedAt: number;
  /** Whether something has shown since that it is out of date. */
  stale: boolean;
}

/** Records that make one batch. */
interface Run {
  records: ProducedRecord[];
  bytes: number;
  compressed: boolean;
}

/** What has to go to one partition, in order. */
interface Lane extends TopicPartition {
  runs: Run[];
}

/** The records of one call. */
interface Delivery {
  /** When it is given up, unless something becomes of it. */
  deadline: number;
  /** Those that have no partition yet, by topic. */
  unplaced: Map<string, ProducedRecord[]>;
  /** Those that have, by `topic/partition`. */
  lanes: Map<string, Lane>;
  /** Since when the brokers know nothing of a topic. */
  unknownSince: Map<string, number>;
}

/** Produces over connections of its own. */
export class Producer {
  readonly #connections: ProducerConnections;
  readonly #logger: Logger;
  readonly #clock = new Clock();
  readonly #topics = new Map<string, Topic>();
  /** The partition that comes next for records without a key, by topic. */
  readonly #turns = new Map<string, number>();
  #asking: Promise<void> = Promise.resolve();

  constructor(connections: ProducerConnections, logger: Logger) {
    this.#connections = connections;
    this.#logger = logger;
  }

  /** See `produce` of `ConsumerDriver`. */
  async produce(records: readonly ProducedRecord[]): Promise<void> {
    if (this.#clock.stopped) throw closedError();
    if (records.length === 0) return;
    let late = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const delivery: Delivery = {
      deadline: 0,
      unplaced: Map.groupBy(records, ({ topic }) => topic),
      lanes: new Map(),
      unknownSince: new Map(),
    };
    const goesOn = () => {
      clearTimeout(timer);
      delivery.deadline = Date.now() + BUDGET_MS;
      timer = setTimeout(() => {
        late = true;
        this.#connections.reset();
      }, BUDGET_MS);
    };
    goesOn();
    try {
      await this.#deliver(delivery, goesOn);
    } catch (error) {
      if (this.#clock.stopped) throw closedError(error);
      if (!late || !ConnectionError.is(error)) throw error;
      throw new ConnectionError(`${error.message}; not produced within ${BUDGET_MS} ms`, {
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends at once; calls that are under way reject. */
  close(): void {
    this.#clock.stop();
    this.#connections.close();
  }

  /** @param goesOn Called when something has been stored, and nothing has failed. */
  async #deliver(delivery: Delivery, goesOn: () => void): Promise<void> {
    const { unplaced, lanes } = delivery;
    let backoffMs = FIRST_BACKOFF_MS;
    for (;;) {
      const failure = await this.#attempt(delivery);
      if (unplaced.size === 0 && lanes.size === 0) return;
      // Something has become of it: the next batches, or what was cut smaller.
      if (failure === null) {
        goesOn();
        continue;
      }
      const restMs = delivery.deadline - Date.now();
      if (!failure.retriable || restMs < backoffMs || this.#clock.stopped) throw failure;
      this.#logger.debug(`${failure.message}; trying again`, {
        code: failure.code,
        delayMs: backoffMs,
      });
      await this.#clock.sleep(backoffMs);
      if (this.#clock.stopped) throw failure;
      backoffMs = Math.min(2 * backoffMs, LONGEST_BACKOFF_MS);
    }
  }

  /** Sends to each partition what comes next, and returns the worst that has come of it. */
  async #attempt(delivery: Delivery): Promise<KafkaThreadsError | null> {
    try {
      const { unplaced, lanes } = delivery;
      const topics = [...unplaced.keys(), ...[...lanes.values()].map(({ topic }) => topic)];
      await this.#learn([...new Set(topics)]);
      const failures = [
        ...[...unplaced.keys()].map((topic) => this.#place(delivery, topic)),
        ...await this.#send(delivery),
      ].filter((failure) => failure !== null);
      return failures.find(({ retriable }) => !retriable) ?? failures[0] ?? null;
    } catch (error) {
      return asFailure(error);
    }
  }

  /** Asks about these topics, where that has not been done or was too long ago. */
  async #learn(topics: readonly string[]): Promise<void> {
    const ask = async () => {
      const now = Date.now();
      const wanted = topics.filter((name) => {
        const topic = this.#topics.get(name);
        return topic === undefined || topic.errorCode !== 0 || topic.stale ||
          now >= topic.askedAt + METADATA_MAX_AGE_MS;
      });
      if (wanted.length === 0) return;
      const answers = await this.#connections.topics(wanted);
      for (const name of wanted) {
        const answer = answers.get(name) ?? { errorCode: LEADER_NOT_AVAILABLE, leaders: [] };
        this.#topics.set(name, { ...answer, askedAt: Date.now(), stale: false });
      }
    };
    // One after the other: what another call has just asked need not be asked again.
    const asked = this.#asking.then(ask);
    this.#asking = asked.catch(() => {});
    await asked;
  }

  /** Chooses partitions for the records of a topic. */
  #place({ unplaced, lanes, unknownSince }: Delivery, name: string): KafkaThreadsError | null {
    const { errorCode, leaders } = this.#topics.get(name)!;
    if (errorCode === UNKNOWN_TOPIC_OR_PARTITION) {
      const since = unknownSince.get(name) ?? Date.now();
      unknownSince.set(name, since);
      if (Date.now() >= since + CREATION_MS) {
        return new TopicNotFoundError(
          `Cannot produce to "${name}": the topic does not exist, and the brokers do not make it`,
          { topics: [name], topic: name },
        );
      }
    } else unknownSince.delete(name);
    if (errorCode !== 0 || leaders.length === 0) {
      const code = errorCode === 0 ? LEADER_NOT_AVAILABLE : errorCode;
      return this.#connections.answerError(`produce to "${name}"`, code, { topic: name });
    }
    for (const record of unplaced.get(name)!) {
      const partition = this.#partitionOf(record, leaders);
      const key = `${name}/${partition}`;
      const lane = lanes.get(key) ?? { topic: name, partition, runs: [] };
      lanes.set(key, lane);
      const bytes = recordSize(record);
      const run = lane.runs.at(-1);
      if (run !== undefined && run.bytes + bytes <= BATCH_BYTES) {
        run.records.push(record);
        run.bytes += bytes;
      } else lane.runs.push({ records: [record], bytes, compressed: false });
    }
    unplaced.delete(name);
    return null;
  }

  #partitionOf({ topic, key, partition }: ProducedRecord, leaders: readonly number[]): number {
    if (partition !== undefined) return partition;
    if (key !== null) return partitionOfKey(key, leaders.length);
    const turn = this.#turns.get(topic) ?? Math.floor(Math.random() * leaders.length);
    // Any partition will do, so one that can be written to now is better.
    for (let step = 0; step < leaders.length; step++) {
      const chosen = (turn + step) % leaders.length;
      if (leaders[chosen] === -1) continue;
      this.#turns.set(topic, chosen + 1);
      return chosen;
    }
    return turn % leaders.length;
  }

  async #send(delivery: Delivery): Promise<(KafkaThreadsError | null)[]> {
    const failures: (KafkaThreadsError | null)[] = [];
    const byLeader = new Map<number, Lane[]>();
    const sizes = new Map<number, number>();
    for (const lane of delivery.lanes.values()) {
      const topic = this.#topics.get(lane.topic)!;
      const leader = topic.leaders[lane.partition] ?? null;
      if (leader === null || leader === -1) {
        failures.push(this.#unled(lane, topic, delivery));
        continue;
      }
      const size = (sizes.get(leader) ?? 0) + lane.runs[0]!.bytes;
      const list = byLeader.get(leader) ?? [];
      // What is beyond the limit goes with the next attempt, which follows at once.
      if (list.length > 0 && size > REQUEST_BYTES) continue;
      sizes.set(leader, size);
      byLeader.set(leader, [...list, lane]);
    }
    const sent = Array.from(
      byLeader,
      ([leader, lanes]) => this.#sendTo(leader, lanes, delivery),
    );
    return [...failures, ...(await Promise.all(sent)).flat()];
  }

  /** Why nothing can be sent to a partition. */
  #unled(
    { topic, partition, runs }: Lane,
    known: Topic,
    { deadline }: Delivery,
  ): KafkaThreadsError {
    const attempt = `produce to "${topic}" partition ${partition}`;
    const { leaders, errorCode, askedAt } = known;
    known.stale = true;
    const asked = runs[0]!.records[0]!.partition !== undefined;
    if (asked && errorCode === 0 && leaders[partition] === undefined) {
      return new DriverError(`Cannot ${attempt}: the topic has ${leaders.length} partitions`, {
        // What was known before this call may be too old.
        retriable: askedAt < deadline - BUDGET_MS,
        topic,
        partition,
      });
    }
    const code = errorCode === 0 ? LEADER_NOT_AVAILABLE : errorCode;
    return this.#connections.answerError(attempt, code, { topic, partition });
  }

  /** Never rejects: what others have sent at the same time has to be waited for. */
  async #sendTo(
    leader: number,
    lanes: readonly Lane[],
    delivery: Delivery,
  ): Promise<(KafkaThreadsError | null)[]> {
    try {
      const restMs = delivery.deadline - Date.now();
      const batches = await Promise.all(lanes.map(async ({ topic, partition, runs: [run] }) => {
        const batch = writeRecordBatch(run!.records, Date.now());
        return {
          topic,
          partition,
          batch: run!.compressed ? await compressRecordBatch(batch) : batch,
        };
      }));
      const timeoutMs = Math.max(1, Math.min(REPLICATION_MS, restMs));
      const answers = await this.#connections.send(leader, batches, timeoutMs);
      return lanes.map((lane) => {
        const answer = answers.find(({ topic, partition }) =>
          topic === lane.topic && partition === lane.partition
        );
        return this.#settle(lane, answer?.errorCode ?? LEADER_NOT_AVAILABLE, delivery);
      });
    } catch (error) {
      for (const { topic } of lanes) this.#topics.get(topic)!.stale = true;
      return [asFailure(error)];
    }
  }

  /** Draws the conclusions from the answer about what comes next in a lane. */
  #settle(lane: Lane, code: number, { lanes }: Delivery): KafkaThreadsError | null {
    const { topic, partition, runs } = lane;
    const [run] = runs as [Run, ...Run[]];
    if (code === 0) {
      runs.shift();
      if (runs.length === 0) lanes.delete(`${topic}/${partition}`);
      return null;
    }
    if (TOO_LARGE.has(code) && run.records.length > 1) {
      // Each one alone may fit.
      const middle = Math.ceil(run.records.length / 2);
      const halves = [run.records.slice(0, middle), run.records.slice(middle)];
      runs.splice(
        0,
        1,
        ...halves.map((records) => ({
          records,
          bytes: records.reduce((sum, record) => sum + recordSize(record), 0),
          compressed: false,
        })),
      );
      return null;
    }
    if (TOO_LARGE.has(code) && !run.compressed) {
      // What came from a topic compressed may fit into one only so.
      run.compressed = true;
      return null;
    }
    this.#topics.get(topic)!.stale = true;
    const attempt = `produce to "${topic}" partition ${partition}`;
    return this.#connections.answerError(attempt, code, { topic, partition });
  }
}

function asFailure(error: unknown): KafkaThreadsError {
  if (isKafkaThreadsError(error)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new DriverError(`Cannot produce: ${reason}`, { cause: error, retriable: false });
}

function closedError(cause?: unknown): ConnectionError {
  return new ConnectionError("Cannot produce: the driver is closed", { cause, retriable: false });
}
