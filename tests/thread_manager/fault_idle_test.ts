import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import type { IdleFigures } from "../../bench/support/idle.ts";
import { runChild } from "../support/child.ts";
import { createTopic, deleteTopics, sharedKafka, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";

/** kafkajs 2.2.4 re-arms a timer of an idle connection about every millisecond, with a negative delay. */
const WARNING = "TimeoutNegativeWarning";
const IDLE_MS = 3_000;

describe("a consumer without messages", needsKafka, () => {
  it(
    "costs a fraction of what kafkajs costs, and warns of nothing",
    { timeout: 120_000 },
    async () => {
      const { bootstrapServers } = await sharedKafka();
      const topic = uniqueName("idle");
      await createTopic(bootstrapServers, topic);
      try {
        // One after the other: each would disturb the other's figures.
        const theirs = await measure("kafkajs", bootstrapServers, topic);
        const ours = await measure("thread_manager", bootstrapServers, topic);
        console.log(
          `CPU in ${IDLE_MS} ms: ThreadManager ${ours.cpuMs} ms, kafkajs ${theirs.cpuMs} ms`,
        );
        assert(
          ours.cpuMs < theirs.cpuMs / 2,
          `${ours.cpuMs} ms of CPU, kafkajs ${theirs.cpuMs} ms`,
        );
        assert(theirs.stderr.includes(WARNING), "kafkajs has not warned");
        assert.equal(ours.stderr.includes(WARNING), false, ours.stderr);
      } finally {
        await deleteTopics(bootstrapServers, topic);
      }
    },
  );
});

async function measure(
  who: "kafkajs" | "thread_manager",
  bootstrapServers: string,
  topic: string,
): Promise<IdleFigures & { stderr: string }> {
  const group = uniqueName("idle");
  await using child = runChild(
    new URL(`../../bench/idle/${who}.ts`, import.meta.url),
    ["--bootstrap", bootstrapServers, "--group", group, "--topic", topic]
      .concat("--settle-ms", "1500", "--idle-ms", `${IDLE_MS}`),
  );
  const { code, stdout, stderr } = await child.ended;
  assert.equal(code, 0, stderr);
  return { ...JSON.parse(stdout) as IdleFigures, stderr };
}
