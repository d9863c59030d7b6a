/** The same requests to Apache Kafka and to our broker: the same answers. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "#std/testing/bdd";
import { KafkaBroker } from "../../../src/testing/kafka_broker.ts";
import {
  coordinatorsLoaded,
  createTopic,
  deleteTopics,
  sharedApacheKafka,
  uniqueName,
} from "../../support/kafka/mod.ts";
import { needsApacheKafka } from "../../support/apache_skip.ts";
import { SCENARIOS } from "./apache_scenarios.ts";
import { MissedError, Stage } from "./stage.ts";

const slow = { timeout: 60_000 };
const topic = uniqueName("groups");

describe("Groups beside Apache Kafka", needsApacheKafka, () => {
  let ours: KafkaBroker;
  let theirs: { bootstrapServers: string };
  const runs = new Map<string, Promise<[string[], string[]]>>();

  before(async () => {
    theirs = await sharedApacheKafka();
    await createTopic(theirs.bootstrapServers, topic, { partitions: 3 });
    await coordinatorsLoaded(theirs.bootstrapServers, topic);
    // The tests' Kafka takes sessions that are as short.
    ours = await KafkaBroker.start({
      topics: { [topic]: 3 },
      minSessionTimeoutMs: 500,
      logLevel: "error",
    });
    // All at once, because some have to wait for a session to end.
    for (const [name, scenario] of Object.entries(SCENARIOS)) {
      const play = async (groupId: string, { bootstrapServers }: { bootstrapServers: string }) => {
        const stage = new Stage(bootstrapServers, groupId, topic);
        try {
          await scenario(stage);
          return await stage.answers();
        } finally {
          await stage.close();
        }
      };
      const playBoth = async (attempt = 1): Promise<[string[], string[]]> => {
        const groupId = uniqueName("group");
        try {
          return await Promise.all([play(groupId, ours), play(groupId, theirs)]);
        } catch (error) {
          if (error instanceof MissedError && attempt < 4) return await playBoth(attempt + 1);
          throw error;
        }
      };
      const run = playBoth();
      run.catch(() => {});
      runs.set(name, run);
    }
  }, slow);
  after(async () => {
    await Promise.allSettled(runs.values());
    await ours.stop();
    await deleteTopics(theirs.bootstrapServers, topic);
  }, slow);

  for (const name of Object.keys(SCENARIOS)) {
    it(`answers alike: ${name}`, slow, async () => {
      const [ours, theirs] = await runs.get(name)!;
      assert.deepEqual(ours, theirs);
    });
  }
});
