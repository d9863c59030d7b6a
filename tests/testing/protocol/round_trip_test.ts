import assert from "node:assert/strict";
import * as fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { readRequest, writeResponse } from "../../../src/testing/protocol/envelope.ts";
import { asReadIn, messageOf } from "./arbitrary.ts";
import { everyVersion, readResponse, requestBody, requestFrame, responseBody } from "./frames.ts";

const RUNS = { numRuns: 15, seed: 4 };

describe("what is written is what is read", () => {
  for (const { api, version, title } of everyVersion()) {
    it(`as a request of ${title}`, () => {
      const { shape } = api.request;
      const arbitrary = fc.tuple(
        messageOf(shape, version),
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        fc.option(fc.string()),
      );
      fc.assert(
        fc.property(arbitrary, ([message, correlationId, clientId]) => {
          const body = requestBody(api, version, message);
          const read = readRequest(requestFrame(api, version, body, { correlationId, clientId }));
          assert.deepEqual(read, {
            kind: "request",
            api,
            version,
            correlationId,
            clientId,
            body: message,
          });
        }),
        RUNS,
      );
    });

    it(`as a response of ${title}`, () => {
      const { shape } = api.response;
      fc.assert(
        fc.property(messageOf(shape, version), (message) => {
          const body = responseBody(api, version, writeResponse(api, version, 7, message), 7);
          assert.deepEqual(
            asReadIn(shape, version, readResponse(api, version, body)),
            asReadIn(shape, version, message),
          );
        }),
        RUNS,
      );
    });
  }
});
