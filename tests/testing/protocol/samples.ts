// One request and one response of each API, with a value of its own in each field: a field that was
// read from another's place shows. Fields that a version does not have are dropped by who uses them.
import { Buffer } from "node:buffer";
import type { RequestOf, ResponseOf } from "../../../src/testing/protocol/api.ts";
import type { APIS } from "../../../src/testing/protocol/registry.ts";

import { BATCH } from "./records.ts";

type Apis = typeof APIS;

const ID = "0b2c5d3e-4f60-4a7b-8c9d-0e1f20314253";
const OTHER_ID = "f1e2d3c4-b5a6-4798-8a7b-6c5d4e3f2011";
/** More than 2^32, so that both halves of an INT64 count. */
const BIG = 2 ** 40;

export const REQUESTS: { readonly [K in keyof Apis]: RequestOf<Apis[K]> } = {
  produce: {
    transactionalId: "transaction",
    acks: -1,
    timeoutMs: 1234,
    topicData: [
      {
        name: "orders",
        topicId: ID,
        partitionData: [{ index: 3, records: BATCH }, {
          index: 5,
          records: BATCH,
        }],
      },
      { name: "más", topicId: OTHER_ID, partitionData: [{ index: 1, records: BATCH }] },
    ],
  },
  fetch: {
    clusterId: null,
    replicaId: -1,
    replicaState: null,
    maxWaitMs: 501,
    minBytes: 17,
    maxBytes: 1_000_003,
    isolationLevel: 1,
    sessionId: 21,
    sessionEpoch: 22,
    topics: [
      {
        topic: "orders",
        topicId: ID,
        partitions: [
          {
            partition: 2,
            currentLeaderEpoch: 31,
            fetchOffset: BIG + 1,
            lastFetchedEpoch: 30,
            logStartOffset: -1,
            partitionMaxBytes: 65_537,
            replicaDirectoryId: OTHER_ID,
          },
        ],
      },
    ],
    forgottenTopicsData: [{ topic: "old", topicId: OTHER_ID, partitions: [7, 8] }],
    rackId: "rack",
  },
  listOffsets: {
    replicaId: -1,
    isolationLevel: 1,
    topics: [
      {
        name: "orders",
        partitions: [
          { partitionIndex: 4, currentLeaderEpoch: 9, timestamp: BIG },
          { partitionIndex: 5, currentLeaderEpoch: 10, timestamp: -2 },
        ],
      },
    ],
    timeoutMs: 0,
  },
  metadata: {
    topics: [{ topicId: ID, name: "orders" }, { topicId: OTHER_ID, name: "payments" }],
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: true,
    includeTopicAuthorizedOperations: true,
  },
  offsetCommit: {
    groupId: "group",
    generationIdOrMemberEpoch: 11,
    memberId: "member",
    groupInstanceId: "instance",
    retentionTimeMs: -1,
    topics: [
      {
        name: "orders",
        partitions: [
          {
            partitionIndex: 1,
            committedOffset: BIG,
            committedLeaderEpoch: 6,
            committedMetadata: "note",
          },
          {
            partitionIndex: 2,
            committedOffset: 3,
            committedLeaderEpoch: 7,
            committedMetadata: null,
          },
        ],
      },
    ],
  },
  offsetFetch: {
    groupId: "group",
    topics: [{ name: "orders", partitionIndexes: [1, 2] }, {
      name: "other",
      partitionIndexes: [3],
    }],
    groups: [
      {
        groupId: "group",
        memberId: "member",
        memberEpoch: 12,
        topics: [{ name: "orders", partitionIndexes: [1, 2] }, {
          name: "other",
          partitionIndexes: [3],
        }],
      },
    ],
    requireStable: true,
  },
  findCoordinator: { key: "group", keyType: 1, coordinatorKeys: ["group"] },
  joinGroup: {
    groupId: "group",
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 60_000,
    memberId: "member",
    groupInstanceId: "instance",
    protocolType: "consumer",
    protocols: [
      { name: "range", metadata: Buffer.from([1, 2, 3]) },
      { name: "roundrobin", metadata: Buffer.alloc(0) },
    ],
    reason: "because",
  },
  heartbeat: {
    groupId: "group",
    generationId: 13,
    memberId: "member",
    groupInstanceId: "instance",
  },
  leaveGroup: {
    groupId: "group",
    memberId: "member",
    members: [{ memberId: "member", groupInstanceId: "instance", reason: "done" }],
  },
  syncGroup: {
    groupId: "group",
    generationId: 14,
    memberId: "member",
    groupInstanceId: "instance",
    protocolType: "consumer",
    protocolName: "range",
    assignments: [
      { memberId: "member", assignment: Buffer.from([4, 5]) },
      { memberId: "another", assignment: Buffer.from([6]) },
    ],
  },
  describeGroups: { groups: ["group", "another"], includeAuthorizedOperations: true },
  listGroups: { statesFilter: ["Stable"], typesFilter: ["classic"] },
  saslHandshake: { mechanism: "SCRAM-SHA-256" },
  apiVersions: { clientSoftwareName: "tests", clientSoftwareVersion: "1.2.3" },
  createTopics: {
    topics: [
      {
        name: "orders",
        numPartitions: 3,
        replicationFactor: 2,
        assignments: [{ partitionIndex: 0, brokerIds: [1, 2] }],
        configs: [{ name: "cleanup.policy", value: "compact" }, { name: "x", value: null }],
      },
      { name: "plain", numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] },
    ],
    timeoutMs: 4321,
    validateOnly: true,
  },
  deleteTopics: {
    topics: [{ name: "orders", topicId: ID }, { name: null, topicId: OTHER_ID }],
    topicNames: ["orders", "more"],
    timeoutMs: 777,
  },
  deleteRecords: {
    topics: [{ name: "orders", partitions: [{ partitionIndex: 2, offset: BIG }] }],
    timeoutMs: 778,
  },
  initProducerId: {
    transactionalId: "transaction",
    transactionTimeoutMs: 779,
    producerId: BIG,
    producerEpoch: 15,
  },
  offsetForLeaderEpoch: {
    replicaId: -1,
    topics: [
      { topic: "orders", partitions: [{ partition: 1, currentLeaderEpoch: 2, leaderEpoch: 3 }] },
    ],
  },
  describeConfigs: {
    resources: [
      { resourceType: 2, resourceName: "orders", configurationKeys: ["a", "b"] },
      { resourceType: 4, resourceName: "1", configurationKeys: null },
    ],
    includeSynonyms: true,
    includeDocumentation: true,
  },
  saslAuthenticate: { authBytes: Buffer.from("n,,n=user") },
  createPartitions: {
    topics: [
      { name: "orders", count: 5, assignments: [{ brokerIds: [1, 2] }] },
      { name: "more", count: 6, assignments: null },
    ],
    timeoutMs: 780,
    validateOnly: true,
  },
  deleteGroups: { groupsNames: ["group", "another"] },
  offsetDelete: {
    groupId: "group",
    topics: [{ name: "orders", partitions: [{ partitionIndex: 1 }, { partitionIndex: 2 }] }],
  },
  describeCluster: {
    includeClusterAuthorizedOperations: true,
    endpointType: 1,
    includeFencedBrokers: true,
  },
};

