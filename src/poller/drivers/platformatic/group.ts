/** The membership in a consumer group: join, heartbeat, commit, leave. */

import type { OffsetCommit, TopicPartition } from "../../../driver.ts";
import { CommitError, type KafkaThreadsError, LostPartitionError } from "../../../errors.ts";
import {
  assignRoundRobin,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  STRATEGIES,
} from "./assignment.ts";
import type { Clock } from "../shared/clock.ts";
import type { Cluster } from "./cluster.ts";
import type { BrokerAddress, BrokerConnection } from "./connection.ts";
import {
  answerError,
  CODES,
  COORDINATOR_CODES,
  isRetriable,
  LOST_CODES,
  TRANSIENT_CODES,
} from "./errors.ts";

/** What a group is made from. */
export interface GroupOptions {
  /** Name of the group. */
  groupId: string;
  /** Topics this member wants. */
  topics: readonly string[];
  /** Milliseconds without a heartbeat after which the group gives this member up. */
  sessionTimeoutMs: number;
  /** Milliseconds that members have to rejoin. */
  rebalanceTimeoutMs: number;
  /** Name of a static member, or null. */
  groupInstanceId: string | null;
  /** Whether commits of transactions under way have to be waited for. */
  requireStable: boolean;
}

/** What an answer says about the membership. */
export type Standing = "member" | "rebalancing" | "lost";

/** What a group has committed for a partition. */
export interface CommittedOffset {
  /** The offset, or null if there is none. */
  offset: number | null;
  /** Text stored with it. */
  metadata: string;
}

/** Attempts to join after which the error is passed on; each answer brings the next one further. */
const JOIN_ATTEMPTS = 10;
/** How long a coordinator may take to be ready before that is an error. */
const PATIENCE_MS = 1_000;
const STEP_MS = 100;
/** What a rebalance may take beyond the time that members have. */
const JOIN_MARGIN_MS = 5_000;
const PROTOCOL_TYPE = "consumer";

/** One member of one group. */
export class Group {
  readonly #cluster: Cluster;
  readonly #options: GroupOptions;
  readonly #clock: Clock;
  readonly #onStanding: (standing: Standing) => void;
  #coordinator: BrokerAddress | null = null;
  #memberId = "";
  #generation = -1;
  #isLeader = false;
  #joining = false;
  #leading = new Map<string, number>();

