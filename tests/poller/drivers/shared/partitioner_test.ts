import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import kafkajs from "kafkajs";
import { describe, it } from "#std/testing/bdd";
import { murmur2, partitionOfKey } from "../../../../src/poller/drivers/shared/partitioner.ts";

describe("murmur2()", () => {
  it("is that of Kafka's own tests", () => {
    // org.apache.kafka.common.utils.UtilsTest.testMurmur2
    const cases = {
      "21": -973932308,
      "foobar": -790332482,
      "a-little-bit-long-string": -985981536,
      "a-little-bit-longer-string": -1486304829,
      "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
      "abc": 479470107,
    };
    for (const [text, hash] of Object.entries(cases)) {
      assert.equal(murmur2(Buffer.from(text)), hash, text);
    }
  });
});

describe("partitionOfKey()", () => {
  it("is what kafkajs chooses", () => {
    const partitioner = kafkajs.Partitioners.DefaultPartitioner();
    for (let length = 0; length < 200; length++) {
      const key = randomBytes(length);
      const count = 1 + length % 50;
      const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
        partitionErrorCode: 0,
        partitionId,
        leader: 1,
        replicas: [1],
        isr: [1],
      }));
      const chosen = partitioner({ topic: "t", partitionMetadata, message: { key, value: null } });
      assert.equal(partitionOfKey(key, count), chosen, key.toString("hex"));
    }
  });
});
