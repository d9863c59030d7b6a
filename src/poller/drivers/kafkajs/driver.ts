/**
 * The kafkajs driver: fetches, positions and recovery over kafkajs's connections and membership.
 *
 * One fetch per broker is under way at a time, and it asks for all partitions that may be read there.
 * Its answer becomes tables of records, which wait until the next poll; a fetch of a partition goes out
 * again as soon as there is room, so that the network works while records are handed over.
 */

import type {
  ConsumerDriver,
  CreateDriver,
  DriverBatch,
  DriverContext,
  DriverStatus,
  OffsetCommit,
  ProducedRecord,
  TopicPartition,
} from "../../../driver.ts";
import {
  AuthenticationError,
  DriverError,
  LostPartitionError,
  TopicNotFoundError,
} from "../../../errors.ts";
import { tableOfRecords } from "../../../threads/records.ts";
import { decompress } from "./compression.ts";
import { type Connections, createConnections, createKafkajsLogger } from "./connections.ts";
import {
  type FetchedPartition,
  type FetchResponse,
  OLDEST_FETCH_VERSION,
  readableEnd,
  readFetchResponse,
} from "../shared/fetch_response.ts";
import {
  apiKeys,
  createErrorFromCode,
  decodeMessageSet,
  type KafkajsLogger,
  type ProtocolRequest,
  requests,
} from "./internals.ts";
import { Membership, type RejoinReason } from "./membership.ts";
import {
  byTopic,
  isFetchable,
  partitionKey,
  type PartitionState,
  partitionState,
} from "./partition_state.ts";
import { Producer } from "../shared/producer.ts";
import { KafkajsProducerConnections } from "./producer_connections.ts";
import { decodeRecordBatches, magicOf } from "../shared/record_batches.ts";
import { type KafkajsSettings, settingsOf } from "./settings.ts";
import { rootOf, typedError } from "./typed_errors.ts";

/** How long a topic that was made just now may be unknown to a broker. */
const TOPIC_GRACE_MS = 1_000;
const TOPIC_RETRY_MS = 100;
/** How often to compare the topics' partitions with those at the last assignment. */
const PARTITIONS_CHECK_MS = 1_000;
/**
 * Longest wait of a fetch that leaves a partition of its broker out: on one connection requests are
 * answered in order, so that the partition, once it is resumed, waits for that fetch.
 */
const INCOMPLETE_FETCH_WAIT_MS = 20;
/** Wait before a partition whose fetch has failed is asked for again. */
const PARTITION_BACKOFF_MS = 250;
/** Magic byte of record batches; older formats have 0 or 1. */
const RECORD_BATCH_MAGIC = 2;
const READ_COMMITTED = 1;

// Kafka error codes of one partition of a fetch (protocol guide, "Error Codes").
const OFFSET_OUT_OF_RANGE = 1;
const TOPIC_AUTHORIZATION_FAILED = 29;
/** Codes that say that the metadata is out of date. */
const STALE_METADATA = new Set([3, 5, 6, 9, 72, 74, 75, 76, 78]);

class KafkajsDriver implements ConsumerDriver {
  readonly #context: DriverContext;
  readonly #settings: KafkajsSettings;
  readonly #logger: KafkajsLogger;
  readonly #membership: Membership;
  readonly #fetching = new Set<number>();
  #connections: Connections;
  /** Made when something is produced. */
  #producer: Producer | null = null;
  #partitions = new Map<string, PartitionState>();
  /** Rises with each assignment; a fetch of an earlier one is dropped. */
  #epoch = 0;
  #connected = false;
  #positioned = false;
  #rejoin: RejoinReason | null = null;
  /** How many partitions each topic had when this consumer began, or null before that. */
  #firstPartitions: Map<string, number> | null = null;
  #staleMetadata = false;
  #partitionsCheckedAt = 0;
  #failure: Error | null = null;
  #closed = false;
  #wake = Promise.withResolvers<void>();