  /**
   * Makes a group that has not been joined.
   *
   * @param onStanding Called when an answer, of whatever request, says how the membership stands.
   */
  constructor(
    cluster: Cluster,
    clock: Clock,
    options: GroupOptions,
    onStanding: (standing: Standing) => void,
  ) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#options = options;
    this.#onStanding = onStanding;
  }

  /** Name the group knows this member by, or "" before the first join. */
  get memberId(): string {
    return this.#memberId;
  }

  /**
   * Joins or rejoins: waits until all members have, and until the leader has dealt out the partitions.
   *
   * @returns This member's partitions.
   * @throws {KafkaThreadsError} If the coordinator does not let it in, or is not there.
   */
  async join(): Promise<TopicPartition[]> {
    this.#joining = true;
    const patientUntil = Date.now() + PATIENCE_MS;
    try {
      for (let attempt = 1;; attempt++) {
        const code = await this.#joinOnce();
        if (typeof code !== "number") return code;
        const failure = this.#failure(`join group "${this.#options.groupId}"`, code);
        if (this.#clock.stopped) throw failure;
        if (LOST_CODES.has(code)) this.forgetMember();
        else if (TRANSIENT_CODES.has(code) && Date.now() < patientUntil) {
          await this.#clock.sleep(STEP_MS);
          continue;
        } else if (code !== CODES.memberIdRequired && code !== CODES.rebalanceInProgress) {
          throw failure;
        }
        if (attempt >= JOIN_ATTEMPTS) throw failure;
      }
    } finally {
      this.#joining = false;
    }
  }

  /** The membership is gone: the next join asks for a new one. */
  forgetMember(): void {
    this.#memberId = "";
    this.#generation = -1;
    this.#isLeader = false;
  }

  /** Whether this member deals out the partitions and some topic has others than it dealt out. */
  get assignmentIsOld(): boolean {
    if (!this.#isLeader) return false;
    return this.#leading.entries().some(([topic, count]) =>
      this.#cluster.partitionCount(topic) > count
    );
  }

  /** The topics that the leader has to watch: those of all members. */
  get watchedTopics(): string[] {
    return this.#isLeader ? [...this.#leading.keys()] : [...this.#options.topics];
  }

  /**
   * Tells the coordinator that this member lives.
   *
   * @throws {KafkaThreadsError} If the coordinator does not answer, or answers with something that
   * says nothing about the membership.
   */
  async heartbeat(): Promise<void> {
    const { groupId, groupInstanceId } = this.#options;
    const generation = this.#generation;
    const { errorCode } = await this.#ask((connection) =>
      connection.request("heartbeat", [groupId, generation, this.#memberId, groupInstanceId])
    );
    if (this.#judge(errorCode, generation)) return;
    throw this.#failure(`send a heartbeat to group "${groupId}"`, errorCode);
  }

  /**
   * Commits with the current generation.
   *
   * @throws {LostPartitionError} If the membership is gone, and the partitions with it.
   * @throws {CommitError} If the coordinator does not take it for another reason.
   */
  async commit(offsets: readonly OffsetCommit[]): Promise<void> {
    const { groupId, groupInstanceId } = this.#options;
    const generation = this.#generation;
    const byTopic = Map.groupBy(offsets, ({ topic }) => topic);
    const topics = Array.from(byTopic, ([name, list]) => ({
      name,
      partitions: list.map(({ partition, offset, metadata = "" }) => ({
        partitionIndex: partition,
        committedOffset: BigInt(offset),
        committedLeaderEpoch: -1,
        committedMetadata: metadata,
      })),
    }));
    const attempt = (topic: string, partition: number) =>
      `commit "${topic}" partition ${partition} of group "${groupId}"`;
    let answer;
    try {
      answer = await this.#ask((connection) =>
        connection.request("offsetCommit", [
          groupId,
          generation,
          this.#memberId,
          groupInstanceId,
          topics,
        ])
      );
    } catch (cause) {
      const { message, retriable } = cause as KafkaThreadsError;
      throw new CommitError(`Cannot commit: ${message}`, { cause, retriable });
    }
    for (const { name: topic, partitions } of answer.topics) {
      for (const { partitionIndex: partition, errorCode } of partitions) {
        if (errorCode === CODES.none) continue;
        this.#judge(errorCode, generation);
        const cause = this.#failure(attempt(topic, partition), errorCode, { topic, partition });
        const offset = offsets.find((one) => one.topic === topic && one.partition === partition)
          ?.offset;
        const options = { cause, topic, partition, offset };
        if (LOST_CODES.has(errorCode)) throw new LostPartitionError(cause.message, options);
        throw new CommitError(cause.message, { ...options, retriable: isRetriable(errorCode) });
      }
    }
  }

  /** Asks what the group has committed for these partitions, in their order. */
  async committed(partitions: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    if (partitions.length === 0) return [];
    const { groupId, requireStable } = this.#options;
    const byTopic = Map.groupBy(partitions, ({ topic }) => topic);
    const topics = Array.from(byTopic, ([name, list]) => ({
      name,
      partitionIndexes: list.map(({ partition }) => partition),
    }));
    const attempt = `ask what group "${groupId}" has committed`;
    const answer = await this.#ask((connection) =>
      connection.request("offsetFetch", [
        [{ groupId, memberId: null, memberEpoch: -1, topics }],
        requireStable,
      ])
    );
    const group = answer.groups?.[0] ?? answer;
    if (group.errorCode) throw this.#failure(attempt, group.errorCode);
    return partitions.map(({ topic, partition }) => {
      const found = group.topics.find(({ name }) => name === topic)
        ?.partitions.find(({ partitionIndex }) => partitionIndex === partition);
      if (found?.errorCode) throw this.#failure(attempt, found.errorCode, { topic, partition });
      const offset = Number(found?.committedOffset ?? -1);
      return { offset: offset < 0 ? null : offset, metadata: found?.metadata ?? "" };
    });
  }

  /** Leaves the group, so that it need not wait for this member's session to end. */
  async leave(): Promise<void> {
    const { groupId, groupInstanceId } = this.#options;
    const memberId = this.#memberId;
    // A static member comes back: that is what it is for.
    if (memberId === "" || groupInstanceId !== null || this.#coordinator === null) return;
    // The broker answers the requests of a connection in turn, and a join may wait for long.
    const connection = await this.#cluster.toAddress(
      this.#coordinator,
      this.#joining ? "leave" : "group",
    );
    await connection.request("leaveGroup", [groupId, [{
      memberId,
      groupInstanceId: null,
      reason: "the consumer closes",
    }]]);
  }

  /** @returns The partitions, or the error code. */
  async #joinOnce(): Promise<TopicPartition[] | number> {
    const { groupId, sessionTimeoutMs, rebalanceTimeoutMs, groupInstanceId, topics } =
      this.#options;
    const metadata = encodeSubscription(topics);
    const waitMs = Math.max(sessionTimeoutMs, rebalanceTimeoutMs) + JOIN_MARGIN_MS;
    const joined = await this.#ask((connection) =>
      connection.request("joinGroup", [
        groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        this.#memberId,
        groupInstanceId,
        PROTOCOL_TYPE,
        STRATEGIES.map((name) => ({ name, metadata })),
        "",
      ], waitMs)
    );
    if (joined.errorCode === CODES.memberIdRequired) this.#memberId = joined.memberId;
    if (joined.errorCode !== CODES.none) return joined.errorCode;
    const { generationId, memberId, protocolName } = joined;
    this.#memberId = memberId;
    this.#generation = generationId;
    this.#isLeader = joined.leader === memberId;

    const assignments = this.#isLeader ? await this.#deal(joined.members) : [];
    const synced = await this.#ask((connection) =>
      connection.request("syncGroup", [
        groupId,
        generationId,
        memberId,
        groupInstanceId,
        PROTOCOL_TYPE,
        protocolName,
        assignments,
      ], waitMs)
    );
    if (synced.errorCode !== CODES.none) return synced.errorCode;
    return decodeAssignment(synced.assignment);
  }

  async #deal(members: { memberId: string; metadata: Uint8Array }[]) {
    const wanted = new Map(
      members.map(({ memberId, metadata }) => [memberId, decodeSubscription(metadata)]),
    );
    const topics = [...new Set([...wanted.values()].flat())];
    await this.#cluster.refresh(topics);
    this.#leading = new Map(topics.map((topic) => [topic, this.#cluster.partitionCount(topic)]));
    const dealt = assignRoundRobin(wanted, (topic) => this.#leading.get(topic) ?? 0);
    return Array.from(dealt, ([memberId, partitions]) => ({
      memberId,
      assignment: encodeAssignment(partitions),
    }));
  }

  async #ask<T>(ask: (connection: BrokerConnection) => Promise<T>): Promise<T> {
    try {
      this.#coordinator ??= await this.#cluster.findCoordinator(this.#options.groupId);
      return await ask(await this.#cluster.toAddress(this.#coordinator, "group"));
    } catch (error) {
      this.#coordinator = null;
      throw error;
    }
  }

  /** Whether the answer says how the membership stands; it counts for its own generation only. */
  #judge(code: number, generation: number): boolean {
    const standing = code === CODES.none
      ? "member"
      : code === CODES.rebalanceInProgress
      ? "rebalancing"
      : LOST_CODES.has(code)
      ? "lost"
      : null;
    if (standing === null) return false;
    if (generation === this.#generation) this.#onStanding(standing);
    return true;
  }

  #failure(
    attempt: string,
    code: number,
    where?: { topic: string; partition: number },
  ): KafkaThreadsError {
    if (COORDINATOR_CODES.has(code)) this.#coordinator = null;
    return answerError(attempt, code, where);
  }
}
