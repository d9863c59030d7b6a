import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { KafkaBroker } from "../../src/testing/mod.ts";
import { runChild } from "../support/child.ts";
import { uniqueName } from "../support/kafka/topics.ts";
import { confluentPython } from "../support/librdkafka.ts";
import { confluentDriver } from "./conformance/clients/confluent.ts";
import type { MillionFigures, MillionTask } from "./million_program.ts";

const COUNT = 1_000_000;
const PARTITIONS = 4;
const BYTES = 100;
const PATIENCE = { timeout: 180_000 };

type Timed = MillionFigures & { writeSeconds: number; readSeconds: number };

const python = await confluentPython();

describe("a million records of 100 bytes, in and out of KafkaBroker", () => {
  for (const name of ["kafkajs", "@platformatic/kafka"]) {
    it(`come once each (${name})`, PATIENCE, () =>
      inAndOut(name, async (task) => {
        const program = new URL("./million_program.ts", import.meta.url);
        await using child = runChild(program, [name, JSON.stringify(task)]);
        const { code, stdout, stderr } = await child.ended;
        assert.equal(code, 0, stderr);
        return JSON.parse(stdout) as Timed;
      }));
  }

  const options = python.ok ? PATIENCE : { skip: python.reason };
  it(
    "come once each (confluent-kafka)",
    options,
    () =>
      inAndOut("confluent-kafka", async (task) => {
        await using driver = confluentDriver(python.ok ? python.command : "");
        const { bootstrapServers, ...rest } = task;
        const command = { ...rest, access: { bootstrapServers } };
        const began = performance.now();
        await driver.call("produceMillion", command);
        const written = performance.now();
        const figures = await driver.call<MillionFigures>("consumeMillion", command);
        return {
          ...figures,
          writeSeconds: (written - began) / 1_000,
          readSeconds: (performance.now() - written) / 1_000,
        };
      }),
  );
});

async function inAndOut(
  name: string,
  run: (task: MillionTask) => Promise<Timed>,
): Promise<void> {
  const topic = uniqueName("million");
  // Its own, which takes the million with it when it stops.
  await using broker = await KafkaBroker.start({
    topics: { [topic]: PARTITIONS },
    logLevel: "error",
  });
  const groupId = uniqueName("million");
  const { writeSeconds, readSeconds, ...figures } = await run({
    bootstrapServers: broker.bootstrapServers,
    topic,
    groupId,
    count: COUNT,
    partitions: PARTITIONS,
    bytes: BYTES,
  });
  const rate = (seconds: number) => `${Math.round(COUNT / seconds).toLocaleString("en")}/s`;
  console.log(`${name}: in ${rate(writeSeconds)}, out ${rate(readSeconds)}`);

  assert.deepEqual(figures, { messages: COUNT, repeated: 0, disorder: 0, missing: 0 });
  const perPartition = new Array(PARTITIONS).fill(COUNT / PARTITIONS);
  assert.deepEqual(perPartition.map((_, at) => broker.offsets(topic, at).end), perPartition);
  assert.deepEqual(broker.committed(groupId, topic), perPartition);
}
