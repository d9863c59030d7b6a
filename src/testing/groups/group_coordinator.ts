/**
 * The coordinator of groups of the classic protocol, as Apache Kafka has it: who is a member, what is
 * assigned to it, what is committed. It has no sockets, no clock and no randomness: requests, the time
 * and new member ids come in as arguments.
 *
 * @module
 */
import { ERROR } from "../protocol/error_codes.ts";
import { CONSUMER, parseAssignment } from "./consumer_protocol.ts";
import { Group, type JoinContext, joinFailure, syncFailure } from "./group.ts";
import type { GroupChange, GroupState } from "./group_change.ts";
import { NO_ASSIGNMENT } from "./group_member.ts";
import { type CommittedOffset, GroupOffsets } from "./group_offsets.ts";
import type {
  DescribedGroup,
  HeartbeatRequest,
  JoinGroupRequest,
  JoinGroupResponse,
  LeaveGroupRequest,
  LeaveGroupResponse,
  ListedGroup,
  OffsetCommitPartition,
  OffsetCommitRequest,
  OffsetDeleteRequest,
  OffsetFetchRequest,
  OffsetFetchResponse,
  PartitionResults,
  SyncGroupRequest,
  SyncGroupResponse,
} from "./messages.ts";

export type { JoinContext } from "./group.ts";
export type { GroupChange, GroupState } from "./group_change.ts";
export type { CommittedOffset } from "./group_offsets.ts";

/** The first version of OffsetCommit that tells a missing group from a stale generation (KIP-848). */
const FIRST_COMMIT_WITH_GROUP_ID_NOT_FOUND = 9;
/** The first version of DescribeGroups that tells a missing group from a dead one (KIP-1043). */
const FIRST_DESCRIBE_WITH_GROUP_ID_NOT_FOUND = 6;
/** What stands for operations that were not asked for. */
const NOT_ASKED = -2147483648;

/** Options of a {@linkcode GroupCoordinator}. */
export interface GroupCoordinatorOptions {
  /** The shortest session that a member may ask for, in milliseconds; default 6_000. */
  minSessionTimeoutMs?: number;
  /** The longest session that a member may ask for, in milliseconds; default 1_800_000. */
  maxSessionTimeoutMs?: number;
  /** How long an empty group's first rebalance waits for more members, in milliseconds; default 0. */
  initialRebalanceDelayMs?: number;
  /** How long a new member may wait for its first generation, in milliseconds; default 300_000. */
  newMemberJoinTimeoutMs?: number;
  /** How many members a group may have; default: any number. */
  maxGroupSize?: number;
  /** How long a commit's metadata may be, in UTF-16 units as Kafka counts; default 4_096. */
  offsetMetadataMaxBytes?: number;
  /** Makes a member id that nobody has had. */
  newMemberId: (clientId: string | null, instanceId: string | null) => string;
  /** Whether there is such a partition to commit for; default: each is taken for existing. */
  partitionExists?: (topic: string, partition: number) => boolean;
  /** Is told what has happened, when all is done that a request or the time brought about. */
  onChange?: (change: GroupChange) => void;
}

/** A group, to be looked at. */
export interface GroupDescription {
  /** Its name. */
  groupId: string;
  /** Where it is in its life. */
  state: GroupState;
  /** How often its members have got partitions anew. */
  generationId: number;
  /** Such as "consumer"; "" if nobody has ever joined. */
  protocolType: string;
  /** The way of assigning that the generation goes by; "" if there is none. */
  protocol: string;
  /** The leader's member id, or null. */
  leader: string | null;
  /** Its members. */
  members: GroupMemberDescription[];
}

/** A member, to be looked at. */
export interface GroupMemberDescription {
  /** What the broker calls it. */
  memberId: string;
  /** What a static member calls itself (KIP-345), or null. */
  instanceId: string | null;
  /** What its client calls itself. */
  clientId: string;
  /** Where it is. */
  clientHost: string;
  /** How long it may be silent, in milliseconds. */
  sessionTimeoutMs: number;
  /** Its partitions by topic; null if it has no assignment, or one that is not a consumer's. */
  assignment: Record<string, number[]> | null;
}

/** Coordinates groups. */
export class GroupCoordinator {
  readonly #options: Required<GroupCoordinatorOptions>;
  readonly #groups = new Map<string, Group>();
  /** Answers and changes, to be handed out when all that caused them is done. */
  #outgoing: (() => void)[] = [];
  #flushing = false;

