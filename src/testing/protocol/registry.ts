/**
 * All APIs that the broker speaks. What ApiVersions answers is derived from it.
 *
 * @module
 */
import type { AnyApi } from "./api.ts";
import type { ApiName } from "./api_name.ts";
import { apiVersions } from "./messages/api_versions.ts";
import { createPartitions } from "./messages/create_partitions.ts";
import { createTopics } from "./messages/create_topics.ts";
import { deleteGroups } from "./messages/delete_groups.ts";
import { deleteRecords } from "./messages/delete_records.ts";
import { deleteTopics } from "./messages/delete_topics.ts";
import { describeCluster } from "./messages/describe_cluster.ts";
import { describeConfigs } from "./messages/describe_configs.ts";
import { describeGroups } from "./messages/describe_groups.ts";
import { fetch } from "./messages/fetch.ts";
import { findCoordinator } from "./messages/find_coordinator.ts";
import { heartbeat } from "./messages/heartbeat.ts";
import { initProducerId } from "./messages/init_producer_id.ts";
import { joinGroup } from "./messages/join_group.ts";
import { leaveGroup } from "./messages/leave_group.ts";
import { listGroups } from "./messages/list_groups.ts";
import { listOffsets } from "./messages/list_offsets.ts";
import { metadata } from "./messages/metadata.ts";
import { offsetCommit } from "./messages/offset_commit.ts";
import { offsetDelete } from "./messages/offset_delete.ts";
import { offsetFetch } from "./messages/offset_fetch.ts";
import { offsetForLeaderEpoch } from "./messages/offset_for_leader_epoch.ts";
import { produce } from "./messages/produce.ts";
import { saslAuthenticate } from "./messages/sasl_authenticate.ts";
import { saslHandshake } from "./messages/sasl_handshake.ts";
import { syncGroup } from "./messages/sync_group.ts";

/** The APIs, in the order of their keys. */
export const APIS = {
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  saslHandshake,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  describeConfigs,
  saslAuthenticate,
  createPartitions,
  deleteGroups,
  offsetDelete,
  describeCluster,
} satisfies Record<Uncapitalize<ApiName>, AnyApi>;

const ALL: readonly AnyApi[] = Object.values(APIS);
const BY_KEY: ReadonlyMap<number, AnyApi> = new Map(ALL.map((api) => [api.key, api]));
const BY_NAME: ReadonlyMap<string, AnyApi> = new Map(ALL.map((api) => [api.name, api]));

/**
 * Finds an API.
 *
 * @param key Its key on the wire.
 * @returns The API, or undefined if it is not spoken here.
 */
export function apiByKey(key: number): AnyApi | undefined {
  return BY_KEY.get(key);
}

/**
 * Finds an API.
 *
 * @param name Its name, such as "JoinGroup".
 * @returns The API, or undefined if it is not spoken here.
 */
export function apiByName(name: ApiName): AnyApi;
export function apiByName(name: string): AnyApi | undefined;
export function apiByName(name: string): AnyApi | undefined {
  return BY_NAME.get(name);
}

/** One line of what ApiVersions answers. */
export interface SupportedVersion {
  readonly apiKey: number;
  readonly minVersion: number;
  readonly maxVersion: number;
}

/**
 * Lists what is spoken here.
 *
 * @returns The `apiKeys` of an ApiVersions response.
 */
export function supportedVersions(): SupportedVersion[] {
  return ALL.map(({ key, minVersion, maxVersion, offeredSince = minVersion }) => ({
    apiKey: key,
    minVersion: offeredSince,
    maxVersion,
  }));
}
