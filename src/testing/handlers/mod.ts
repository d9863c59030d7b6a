import { apiVersions } from "./api_versions.ts";
import { describeCluster, describeConfigs } from "./describe.ts";
import { fetch } from "./fetch.ts";
import { findCoordinator } from "./find_coordinator.ts";
import * as groups from "./groups.ts";
import type { Handler } from "./handler.ts";
import { initProducerId } from "./init_producer_id.ts";
import { listOffsets } from "./list_offsets.ts";
import { metadata } from "./metadata.ts";
import { offsetForLeaderEpoch } from "./offset_for_leader_epoch.ts";
import { produce } from "./produce.ts";
import { saslAuthenticate, saslHandshake } from "./sasl.ts";
import * as admin from "./topic_admin.ts";

const ALL: readonly Handler[] = [
  apiVersions,
  metadata,
  describeCluster,
  describeConfigs,
  produce,
  fetch,
  listOffsets,
  offsetForLeaderEpoch,
  initProducerId,
  findCoordinator,
  groups.joinGroup,
  groups.syncGroup,
  groups.heartbeat,
  groups.leaveGroup,
  groups.offsetCommit,
  groups.offsetFetch,
  groups.offsetDelete,
  groups.describeGroups,
  groups.listGroups,
  groups.deleteGroups,
  admin.createTopics,
  admin.deleteTopics,
  admin.createPartitions,
  admin.deleteRecords,
  saslHandshake,
  saslAuthenticate,
];

/** Who answers what, by API key. */
export const HANDLERS: ReadonlyMap<number, Handler> = new Map(
  ALL.map((handler) => [handler.api.key, handler]),
);