/** Error codes are such that no client takes them for a reason to stop reading. */
export const RESPONSES: { readonly [K in keyof Apis]: ResponseOf<Apis[K]> } = {
  produce: {
    responses: [
      {
        name: "orders",
        topicId: ID,
        partitionResponses: [
          {
            index: 3,
            errorCode: 6,
            baseOffset: BIG,
            logAppendTimeMs: BIG + 1,
            logStartOffset: BIG + 2,
            recordErrors: [{ batchIndex: 1, batchIndexErrorMessage: null }],
            errorMessage: "no leader here",
            currentLeader: { leaderId: 2, leaderEpoch: 33 },
          },
          { index: 4, errorCode: 0, baseOffset: 12 },
        ],
      },
    ],
    throttleTimeMs: 41,
    nodeEndpoints: [{ nodeId: 2, host: "second", port: 9093, rack: "rack" }],
  },
  fetch: {
    throttleTimeMs: 42,
    errorCode: 0,
    sessionId: 43,
    responses: [
      {
        topic: "orders",
        topicId: ID,
        partitions: [
          {
            partitionIndex: 3,
            errorCode: 0,
            highWatermark: BIG,
            lastStableOffset: BIG - 1,
            logStartOffset: BIG - 2,
            divergingEpoch: { epoch: 5, endOffset: BIG - 3 },
            currentLeader: { leaderId: 2, leaderEpoch: 6 },
            snapshotId: { endOffset: BIG - 4, epoch: 7 },
            abortedTransactions: [{ producerId: BIG + 5, firstOffset: BIG + 6 }],
            preferredReadReplica: 8,
            records: [BATCH.subarray(0, 50), BATCH.subarray(50), BATCH],
          },
          {
            partitionIndex: 4,
            errorCode: 1,
            highWatermark: -1,
            abortedTransactions: null,
            records: [],
          },
        ],
      },
    ],
    nodeEndpoints: [{ nodeId: 2, host: "second", port: 9093, rack: null }],
  },
  listOffsets: {
    throttleTimeMs: 44,
    topics: [
      {
        name: "orders",
        partitions: [
          { partitionIndex: 3, errorCode: 6, timestamp: BIG, offset: BIG + 1, leaderEpoch: 5 },
          { partitionIndex: 4, errorCode: 0 },
        ],
      },
    ],
  },
  metadata: {
    throttleTimeMs: 45,
    brokers: [
      { nodeId: 1, host: "first", port: 9092, rack: "a" },
      { nodeId: 2, host: "second", port: 9093, rack: null },
    ],
    clusterId: "cluster",
    controllerId: 2,
    topics: [
      {
        errorCode: 0,
        name: "orders",
        topicId: ID,
        isInternal: true,
        partitions: [
          {
            errorCode: 5,
            partitionIndex: 3,
            leaderId: 1,
            leaderEpoch: 12,
            replicaNodes: [1, 2],
            isrNodes: [1],
            offlineReplicas: [2],
          },
        ],
        topicAuthorizedOperations: 99,
      },
      { errorCode: 3, name: "missing", partitions: [] },
    ],
    clusterAuthorizedOperations: 98,
    errorCode: 0,
  },
  offsetCommit: {
    throttleTimeMs: 46,
    topics: [
      {
        name: "orders",
        partitions: [{ partitionIndex: 1, errorCode: 22 }, { partitionIndex: 2, errorCode: 0 }],
      },
    ],
  },
  offsetFetch: {
    throttleTimeMs: 47,
    topics: [
      {
        name: "orders",
        partitions: [
          {
            partitionIndex: 1,
            committedOffset: BIG,
            committedLeaderEpoch: 4,
            metadata: "note",
            errorCode: 3,
          },
        ],
      },
    ],
    errorCode: 15,
    groups: [
      {
        groupId: "group",
        topics: [
          {
            name: "orders",
            partitions: [
              {
                partitionIndex: 1,
                committedOffset: BIG,
                committedLeaderEpoch: 4,
                metadata: "note",
                errorCode: 3,
              },
              { partitionIndex: 2, committedOffset: -1, metadata: null, errorCode: 0 },
            ],
          },
        ],
        errorCode: 15,
      },
    ],
  },
  findCoordinator: {
    throttleTimeMs: 48,
    errorCode: 15,
    errorMessage: "not yet",
    nodeId: 2,
    host: "second",
    port: 9093,
    coordinators: [
      {
        key: "group",
        nodeId: 2,
        host: "second",
        port: 9093,
        errorCode: 15,
        errorMessage: "not yet",
      },
    ],
  },
  joinGroup: {
    throttleTimeMs: 49,
    errorCode: 27,
    generationId: 12,
    protocolType: "consumer",
    protocolName: "range",
    leader: "leader",
    skipAssignment: true,
    memberId: "member",
    members: [
      { memberId: "leader", groupInstanceId: "instance", metadata: Buffer.from([7, 8]) },
      { memberId: "member", groupInstanceId: null, metadata: Buffer.alloc(0) },
    ],
  },
  heartbeat: { throttleTimeMs: 50, errorCode: 27 },
  leaveGroup: {
    throttleTimeMs: 51,
    errorCode: 25,
    members: [{ memberId: "member", groupInstanceId: "instance", errorCode: 82 }],
  },
  syncGroup: {
    throttleTimeMs: 52,
    errorCode: 22,
    protocolType: "consumer",
    protocolName: "range",
    assignment: Buffer.from([9, 10, 11]),
  },
  describeGroups: {
    throttleTimeMs: 53,
    groups: [
      {
        errorCode: 15,
        errorMessage: "not yet",
        groupId: "group",
        groupState: "Stable",
        protocolType: "consumer",
        protocolData: "range",
        members: [
          {
            memberId: "member",
            groupInstanceId: "instance",
            clientId: "client",
            clientHost: "/127.0.0.1",
            memberMetadata: Buffer.from([1]),
            memberAssignment: Buffer.from([2, 3]),
          },
        ],
        authorizedOperations: 97,
      },
    ],
  },
  listGroups: {
    throttleTimeMs: 54,
    errorCode: 15,
    groups: [
      { groupId: "group", protocolType: "consumer", groupState: "Empty", groupType: "classic" },
      { groupId: "another", protocolType: "", groupState: "Dead", groupType: "consumer" },
    ],
  },
  saslHandshake: { errorCode: 33, mechanisms: ["PLAIN", "SCRAM-SHA-512"] },
  apiVersions: {
    errorCode: 0,
    apiKeys: [
      { apiKey: 0, minVersion: 3, maxVersion: 12 },
      { apiKey: 18, minVersion: 0, maxVersion: 4 },
    ],
    throttleTimeMs: 55,
    supportedFeatures: [{ name: "group.version", minVersion: 0, maxVersion: 1 }],
    finalizedFeaturesEpoch: 7,
    finalizedFeatures: [{ name: "group.version", maxVersionLevel: 2, minVersionLevel: 1 }],
    zkMigrationReady: true,
  },
  createTopics: {
    throttleTimeMs: 56,
    topics: [
      {
        name: "orders",
        topicId: ID,
        errorCode: 36,
        errorMessage: "there already",
        topicConfigErrorCode: 29,
        numPartitions: 3,
        replicationFactor: 1,
        configs: [
          { name: "c", value: "v", readOnly: true, configSource: 5, isSensitive: false },
          { name: "d", value: null, readOnly: false, configSource: 1, isSensitive: true },
        ],
      },
      { name: "plain", errorCode: 0, configs: null },
    ],
  },
  deleteTopics: {
    throttleTimeMs: 57,
    responses: [
      { name: "more", topicId: ID, errorCode: 3, errorMessage: "not there" },
      { name: "orders", topicId: OTHER_ID, errorCode: 0 },
    ],
  },
  deleteRecords: {
    throttleTimeMs: 58,
    topics: [
      { name: "orders", partitions: [{ partitionIndex: 2, lowWatermark: BIG, errorCode: 1 }] },
    ],
  },
  initProducerId: { throttleTimeMs: 59, errorCode: 15, producerId: BIG, producerEpoch: 16 },
  offsetForLeaderEpoch: {
    throttleTimeMs: 60,
    topics: [
      {
        topic: "orders",
        partitions: [{ errorCode: 6, partition: 2, leaderEpoch: 17, endOffset: BIG }],
      },
    ],
  },
  describeConfigs: {
    throttleTimeMs: 61,
    results: [
      {
        errorCode: 40,
        errorMessage: "odd",
        resourceType: 2,
        resourceName: "orders",
        configs: [
          {
            name: "retention.ms",
            value: "1",
            readOnly: true,
            configSource: 1,
            isSensitive: false,
            synonyms: [{ name: "log.retention.ms", value: null, source: 4 }],
            configType: 5,
            documentation: "how long",
          },
        ],
      },
    ],
  },
  saslAuthenticate: {
    errorCode: 0,
    errorMessage: "wrong",
    authBytes: Buffer.from("r=abc"),
    sessionLifetimeMs: BIG,
  },
  createPartitions: {
    throttleTimeMs: 62,
    results: [
      { name: "more", errorCode: 37, errorMessage: "fewer" },
      { name: "orders", errorCode: 0 },
    ],
  },
  deleteGroups: {
    throttleTimeMs: 63,
    results: [{ groupId: "group", errorCode: 68 }, { groupId: "another", errorCode: 0 }],
  },
  offsetDelete: {
    errorCode: 69,
    throttleTimeMs: 64,
    topics: [{ name: "orders", partitions: [{ partitionIndex: 1, errorCode: 86 }] }],
  },
  describeCluster: {
    throttleTimeMs: 65,
    errorCode: 41,
    errorMessage: "no",
    endpointType: 2,
    clusterId: "cluster",
    controllerId: 3,
    brokers: [
      { brokerId: 1, host: "first", port: 9092, rack: "a", isFenced: true },
      { brokerId: 2, host: "second", port: 9093, rack: null, isFenced: false },
    ],
    clusterAuthorizedOperations: 96,
  },
};
