import assert from "node:assert/strict";
import * as platformatic from "@platformatic/kafka";
import { describe, it } from "#std/testing/bdd";
import type { AnyApi } from "../../../src/testing/protocol/api.ts";
import { type Shape, ZERO_UUID } from "../../../src/testing/protocol/codec.ts";
import { readRequest, writeResponse } from "../../../src/testing/protocol/envelope.ts";
import { APIS } from "../../../src/testing/protocol/registry.ts";
import { asReadIn } from "./arbitrary.ts";
import { requestFrame, responseBody, versionsOf } from "./frames.ts";
import { MESSAGES, textsOf, withTexts } from "./records.ts";
import { assertRead, type Reading } from "./same.ts";
import { REQUESTS, RESPONSES } from "./samples.ts";

// deno-lint-ignore no-explicit-any
type Any = any;
type Name = keyof typeof APIS;

/** One version of one API in the client. */
interface Theirs {
  createRequest(...args: unknown[]): platformatic.Writer;
  parseResponse(
    correlationId: number,
    apiKey: number,
    apiVersion: number,
    reader: platformatic.Reader,
  ): unknown;
}

/** The arguments by which the client makes a request, of the request's message. */
const ARGUMENTS: { [K in Name]: (request: Any, version: number) => unknown[] } = {
  produce: ({ acks, timeoutMs, topicData, transactionalId }) => [
    acks,
    timeoutMs,
    topicData.flatMap(({ name, partitionData }: Any) =>
      partitionData.flatMap(({ index }: Any) =>
        MESSAGES.map((message) => ({ ...message, topic: name, partition: index }))
      )
    ),
    { transactionalId },
  ],
  fetch: (request, version) => [
    request.maxWaitMs,
    request.minBytes,
    request.maxBytes,
    request.isolationLevel,
    request.sessionId,
    request.sessionEpoch,
    request.topics.map((topic: Any) => ({
      ...topic,
      topicId: version > 12 ? topic.topicId : topic.topic,
    })),
    request.forgottenTopicsData.map(({ topic, topicId, partitions }: Any) => ({
      topicId: version > 12 ? topicId : topic,
      topic,
      partitions,
    })),
    request.rackId,
  ],
  listOffsets: ({ replicaId, isolationLevel, topics }) => [replicaId, isolationLevel, topics],
  metadata: (request) => [
    request.topics,
    request.allowAutoTopicCreation,
    request.includeTopicAuthorizedOperations,
    request.includeClusterAuthorizedOperations,
  ],
  offsetCommit: (request) => [
    request.groupId,
    request.generationIdOrMemberEpoch,
    request.memberId,
    request.groupInstanceId,
    request.topics,
  ],
  offsetFetch: ({ groups, requireStable }) => [groups, requireStable],
  findCoordinator: ({ keyType, coordinatorKeys }) => [keyType, coordinatorKeys],
  joinGroup: (request) => [
    request.groupId,
    request.sessionTimeoutMs,
    request.rebalanceTimeoutMs,
    request.memberId,
    request.groupInstanceId,
    request.protocolType,
    request.protocols,
    request.reason,
  ],
  heartbeat: ({ groupId, generationId, memberId, groupInstanceId }) => [
    groupId,
    generationId,
    memberId,
    groupInstanceId,
  ],
  leaveGroup: ({ groupId, members }) => [groupId, members],
  syncGroup: (request) => [
    request.groupId,
    request.generationId,
    request.memberId,
    request.groupInstanceId,
    request.protocolType,
    request.protocolName,
    request.assignments,
  ],
  describeGroups: (
    { groups, includeAuthorizedOperations },
  ) => [groups, includeAuthorizedOperations],
  listGroups: ({ statesFilter, typesFilter }) => [statesFilter, typesFilter],
  saslHandshake: ({ mechanism }) => [mechanism],
  apiVersions: ({ clientSoftwareName, clientSoftwareVersion }) => [
    clientSoftwareName,
    clientSoftwareVersion,
  ],
  createTopics: ({ topics, timeoutMs, validateOnly }) => [topics, timeoutMs, validateOnly],
  deleteTopics: ({ topics, topicNames, timeoutMs }, version) => [
    version > 5 ? topics : topicNames.map((name: string) => ({ name })),
    timeoutMs,
  ],
  deleteRecords: ({ topics, timeoutMs }) => [topics, timeoutMs],
  initProducerId: (request) => [
    request.transactionalId,
    request.transactionTimeoutMs,
    request.producerId,
    request.producerEpoch,
  ],
  offsetForLeaderEpoch: ({ replicaId, topics }) => [
    replicaId,
    topics.map(({ topic, partitions }: Any) => ({
      name: topic,
      partitions: partitions.map((partition: Any) => ({
        ...partition,
        partitionIndex: partition.partition,
      })),
    })),
  ],
  describeConfigs: ({ resources, includeSynonyms, includeDocumentation }) => [
    resources,
    includeSynonyms,
    includeDocumentation,
  ],
  saslAuthenticate: ({ authBytes }) => [authBytes],
  createPartitions: ({ topics, timeoutMs, validateOnly }) => [topics, timeoutMs, validateOnly],
  deleteGroups: ({ groupsNames }) => [groupsNames],
  offsetDelete: ({ groupId, topics }) => [groupId, topics],
  describeCluster: (request) => [request.includeClusterAuthorizedOperations, request.endpointType],
};

