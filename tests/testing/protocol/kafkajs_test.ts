import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { describe, it } from "#std/testing/bdd";
import type { AnyApi } from "../../../src/testing/protocol/api.ts";
import { readRequest, writeResponse } from "../../../src/testing/protocol/envelope.ts";
import { APIS } from "../../../src/testing/protocol/registry.ts";
import { asReadIn } from "./arbitrary.ts";
import { responseBody, versionsOf } from "./frames.ts";
import { MESSAGES, withTexts } from "./records.ts";
import { assertRead, type Reading } from "./same.ts";
import { REQUESTS, RESPONSES } from "./samples.ts";

// deno-lint-ignore no-explicit-any
type Any = any;
type Name = keyof typeof APIS;

// Its codec is not part of what kafkajs exports, and has no types.
const require = createRequire(import.meta.url);
const encodeRequest: (request: Any) => Promise<{ buffer: Buffer }> = require(
  "kafkajs/src/protocol/request.js",
);
const { requests }: { requests: Record<string, Theirs> } = require(
  "kafkajs/src/protocol/requests/index.js",
);
const Encoder: Any = require("kafkajs/src/protocol/encoder.js");

/** One API in the client. */
interface Theirs {
  versions: string[];
  protocol(
    options: { version: number },
  ): (args: Any) => { request: Any; response: { decode(body: Buffer): Promise<Any> } };
}

const byTopic = (topics: Any[], partition: (partition: Any) => unknown) =>
  topics.map(({ name, topic = name, partitions }) => ({
    topic,
    partitions: partitions.map(partition),
  }));

/** The arguments by which the client makes a request, of the request's message. */
const ARGUMENTS: { [K in Name]?: (request: Any) => unknown } = {
  produce: ({ acks, timeoutMs, transactionalId, topicData }) => ({
    acks,
    timeout: timeoutMs,
    transactionalId,
    topicData: topicData.map(({ name, partitionData }: Any) => ({
      topic: name,
      partitions: partitionData.map(({ index }: Any) => ({
        partition: index,
        messages: MESSAGES.map(({ key, value }) => ({ key, value, timestamp: 1 })),
      })),
    })),
  }),
  fetch: (request) => ({
    ...request,
    maxWaitTime: request.maxWaitMs,
    topics: byTopic(request.topics, (partition) => ({
      ...partition,
      maxBytes: partition.partitionMaxBytes,
    })),
    forgottenTopics: request.forgottenTopicsData,
  }),
  listOffsets: ({ topics, isolationLevel }) => ({
    isolationLevel,
    topics: byTopic(topics, ({ partitionIndex, timestamp }) => ({
      partition: partitionIndex,
      timestamp,
    })),
  }),
  metadata: ({ topics, allowAutoTopicCreation }) => ({
    topics: topics.map(({ name }: Any) => name),
    allowAutoTopicCreation,
  }),
  offsetCommit: (request) => ({
    groupId: request.groupId,
    groupGenerationId: request.generationIdOrMemberEpoch,
    memberId: request.memberId,
    retentionTime: request.retentionTimeMs,
    topics: byTopic(request.topics, (partition) => ({
      partition: partition.partitionIndex,
      offset: partition.committedOffset,
      metadata: partition.committedMetadata,
    })),
  }),
  offsetFetch: ({ groupId, topics }) => ({
    groupId,
    topics: topics.map(({ name, partitionIndexes }: Any) => ({
      topic: name,
      partitions: partitionIndexes.map((partition: number) => ({ partition })),
    })),
  }),
  findCoordinator: ({ key, keyType }) => ({ groupId: key, coordinatorType: keyType }),
  joinGroup: (request) => ({
    ...request,
    sessionTimeout: request.sessionTimeoutMs,
    rebalanceTimeout: request.rebalanceTimeoutMs,
    groupProtocols: request.protocols,
  }),
  heartbeat: ({ groupId, generationId, memberId, groupInstanceId }) => ({
    groupId,
    groupGenerationId: generationId,
    memberId,
    groupInstanceId,
  }),
  leaveGroup: ({ groupId, members: [{ memberId, groupInstanceId }] }) => ({
    groupId,
    memberId,
    groupInstanceId,
  }),
  syncGroup: (request) => ({
    ...request,
    groupAssignment: request.assignments.map(({ memberId, assignment }: Any) => ({
      memberId,
      memberAssignment: assignment,
    })),
  }),
  describeGroups: ({ groups }) => ({ groupIds: groups }),
  listGroups: () => undefined,
  saslHandshake: ({ mechanism }) => ({ mechanism }),
  apiVersions: () => undefined,
  createTopics: ({ topics, timeoutMs, validateOnly }) => ({
    timeout: timeoutMs,
    validateOnly,
    topics: topics.map((topic: Any) => ({
      topic: topic.name,
      numPartitions: topic.numPartitions,
      replicationFactor: topic.replicationFactor,
      replicaAssignment: topic.assignments.map(({ partitionIndex, brokerIds }: Any) => ({
        partition: partitionIndex,
        replicas: brokerIds,
      })),
      configEntries: topic.configs,
    })),
  }),
  deleteTopics: ({ topicNames, timeoutMs }) => ({ topics: topicNames, timeout: timeoutMs }),
  deleteRecords: ({ topics, timeoutMs }) => ({
    timeout: timeoutMs,
    topics: byTopic(
      topics,
      ({ partitionIndex, offset }) => ({ partition: partitionIndex, offset }),
    ),
  }),
  initProducerId: ({ transactionalId, transactionTimeoutMs }) => ({
    transactionalId,
    transactionTimeout: transactionTimeoutMs,
  }),
  describeConfigs: ({ resources, includeSynonyms }) => ({
    includeSynonyms,
    resources: resources.map(({ resourceType, resourceName, configurationKeys }: Any) => ({
      type: resourceType,
      name: resourceName,
      configNames: configurationKeys ?? [],
    })),
  }),
  // The mechanism has put the length there already.
  saslAuthenticate: ({ authBytes }) => ({ authBytes: new Encoder().writeBytes(authBytes).buffer }),
  createPartitions: ({ topics, timeoutMs, validateOnly }) => ({
    timeout: timeoutMs,
    validateOnly,
    topicPartitions: topics.map(({ name, count, assignments }: Any) => ({
      topic: name,
      count,
      assignments: assignments?.map(({ brokerIds }: Any) => brokerIds),
    })),
  }),
  deleteGroups: ({ groupsNames }) => groupsNames,
};

