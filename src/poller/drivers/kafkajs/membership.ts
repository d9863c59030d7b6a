/** This consumer's membership in its group: joining, heartbeats, commits, leaving. */

import type { DriverContext, OffsetCommit, TopicPartition } from "../../../driver.ts";
import { CommitError, ConnectionError, LostPartitionError } from "../../../errors.ts";
import {
  apiKeys,
  type Assigner,
  type Broker,
  type Cluster,
  type ConsumerGroup,
  createConsumerGroup,
  createEmitter,
  type JoinArguments,
  type KafkajsLogger,
  requests,
  roundRobin,
} from "./internals.ts";
import { byTopic } from "./partition_state.ts";
import type { KafkajsSettings } from "./settings.ts";
import { isMembershipLost, isRebalancing, rootOf, typedError } from "./typed_errors.ts";

/** Why this member has to join again: the group asks for it, or has let it go. */
export type RejoinReason = "rebalance" | "lost";

/** From this version of JoinGroup on, the coordinator names a member before it joins (KIP-394). */
const NAMING_JOIN_VERSION = 4;
/** Longest wait for the group's answer when leaving; the session's end does the same, later. */
const LEAVE_TIMEOUT_MS = 2_000;

/** Membership in the group. Heartbeats run from {@linkcode join} on, whatever the poller does. */
export class Membership {
  readonly #context: DriverContext;
  readonly #settings: KafkajsSettings;
  readonly #assigner: Assigner;
  readonly #group: ConsumerGroup;
  readonly #onRejoin: (reason: RejoinReason) => void;
  readonly #onFailure: (error: Error) => void;
  readonly #onSilence: (error: Error) => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #beatSince: number | null = null;
  #left = false;
  /** Whether the group counts this member in, as far as is known. */
  joined = false;
  /** When the last heartbeat was answered. */
  heartbeatAt: number | null = null;
  /** Heartbeats that were answered. */
  heartbeats = 0;

