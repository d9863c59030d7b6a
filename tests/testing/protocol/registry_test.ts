import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import {
  apiByKey,
  apiByName,
  APIS,
  supportedVersions,
} from "../../../src/testing/protocol/registry.ts";
import { ALL } from "./frames.ts";

/** What ApiVersions answers: key, name, oldest and newest version. */
const OFFERED: [number, string, number, number][] = [
  [0, "Produce", 0, 13],
  [1, "Fetch", 4, 17],
  [2, "ListOffsets", 1, 10],
  [3, "Metadata", 0, 13],
  [8, "OffsetCommit", 2, 9],
  [9, "OffsetFetch", 1, 9],
  [10, "FindCoordinator", 0, 6],
  [11, "JoinGroup", 0, 9],
  [12, "Heartbeat", 0, 4],
  [13, "LeaveGroup", 0, 5],
  [14, "SyncGroup", 0, 5],
  [15, "DescribeGroups", 0, 6],
  [16, "ListGroups", 0, 5],
  [17, "SaslHandshake", 0, 1],
  [18, "ApiVersions", 0, 4],
  [19, "CreateTopics", 2, 7],
  [20, "DeleteTopics", 1, 6],
  [21, "DeleteRecords", 0, 2],
  [22, "InitProducerId", 0, 5],
  [23, "OffsetForLeaderEpoch", 2, 4],
  [32, "DescribeConfigs", 1, 4],
  [36, "SaslAuthenticate", 0, 2],
  [37, "CreatePartitions", 0, 3],
  [42, "DeleteGroups", 0, 2],
  [47, "OffsetDelete", 0, 0],
  [60, "DescribeCluster", 0, 2],
];

describe("the registry", () => {
  it("offers these versions", () => {
    const offered = supportedVersions();
    assert.deepEqual(
      offered,
      OFFERED.map(([apiKey, , minVersion, maxVersion]) => ({ apiKey, minVersion, maxVersion })),
    );
  });

  it("offers Produce 0 and SaslHandshake 0, which it does not speak, for librdkafka's sake", () => {
    assert.equal(APIS.produce.minVersion, 3);
    assert.equal(APIS.saslHandshake.minVersion, 1);
    assert.deepEqual(
      ALL.filter(({ offeredSince }) => offeredSince !== undefined).map(({ name }) => name),
      ["Produce", "SaslHandshake"],
    );
  });

  it("finds an API by key and by name", () => {
    for (const [key, name] of OFFERED) {
      assert.equal(apiByKey(key)?.name, name);
      assert.equal(apiByName(name)?.key, key);
    }
    assert.equal(apiByKey(4), undefined);
    assert.equal(apiByName("LeaderAndIsr"), undefined);
  });
});
