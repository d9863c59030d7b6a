import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { describe, it } from "#std/testing/bdd";
import {
  NEWEST_PRODUCE_VERSION,
  OLDEST_PRODUCE_VERSION,
  readProduceResponse,
  writeProduceRequest,
} from "../../../../src/poller/drivers/shared/produce_request.ts";

const require = createRequire(import.meta.url);
const Encoder = require("kafkajs/src/protocol/encoder.js");

describe("writeProduceRequest()", () => {
  it("is what the protocol guide says", () => {
    const batch = (text: string) => Buffer.from(text);
    const body = writeProduceRequest([
      { topic: "тема", partition: 1, batch: batch("one") },
      { topic: "b", partition: 0, batch: batch("two") },
      { topic: "тема", partition: 7, batch: batch("three") },
    ], 1_234);
    const data = (partition: number, text: string) =>
      new Encoder().writeInt32(partition).writeBytes(batch(text));
    const topic = (name: string, partitions: unknown[]) =>
      new Encoder().writeString(name).writeArray(partitions);
    const expected = new Encoder().writeString(null).writeInt16(-1).writeInt32(1_234).writeArray([
      topic("тема", [data(1, "one"), data(7, "three")]),
      topic("b", [data(0, "two")]),
    ]);
    assert.deepEqual(body, Buffer.from(expected.buffer));
  });
});

describe("readProduceResponse()", () => {
  for (let version = OLDEST_PRODUCE_VERSION; version <= NEWEST_PRODUCE_VERSION; version++) {
    const payload = () => {
      const partition = (index: number, errorCode: number) => {
        const encoder = new Encoder().writeInt32(index).writeInt16(errorCode).writeInt64(42)
          .writeInt64(-1);
        return version >= 5 ? encoder.writeInt64(3) : encoder;
      };
      const topics = [
        new Encoder().writeString("тема").writeArray([partition(1, 0), partition(7, 6)]),
        new Encoder().writeString("b").writeArray([partition(0, -1)]),
      ];
      return Buffer.from(new Encoder().writeArray(topics).writeInt32(250).buffer);
    };

    it(`reads version ${version}`, () => {
      assert.deepEqual(readProduceResponse(payload(), version), {
        clientSideThrottleTime: version >= 6 ? 250 : 0,
        partitions: [
          { topic: "тема", partition: 1, errorCode: 0 },
          { topic: "тема", partition: 7, errorCode: 6 },
          { topic: "b", partition: 0, errorCode: -1 },
        ],
      });
    });

    it(`refuses version ${version} cut off anywhere`, () => {
      const whole = payload();
      for (let length = 0; length < whole.length; length++) {
        assert.throws(() => readProduceResponse(whole.subarray(0, length), version), RangeError);
      }
    });
  }
});
