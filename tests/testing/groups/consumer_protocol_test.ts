import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { AssignerProtocol } from "kafkajs";
import { describe, it } from "#std/testing/bdd";
import {
  parseAssignment,
  parseSubscription,
} from "../../../src/testing/groups/consumer_protocol.ts";
import { assignment, subscription } from "./bytes.ts";

const seed = 20_260_115;
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));

describe("The consumers' protocol", () => {
  it("reads what kafkajs writes", () => {
    const userData = Buffer.from("whatever");
    const topics = ["orders", "größe"];
    const member = AssignerProtocol.MemberMetadata.encode({ version: 1, topics, userData });
    assert.deepEqual(parseSubscription(member), topics);
    const partitions = { orders: [0, 2], größe: [] };
    const assigned = AssignerProtocol.MemberAssignment.encode({
      version: 1,
      assignment: partitions,
      userData,
    });
    assert.deepEqual(parseAssignment(assigned), partitions);
  });

  it("reads the beginning of later versions, whatever follows", () => {
    const later = Buffer.concat([
      Buffer.from([0, 3]),
      subscription("a").subarray(2),
      Buffer.from("x"),
    ]);
    assert.deepEqual(parseSubscription(later), ["a"]);
  });

  it("reads nothing out of bytes that are cut short", () => {
    const whole = assignment({ orders: [0, 1] });
    // User data are the last four bytes, and nobody looks at them.
    for (let length = 0; length < whole.length - 4; length++) {
      assert.equal(parseAssignment(whole.subarray(0, length)), null, `${length} bytes`);
    }
  });

  it("survives any bytes", () => {
    fc.assert(
      fc.property(bytes, (bytes) => {
        parseSubscription(bytes);
        parseAssignment(bytes);
      }),
      { seed, numRuns: 2_000 },
    );
  });

  it("is not fooled by lengths beyond the bytes", () => {
    const huge = Buffer.from([0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0]);
    assert.equal(parseSubscription(huge), null);
    assert.equal(parseAssignment(huge), null);
  });

  it("takes a topic called __proto__ for a topic", () => {
    const parsed = parseAssignment(assignment(Object.fromEntries([["__proto__", [1]]])));
    assert.deepEqual(Object.entries(parsed!), [["__proto__", [1]]]);
  });
});
