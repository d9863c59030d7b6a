import type { Buffer } from "node:buffer";
import { AssignerProtocol } from "kafkajs";
import { withAdmin } from "./client.ts";
import { byPartition } from "./topics.ts";

/**
 * Reads what a group has committed for a topic.
 *
 * @param bootstrapServers `host:port,…`.
 * @param groupId The group.
 * @param topic The topic.
 * @returns The offsets, by partition; -1 where nothing has been committed.
 */
export async function committedOffsets(
  bootstrapServers: string,
  groupId: string,
  topic: string,
): Promise<number[]> {
  const rows = await fetchCommits(bootstrapServers, groupId, topic);
  return byPartition(rows, ({ offset }) => Number(offset));
}

/**
 * Reads the metadata that stands beside a group's commits.
 *
 * @param bootstrapServers `host:port,…`.
 * @param groupId The group.
 * @param topic The topic.
 * @returns The texts, by partition; empty where there is none.
 */
export async function committedMetadata(
  bootstrapServers: string,
  groupId: string,
  topic: string,
): Promise<string[]> {
  const rows = await fetchCommits(bootstrapServers, groupId, topic);
  return byPartition(rows, ({ metadata }) => metadata ?? "");
}

/**
 * Waits until the coordinators of a Kafka that was started just now are loaded, which begins with the first
 * word of a group. Kafka has no event for it, so that this one asks again and again.
 *
 * @param bootstrapServers `host:port,…`.
 * @param topic Any topic.
 */
export async function coordinatorsLoaded(bootstrapServers: string, topic: string): Promise<void> {
  // The tests' Kafka has four; a dozen names meet each of them.
  for (let group = 0; group < 12; group++) {
    while (true) {
      try {
        await committedOffsets(bootstrapServers, `warm-up-${group}`, topic);
        break;
      } catch (error) {
        if ((error as { retriable?: boolean }).retriable !== true) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
}

/** A group as its coordinator sees it. */
export interface GroupDescription {
  /** Such as "Stable", "PreparingRebalance", "Empty" or "Dead"; the last also when there is none. */
  state: string;
  members: GroupMember[];
}

/** One member of a group. */
export interface GroupMember {
  memberId: string;
  clientId: string;
  /** Partitions by topic, in ascending order. */
  assignment: Record<string, number[]>;
}

/**
 * Describes a group (of the classic protocol).
 *
 * @param bootstrapServers `host:port,…`.
 * @param groupId The group.
 * @returns Its state and members.
 */
export async function describeGroup(
  bootstrapServers: string,
  groupId: string,
): Promise<GroupDescription> {
  const { groups } = await withAdmin(
    bootstrapServers,
    (admin) => admin.describeGroups([groupId]),
  );
  const group = groups[0];
  if (group === undefined) throw new Error(`Cannot describe group "${groupId}": no answer`);
  return {
    state: group.state,
    members: group.members.map(({ memberId, clientId, memberAssignment }) => ({
      memberId,
      clientId,
      // While the group rebalances a member has none.
      assignment: memberAssignment.length === 0 ? {} : readAssignment(memberAssignment),
    })),
  };
}

/**
 * Deletes a group and its commits.
 *
 * @param bootstrapServers `host:port,…`.
 * @param groupId The group; it must have no members left.
 */
export async function deleteGroup(bootstrapServers: string, groupId: string): Promise<void> {
  await withAdmin(bootstrapServers, (admin) => admin.deleteGroups([groupId]));
}

function readAssignment(bytes: Buffer): Record<string, number[]> {
  const assignment = AssignerProtocol.MemberAssignment.decode(bytes)?.assignment ?? {};
  for (const partitions of Object.values(assignment)) partitions.sort((a, b) => a - b);
  return assignment;
}

async function fetchCommits(bootstrapServers: string, groupId: string, topic: string) {
  const topics = await withAdmin(
    bootstrapServers,
    (admin) => admin.fetchOffsets({ groupId, topics: [topic] }),
  );
  return topics[0]?.partitions ?? [];
}
