import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "#std/testing/bdd";
import { readRequest, writeResponse } from "../../../src/testing/protocol/envelope.ts";
import { APIS, supportedVersions } from "../../../src/testing/protocol/registry.ts";
import { readResponse, requestBody, requestFrame, responseBody } from "./frames.ts";
import { REQUESTS, RESPONSES } from "./samples.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("readRequest", () => {
  it("names an API that is not spoken here", () => {
    assert.deepEqual(readRequest(hex("0044 0001 00000007 ffff")), {
      kind: "unknown api",
      key: 68,
      version: 1,
      correlationId: 7,
    });
  });

  it("names a version that is not spoken here, whatever follows", () => {
    const unsupported = { kind: "unsupported version", correlationId: 7 };
    const { apiVersions, produce, fetch } = APIS;
    for (
      const [bytes, api, version] of [
        ["0012 0063 00000007 0001", apiVersions, 99],
        ["0000 0002 00000007", produce, 2],
        ["0001 0012 00000007 ffff", fetch, 18],
        ["0001 ffff 00000007 ffff", fetch, -1],
      ] as const
    ) {
      assert.deepEqual(readRequest(hex(bytes)), { ...unsupported, api, version });
    }
  });

  it("has the bytes of the frame, not copies", () => {
    const body = requestBody(APIS.produce, 9, REQUESTS.produce);
    const frame = requestFrame(APIS.produce, 9, body);
    const request = readRequest(frame);
    assert.ok(request.kind === "request");
    const { records } = request.body.topicData[0].partitionData[0];
    assert.equal(records.buffer, frame.buffer);
  });

  it("passes over tagged fields that it does not know, in the header and in the message", () => {
    const unknown = "02 09 02 beef 63 00";
    const bytes = `000c 0004 00000007 ffff ${unknown} 02 67 00000001 02 6d 00 ${unknown}`;
    const request = readRequest(hex(bytes));
    assert.ok(request.kind === "request");
    assert.deepEqual(request.body, {
      groupId: "g",
      generationId: 1,
      memberId: "m",
      groupInstanceId: null,
    });
  });

  it("refuses a tagged field that does not have the length it claims", () => {
    const body = requestBody(APIS.fetch, 12, { ...REQUESTS.fetch, clusterId: "ab" });
    const frame = requestFrame(APIS.fetch, 12, body);
    const tagged = hex("01 00 03 03 6162");
    assert.deepEqual(frame.subarray(-tagged.length), tagged);
    assert.equal(readRequest(frame).kind, "request");
    const longer = Buffer.concat([frame.subarray(0, -tagged.length), hex("01 00 04 03 6162 00")]);
    assert.throws(() => readRequest(longer), {
      name: "MalformedError",
      message: "Tagged field 0 does not have the 4 bytes it claims",
    });
  });
});

describe("writeResponse", () => {
  it("writes the length, the header and the message", () => {
    const response = { throttleTimeMs: 1, errorCode: 2 };
    const frame = (version: number) =>
      Buffer.concat(writeResponse(APIS.heartbeat, version, 7, response));
    assert.deepEqual(frame(0), hex("00000006 00000007 0002"));
    assert.deepEqual(frame(1), hex("0000000a 00000007 00000001 0002"));
    assert.deepEqual(frame(4), hex("0000000c 00000007 00 00000001 0002 00"));
  });

  it("gives ApiVersions no tagged fields in the header", () => {
    const response = { errorCode: 0, apiKeys: [] };
    const frame = Buffer.concat(writeResponse(APIS.apiVersions, 3, 7, response));
    assert.deepEqual(frame, hex("0000000c 00000007 0000 01 00000000 00"));
  });

  it("answers an ApiVersions of the future in version 0, with the list", () => {
    const response = { errorCode: 35, apiKeys: supportedVersions() };
    const body = responseBody(
      APIS.apiVersions,
      0,
      writeResponse(APIS.apiVersions, 0, 7, response),
      7,
    );
    assert.deepEqual(readResponse(APIS.apiVersions, 0, body).apiKeys, supportedVersions());
  });

  it("does not copy records, and leaves little else to send", () => {
    const large = Buffer.alloc(100_000, 1);
    const [topic] = RESPONSES.fetch.responses;
    const [partition] = topic!.partitions;
    const partitions = [
      { ...partition!, records: [large, Buffer.alloc(0), large] },
      { ...partition!, records: [Buffer.from([2])] },
    ];
    for (const version of [11, 17]) {
      const response = { ...RESPONSES.fetch, responses: [{ ...topic!, partitions }] };
      const pieces = writeResponse(APIS.fetch, version, 7, response);
      assert.equal(pieces.length, 4);
      assert.equal(pieces[1], large);
      assert.equal(pieces[2], large);
      const read = readResponse(APIS.fetch, version, responseBody(APIS.fetch, version, pieces, 7));
      assert.equal(read.responses[0].partitions[0].records[0].length, 200_000);
      assert.deepEqual(read.responses[0].partitions[1].records, [Buffer.from([2])]);
    }
  });

  it("writes no null where a version knows none", () => {
    const response = { ...RESPONSES.joinGroup, protocolName: null };
    const name = (version: number) => {
      const pieces = writeResponse(APIS.joinGroup, version, 7, response);
      const body = responseBody(APIS.joinGroup, version, pieces, 7);
      return readResponse(APIS.joinGroup, version, body).protocolName;
    };
    assert.equal(name(6), "");
    assert.equal(name(7), null);
  });
});
