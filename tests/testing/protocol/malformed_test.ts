import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { MalformedError } from "../../../src/testing/protocol/codec.ts";
import { readRequest } from "../../../src/testing/protocol/envelope.ts";
import { APIS } from "../../../src/testing/protocol/registry.ts";
import { ALL, everyVersion, requestBody, requestFrame } from "./frames.ts";
import { REQUESTS } from "./samples.ts";

const VALID = everyVersion().map(({ api, version, title }) => {
  const name = Object.entries(APIS).find(([, each]) => each === api)![0] as keyof typeof APIS;
  const frame = requestFrame(api, version, requestBody(api, version, REQUESTS[name]));
  return { api, version, title, frame };
});

/** Reads what need not be a request; tells whether it is one. */
function isRequest(frame: Buffer): boolean {
  try {
    readRequest(frame);
    return true;
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    // A cause would be an error that nobody thought of.
    assert.equal(error.cause, undefined);
    assert.notEqual(error.message, "");
    return false;
  }
}

describe("bytes that are no request", () => {
  it("are a request cut at any position", () => {
    for (const { frame, title } of VALID) {
      assert.ok(isRequest(frame), title);
      for (let length = 0; length < frame.length; length++) {
        assert.ok(!isRequest(frame.subarray(0, length)), `${title} cut to ${length} bytes`);
      }
    }
  });

  it("are a request and more", () => {
    for (const { frame, title } of VALID) {
      assert.ok(!isRequest(Buffer.concat([frame, Buffer.alloc(1)])), title);
    }
  });

  it("are lengths beyond the end, at any position", () => {
    for (const { frame } of VALID) {
      // INT32's and INT16's greatest, as a length; a varint of the same; a negative one.
      for (
        const length of ["7fffffff", "7fff", "ffffffff07", "ffffffffffffff", "80000000", "fffe"]
      ) {
        const bytes = Buffer.from(length, "hex");
        for (let position = 8; position + bytes.length <= frame.length; position++) {
          const changed = Buffer.from(frame);
          bytes.copy(changed, position);
          isRequest(changed);
        }
      }
    }
  });

  it("have a reason that says what is wrong", () => {
    const metadata = (hex: string) => () =>
      readRequest(
        Buffer.concat([Buffer.from("0003000100000001ffff", "hex"), Buffer.from(hex, "hex")]),
      );
    assert.throws(
      metadata("7fffffff"),
      new MalformedError("The length of array is 2147483647, where 0 bytes are left"),
    );
    assert.throws(
      metadata("fffffffe"),
      new MalformedError("The length of array is -2, where 0 bytes are left"),
    );
    assert.throws(
      metadata("00000001ffff"),
      new MalformedError("null stands where a value is needed"),
    );
    assert.throws(
      metadata("00000000" + "00"),
      new MalformedError("1 bytes follow the Metadata request, version 1"),
    );
    assert.throws(metadata("00"), new MalformedError("4 bytes are needed, where 1 are left"));
  });

  it("are arrays in which each element claims all that is left", () => {
    // 64 KiB of a compact array's length, at each depth anew.
    const body = Buffer.alloc(65_536, 0xff);
    for (const { api, version } of VALID) isRequest(requestFrame(api, version, body));
  });

  it("are other protocols", () => {
    const http = Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const tls = Buffer.from("16030100c8010000c40303", "hex");
    for (const bytes of [http, tls]) {
      // Whoever sends them is not understood, be it by the API key.
      const kind = isRequest(bytes) ? readRequest(bytes).kind : "malformed";
      assert.notEqual(kind, "request");
    }
  });
});

describe("10,000 cases of random bytes", () => {
  it("end in a request or a MalformedError", () => {
    const hostile = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(hostile, (bytes) => void isRequest(Buffer.from(bytes))),
      { numRuns: 2000, seed: 41 },
    );
  });

  it("end so as well behind a header that is right", () => {
    const header = fc.constantFrom(...ALL).chain((api) =>
      fc.tuple(fc.constant(api), fc.integer({ min: api.minVersion, max: api.maxVersion }))
    );
    // Small numbers are what lengths and counts are made of.
    const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 4 }));
    fc.assert(
      fc.property(header, fc.array(byte, { maxLength: 120 }), ([api, version], bytes) => {
        isRequest(requestFrame(api, version, Buffer.from(bytes)));
      }),
      { numRuns: 4000, seed: 42 },
    );
  });

  it("end so as well where a request has other bytes", () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(
        fc.constantFrom(...VALID),
        fc.array(change, { minLength: 1, maxLength: 4 }),
        ({ frame }, changes) => {
          const changed = Buffer.from(frame);
          for (const [position, byte] of changes) changed[position % changed.length] = byte;
          isRequest(changed);
        },
      ),
      { numRuns: 4000, seed: 43 },
    );
  });
});