  /** @param options Limits, and what a coordinator cannot know by itself. */
  constructor(options: GroupCoordinatorOptions) {
    this.#options = {
      minSessionTimeoutMs: 6_000,
      maxSessionTimeoutMs: 1_800_000,
      initialRebalanceDelayMs: 0,
      newMemberJoinTimeoutMs: 300_000,
      maxGroupSize: Infinity,
      offsetMetadataMaxBytes: 4_096,
      partitionExists: () => true,
      onChange: () => {},
      ...options,
    };
  }

  /**
   * Answers JoinGroup, when the group's members have all joined or their time is over.
   *
   * @param request The request.
   * @param context Who joins, and when.
   * @param reply Takes the response, exactly once, perhaps before this method returns.
   */
  join(
    request: JoinGroupRequest,
    context: JoinContext,
    reply: (response: JoinGroupResponse) => void,
  ): void {
    const { groupId, memberId, sessionTimeoutMs } = request;
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#options;
    this.#run(() => {
      const later = (response: JoinGroupResponse) =>
        void this.#outgoing.push(() => reply(response));
      if (groupId === "") return later(joinFailure(ERROR.INVALID_GROUP_ID, memberId));
      if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs) {
        return later(joinFailure(ERROR.INVALID_SESSION_TIMEOUT, memberId));
      }
      // Whoever says that it has been a member of a group that is not there is mistaken.
      const group = memberId === "" ? this.#getOrMake(groupId) : this.#groups.get(groupId);
      if (group === undefined) return later(joinFailure(ERROR.UNKNOWN_MEMBER_ID, memberId));
      group.join(request, context, later);
    });
  }

  /**
   * Answers SyncGroup, when the leader has assigned.
   *
   * @param request The request.
   * @param now The time in milliseconds.
   * @param reply Takes the response, exactly once, perhaps before this method returns.
   */
  sync(
    request: SyncGroupRequest,
    now: number,
    reply: (response: SyncGroupResponse) => void,
  ): void {
    this.#run(() => {
      const later = (response: SyncGroupResponse) =>
        void this.#outgoing.push(() => reply(response));
      if (request.groupId === "") return later(syncFailure(ERROR.INVALID_GROUP_ID));
      const group = this.#groups.get(request.groupId);
      if (group === undefined) return later(syncFailure(ERROR.UNKNOWN_MEMBER_ID));
      group.sync(request, now, later);
    });
  }

  /**
   * Answers Heartbeat.
   *
   * @param request The request.
   * @param now The time in milliseconds.
   * @returns The response.
   */
  heartbeat(request: HeartbeatRequest, now: number): { errorCode: number } {
    return this.#run(() => {
      if (request.groupId === "") return { errorCode: ERROR.INVALID_GROUP_ID };
      const group = this.#groups.get(request.groupId);
      return { errorCode: group?.heartbeat(request, now) ?? ERROR.UNKNOWN_MEMBER_ID };
    });
  }

  /**
   * Answers LeaveGroup. Of a request about one member (up to version 2) its error is that of the
   * response, too.
   *
   * @param request The request.
   * @param now The time in milliseconds.
   * @returns The response.
   */
  leave(request: LeaveGroupRequest, now: number): LeaveGroupResponse {
    return this.#run(() => {
      if (request.groupId === "") return { errorCode: ERROR.INVALID_GROUP_ID, members: [] };
      const single = request.members.length === 0 && request.memberId !== "";
      const leaving = single
        ? [{ memberId: request.memberId, groupInstanceId: null }]
        : request.members;
      const errorCodes = this.#groups.get(request.groupId)?.leave(leaving, now) ??
        leaving.map(() => ERROR.UNKNOWN_MEMBER_ID);
      return {
        errorCode: single ? errorCodes[0]! : ERROR.NONE,
        members: leaving.map(({ memberId, groupInstanceId }, index) => ({
          memberId,
          groupInstanceId,
          errorCode: errorCodes[index]!,
        })),
      };
    });
  }

  /**
   * Answers OffsetCommit.
   *
   * @param request The request.
   * @param now The time in milliseconds.
   * @param version The request's version; default 8. From 9 on a missing group has its own error.
   * @returns The response.
   */
  commitOffsets(request: OffsetCommitRequest, now: number, version = 8): PartitionResults {
    const { partitionExists, offsetMetadataMaxBytes } = this.#options;
    return this.#run(() => {
      const exists = (topic: string, { partitionIndex }: OffsetCommitPartition) =>
        partitionExists(topic, partitionIndex);
      // As in Kafka, a request that is only about unknown partitions does not even reach the group.
      const reaches = request.topics.some(({ name, partitions }) =>
        partitions.some((partition) => exists(name, partition))
      );
      const [group, errorCode] = reaches
        ? this.#committer(request, now, version)
        : [undefined, ERROR.NONE];
      const commit = (topic: string, partition: OffsetCommitPartition) => {
        if (!exists(topic, partition)) return ERROR.UNKNOWN_TOPIC_OR_PARTITION;
        if (group === undefined) return errorCode;
        if ((partition.committedMetadata ?? "").length > offsetMetadataMaxBytes) {
          return ERROR.OFFSET_METADATA_TOO_LARGE;
        }
        const { offset, metadata } = group.offsets.commit(topic, partition, now);
        this.#changed({
          type: "committed",
          groupId: group.id,
          topic,
          partition: partition.partitionIndex,
          offset,
          metadata,
        });
        return ERROR.NONE;
      };
      return {
        topics: request.topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map((partition) => ({
            partitionIndex: partition.partitionIndex,
            errorCode: commit(name, partition),
          })),
        })),
      };
    });
  }

  #committer(
    request: OffsetCommitRequest,
    now: number,
    version: number,
  ): [Group, number] | [undefined, number] {
    const { groupId, generationIdOrMemberEpoch: generationId } = request;
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      if (generationId >= 0) {
        return [
          undefined,
          version >= FIRST_COMMIT_WITH_GROUP_ID_NOT_FOUND
            ? ERROR.GROUP_ID_NOT_FOUND
            : ERROR.ILLEGAL_GENERATION,
        ];
      }
      // A "simple" group: somebody keeps offsets here, and assigns partitions to itself.
      group = this.#getOrMake(groupId);
    }
    const errorCode = group.mayCommit(request, now);
    return errorCode === ERROR.NONE ? [group, errorCode] : [undefined, errorCode];
  }

  /**
   * Answers OffsetFetch for one group.
   *
   * @param request The request up to version 7, or one group of a later one.
   * @returns The response, or that group's part of it.
   */
  fetchOffsets({ groupId, topics }: OffsetFetchRequest): OffsetFetchResponse {
    const offsets = this.#groups.get(groupId)?.offsets ?? new GroupOffsets();
    return { errorCode: ERROR.NONE, topics: offsets.fetch(topics) };
  }

  /**
   * Answers OffsetDelete.
   *
   * @param request The request.
   * @returns The response.
   */
  deleteOffsets(request: OffsetDeleteRequest): { errorCode: number } & PartitionResults {
    const { groupId, topics } = request;
    if (groupId === "") return { errorCode: ERROR.INVALID_GROUP_ID, topics: [] };
    const group = this.#groups.get(groupId);
    if (group === undefined) return { errorCode: ERROR.GROUP_ID_NOT_FOUND, topics: [] };
    if (group.state !== "Empty" && group.protocolType !== CONSUMER) {
      // Nobody knows what such members are about.
      return { errorCode: ERROR.NON_EMPTY_GROUP, topics: [] };
    }
    const remove = (topic: string, partition: number) => {
      if (!this.#options.partitionExists(topic, partition)) return ERROR.UNKNOWN_TOPIC_OR_PARTITION;
      if (group.subscribesTo(topic)) return ERROR.GROUP_SUBSCRIBED_TO_TOPIC;
      group.offsets.delete(topic, partition);
      return ERROR.NONE;
    };
    return {
      errorCode: ERROR.NONE,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({
          partitionIndex,
          errorCode: remove(name, partitionIndex),
        })),
      })),
    };
  }

  /**
   * Answers DescribeGroups.
   *
   * @param groupIds The groups.
   * @param version The request's version; default 5. From 6 on a missing group is an error.
   * @returns The groups of the response, in this order.
   */
  describe(groupIds: readonly string[], version = 5): DescribedGroup[] {
    return groupIds.map((groupId) => {
      const group = this.#groups.get(groupId);
      const missing = group === undefined && version >= FIRST_DESCRIBE_WITH_GROUP_ID_NOT_FOUND;
      const stable = group?.state === "Stable";
      const protocol = stable ? group.protocol ?? "" : "";
      return {
        errorCode: missing ? ERROR.GROUP_ID_NOT_FOUND : ERROR.NONE,
        errorMessage: missing ? `Group ${groupId} not found.` : null,
        groupId,
        groupState: group?.state ?? "Dead",
        protocolType: group?.protocolType ?? "",
        protocolData: protocol,
        members: (group?.members ?? []).map((member) => ({
          memberId: member.id,
          groupInstanceId: member.instanceId,
          clientId: member.clientId,
          clientHost: member.clientHost,
          memberMetadata: stable ? member.metadata(protocol) : NO_ASSIGNMENT,
          memberAssignment: member.assignment,
        })),
        authorizedOperations: NOT_ASKED,
      };
    });
  }

  /**
   * Answers ListGroups.
   *
   * @param filter States and types by name, whatever their case; an empty list lets all pass.
   * @returns The groups of the response.
   */
  list(
    { states = [], types = [] }: { states?: readonly string[]; types?: readonly string[] } = {},
  ): ListedGroup[] {
    const includes = (names: readonly string[], name: string) =>
      names.length === 0 ||
      names.some((each) => each.trim().toLowerCase() === name.toLowerCase());
    return [...this.#groups.values()]
      .filter(({ state }) => includes(states, state) && includes(types, "classic"))
      .map(({ id, state, protocolType }) => ({
        groupId: id,
        protocolType: protocolType ?? "",
        groupState: state,
        groupType: "classic",
      }));
  }

  /**
   * Answers DeleteGroups: a group without members goes, with its offsets.
   *
   * @param groupIds The groups.
   * @returns How each fared, in this order.
   */
  deleteGroups(groupIds: readonly string[]): { groupId: string; errorCode: number }[] {
    return this.#run(() =>
      groupIds.map((groupId) => {
        const group = this.#groups.get(groupId);
        if (group === undefined) return { groupId, errorCode: ERROR.GROUP_ID_NOT_FOUND };
        if (group.state !== "Empty") return { groupId, errorCode: ERROR.NON_EMPTY_GROUP };
        group.die();
        this.#groups.delete(groupId);
        return { groupId, errorCode: ERROR.NONE };
      })
    );
  }

  /**
   * A topic has been deleted: so are all groups' offsets for it.
   *
   * @param topic The topic.
   */
  removeTopic(topic: string): void {
    for (const { offsets } of this.#groups.values()) offsets.deleteTopic(topic);
  }

  /**
   * What a group has committed for a topic.
   *
   * @param groupId The group.
   * @param topic The topic.
   * @returns The partitions with an offset; a copy.
   */
  committed(groupId: string, topic: string): Map<number, CommittedOffset> {
    return this.#groups.get(groupId)?.offsets.of(topic) ?? new Map();
  }

  /** @returns All groups, to be looked at. */
  groups(): GroupDescription[] {
    return [...this.#groups.values()].map((group) => ({
      groupId: group.id,
      state: group.state,
      generationId: group.generationId,
      protocolType: group.protocolType ?? "",
      protocol: group.protocol ?? "",
      leader: group.leader,
      members: group.members.map((member) => ({
        memberId: member.id,
        instanceId: member.instanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        sessionTimeoutMs: member.sessionTimeoutMs,
        assignment: group.protocolType === CONSUMER ? parseAssignment(member.assignment) : null,
      })),
    }));
  }

  /**
   * Stops coordinating groups, as when their coordinator moves or stops: who waits is answered with
   * NOT_COORDINATOR, a rebalance under way is forgotten, and no time counts until
   * {@linkcode resumeTimers}.
   *
   * @param groupIds The groups; default all.
   */
  unload(groupIds: Iterable<string> | "all" = "all"): void {
    this.#run(() => {
      for (const id of groupIds === "all" ? [...this.#groups.keys()] : groupIds) {
        this.#groups.get(id)?.unload();
      }
    });
  }

  /**
   * Coordinates again what was unloaded: each member has a whole session from now on.
   *
   * @param now The time in milliseconds.
   */
  resumeTimers(now: number): void {
    for (const group of this.#groups.values()) group.resume(now);
  }

  /** @returns When {@linkcode expire} has something to do, in milliseconds, or null. */
  nextDeadline(): number | null {
    let next: number | null = null;
    for (const { nextDeadline } of this.#groups.values()) {
      if (nextDeadline !== null && (next === null || nextDeadline < next)) next = nextDeadline;
    }
    return next;
  }

  /**
   * Does all that is due: ends sessions, rebalances and waits.
   *
   * @param now The time in milliseconds.
   */
  expire(now: number): void {
    this.#run(() => {
      for (const group of this.#groups.values()) group.expire(now);
    });
  }

  #getOrMake(groupId: string): Group {
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      const change = (change: GroupChange) => this.#changed(change);
      group = new Group(groupId, { ...this.#options, change });
      this.#groups.set(groupId, group);
    }
    return group;
  }

  #changed(change: GroupChange): void {
    this.#outgoing.push(() => this.#options.onChange(change));
  }

  /**
   * Does something, and then hands out the answers: whoever gets one may ask the next thing at once,
   * and finds the groups as they are when all is done.
   */
  #run<T>(action: () => T): T {
    const result = action();
    if (this.#flushing) return result;
    this.#flushing = true;
    const errors: unknown[] = [];
    for (let next = this.#outgoing.shift(); next !== undefined; next = this.#outgoing.shift()) {
      try {
        next();
      } catch (error) {
        // Whose answer cannot be taken must not keep the others from theirs.
        errors.push(error);
      }
    }
    this.#flushing = false;
    if (errors.length > 0) throw errors[0];
    return result;
  }
}