/** What the client has in a response, as our names have it. */
const RENAMED: { [K in Name]?: (response: Any, version: number) => unknown } = {
  produce: ({ topics }) => ({
    responses: topics.map(({ topicName, partitions }: Any) => ({
      name: topicName,
      partitionResponses: partitions.map((partition: Any) => ({
        ...partition,
        index: partition.partition,
        logAppendTimeMs: partition.logAppendTime,
      })),
    })),
  }),
  fetch: ({ responses, ...rest }) => ({
    ...rest,
    responses: responses.map(({ topicName, partitions }: Any) => ({
      topic: topicName,
      partitions: partitions.map((partition: Any) => ({
        ...partition,
        partitionIndex: partition.partition,
        logStartOffset: partition.lastStartOffset,
        records: partition.messages,
      })),
    })),
  }),
  listOffsets: ({ responses }) => ({ topics: named(responses) }),
  metadata: (response) => ({
    ...response,
    topics: response.topicMetadata.map((topic: Any) => ({
      ...topic,
      errorCode: topic.topicErrorCode,
      name: topic.topic,
      partitions: topic.partitionMetadata.map((partition: Any) => ({
        ...partition,
        errorCode: partition.partitionErrorCode,
        partitionIndex: partition.partitionId,
        leaderId: partition.leader,
        replicaNodes: partition.replicas,
        isrNodes: partition.isr,
      })),
    })),
  }),
  offsetCommit: ({ responses }) => ({ topics: named(responses) }),
  offsetFetch: ({ responses, errorCode }) => ({ errorCode, topics: named(responses) }),
  findCoordinator: ({ coordinator, ...rest }) => ({ ...rest, ...coordinator }),
  joinGroup: (response) => ({
    ...response,
    protocolName: response.groupProtocol,
    leader: response.leaderId,
    members: response.members.map((member: Any) => ({
      ...member,
      metadata: member.memberMetadata,
    })),
  }),
  syncGroup: (response) => ({ ...response, assignment: response.memberAssignment }),
  describeGroups: ({ groups }) => ({
    groups: groups.map((group: Any) => ({
      ...group,
      groupState: group.state,
      protocolData: group.protocol,
    })),
  }),
  saslHandshake: (response) => ({ ...response, mechanisms: response.enabledMechanisms }),
  apiVersions: (response) => ({ ...response, apiKeys: response.apiVersions }),
  createTopics: ({ topicErrors }) => ({
    topics: topicErrors.map((topic: Any) => ({ ...topic, name: topic.topic })),
  }),
  deleteTopics: ({ topicErrors }) => ({
    responses: topicErrors.map((topic: Any) => ({ ...topic, name: topic.topic })),
  }),
  deleteRecords: ({ topics }) => ({ topics: named(topics) }),
  describeConfigs: ({ resources }) => ({
    results: resources.map((resource: Any) => ({
      ...resource,
      configs: resource.configEntries.map((entry: Any) => ({
        ...entry,
        name: entry.configName,
        value: entry.configValue,
        synonyms: entry.configSynonyms.map((synonym: Any) => ({
          name: synonym.configName,
          value: synonym.configValue,
          source: synonym.configSource,
        })),
      })),
    })),
  }),
  // The mechanism expects them with their length.
  saslAuthenticate: (response) => ({ ...response, authBytes: response.authBytes.subarray(4) }),
  createPartitions: ({ topicErrors }) => ({
    results: topicErrors.map((topic: Any) => ({ ...topic, name: topic.topic })),
  }),
};