/** What the client sends, where it cannot send all that it is given. */
const SENT: { [K in Name]?: (version: number) => unknown } = {
  // Apache Kafka too takes topic ids only from version 12 on.
  metadata: (version) => ({
    ...REQUESTS.metadata,
    topics: REQUESTS.metadata.topics!.map(({ name, topicId }) => ({
      name,
      topicId: version < 12 ? ZERO_UUID : topicId,
    })),
  }),
};

/** What the client has in a response, as our names have it. */
const RENAMED: { [K in Name]?: (response: Any, version: number) => unknown } = {
  // Before version 13, it has the topic's name where it later has the id.
  fetch: ({ responses, ...rest }) => ({
    ...rest,
    responses: responses.map((topic: Any) => ({ ...topic, topic: topic.topicId })),
  }),
  // One coordinator is for the client one of several.
  findCoordinator: (response, version) =>
    version < 4 ? { ...response, ...response.coordinators[0] } : response,
};

const READING: Reading = {
  // Only in the newest version does the client read this tagged field.
  skips: (field, version) => field === "topicConfigErrorCode" && version < 7,
  texts: (batches) => batches.flatMap(textsOf),
};

/** What the client takes for INT64 is a bigint. */
function withBigints(shape: Shape, value: Any): Any {
  if (value === null || value === undefined) return value;
  if (shape.type === "int64") return BigInt(value);
  if (shape.type === "array") return value.map((item: Any) => withBigints(shape.items!, item));
  if (shape.type !== "struct") return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      withBigints(shape.fields![name]!.shape, item),
    ]),
  );
}

function theirs(name: Name, version: number): Theirs | undefined {
  return (platformatic as Any)[`${name}V${version}`];
}

const COMMON = (Object.keys(APIS) as Name[]).flatMap((name) =>
  versionsOf(APIS[name]).flatMap((version) => {
    const client = theirs(name, version);
    const api: AnyApi = APIS[name];
    return client === undefined ? [] : [{ name, api, version, client }];
  })
);

describe("@platformatic/kafka", () => {
  it("has an own message for nearly each version that is spoken here", () => {
    assert.equal(COMMON.length, 155);
    assert.equal(new Set(COMMON.map(({ name }) => name)).size, Object.keys(APIS).length);
  });

  for (const { name, api, version, client } of COMMON) {
    it(`is understood: ${api.name} ${version}`, () => {
      const { shape } = api.request;
      const args = ARGUMENTS[name](withBigints(shape, REQUESTS[name]), version);
      const frame = requestFrame(api, version, client.createRequest(...args).buffer);
      const request = readRequest(frame);
      assert.equal(request.kind, "request");
      const expected = asReadIn(shape, version, SENT[name]?.(version) ?? REQUESTS[name]);
      if (name === "produce") assert.deepEqual(withTexts(request.body), withTexts(expected));
      else assert.deepEqual(request.body, expected);
    });

    it(`understands: ${api.name} ${version}`, () => {
      const { shape } = api.response;
      const body = responseBody(api, version, writeResponse(api, version, 7, RESPONSES[name]), 7);
      const reader = platformatic.Reader.from(body);
      const response = parse(() => client.parseResponse(7, api.key, version, reader));
      assert.equal(reader.remaining, 0);
      const expected = asReadIn(shape, version, RESPONSES[name]);
      assertRead(RENAMED[name]?.(response, version) ?? response, expected, shape, version, READING);
    });
  }
});

/** The client throws if there is an error code, and the error has the response. */
function parse(body: () => unknown): unknown {
  try {
    return body();
  } catch (error) {
    const { response } = error as { response?: unknown };
    if (response === undefined) throw error;
    return response;
  }
}
