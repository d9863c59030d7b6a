import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { inVersion, type Shape } from "../../../src/testing/protocol/codec.ts";
import { readRequest, writeResponse } from "../../../src/testing/protocol/envelope.ts";
import { APIS } from "../../../src/testing/protocol/registry.ts";
import { readResponse, requestBody, requestFrame, responseBody, versionsOf } from "./frames.ts";
import { REQUESTS } from "./samples.ts";

type Name = keyof typeof APIS;

/** The error codes of a response, all of them. */
// deno-lint-ignore no-explicit-any
function codesOf(shape: Shape, version: number, value: any): number[] {
  if (value === null) return [];
  if (shape.type === "array") {
    return value.flatMap((item: unknown) => codesOf(shape.items!, version, item));
  }
  if (shape.type !== "struct") return [];
  return Object.entries(shape.fields!).flatMap(([name, field]) => {
    if (!inVersion(field, version)) return [];
    return name === "errorCode" ? [value[name]] : codesOf(field.shape, version, value[name]);
  });
}

/** Where there is more than one code, how many in the oldest and in the newest version. */
const CODES: { [K in Name]?: [number, number] } = {
  produce: [3, 3],
  fetch: [1, 2],
  listOffsets: [2, 2],
  metadata: [2, 3],
  offsetCommit: [2, 2],
  offsetFetch: [3, 4],
  leaveGroup: [1, 2],
  describeGroups: [2, 2],
  createTopics: [2, 2],
  deleteTopics: [2, 2],
  describeConfigs: [2, 2],
  createPartitions: [2, 2],
  deleteGroups: [2, 2],
  offsetDelete: [3, 3],
};

describe("failure", () => {
  for (const name of Object.keys(APIS) as Name[]) {
    const api = APIS[name];
    it(`has the code wherever ${api.name} can carry it`, () => {
      for (const version of versionsOf(api)) {
        const frame = requestFrame(api, version, requestBody(api, version, REQUESTS[name]));
        const request = readRequest(frame);
        assert.ok(request.kind === "request");
        const response = request.api.failure(request.body, 29);
        const body = responseBody(
          api,
          version,
          writeResponse(request.api, version, 7, response),
          7,
        );
        const read = readResponse(api, version, body);
        const codes = codesOf(api.response.shape, version, read);
        const [oldest, newest] = CODES[name] ?? [1, 1];
        if (version === api.minVersion) assert.equal(codes.length, oldest);
        if (version === api.maxVersion) assert.equal(codes.length, newest);
        assert.deepEqual([...new Set(codes)], [29], `version ${version}`);
      }
    });
  }

  it("has the topics and partitions of the request", () => {
    const { responses } = APIS.produce.failure(REQUESTS.produce, 6);
    assert.deepEqual(
      responses.map(({ name, topicId, partitionResponses }) => [
        name,
        topicId,
        partitionResponses.map(({ index }) => index),
      ]),
      REQUESTS.produce.topicData.map(({ name, topicId, partitionData }) => [
        name,
        topicId,
        partitionData.map(({ index }) => index),
      ]),
    );
  });

  it("has no topics where all were asked for", () => {
    const { topics, errorCode } = APIS.metadata.failure({ ...REQUESTS.metadata, topics: null }, 29);
    assert.deepEqual([topics, errorCode], [[], 29]);
  });
});
