import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { currentRuntime } from "../../bench/support/runtimes.ts";
import { KafkaBroker } from "../../src/testing/mod.ts";
import { uniqueName } from "../support/kafka/topics.ts";
import { confluentPython } from "../support/librdkafka.ts";
import { confluentDriver } from "./conformance/clients/confluent.ts";
import { type Driver, programDriver } from "./conformance/clients/driver.ts";
import type { MillionFigures } from "./million_program.ts";

const COUNT = 1_000_000;
const PARTITIONS = 4;
const BYTES = 100;
const PATIENCE = { timeout: 180_000 };
const PROGRAM = new URL("./million_program.ts", import.meta.url);

const python = await confluentPython();

/** Programs that write and read, by the client that they do it with. */
const PROGRAMS: Record<string, { skip?: string; start(): Driver }> = {
  // These are the same code everywhere, and slow: once is enough, where they are quickest. The broker is
  // what is tested.
  ...(currentRuntime() === "node" && {
    kafkajs: { start: () => programDriver(PROGRAM, ["kafkajs"]) },
    "@platformatic/kafka": { start: () => programDriver(PROGRAM, ["platformatic"]) },
  }),
  "confluent-kafka": python.ok
    ? { start: () => confluentDriver(python.command) }
    : { skip: python.reason, start: () => assert.fail(python.reason) },
};

describe("a million records of 100 bytes, in and out of KafkaBroker", () => {
  for (const [name, { skip, start }] of Object.entries(PROGRAMS)) {
    it(`come once each (${name})`, skip === undefined ? PATIENCE : { skip }, async () => {
      const topic = uniqueName("million");
      // Its own, which takes the million with it when it stops.
      await using broker = await KafkaBroker.start({
        topics: { [topic]: PARTITIONS },
        logLevel: "error",
      });
      await using driver = start();
      const groupId = uniqueName("million");
      const command = {
        access: { bootstrapServers: broker.bootstrapServers },
        topic,
        groupId,
        count: COUNT,
        partitions: PARTITIONS,
        bytes: BYTES,
      };
      const began = performance.now();
      await driver.call("produceMillion", command);
      const written = performance.now();
      const figures = await driver.call<MillionFigures>("consumeMillion", command);
      const rate = (ms: number) => `${Math.round(COUNT / ms * 1_000).toLocaleString("en")}/s`;
      const [write, read] = [rate(written - began), rate(performance.now() - written)];
      console.log(`${name}: in ${write}, out ${read}`);

      assert.deepEqual(figures, { messages: COUNT, repeated: 0, disorder: 0, missing: 0 });
      const perPartition = new Array(PARTITIONS).fill(COUNT / PARTITIONS);
      assert.deepEqual(perPartition.map((_, at) => broker.offsets(topic, at).end), perPartition);
      assert.deepEqual(broker.committed(groupId, topic), perPartition);
    });
  }
});