  constructor(context: DriverContext) {
    this.#context = context;
    this.#settings = settingsOf(context);
    this.#logger = createKafkajsLogger(context);
    this.#connections = createConnections(context, this.#settings, this.#logger);
    this.#membership = new Membership(
      context,
      this.#settings,
      this.#connections.cluster,
      this.#logger,
      {
        rejoin: (reason) => {
          // What is lost stays lost, even if a rebalance is announced as well.
          if (this.#rejoin !== "lost") this.#rejoin = reason;
          this.#wakeUp();
        },
        failure: (error) => this.#fail(error),
        silence: (error) => {
          this.#replaceConnections();
          this.#fail(error);
        },
      },
    );
    context.signal.addEventListener("abort", () => this.#wakeUp(), { once: true });
  }

  async poll(timeoutMs: number): Promise<readonly DriverBatch[]> {
    this.#failIfClosed();
    try {
      await this.#becomeReady();
      this.#fetch();
      if (timeoutMs > 0 && this.#isIdle()) await this.#waitUntilWoken(timeoutMs);
      if (this.#failure !== null) throw this.#failure;
      return this.#takeReady();
    } catch (error) {
      this.#failure = null;
      if (this.#closed || this.#context.signal.aborted) return [];
      const typed = typedError("poll", error);
      // Whatever state kafkajs is in, the next poll begins with a look at it.
      this.#connected = false;
      throw typed;
    }
  }

  async check(): Promise<void> {
    this.#failIfClosed();
    await this.#connect();
  }

  async commit(offsets: readonly OffsetCommit[]): Promise<void> {
    const foreign = offsets.find((offset) => !this.#partitions.has(partitionKey(offset)));
    if (foreign !== undefined) {
      const { topic, partition, offset } = foreign;
      throw new LostPartitionError(
        `Cannot commit "${topic}" partition ${partition} offset ${offset}: the partition is not assigned`,
        { topic, partition, offset },
      );
    }
    if (offsets.length > 0) await this.#membership.commit(offsets);
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, true);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, false);
    this.#fetch();
    this.#wakeUp();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#producer?.close();
    this.#wakeUp();
    if (this.#membership.joined) {
      await this.#membership.leave();
    } else {
      // Its join may wait at the coordinator, and on the same connection the leave would wait behind it.
      this.#replaceConnections();
      const { cluster } = this.#connections;
      await this.#membership.leave(async () => {
        await cluster.connect();
        await cluster.addMultipleTargetTopics([...this.#context.topics]);
      });
    }
    this.#connections.destroy();
  }

  status(): DriverStatus {
    const { joined, heartbeatAt, heartbeats, memberId } = this.#membership;
    const group = !this.#connected
      ? "disconnected"
      : this.#rejoin !== null
      ? "rebalancing"
      : !joined || !this.#positioned
      ? "joining"
      : this.#partitions.size === 0
      ? "standby"
      : "stable";
    return { group, heartbeatAt, heartbeats, ...(memberId === undefined ? {} : { memberId }) };
  }

  async endOffsets(partitions: readonly TopicPartition[]): Promise<readonly number[]> {
    const offsets = await this.#listOffsets(partitions, false);
    return partitions.map((partition) => offsets.get(partitionKey(partition)) ?? 0);
  }

  async produce(records: readonly ProducedRecord[]): Promise<void> {
    this.#producer ??= new Producer(
      new KafkajsProducerConnections(this.#context, this.#settings, this.#logger),
      this.#context.logger,
    );
    // A driver that has been closed before its first record is a closed one.
    if (this.#closed) this.#producer.close();
    await this.#producer.produce(records);
  }

  // --- Getting ready: connection, membership, positions -------------------------------------------

  async #becomeReady(): Promise<void> {
    if (!this.#connected) await this.#connect();
    if (this.#staleMetadata) {
      await this.#connections.cluster.refreshMetadata();
      this.#staleMetadata = false;
    } else {
      await this.#connections.cluster.refreshMetadataIfNecessary();
    }
    const now = Date.now();
    if (
      this.#membership.joined && this.#rejoin === null &&
      now >= this.#partitionsCheckedAt + PARTITIONS_CHECK_MS
    ) {
      this.#partitionsCheckedAt = now;
      this.#membership.checkPartitions();
    }
    if (this.#rejoin !== null) await this.#letGo(this.#rejoin);
    // Closing leaves the group: that must not look like a reason to join it.
    this.#failIfClosed();
    if (!this.#membership.joined) await this.#join();
    if (!this.#positioned) await this.#findPositions();
  }

  async #connect(): Promise<void> {
    const { cluster } = this.#connections;
    try {
      await cluster.connect();
      await this.#checkTopics();
      // Answers from a broker, and not from memory, or throws.
      await cluster.refreshMetadata();
    } catch (error) {
      this.#failIfClosed();
      this.#replaceConnections();
      throw error instanceof TopicNotFoundError ? error : typedError(
        `connect to "${this.#context.bootstrapServers.join(",")}"`,
        error,
      );
    }
    this.#connected = true;
  }

  /** kafkajs's pools may hold on to what is gone; positions and membership are kept outside of them. */
  #replaceConnections(): void {
    this.#connections.destroy();
    this.#connections = createConnections(this.#context, this.#settings, this.#logger);
    this.#membership.useCluster(this.#connections.cluster);
    this.#connected = false;
  }

  async #checkTopics(): Promise<void> {
    const { cluster } = this.#connections;
    const deadline = Date.now() + TOPIC_GRACE_MS;
    for (;;) {
      try {
        return await cluster.addMultipleTargetTopics([...this.#context.topics]);
      } catch (error) {
        const { type } = rootOf(error);
        const unknown = type === "UNKNOWN_TOPIC_OR_PARTITION" || type === "LEADER_NOT_AVAILABLE";
        if (!unknown || this.#context.signal.aborted) throw error;
        if (Date.now() >= deadline) {
          if (type === "LEADER_NOT_AVAILABLE") throw error;
          const topics = await this.#missingTopics();
          throw new TopicNotFoundError(
            `Cannot consume ${topics.map((topic) => `"${topic}"`).join(", ")}: no such topic`,
            { topics },
          );
        }
      }
      await new Promise((resolve) => setTimeout(resolve, TOPIC_RETRY_MS));
    }
  }

  /** kafkajs does not say which topic it is that is unknown, so each is asked for alone. */
  async #missingTopics(): Promise<string[]> {
    const missing: string[] = [];
    for (const topic of this.#context.topics) {
      try {
        await this.#connections.cluster.addMultipleTargetTopics([topic]);
      } catch {
        missing.push(topic);
      }
    }
    return missing;
  }

  async #letGo(reason: RejoinReason): Promise<void> {
    const { hooks } = this.#context;
    const partitions = [...this.#partitions.values()].map(({ topic, partition }) => ({
      topic,
      partition,
    }));
    if (partitions.length > 0) {
      if (reason === "lost") hooks.lost(partitions);
      // Heartbeats go on meanwhile, and the coordinator still takes commits of this generation.
      else await hooks.revoked(partitions);
    }
    this.#failIfClosed();
    this.#epoch++;
    this.#partitions = new Map();
    this.#positioned = false;
    this.#membership.joined = false;
    this.#rejoin = null;
  }

  async #join(): Promise<void> {
    const assigned = await this.#membership.join();
    this.#failIfClosed();
    // What a late heartbeat of the last generation has asked for is done.
    this.#rejoin = null;
    this.#positioned = false;
    this.#partitions = new Map(
      assigned.map((partition) => [
        partitionKey(partition),
        partitionState(partition, 0, null, undefined),
      ]),
    );
  }

  async #findPositions(): Promise<void> {
    const states = [...this.#partitions.values()];
    if (states.length > 0) {
      for (
        const { topic, partition, offset, metadata } of await this.#membership.committed(states)
      ) {
        const state = this.#partitions.get(partitionKey({ topic, partition }));
        if (state === undefined || offset < 0) continue;
        state.committed = state.position = offset;
        state.metadata = metadata;
      }
      const unset = states.filter(({ committed }) => committed === null);
      const fromStart = (state: PartitionState) =>
        this.#context.startFrom === "earliest" || this.#isNew(state);
      const [early, late] = [unset.filter(fromStart), unset.filter((state) => !fromStart(state))];
      const starts = new Map([
        ...await this.#listOffsets(early, true),
        ...await this.#listOffsets(late, false),
      ]);
      for (const state of unset) state.position = starts.get(partitionKey(state)) ?? 0;
    }
    this.#failIfClosed();
    this.#firstPartitions ??= this.#partitionCounts();
    this.#positioned = true;
    this.#context.hooks.assigned(
      states.map(({ topic, partition, position, committed, metadata }) => ({
        topic,
        partition,
        position,
        committed,
        ...(metadata === undefined ? {} : { metadata }),
      })),
    );
  }

