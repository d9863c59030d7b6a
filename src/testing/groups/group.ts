import { ERROR } from "../protocol/error_codes.ts";
import { CONSUMER, parseSubscription } from "./consumer_protocol.ts";
import type { GroupChange, GroupState } from "./group_change.ts";
import { GroupMember, NO_ASSIGNMENT } from "./group_member.ts";
import { GroupOffsets } from "./group_offsets.ts";
import type {
  HeartbeatRequest,
  JoinGroupRequest,
  JoinGroupResponse,
  LeavingMember,
  OffsetCommitRequest,
  SyncGroupRequest,
  SyncGroupResponse,
} from "./messages.ts";

/** The first version whose dynamic members join twice, to learn their id before they wait (KIP-394). */
const FIRST_WITH_KNOWN_MEMBER_ID = 4;
/** The first version whose leader can be told to leave the assignment as it is (KIP-814). */
const FIRST_WITH_SKIP_ASSIGNMENT = 9;

/** What all groups of a coordinator have in common. */
export interface GroupSettings {
  readonly initialRebalanceDelayMs: number;
  readonly newMemberJoinTimeoutMs: number;
  readonly maxGroupSize: number;
  readonly newMemberId: (clientId: string | null, instanceId: string | null) => string;
  readonly change: (change: GroupChange) => void;
}

/** Who joins, and when. */
export interface JoinContext {
  /** The client id of the request's header. */
  readonly clientId: string | null;
  /** The address the client comes from. */
  readonly clientHost: string;
  /** The version of the JoinGroup request. */
  readonly version: number;
  /** The time in milliseconds. */
  readonly now: number;
}

type JoinReply = (response: JoinGroupResponse) => void;
type SyncReply = (response: SyncGroupResponse) => void;

/** What of a group survives its coordinator: Kafka writes it when a generation is stable, or is empty. */
interface Stored {
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocol: string | null;
  readonly leader: string | null;
  readonly members: readonly GroupMember[];
}

/**
 * The state machine of one group of the classic protocol.
 *
 *     Empty ── join ──> PreparingRebalance ── all have joined ──> CompletingRebalance
 *       ^                  │        ^                                │           │
 *       └── nobody joined ─┘        └──── join, leave, expiry ───────┤           │ the leader's sync
 *                                   └──── join, leave, expiry ─── Stable <───────┘
 *
 * Each way into CompletingRebalance, and into Empty, makes a new generation.
 */