  constructor(
    context: DriverContext,
    settings: KafkajsSettings,
    cluster: Cluster,
    logger: KafkajsLogger,
    events: {
      rejoin(reason: RejoinReason): void;
      /** What trying again does not mend. */
      failure(error: Error): void;
      /** The coordinator's connection is there, and nothing comes over it. */
      silence(error: Error): void;
    },
  ) {
    this.#context = context;
    this.#settings = settings;
    this.#onRejoin = events.rejoin;
    this.#onFailure = events.failure;
    this.#onSilence = events.silence;
    // The leader assigns by the metadata of the cluster of the day, not of the first one: that may
    // never have known the topics, and knows nothing of partitions added later.
    this.#assigner = roundRobin({
      cluster: {
        findTopicPartitionMetadata: (topic) =>
          this.#group.cluster.findTopicPartitionMetadata(topic),
      },
    });
    this.#group = createConsumerGroup({
      retry: { retries: 0 },
      cluster,
      groupId: context.groupId,
      topics: [...context.topics],
      topicConfigurations: {},
      logger,
      instrumentationEmitter: createEmitter(),
      assigners: [this.#assigner],
      sessionTimeout: context.sessionTimeoutMs,
      rebalanceTimeout: settings.rebalanceTimeout,
      metadataMaxAge: settings.metadataMaxAge,
      isolationLevel: settings.isolationLevel,
      rackId: settings.rackId,
      autoCommit: false,
    });
  }

  /** Name the group knows this member by. */
  get memberId(): string | undefined {
    return this.#group.memberId ?? undefined;
  }

  /** Goes on over another cluster's connections; the membership stays. */
  useCluster(cluster: Cluster): void {
    this.#group.cluster = cluster;
    this.#group.coordinator = null;
  }

  /**
   * Joins the group and learns what is assigned.
   *
   * @throws If that was not possible now; calling again is right.
   */
  async join(): Promise<TopicPartition[]> {
    this.#stopHeartbeats();
    this.joined = false;
    for (;;) {
      try {
        if (this.memberId === undefined) await this.#getName();
        await this.#group.joinAndSync();
        break;
      } catch (error) {
        // The group has begun anew while it was being joined; kafkajs has noted what there is to note.
        if (!isRebalancing(error) && !isMembershipLost(error)) throw error;
        this.#context.signal.throwIfAborted();
        if (this.#left) throw error;
      }
    }
    if (this.#left) throw new ConnectionError("Cannot join the group: the driver is closed");
    this.joined = true;
    this.heartbeatAt = Date.now();
    this.#timer = setInterval(() => void this.#heartbeat(), this.#context.heartbeatIntervalMs);
    return this.#group.assigned().flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition }))
    );
  }

  /** Asks for a new assignment where the topics have got more partitions. */
  checkPartitions(): void {
    try {
      this.#group.checkForStaleAssignment();
    } catch {
      this.#onRejoin("rebalance");
    }
  }

  /** Offsets and metadata that the group has committed. */
  async committed(
    partitions: readonly TopicPartition[],
  ): Promise<(TopicPartition & { offset: number; metadata?: string })[]> {
    const coordinator = await this.#coordinator();
    const { responses } = await coordinator.offsetFetch({
      groupId: this.#context.groupId,
      topics: byTopic(partitions),
    });
    return responses.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset, metadata }) => ({
        topic,
        partition,
        offset: Number(offset),
        ...(metadata ? { metadata } : {}),
      }))
    );
  }

  /**
   * Commits under the generation that is valid now: a member that has been let go meanwhile is
   * refused by the coordinator.
   *
   * @throws {LostPartitionError} If the group has let this member go.
   * @throws {CommitError} If it was not acknowledged for another reason.
   */
  async commit(offsets: readonly OffsetCommit[]): Promise<void> {
    // Read before anything is awaited: a later generation must not vouch for these offsets.
    const { generationId, memberId } = this.#group;
    if (!this.joined || generationId === null || memberId === null) {
      throw new CommitError("Cannot commit: this consumer is not a member of its group", {
        retriable: true,
      });
    }
    try {
      const coordinator = await this.#coordinator();
      await coordinator.offsetCommit({
        groupId: this.#context.groupId,
        memberId,
        groupGenerationId: generationId,
        topics: byTopic(offsets).map(({ topic, partitions }) => ({
          topic,
          partitions: partitions.map(({ partition, offset, metadata }) => ({
            partition,
            offset: String(offset),
            metadata: metadata ?? null,
          })),
        })),
      });
    } catch (error) {
      this.#noticed(error);
      const cause = typedError("commit", error);
      const [first] = offsets;
      const where = offsets.length === 1
        ? { topic: first!.topic, partition: first!.partition }
        : {};
      // Whoever owns the partitions now commits for them; the next assignment begins where it left off.
      if (isMembershipLost(error)) throw new LostPartitionError(cause.message, { cause, ...where });
      const retriable = cause.retriable || isRebalancing(error);
      throw new CommitError(cause.message, { cause, retriable, ...where });
    }
  }

  /**
   * Leaves the group, within a bounded time; also where the join is not through, as the group would
   * wait for this member until its session ends.
   *
   * @param connect Makes the cluster's connections, if it has none yet.
   */
  async leave(connect: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    this.#stopHeartbeats();
    this.#left = true;
    if (this.memberId === undefined) return;
    this.joined = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LEAVE_TIMEOUT_MS);
    });
    const left = connect().then(() => this.#coordinator()).then(() => this.#group.leave()).catch((
      error,
    ) => this.#context.logger.debug(`Cannot leave the group: ${rootOf(error)?.message}`));
    await Promise.race([left, late]);
    clearTimeout(timer);
  }

  /** Has the coordinator name this member, so that a join that waits can be taken back. */
  async #getName(): Promise<void> {
    const { groupId, sessionTimeoutMs, topics } = this.#context;
    const coordinator = await this.#group.cluster.findGroupCoordinator({ groupId });
    const join = coordinator.lookupRequest<JoinArguments>(apiKeys.JoinGroup, requests.JoinGroup)({
      groupId,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: this.#settings.rebalanceTimeout,
      memberId: "",
      protocolType: "consumer",
      groupProtocols: [this.#assigner.protocol({ topics })],
    });
    // An older coordinator would take it for the join itself.
    if (join.request.apiVersion < NAMING_JOIN_VERSION) return;
    try {
      await coordinator.connectionPool.send(join);
    } catch (error) {
      const { name, memberId } = error as { name?: string; memberId?: string };
      if (name !== "KafkaJSMemberIdRequired" || memberId === undefined) throw error;
      this.#group.memberId = memberId;
    }
  }

  #stopHeartbeats(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #heartbeat(): Promise<void> {
    const { groupId, sessionTimeoutMs } = this.#context;
    if (this.#beatSince !== null) {
      // A connection that swallows a heartbeat for a whole session is dead, whatever it says.
      if (Date.now() - this.#beatSince >= sessionTimeoutMs) {
        this.#beatSince = null;
        this.#onSilence(
          new ConnectionError(
            `Cannot reach the group's coordinator: no answer to a heartbeat within ${sessionTimeoutMs} ms`,
          ),
        );
      }
      return;
    }
    const { generationId, memberId } = this.#group;
    if (generationId === null || memberId === null) return;
    const since = this.#beatSince = Date.now();
    try {
      const coordinator = await this.#coordinator();
      await coordinator.heartbeat({ groupId, groupGenerationId: generationId, memberId });
      this.heartbeatAt = Date.now();
      this.heartbeats++;
    } catch (error) {
      // An answer that belongs to an earlier generation says nothing about this one.
      if (generationId === this.#group.generationId) this.#noticed(error);
    } finally {
      if (this.#beatSince === since) this.#beatSince = null;
    }
  }

  /** Draws the conclusions from an error of a request to the coordinator. */
  #noticed(error: unknown): void {
    if (isRebalancing(error)) {
      this.heartbeatAt = Date.now();
      this.#onRejoin("rebalance");
    } else if (isMembershipLost(error)) {
      this.#onRejoin("lost");
    } else {
      // Moved, restarting or gone: it is looked for again before the next request.
      this.#group.coordinator = null;
      const typed = typedError("reach the group's coordinator", error);
      if (!typed.retriable) this.#onFailure(typed);
      else this.#context.logger.debug(typed.message);
    }
  }

  async #coordinator(): Promise<Broker> {
    const { cluster, coordinator } = this.#group;
    if (coordinator?.isConnected()) return coordinator;
    return this.#group.coordinator = await cluster.findGroupCoordinator({
      groupId: this.#context.groupId,
    });
  }
}