  /**
   * Whether a partition was added after this consumer began. All of it is new then, also where the
   * consumer began at the latest offset: what was written before anybody noticed must not be skipped.
   */
  #isNew({ topic, partition }: TopicPartition): boolean {
    return this.#firstPartitions !== null && partition >= (this.#firstPartitions.get(topic) ?? 0);
  }

  #partitionCounts(): Map<string, number> {
    const { cluster } = this.#connections;
    return new Map(
      this.#context.topics.map((
        topic,
      ) => [topic, cluster.findTopicPartitionMetadata(topic).length]),
    );
  }

  async #listOffsets(
    partitions: readonly TopicPartition[],
    fromBeginning: boolean,
  ): Promise<Map<string, number>> {
    if (partitions.length === 0) return new Map();
    const answer = await this.#connections.cluster.fetchTopicsOffset(
      byTopic(partitions).map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition }) => ({ partition })),
        fromBeginning,
      })),
    );
    return new Map(
      answer.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset }) =>
          [partitionKey({ topic, partition }), Number(offset)] as const
        )
      ),
    );
  }

  // --- Fetching -----------------------------------------------------------------------------------

  /** Sends a fetch to each broker that has none under way and leads something that may be read. */
  #fetch(): void {
    if (!this.#connected || !this.#positioned || this.#rejoin !== null || this.#closed) return;
    const now = Date.now();
    const byNode = Map.groupBy(this.#partitions.values(), (state) => this.#nodeOf(state, now));
    for (const [nodeId, all] of byNode) {
      const states = all.filter((state) => isFetchable(state, now));
      if (states.length === 0) continue;
      if (nodeId === null) {
        this.#staleMetadata = true;
        for (const state of states) state.notBefore = now + PARTITION_BACKOFF_MS;
      } else if (!this.#fetching.has(nodeId)) {
        void this.#fetchFrom(nodeId, states, states.length === all.length);
      }
    }
  }

  #nodeOf(state: PartitionState, now: number): number | null {
    if (state.replica !== null && state.replica.until > now) return state.replica.nodeId;
    const leader = this.#connections.cluster.findTopicPartitionMetadata(state.topic)
      .find(({ partitionId }) => partitionId === state.partition)?.leader;
    return leader === undefined || leader === null || leader < 0 ? null : leader;
  }

  async #fetchFrom(nodeId: number, states: PartitionState[], complete: boolean): Promise<void> {
    const epoch = this.#epoch;
    this.#fetching.add(nodeId);
    for (const state of states) state.fetching = true;
    try {
      const { partitions } = await this.#sendFetch(nodeId, states, complete);
      for (const fetched of partitions) {
        const state = this.#partitions.get(partitionKey(fetched));
        if (epoch !== this.#epoch) return;
        if (state !== undefined) await this.#takeIn(state, fetched, epoch);
      }
    } catch (error) {
      if (epoch === this.#epoch) this.#fail(error as Error);
    } finally {
      this.#fetching.delete(nodeId);
      for (const state of states) state.fetching = false;
      if (this.#failure === null) this.#fetch();
      this.#wakeUp();
    }
  }

  async #sendFetch(
    nodeId: number,
    states: readonly PartitionState[],
    complete: boolean,
  ): Promise<FetchResponse> {
    const { maxWaitTimeInMs, minBytes, maxBytes, maxBytesPerPartition, isolationLevel, rackId } =
      this.#settings;
    const broker = await this.#connections.cluster.findBroker({ nodeId });
    const protocol = broker.lookupRequest(apiKeys.Fetch, requests.Fetch)({
      maxWaitTime: complete ? maxWaitTimeInMs : Math.min(maxWaitTimeInMs, INCOMPLETE_FETCH_WAIT_MS),
      minBytes,
      maxBytes,
      isolationLevel,
      rackId,
      topics: byTopic(states).map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition, position }) => ({
          partition,
          fetchOffset: String(position),
          maxBytes: maxBytesPerPartition,
        })),
      })),
    }) as ProtocolRequest<FetchResponse>;
    const { apiVersion } = protocol.request;
    if (apiVersion < OLDEST_FETCH_VERSION) {
      throw new DriverError(
        `Cannot fetch from broker ${nodeId}: it speaks version ${apiVersion} of Fetch, at least ${OLDEST_FETCH_VERSION} is needed (Kafka 0.11)`,
        { retriable: false },
      );
    }
    try {
      return await broker.connectionPool.send({
        ...protocol,
        response: {
          decode: (payload) => Promise.resolve(readFetchResponse(payload, apiVersion)),
          parse: (data) => Promise.resolve(data),
        },
      });
    } catch (error) {
      // As kafkajs does for its own requests: the other connection of the pool is gone as well.
      if (rootOf(error).name === "KafkaJSConnectionClosedError") await broker.disconnect();
      throw error;
    }
  }

  async #takeIn(state: PartitionState, fetched: FetchedPartition, epoch: number): Promise<void> {
    const { errorCode, preferredReadReplica, records } = fetched;
    const { topic, partition } = state;
    const now = Date.now();
    if (errorCode === OFFSET_OUT_OF_RANGE) return await this.#resetPosition(state, epoch);
    if (errorCode !== 0) {
      state.notBefore = now + PARTITION_BACKOFF_MS;
      state.replica = null;
      if (STALE_METADATA.has(errorCode)) {
        this.#staleMetadata = true;
        return;
      }
      const message = `Cannot fetch "${topic}" partition ${partition}`;
      const cause = createErrorFromCode(errorCode);
      throw errorCode === TOPIC_AUTHORIZATION_FAILED
        ? new AuthenticationError(`${message}: ${cause.message}`, {
          cause,
          code: "AUTHORIZATION_FAILED",
          topic,
          partition,
        })
        : new DriverError(`${message}: ${cause.message}`, {
          cause,
          topic,
          partition,
          retriable: cause.retriable !== false,
        });
    }
    if (preferredReadReplica >= 0) {
      state.replica = { nodeId: preferredReadReplica, until: now + this.#settings.metadataMaxAge };
    }
    if (records.length === 0) {
      // Nothing new, except perhaps the news of where the log ends.
      if (!state.ready.length) {
        const endOffset = readableEnd(fetched, this.#settings.isolationLevel);
        state.ready.push({ topic, partition, records: [], endOffset });
      }
      return;
    }
    // The broker fills its answer in the order of the request: who has got something moves back.
    const key = partitionKey(state);
    this.#partitions.delete(key);
    this.#partitions.set(key, state);
    const batches = await this.#decode(state, fetched);
    // Decompression takes turns of the loop, in which the assignment may have changed.
    if (epoch !== this.#epoch) return;
    state.ready.push(...batches);
  }

  async #decode(
    state: PartitionState,
    fetched: FetchedPartition,
  ): Promise<DriverBatch[]> {
    const { topic, partition, position } = state;
    const { records, aborted } = fetched;
    const batch = {
      topic,
      partition,
      endOffset: readableEnd(fetched, this.#settings.isolationLevel),
    };
    if ((magicOf(records) ?? RECORD_BATCH_MAGIC) < RECORD_BATCH_MAGIC) {
      const messages = (await decodeMessageSet(records))
        .map((message) => ({
          offset: Number(message.offset),
          timestamp: Number(message.timestamp ?? -1),
          key: message.key,
          value: message.value,
        }))
        .filter(({ offset }) => offset >= position);
      const last = messages.at(-1);
      if (last === undefined) return [];
      state.position = last.offset + 1;
      return [{ ...batch, records: tableOfRecords(messages, Date.now()) }];
    }
    const transactions = this.#settings.isolationLevel === READ_COMMITTED ? aborted : null;
    const decoded = await decodeRecordBatches(records, position, transactions, decompress);
    if (decoded.nextOffset === null) {
      // A broker sends the first batch whole, however large it is (KIP-74).
      throw new DriverError(
        `Cannot read "${topic}" partition ${partition} at offset ${position}: ${records.length} bytes without one whole batch`,
        { retriable: true, topic, partition, offset: position },
      );
    }
    state.position = Math.max(position, decoded.nextOffset);
    const nextOffset = state.position;
    if (decoded.tables.length === 0) return [{ ...batch, records: [], nextOffset }];
    return decoded.tables.map((table, index) => ({
      ...batch,
      records: table,
      ...(index === decoded.tables.length - 1 ? { nextOffset } : {}),
    }));
  }

  /**
   * Finds a new position for one that the log does not have.
   *
   * Retention has deleted what lies before the log's start: whatever `startFrom` says, going on there
   * skips nothing more. Beyond its end, where a topic was made anew or its tail was lost, there is
   * nothing to go by but `startFrom`.
   */
  async #resetPosition(state: PartitionState, epoch: number): Promise<void> {
    if (state.replica !== null) {
      // A follower may be behind: its leader is asked first (KIP-392).
      state.replica = null;
      return;
    }
    const key = partitionKey(state);
    const start = (await this.#listOffsets([state], true)).get(key) ?? 0;
    const end = (await this.#listOffsets([state], false)).get(key) ?? 0;
    if (epoch !== this.#epoch) return;
    const { topic, partition, position } = state;
    state.position = position < start || this.#context.startFrom === "earliest" ? start : end;
    this.#context.logger.warn(
      `Offset ${position} of "${topic}" partition ${partition} is not in its log (${start} to ${end}): going on at ${state.position}`,
      { topic, partition, offset: position, start, end },
    );
    state.ready.push({ topic, partition, records: [], nextOffset: state.position, endOffset: end });
  }

  #isIdle(): boolean {
    if (this.#failure !== null || this.#rejoin !== null || this.#staleMetadata) return false;
    for (const { paused, ready } of this.#partitions.values()) {
      if (!paused && ready.length > 0) return false;
    }
    return true;
  }

  #takeReady(): DriverBatch[] {
    if (this.#rejoin === "lost") return [];
    const batches: DriverBatch[] = [];
    for (const state of this.#partitions.values()) {
      if (!state.paused && state.ready.length > 0) batches.push(...state.ready.splice(0));
    }
    if (batches.length > 0) this.#fetch();
    return batches;
  }

  #setPaused(partitions: readonly TopicPartition[], paused: boolean): void {
    for (const partition of partitions) {
      const state = this.#partitions.get(partitionKey(partition));
      if (state !== undefined) state.paused = paused;
    }
  }

  // --- Waiting and failing ------------------------------------------------------------------------

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake.resolve();
  }

  async #waitUntilWoken(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.#wakeUp(), timeoutMs);
    // A wake-up before this wait has left its mark on the state that was looked at.
    this.#wake = Promise.withResolvers();
    await this.#wake.promise;
    clearTimeout(timer);
  }

  #failIfClosed(): void {
    if (this.#closed) {
      throw new DriverError("Cannot poll: the driver is closed", { retriable: false });
    }
  }
}

const createKafkajsDriver: CreateDriver = (context) => new KafkajsDriver(context);

export default createKafkajsDriver;