export class Group {
  readonly id: string;
  readonly offsets: GroupOffsets = new GroupOffsets();
  readonly #settings: GroupSettings;
  readonly #members = new Map<string, GroupMember>();
  /** Ids that were given out but not used yet, and until when they may be; null: not running. */
  readonly #pendingIds = new Map<string, number | null>();
  /** Members of this generation that have not synced yet. */
  readonly #unsynced = new Set<string>();
  #state: GroupState = "Empty";
  #generationId = 0;
  #protocolType: string | null = null;
  #protocol: string | null = null;
  #leader: string | null = null;
  /** Topics of all members in this generation; null: not known. */
  #subscribed: ReadonlySet<string> | null = null;
  /** When the members are no longer waited for that have not joined again. */
  #joinDeadline: number | null = null;
  /** When the members are no longer waited for that have not synced. */
  #syncDeadline: number | null = null;
  /** A group's first rebalance is held up for more members to come: for how long yet. */
  #initial: { delayMs: number; remainingMs: number; newcomers: boolean } | null = null;
  #stored: Stored = {
    generationId: 0,
    protocolType: null,
    protocol: null,
    leader: null,
    members: [],
  };

  constructor(id: string, settings: GroupSettings) {
    this.id = id;
    this.#settings = settings;
  }

  get state(): GroupState {
    return this.#state;
  }

  get generationId(): number {
    return this.#generationId;
  }

  /** What kind of group it is, such as "consumer"; null: nobody has ever joined. */
  get protocolType(): string | null {
    return this.#protocolType;
  }

  /** The protocol that this generation assigns by, or null. */
  get protocol(): string | null {
    return this.#protocol;
  }

  get leader(): string | null {
    return this.#leader;
  }

  /** The members, in the order in which they came. */
  get members(): readonly GroupMember[] {
    return [...this.#members.values()];
  }

  /** When {@linkcode expire} has something to do, or null. */
  get nextDeadline(): number | null {
    let next = Infinity;
    const consider = (deadline: number | null) => next = Math.min(next, deadline ?? Infinity);
    consider(this.#joinDeadline);
    consider(this.#syncDeadline);
    for (const deadline of this.#pendingIds.values()) consider(deadline);
    for (const { deadline } of this.#members.values()) consider(deadline);
    return next === Infinity ? null : next;
  }

  /** Whether a member subscribes to a topic, as far as is known: a consumer's foreign bytes may be about any. */
  subscribesTo(topic: string): boolean {
    return this.#subscribed?.has(topic) ?? this.#protocolType === CONSUMER;
  }

  // ── Requests ────────────────────────────────────────────────────────────────────────────────

  join(request: JoinGroupRequest, context: JoinContext, reply: JoinReply): void {
    const { memberId, groupInstanceId } = request;
    if (!this.#hasRoomFor(memberId)) {
      this.#remove(memberId);
      return reply(joinFailure(ERROR.GROUP_MAX_SIZE_REACHED, ""));
    }
    if (!this.#accepts(request)) {
      return reply(joinFailure(ERROR.INCONSISTENT_GROUP_PROTOCOL, memberId));
    }
    if (memberId === "") return this.#joinNew(request, context, reply);
    if (groupInstanceId === null && this.#pendingIds.has(memberId)) {
      return this.#add(memberId, request, context, reply);
    }
    const errorCode = this.#validate(memberId, groupInstanceId);
    if (errorCode !== ERROR.NONE) return reply(joinFailure(errorCode, memberId));
    const member = this.#members.get(memberId)!;
    const unchanged = member.matches(request.protocols);
    const asLeader = this.#leader === memberId;
    // The answer to the last join may have been lost, or a follower wants to know where it is: all
    // that is needed is there. A leader joins again to assign anew, because topics have changed.
    if (
      unchanged &&
      (this.#state === "CompletingRebalance" || this.#state === "Stable" && !asLeader)
    ) {
      return reply(this.#joined(member));
    }
    this.#update(member, request, reply);
    this.#rebalanceOrComplete(context.now);
  }

  sync(request: SyncGroupRequest, now: number, reply: SyncReply): void {
    const { memberId, generationId } = request;
    const differs = (said: string | null, known: string | null) =>
      said !== null && known !== null && said !== known;
    let errorCode = this.#validate(memberId, request.groupInstanceId);
    if (errorCode === ERROR.NONE) {
      if (generationId !== this.#generationId) errorCode = ERROR.ILLEGAL_GENERATION;
      else if (
        differs(request.protocolType, this.#protocolType) ||
        differs(request.protocolName, this.#protocol)
      ) errorCode = ERROR.INCONSISTENT_GROUP_PROTOCOL;
      else if (this.#state === "PreparingRebalance") errorCode = ERROR.REBALANCE_IN_PROGRESS;
    }
    if (errorCode !== ERROR.NONE) return reply(syncFailure(errorCode));
    const member = this.#members.get(memberId)!;
    this.#unsynced.delete(memberId);
    if (this.#unsynced.size === 0) this.#syncDeadline = null;
    if (this.#state === "Stable") return reply(this.#synced(member));
    member.syncing?.(syncFailure(ERROR.REBALANCE_IN_PROGRESS));
    member.syncing = reply;
    if (this.#leader !== memberId) return;
    const assignments = new Map(
      request.assignments.map(({ memberId, assignment }) => [memberId, assignment]),
    );
    for (const each of this.#members.values()) {
      each.assignment = assignments.get(each.id) ?? NO_ASSIGNMENT;
    }
    this.#answerSyncs((each) => this.#synced(each), now);
    this.#become("Stable");
  }

  heartbeat(request: HeartbeatRequest, now: number): number {
    const errorCode = this.#validate(request.memberId, request.groupInstanceId);
    if (errorCode !== ERROR.NONE) return errorCode;
    if (request.generationId !== this.#generationId) return ERROR.ILLEGAL_GENERATION;
    this.#members.get(request.memberId)!.touch(now);
    return this.#state === "PreparingRebalance" ? ERROR.REBALANCE_IN_PROGRESS : ERROR.NONE;
  }

  /** Removes members; answers with the error code of each. */
  leave(members: readonly LeavingMember[], now: number): number[] {
    const errorCodes = members.map((leaving) => this.#leave(leaving));
    if (errorCodes.includes(ERROR.NONE)) this.#membersGone(now, { initialToo: false });
    return errorCodes;
  }

  /** Tells whether a member, or somebody outside of any group, may commit, and takes it as a sign of life. */
  mayCommit(request: OffsetCommitRequest, now: number): number {
    const { memberId, groupInstanceId, generationIdOrMemberEpoch: generationId } = request;
    if (generationId < 0 && this.#state === "Empty") return ERROR.NONE;
    if (generationId < 0 && memberId === "" && groupInstanceId === null) {
      return ERROR.UNKNOWN_MEMBER_ID;
    }
    const errorCode = this.#validate(memberId, groupInstanceId);
    if (errorCode !== ERROR.NONE) return errorCode;
    if (generationId !== this.#generationId) return ERROR.ILLEGAL_GENERATION;
    // It has joined the new generation, so that what it commits is of partitions it no longer knows
    // to be its own.
    if (this.#state === "CompletingRebalance") return ERROR.REBALANCE_IN_PROGRESS;
    this.#members.get(memberId)!.touch(now);
    return ERROR.NONE;
  }

  // ── Time ────────────────────────────────────────────────────────────────────────────────────

  /** Does what is due, the earliest first. */
  expire(now: number): void {
    for (let due = this.nextDeadline; due !== null && due <= now; due = this.nextDeadline) {
      if (this.#joinDeadline === due) this.#joinTimeIsOver(now);
      else if (this.#syncDeadline === due) this.#syncTimeIsOver(now);
      else this.#sessionIsOver(due, now);
    }
  }

  #joinTimeIsOver(now: number): void {
    const initial = this.#initial;
    if (initial !== null && initial.newcomers && initial.remainingMs > 0) {
      const delayMs = Math.min(this.#settings.initialRebalanceDelayMs, initial.remainingMs);
      const remainingMs = Math.max(initial.remainingMs - initial.delayMs, 0);
      this.#initial = { delayMs, remainingMs, newcomers: false };
      this.#joinDeadline = now + delayMs;
      return;
    }
    this.#completeJoin(now);
  }

  #syncTimeIsOver(now: number): void {
    for (const id of [...this.#unsynced]) this.#expireMember(id, "sync");
    this.#prepareRebalance(now);
  }

  #sessionIsOver(due: number, now: number): void {
    for (const [id, deadline] of this.#pendingIds) {
      if (deadline !== due) continue;
      this.#pendingIds.delete(id);
      if (this.#state === "PreparingRebalance" && this.#allHaveJoined()) this.#completeJoin(now);
      return;
    }
    for (const { id, deadline } of this.#members.values()) {
      if (deadline !== due) continue;
      this.#expireMember(id, "heartbeat");
      return this.#membersGone(now, { initialToo: true });
    }
  }

  // ── The coordinator itself ──────────────────────────────────────────────────────────────────

  /**
   * Stops, as when a coordinator stops: who waits is told to look for another one. What is not stored
   * is lost: a rebalance that was under way, and ids that were given out. No session ends from now on.
   */
  unload(): void {
    for (const member of this.#members.values()) this.#dismiss(member, ERROR.NOT_COORDINATOR);
    this.#members.clear();
    this.#pendingIds.clear();
    this.#unsynced.clear();
    this.#joinDeadline = this.#syncDeadline = this.#initial = null;
    const { generationId, protocolType, protocol, leader, members } = this.#stored;
    this.#generationId = generationId;
    this.#protocolType = protocolType;
    this.#protocol = protocol;
    this.#leader = leader;
    for (const member of members) {
      const protocols = member.protocols.filter(({ name }) => name === protocol);
      this.#members.set(member.id, member.copy({ protocols }));
    }
    this.#subscribed = this.#subscriptions();
    const state = members.length === 0 ? "Empty" : "Stable";
    if (this.#state !== state) this.#become(state);
  }

  /** Starts again: each member has a whole session from now on to send its first heartbeat. */
  resume(now: number): void {
    for (const member of this.#members.values()) if (member.sessionEnd === null) member.touch(now);
  }

  /** Ends the group, which has to be empty. */
  die(): void {
    this.#pendingIds.clear();
    this.#become("Dead");
  }

  // ── Joining ─────────────────────────────────────────────────────────────────────────────────

  #joinNew(request: JoinGroupRequest, context: JoinContext, reply: JoinReply): void {
    const { groupInstanceId } = request;
    const { clientId, version, now } = context;
    const id = this.#settings.newMemberId(clientId, groupInstanceId);
    if (groupInstanceId !== null) {
      const known = this.#byInstance(groupInstanceId);
      if (known === undefined) return this.#add(id, request, context, reply);
      return this.#replace(known, id, request, context, reply);
    }
    if (version < FIRST_WITH_KNOWN_MEMBER_ID) return this.#add(id, request, context, reply);
    this.#pendingIds.set(id, now + request.sessionTimeoutMs);
    reply(joinFailure(ERROR.MEMBER_ID_REQUIRED, id));
  }

  #add(id: string, request: JoinGroupRequest, context: JoinContext, reply: JoinReply): void {
    const { clientId, clientHost, now } = context;
    const { groupInstanceId: instanceId, sessionTimeoutMs, protocols } = request;
    const rebalanceTimeoutMs = rebalanceTimeout(request);
    const member = new GroupMember({
      id,
      instanceId,
      clientId: clientId ?? "",
      clientHost,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      protocols,
    });
    member.isNew = true;
    member.joining = reply;
    member.sessionEnd = now + this.#settings.newMemberJoinTimeoutMs;
    if (this.#members.size === 0) this.#protocolType = request.protocolType;
    if (this.#initial !== null) this.#initial.newcomers = true;
    this.#pendingIds.delete(id);
    this.#members.set(id, member);
    this.#leader ??= id;
    this.#settings.change({ type: "memberJoined", groupId: this.id, memberId: id, instanceId });
    this.#rebalanceOrComplete(now);
  }

  #update(member: GroupMember, request: JoinGroupRequest, reply: JoinReply): void {
    // Its client asks again before there was an answer, on another connection: who asked first is gone.
    member.joining?.(joinFailure(ERROR.REBALANCE_IN_PROGRESS, member.id));
    member.joining = reply;
    member.protocols = request.protocols;
    member.rebalanceTimeoutMs = rebalanceTimeout(request);
    member.sessionTimeoutMs = request.sessionTimeoutMs;
  }

  /** A static member is back without its member id: it goes on as the member it was, under a new one. */
  #replace(
    old: GroupMember,
    id: string,
    request: JoinGroupRequest,
    { version, now }: JoinContext,
    reply: JoinReply,
  ): void {
    const oldLeader = this.#leader;
    this.#dismiss(old, ERROR.FENCED_INSTANCE_ID);
    const member = old.copy({ id });
    // The order of the members stays as it was.
    const all = [...this.#members.values()].map((each) => each === old ? member : each);
    this.#members.clear();
    for (const each of all) this.#members.set(each.id, each);
    this.#unsynced.delete(old.id);
    if (oldLeader === old.id) this.#leader = id;
    this.#update(member, request, reply);
    member.touch(now);
    this.#settings.change({
      type: "memberReplaced",
      groupId: this.id,
      memberId: id,
      instanceId: old.instanceId!,
      replacedMemberId: old.id,
    });
    if (this.#state === "CompletingRebalance") {
      // The leader assigns to the id that it was told, so that this one would get nothing.
      this.#prepareRebalance(now);
    } else if (this.#state === "Stable" && this.#selectProtocol() === this.#protocol) {
      this.#store();
      const response = this.#joined(member);
      member.joining = null;
      if (version >= FIRST_WITH_SKIP_ASSIGNMENT) {
        reply({ ...response, skipAssignment: this.#leader === id });
      } else {
        // An older leader cannot be told to leave the assignment as it is. It is told that somebody
        // else leads, which keeps it from assigning at all.
        reply({ ...response, leader: oldLeader ?? "", members: [] });
      }
    } else this.#rebalanceOrComplete(now);
  }

  #hasRoomFor(memberId: string): boolean {
    const { maxGroupSize } = this.#settings;
    const member = this.#members.get(memberId);
    switch (this.#state) {
      case "PreparingRebalance":
        // Those who wait are counted, so that the last ones to come again find no room if the
        // group has become too large.
        return member !== undefined && member.joining !== null || this.#waiting() < maxGroupSize;
      case "CompletingRebalance":
      case "Stable":
        return member !== undefined || this.#members.size < maxGroupSize;
      default:
        return true;
    }
  }

  #accepts({ protocolType, protocols }: JoinGroupRequest): boolean {
    if (this.#state === "Empty") return protocolType !== "" && protocols.length > 0;
    return protocolType === this.#protocolType &&
      protocols.some(({ name }) => this.#isCommon(name));
  }

  // ── Rebalancing ─────────────────────────────────────────────────────────────────────────────

  #rebalanceOrComplete(now: number): void {
    if (this.#state !== "PreparingRebalance") this.#prepareRebalance(now);
    else if (this.#initial === null && this.#allHaveJoined()) this.#completeJoin(now);
  }

  #prepareRebalance(now: number): void {
    if (this.#state === "CompletingRebalance") {
      for (const member of this.#members.values()) member.assignment = NO_ASSIGNMENT;
      this.#answerSyncs(() => syncFailure(ERROR.REBALANCE_IN_PROGRESS), now);
    }
    this.#unsynced.clear();
    this.#syncDeadline = null;
    const isFirst = this.#state === "Empty";
    this.#become("PreparingRebalance");
    const { initialRebalanceDelayMs: delayMs } = this.#settings;
    if (isFirst && delayMs > 0) {
      const remainingMs = Math.max(this.#rebalanceTimeoutMs() - delayMs, 0);
      this.#initial = { delayMs, remainingMs, newcomers: false };
      this.#joinDeadline = now + delayMs;
    } else if (isFirst || this.#allHaveJoined()) this.#completeJoin(now);
    else this.#joinDeadline = now + this.#rebalanceTimeoutMs();
  }

  /** Members have left or expired: the others share out anew, or need not wait any longer. */
  #membersGone(now: number, { initialToo }: { initialToo: boolean }): void {
    if (this.#state === "Stable" || this.#state === "CompletingRebalance") {
      this.#prepareRebalance(now);
    } else if (this.#state === "PreparingRebalance" && this.#allHaveJoined()) {
      if (initialToo || this.#initial === null) this.#completeJoin(now);
    }
  }

  #completeJoin(now: number): void {
    this.#joinDeadline = this.#initial = null;
    for (const { id, joining, instanceId } of this.members) {
      // A static member may be restarting: it keeps its place until its session ends (KIP-345).
      if (joining === null && instanceId === null) this.#expireMember(id, "join");
    }
    if (!this.#electLeader() && this.#members.size > 0) {
      // Only static members, and none has come: their sessions end this.
      this.#joinDeadline = now + this.#rebalanceTimeoutMs();
      return;
    }
    this.#generationId++;
    this.#protocol = this.#selectProtocol();
    this.#subscribed = this.#subscriptions();
    if (this.#members.size === 0) {
      this.#become("Empty");
      return;
    }
    this.#become("CompletingRebalance");
    for (const member of this.#members.values()) {
      const reply = member.joining;
      member.joining = null;
      member.isNew = false;
      member.touch(now);
      this.#unsynced.add(member.id);
      reply?.(this.#joined(member));
    }
    this.#syncDeadline = now + this.#rebalanceTimeoutMs();
  }

  /** Sees to it that the leader is among those who have joined; false: nobody has. */
  #electLeader(): boolean {
    const current = this.#members.get(this.#leader ?? "");
    if (current !== undefined && current.joining !== null) return true;
    const joined = this.members.find(({ joining }) => joining !== null);
    if (joined === undefined) return false;
    this.#leader = joined.id;
    return true;
  }

  /** Of the protocols that all members support, the one that most prefer; of several, the one first voted for. */
  #selectProtocol(): string | null {
    const votes = new Map<string, number>();
    for (const { protocols } of this.#members.values()) {
      const vote = protocols.find(({ name }) => this.#isCommon(name))?.name;
      if (vote !== undefined) votes.set(vote, (votes.get(vote) ?? 0) + 1);
    }
    let selected: string | null = null;
    for (const [name, count] of votes) {
      if (selected === null || count > votes.get(selected)!) selected = name;
    }
    return selected;
  }

  #isCommon(protocol: string): boolean {
    return this.members.every((member) => member.supports(protocol));
  }

  #subscriptions(): ReadonlySet<string> | null {
    if (this.#protocolType !== CONSUMER) return null;
    const topics = new Set<string>();
    for (const member of this.#members.values()) {
      const parsed = parseSubscription(member.metadata(this.#protocol ?? ""));
      if (parsed === null) return null;
      for (const topic of parsed) topics.add(topic);
    }
    return topics;
  }

  /** The slowest member's time is everybody's. At least 1, so that time always goes on. */
  #rebalanceTimeoutMs(): number {
    return Math.max(1, ...this.members.map(({ rebalanceTimeoutMs }) => rebalanceTimeoutMs));
  }

  #allHaveJoined(): boolean {
    return this.#pendingIds.size === 0 && this.#waiting() === this.#members.size;
  }

  #waiting(): number {
    return this.members.filter(({ joining }) => joining !== null).length;
  }

  #become(state: GroupState): void {
    this.#state = state;
    if (state === "Stable" || state === "Empty") this.#store();
    const { id: groupId, generationId } = this;
    this.#settings.change({ type: "state", groupId, state, generationId });
  }

  #store(): void {
    this.#stored = {
      generationId: this.#generationId,
      protocolType: this.#protocolType,
      protocol: this.#protocol,
      leader: this.#leader,
      members: this.members.map((member) => member.copy()),
    };
  }

  // ── Members ─────────────────────────────────────────────────────────────────────────────────

  #leave({ memberId, groupInstanceId }: LeavingMember): number {
    let leaving = memberId;
    if (memberId === "") {
      // An operator removes a static member, whose member id only itself knows (KIP-345).
      const member = groupInstanceId === null ? undefined : this.#byInstance(groupInstanceId);
      if (member === undefined) return ERROR.UNKNOWN_MEMBER_ID;
      leaving = member.id;
    } else if (this.#pendingIds.delete(memberId)) return ERROR.NONE;
    else {
      const errorCode = this.#validate(memberId, groupInstanceId);
      if (errorCode !== ERROR.NONE) return errorCode;
    }
    const { instanceId } = this.#members.get(leaving)!;
    this.#remove(leaving);
    this.#settings.change({
      type: "memberLeft",
      groupId: this.id,
      memberId: leaving,
      instanceId,
    });
    return ERROR.NONE;
  }

  #expireMember(id: string, missed: "heartbeat" | "join" | "sync"): void {
    const { instanceId } = this.#members.get(id)!;
    this.#remove(id);
    this.#settings.change({
      type: "memberExpired",
      groupId: this.id,
      memberId: id,
      instanceId,
      missed,
    });
  }

  #remove(id: string): void {
    this.#pendingIds.delete(id);
    this.#unsynced.delete(id);
    const member = this.#members.get(id);
    if (member === undefined) return;
    this.#dismiss(member, ERROR.UNKNOWN_MEMBER_ID);
    this.#members.delete(id);
    if (this.#leader === id) this.#leader = this.members[0]?.id ?? null;
  }

  /** Answers what a member waits for: it will not come. */
  #dismiss(member: GroupMember, errorCode: number): void {
    const { joining, syncing } = member;
    member.joining = member.syncing = null;
    joining?.(joinFailure(errorCode, errorCode === ERROR.UNKNOWN_MEMBER_ID ? "" : member.id));
    syncing?.(syncFailure(errorCode));
  }

  #validate(memberId: string, instanceId: string | null): number {
    if (instanceId !== null) {
      const known = this.#byInstance(instanceId);
      if (known === undefined) return ERROR.UNKNOWN_MEMBER_ID;
      if (known.id !== memberId) return ERROR.FENCED_INSTANCE_ID;
    }
    return this.#members.has(memberId) ? ERROR.NONE : ERROR.UNKNOWN_MEMBER_ID;
  }

  #byInstance(instanceId: string): GroupMember | undefined {
    return this.members.find((member) => member.instanceId === instanceId);
  }

  // ── Responses ───────────────────────────────────────────────────────────────────────────────

  #joined({ id }: GroupMember): JoinGroupResponse {
    const protocol = this.#protocol ?? "";
    return {
      errorCode: ERROR.NONE,
      generationId: this.#generationId,
      protocolType: this.#protocolType,
      protocolName: this.#protocol,
      leader: this.#leader ?? "",
      skipAssignment: false,
      memberId: id,
      members: this.#leader !== id ? [] : this.members.map((member) => ({
        memberId: member.id,
        groupInstanceId: member.instanceId,
        metadata: member.metadata(protocol),
      })),
    };
  }

  #synced({ assignment }: GroupMember): SyncGroupResponse {
    return {
      errorCode: ERROR.NONE,
      protocolType: this.#protocolType,
      protocolName: this.#protocol,
      assignment,
    };
  }

  #answerSyncs(response: (member: GroupMember) => SyncGroupResponse, now: number): void {
    for (const member of this.#members.values()) {
      if (member.syncing === null) continue;
      const reply = member.syncing;
      member.syncing = null;
      member.touch(now);
      reply(response(member));
    }
  }
}

function rebalanceTimeout(
  { rebalanceTimeoutMs, sessionTimeoutMs }: JoinGroupRequest,
): number {
  return rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs;
}

/**
 * The answer to a JoinGroup request that fails.
 *
 * @param errorCode Why.
 * @param memberId The member's id, or "" if it has to join as a new one.
 * @returns The response.
 */
export function joinFailure(errorCode: number, memberId: string): JoinGroupResponse {
  return {
    errorCode,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: "",
    skipAssignment: false,
    memberId,
    members: [],
  };
}

/**
 * The answer to a SyncGroup request that fails.
 *
 * @param errorCode Why.
 * @returns The response.
 */
export function syncFailure(errorCode: number): SyncGroupResponse {
  return { errorCode, protocolType: null, protocolName: null, assignment: NO_ASSIGNMENT };
}