function named(topics: Any[]): unknown {
  return topics.map(({ topic, partitions }) => ({
    name: topic,
    partitions: partitions.map((partition: Any) => ({
      ...partition,
      partitionIndex: partition.partition,
      committedOffset: partition.offset,
    })),
  }));
}

const READING: Reading = {
  texts: (messages) => messages.map(({ key, value }: Any) => `${key}=${value}`),
};

function theirs(name: Name): Theirs {
  // kafkajs calls it by its former name.
  return requests[name === "findCoordinator" ? "GroupCoordinator" : APIS[name].name]!;
}

const COMMON = (Object.keys(ARGUMENTS) as Name[]).flatMap((name) => {
  const api: AnyApi = APIS[name];
  const client = theirs(name);
  return versionsOf(api)
    .filter((version) => client.versions.includes(String(version)))
    .map((version) => ({ name, api, version, client: client.protocol({ version }) }));
});

describe("kafkajs", () => {
  it("finds its newest version of each API spoken here", () => {
    for (const name of Object.keys(ARGUMENTS) as Name[]) {
      const common = COMMON.filter((each) => each.name === name);
      const { versions } = theirs(name);
      assert.equal(common.at(-1)?.version, Math.max(...versions.map(Number)), name);
    }
    assert.equal(COMMON.length, 77);
  });

  for (const { name, api, version, client } of COMMON) {
    const args = ARGUMENTS[name]!(REQUESTS[name]);

    it(`is understood: ${api.name} ${version}`, async () => {
      const { request } = client(args);
      const { buffer } = await encodeRequest({ correlationId: 9, clientId: "kafkajs", request });
      const { shape } = api.request;
      const received = readRequest(buffer.subarray(4));
      assert.equal(received.kind, "request");
      assert.equal(received.correlationId, 9);
      assert.equal(received.clientId, "kafkajs");
      const expected = asReadIn(shape, version, REQUESTS[name]);
      if (name === "produce") assert.deepEqual(withTexts(received.body), withTexts(expected));
      else assert.deepEqual(received.body, expected);
    });

    it(`understands: ${api.name} ${version}`, async () => {
      const body = responseBody(api, version, writeResponse(api, version, 7, RESPONSES[name]), 7);
      const decoded = await client(args).response.decode(body);
      const { clientSideThrottleTime, throttleTime, ...rest } = decoded;
      const throttleTimeMs = clientSideThrottleTime ?? throttleTime ?? rest.throttleTimeMs ?? 0;
      const response = { throttleTimeMs, ...RENAMED[name]?.(rest, version) ?? rest };
      const { shape } = api.response;
      const expected = asReadIn(shape, version, RESPONSES[name]);
      assertRead(response, expected, shape, version, READING);
    });
  }
});
