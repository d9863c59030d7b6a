// A member of a group that does nothing by itself: no heartbeat unless it is told to.
import type { Buffer } from "node:buffer";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { assignment, subscription } from "../groups/bytes.ts";
import { A, type RawClient } from "./raw_client.ts";

/** Who is a member of a group, in which generation. */
export interface RawMember {
  client: RawClient;
  groupId: string;
  memberId: string;
  generationId: number;
}

/** What a member is like. */
export interface JoinOptions {
  groupId?: string;
  topic?: string;
  sessionTimeoutMs?: number;
  rebalanceTimeoutMs?: number;
  memberId?: string;
}

/** The JoinGroup request of a member. */
export function joinRequest(
  {
    groupId = "group",
    topic = "t",
    sessionTimeoutMs = 10_000,
    rebalanceTimeoutMs = 60_000,
    memberId = "",
  }: JoinOptions = {},
): Record<string, unknown> {
  return {
    groupId,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    memberId,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: subscription(topic) }],
  };
}

/** Joins as a new member; the answer, once it has got its id. */
// deno-lint-ignore no-explicit-any
export async function joinRaw(client: RawClient, options: JoinOptions = {}): Promise<any> {
  const first = await client.ask(A.joinGroup, joinRequest(options));
  if (first.errorCode !== ERROR.MEMBER_ID_REQUIRED) return first;
  const { memberId } = first;
  return await client.ask(A.joinGroup, joinRequest({ ...options, memberId }));
}

/** Joins, and assigns partition 0 to everybody if it is the leader. */
export async function memberOf(client: RawClient, options: JoinOptions = {}): Promise<RawMember> {
  const { groupId = "group", topic = "t" } = options;
  const { memberId, generationId, members } = await joinRaw(client, options);
  await syncRaw({ client, groupId, memberId, generationId }, members, topic);
  return { client, groupId, memberId, generationId };
}

/** Synchronizes; the leader has to say who the members are. */
export function syncRaw(
  { client, groupId, memberId, generationId }: RawMember,
  members: { memberId: string }[] = [],
  topic = "t",
  // deno-lint-ignore no-explicit-any
): Promise<any> {
  return client.ask(A.syncGroup, {
    groupId,
    generationId,
    memberId,
    protocolType: "consumer",
    protocolName: "range",
    assignments: members.map(({ memberId }): { memberId: string; assignment: Buffer } => ({
      memberId,
      assignment: assignment({ [topic]: [0] }),
    })),
  });
}

/** Sends a heartbeat, and gives its error code. */
export async function heartbeat(
  { client, groupId, memberId, generationId }: RawMember,
): Promise<number> {
  return (await client.ask(A.heartbeat, { groupId, generationId, memberId })).errorCode;
}

/** Commits, and gives the error code. */
export async function commit(
  { client, groupId, memberId, generationId }: RawMember,
  committedOffset: number,
  { topic = "t", metadata = "" } = {},
): Promise<number> {
  const response = await client.ask(A.offsetCommit, {
    groupId,
    generationIdOrMemberEpoch: generationId,
    memberId,
    topics: [{
      name: topic,
      partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: metadata }],
    }],
  });
  return response.topics[0].partitions[0].errorCode;
}
