// A coordinator whose time goes on when a test says so, and members who say what a test has them say.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ERROR, type ErrorName, errorName } from "../../../src/testing/protocol/error_codes.ts";
import {
  type GroupChange,
  GroupCoordinator,
  type GroupCoordinatorOptions,
  type GroupDescription,
} from "../../../src/testing/groups/group_coordinator.ts";
import type {
  JoinGroupResponse,
  OffsetCommitPartition,
  SyncGroupResponse,
} from "../../../src/testing/groups/messages.ts";
import { subscription } from "./bytes.ts";

export const GROUP = "shop.orders";
export const TOPIC = "orders";

/** An answer that comes now, later, or never; more than one is an error. */
export class Answer<T extends { errorCode: number }> {
  #value: T | undefined;

  readonly take = (value: T): void => {
    assert.equal(this.#value, undefined, "answered twice");
    this.#value = value;
  };

  get isOpen(): boolean {
    return this.#value === undefined;
  }

  get value(): T {
    assert.ok(this.#value, "not answered");
    return this.#value;
  }

  get error(): string {
    return errorName(this.value.errorCode);
  }
}

/** Protocols with these names, whose metadata is nothing a consumer understands. */
export function named(...names: string[]) {
  return names.map((name) => ({ name, metadata: Buffer.from([9]) }));
}

interface Said {
  memberId?: string;
  instanceId?: string | null;
  generationId?: number;
}

export interface Joining extends Said {
  version?: number;
  sessionTimeoutMs?: number;
  rebalanceTimeoutMs?: number;
  protocolType?: string;
  protocols?: { name: string; metadata: Buffer }[];
}

interface Actor {
  memberId: string;
  generationId: number;
  instanceId: string | null;
}

export class Rig {
  readonly coordinator: GroupCoordinator;
  readonly changes: GroupChange[] = [];
  now = 1_000_000;
  readonly #actors = new Map<string, Actor>();
  #ids = 0;

  constructor(options: Partial<GroupCoordinatorOptions> = {}) {
    this.coordinator = new GroupCoordinator({
      newMemberId: (clientId, instanceId) => `${instanceId ?? clientId}-${++this.#ids}`,
      onChange: (change) => this.changes.push(change),
      ...options,
    });
  }

  get group(): GroupDescription {
    const found = this.coordinator.groups().find(({ groupId }) => groupId === GROUP);
    assert.ok(found, "there is no such group");
    return found;
  }

  /** Who is in the group, by the names that the test has for them. */
  get members(): string[] {
    return this.group.members.map(({ memberId }) => this.name(memberId));
  }

  name(memberId: string): string {
    return [...this.#actors].find(([, actor]) => actor.memberId === memberId)?.[0] ?? memberId;
  }

  id(who: string): string {
    return this.#actor(who).memberId;
  }

  /** Lets time pass, and what is due happen when it is due. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (
      let due = this.coordinator.nextDeadline();
      due !== null && due <= end;
      due = this.coordinator.nextDeadline()
    ) {
      this.now = Math.max(this.now, due);
      this.coordinator.expire(this.now);
    }
    this.now = end;
  }

  join(who: string, joining: Joining = {}): Answer<JoinGroupResponse> {
    const actor = this.#actor(who);
    if (joining.instanceId !== undefined) actor.instanceId = joining.instanceId;
    const answer = new Answer<JoinGroupResponse>();
    const sessionTimeoutMs = joining.sessionTimeoutMs ?? 10_000;
    this.coordinator.join(
      {
        groupId: GROUP,
        sessionTimeoutMs,
        rebalanceTimeoutMs: joining.rebalanceTimeoutMs ?? 60_000,
        memberId: joining.memberId ?? actor.memberId,
        groupInstanceId: actor.instanceId,
        protocolType: joining.protocolType ?? "consumer",
        protocols: joining.protocols ?? [{ name: "range", metadata: subscription(TOPIC) }],
      },
      { clientId: who, clientHost: "/127.0.0.1", version: joining.version ?? 9, now: this.now },
      (response) => {
        answer.take(response);
        if (response.memberId !== "") actor.memberId = response.memberId;
        if (response.generationId >= 0) actor.generationId = response.generationId;
      },
    );
    return answer;
  }

  /** Joins with an id, which is asked for first if need be. */
  enter(who: string, joining: Joining = {}): Answer<JoinGroupResponse> {
    const first = this.join(who, joining);
    const again = !first.isOpen && first.value.errorCode === ERROR.MEMBER_ID_REQUIRED;
    return again ? this.join(who, joining) : first;
  }

  sync(
    who: string,
    assignments: Record<string, Buffer> = {},
    said: Said & { protocolType?: string | null; protocolName?: string | null } = {},
  ): Answer<SyncGroupResponse> {
    const answer = new Answer<SyncGroupResponse>();
    this.coordinator.sync(
      {
        ...this.#self(who, said),
        protocolType: said.protocolType ?? null,
        protocolName: said.protocolName ?? null,
        assignments: Object.entries(assignments).map(([name, assignment]) => ({
          memberId: this.id(name),
          assignment,
        })),
      },
      this.now,
      answer.take,
    );
    return answer;
  }

  beat(who: string, said: Said = {}): string {
    return errorName(this.coordinator.heartbeat(this.#self(who, said), this.now).errorCode);
  }

  leave(who: string, ...members: { memberId: string; instanceId?: string | null }[]): string[] {
    const leaving = members.length === 0 ? [{ memberId: this.id(who) }] : members;
    return this.coordinator.leave({
      groupId: GROUP,
      memberId: "",
      members: leaving.map(({ memberId, ...rest }) => ({
        memberId,
        groupInstanceId: "instanceId" in rest ? rest.instanceId : null,
      })),
    }, this.now).members.map(({ errorCode }) => errorName(errorCode));
  }

  commit(
    who: string,
    offset: number,
    { topic = TOPIC, partition = 0, metadata = "", version, ...said }: Said & {
      topic?: string;
      partition?: number;
      metadata?: string | null;
      version?: number;
    } = {},
  ): string {
    const { generationId, ...self } = this.#self(who, said);
    const committed: OffsetCommitPartition = {
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: -1,
      committedMetadata: metadata,
    };
    const { topics } = this.coordinator.commitOffsets(
      {
        ...self,
        generationIdOrMemberEpoch: generationId,
        topics: [{ name: topic, partitions: [committed] }],
      },
      this.now,
      version,
    );
    return errorName(topics[0]!.partitions[0]!.errorCode);
  }

  /** The committed offset of partition 0, or null. */
  committed(topic = TOPIC): number | null {
    return this.coordinator.committed(GROUP, topic).get(0)?.offset ?? null;
  }

  /** A group in its first stable generation, which all of them joined in this order; the first leads. */
  stable(joining: Record<string, Joining>): this {
    this.joined(joining);
    this.syncAll(Object.keys(joining));
    return this;
  }

  /** The same, where nobody has synced. */
  joined(joining: Record<string, Joining>): this {
    const names = Object.keys(joining);
    const [first, ...others] = names as [string, ...string[]];
    this.enter(first, joining[first]);
    if (others.length > 0) {
      const newcomers = others.map((who) => this.enter(who, joining[who]));
      this.join(first, joining[first]);
      for (const answer of newcomers) assert.equal(answer.error, "NONE" satisfies ErrorName);
    }
    return this;
  }

  /** All sync, the leader last. */
  syncAll(names: readonly string[]): void {
    const leader = names.find((who) => this.id(who) === this.group.leader)!;
    const answers = [...names.filter((who) => who !== leader), leader].map((who) =>
      this.sync(who, Object.fromEntries(names.map((name) => [name, Buffer.from(`for ${name}`)])))
    );
    for (const answer of answers) assert.equal(answer.error, "NONE" satisfies ErrorName);
  }

  #actor(who: string): Actor {
    let actor = this.#actors.get(who);
    if (actor === undefined) {
      this.#actors.set(who, actor = { memberId: "", generationId: -1, instanceId: null });
    }
    return actor;
  }

  #self(who: string, said: Said) {
    const actor = this.#actor(who);
    return {
      groupId: GROUP,
      generationId: said.generationId ?? actor.generationId,
      memberId: said.memberId ?? actor.memberId,
      groupInstanceId: said.instanceId === undefined ? actor.instanceId : said.instanceId,
    };
  }
}
