import { Buffer } from "node:buffer";
import type { Api } from "../../../src/testing/protocol/api.ts";
import { ERROR, errorName } from "../../../src/testing/protocol/error_codes.ts";
import { describeGroups } from "../../../src/testing/protocol/messages/describe_groups.ts";
import { heartbeat } from "../../../src/testing/protocol/messages/heartbeat.ts";
import {
  joinGroup,
  type JoinGroupResponse,
} from "../../../src/testing/protocol/messages/join_group.ts";
import { leaveGroup } from "../../../src/testing/protocol/messages/leave_group.ts";
import { offsetCommit } from "../../../src/testing/protocol/messages/offset_commit.ts";
import { syncGroup } from "../../../src/testing/protocol/messages/sync_group.ts";
import { subscription } from "./bytes.ts";
import { connectRawClient, type RawClient } from "./raw_client.ts";

/** How long a group may take to be in a state. */
const PATIENCE_MS = 8_000;

/** A state was not seen: on a machine that is busy elsewhere, its time may be over before one looks. */
export class MissedError extends Error {}

/** Differences between what one says and what it would say by itself. */
interface Said {
  version?: number;
  groupId?: string;
  memberId?: string;
  instanceId?: string | null;
  generationId?: number;
}

/** What one does when it joins. */
export interface Joining extends Said {
  sessionTimeoutMs?: number;
  rebalanceTimeoutMs?: number;
  protocolType?: string;
  protocols?: { name: string; metadata: Buffer }[];
}

interface Actor {
  client: Promise<RawClient>;
  ids: string[];
  instanceId: string | null;
  generationId: number;
}

/**
 * A group and its members on some broker. What they are answered is written down, with names for the
 * ids that brokers make up, so that two brokers can be compared.
 */
export class Stage {
  readonly groupId: string;
  readonly topic: string;
  readonly #bootstrapServers: string;
  readonly #actors = new Map<string, Actor>();
  readonly #answers: { title: string; answer: Promise<unknown> }[] = [];

  constructor(bootstrapServers: string, groupId: string, topic: string) {
    this.#bootstrapServers = bootstrapServers;
    this.groupId = groupId;
    this.topic = topic;
  }

  id(who: string): string {
    return this.#actor(who).ids.at(-1) ?? "";
  }

  ask<Request, Response>(
    who: string,
    // deno-lint-ignore no-explicit-any
    api: Api<Request, Response, any>,
    version: number,
    request: Request,
  ): Promise<Response> {
    const answer = this.#actor(who).client.then((client) => client.ask(api, version, request));
    this.#answers.push({ title: `${who}: ${api.name} ${version}`, answer });
    return answer;
  }

  /** Asks without writing down what is answered. */
  async unwritten<Request, Response>(
    // deno-lint-ignore no-explicit-any
    api: Api<Request, Response, any>,
    version: number,
    request: Request,
  ): Promise<Response> {
    return await (await this.#actor("observer").client).ask(api, version, request);
  }

  /** Writes down something else. */
  note(title: string, what: unknown): void {
    this.#answers.push({ title, answer: Promise.resolve(what) });
  }

  async join(who: string, joining: Joining = {}): Promise<JoinGroupResponse> {
    const actor = this.#actor(who);
    if (joining.instanceId !== undefined) actor.instanceId = joining.instanceId;
    const response = await this.ask(who, joinGroup, joining.version ?? 9, {
      groupId: joining.groupId ?? this.groupId,
      sessionTimeoutMs: joining.sessionTimeoutMs ?? 10_000,
      rebalanceTimeoutMs: joining.rebalanceTimeoutMs ?? 20_000,
      memberId: joining.memberId ?? this.id(who),
      groupInstanceId: actor.instanceId,
      protocolType: joining.protocolType ?? "consumer",
      protocols: joining.protocols ?? [{ name: "range", metadata: subscription(this.topic) }],
      reason: null,
    });
    const { memberId, generationId = -1 } = response;
    if (memberId !== "" && !actor.ids.includes(memberId)) actor.ids.push(memberId);
    if (generationId >= 0) actor.generationId = generationId;
    return response;
  }

  /** Joins, in two steps where the first only gives an id. */
  async enter(who: string, joining: Joining = {}): Promise<JoinGroupResponse> {
    const first = await this.join(who, joining);
    return first.errorCode === ERROR.MEMBER_ID_REQUIRED ? await this.join(who, joining) : first;
  }

  /** Gets as far as having an id, and asks to join with it: nobody else may be asked for meanwhile. */
  async knock(who: string, joining: Joining = {}): Promise<{ joined: Promise<JoinGroupResponse> }> {
    const before = await this.state();
    await this.join(who, joining);
    const joined = this.join(who, joining);
    if (before !== "PreparingRebalance") await this.reaches("PreparingRebalance");
    return { joined };
  }

  sync(
    who: string,
    to: readonly string[] = [],
    said: Said & { protocolType?: string | null; protocolName?: string | null } = {},
  ) {
    return this.ask(who, syncGroup, said.version ?? 5, {
      ...this.#self(who, said),
      protocolType: said.protocolType === undefined ? "consumer" : said.protocolType,
      protocolName: said.protocolName === undefined ? "range" : said.protocolName,
      assignments: to.map((name) => ({
        memberId: this.id(name),
        assignment: Buffer.from(`for ${name}`),
      })),
    });
  }

  beat(who: string, said: Said = {}) {
    return this.ask(who, heartbeat, said.version ?? 4, this.#self(who, said));
  }

  leave(who: string, ...members: { memberId?: string; instanceId?: string | null }[]) {
    const leaving = members.length === 0 ? [{}] : members;
    return this.ask(who, leaveGroup, 5, {
      groupId: this.groupId,
      memberId: "",
      members: leaving.map(({ memberId = this.id(who), instanceId = null }) => ({
        memberId,
        groupInstanceId: instanceId,
        reason: null,
      })),
    });
  }

  commit(
    who: string,
    said: Said & {
      offset?: number;
      metadata?: string | null;
      partitions?: Record<string, number[]>;
    } = {},
  ) {
    const { generationId, ...self } = this.#self(who, said);
    return this.ask(who, offsetCommit, said.version ?? 9, {
      ...self,
      generationIdOrMemberEpoch: generationId,
      retentionTimeMs: -1,
      topics: Object.entries(said.partitions ?? { [this.topic]: [0] }).map(([name, indexes]) => ({
        name,
        partitions: indexes.map((partitionIndex) => ({
          partitionIndex,
          committedOffset: said.offset ?? 5,
          committedLeaderEpoch: -1,
          committedMetadata: said.metadata === undefined ? "note" : said.metadata,
        })),
      })),
    });
  }

  describe(version = 6) {
    return this.ask("observer", describeGroups, version, {
      groups: [this.groupId],
      includeAuthorizedOperations: false,
    });
  }

  /** The group's state, not written down. */
  async state(): Promise<string> {
    const { groups } = await this.unwritten(describeGroups, 5, {
      groups: [this.groupId],
      includeAuthorizedOperations: false,
    });
    return groups[0]!.groupState;
  }

  /**
   * Asks for the group's state until it is that: nobody tells.
   *
   * @throws {MissedError} If it never is: it may have been over before it was asked for.
   */
  async reaches(state: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (await this.state() !== state) {
      if (performance.now() > deadline) throw new MissedError(`The group was never "${state}"`);
    }
  }

  /** All that was answered, in the order of asking. */
  async answers(): Promise<string[]> {
    const lines: string[] = [];
    for (const { title, answer } of this.#answers) {
      lines.push(`${title} -> ${this.#tell(await answer)}`);
    }
    return lines;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#actors.values()].map(async ({ client }) => (await client).close()));
  }

  #self(who: string, said: Said) {
    const actor = this.#actor(who);
    return {
      groupId: said.groupId ?? this.groupId,
      generationId: said.generationId ?? actor.generationId,
      memberId: said.memberId ?? this.id(who),
      groupInstanceId: said.instanceId === undefined ? actor.instanceId : said.instanceId,
    };
  }

  #actor(who: string): Actor {
    let actor = this.#actors.get(who);
    if (actor === undefined) {
      const client = connectRawClient(this.#bootstrapServers);
      this.#actors.set(who, actor = { client, ids: [], instanceId: null, generationId: -1 });
    }
    return actor;
  }

  #tell(answer: unknown): string {
    const names = new Map<string, string>();
    for (const [who, { ids }] of this.#actors) {
      ids.forEach((id, index) => names.set(id, `<${who} ${index + 1}>`));
    }
    const plain = (value: unknown, key = ""): unknown => {
      if (typeof value === "string") return names.get(value) ?? value;
      if (key === "errorCode") return errorName(value as number);
      if (Buffer.isBuffer(value)) return value.toString("latin1");
      if (Array.isArray(value)) {
        const items = value.map((item) => plain(item));
        // Members, topics and partitions come in no order.
        return items.sort((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
      }
      if (typeof value !== "object" || value === null) return value;
      const entries = Object.entries(value).filter(([key]) => key !== "throttleTimeMs");
      return Object.fromEntries(entries.map(([key, each]) => [key, plain(each, key)]));
    };
    return JSON.stringify(plain(answer));
  }
}
