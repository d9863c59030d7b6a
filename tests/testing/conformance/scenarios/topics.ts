import assert from "node:assert/strict";
import { refusal } from "../errors.ts";
import { type Scenario, scenario } from "../scenario.ts";

/** What a broker does about topics. */
export const topicScenarios: readonly Scenario[] = [
  scenario("tells the leaders of a topic's partitions", {}, async ({ client, topic }) => {
    const leaders = await client.describeTopic(await topic({ partitions: 3 }));
    assert.equal(leaders.length, 3);
    for (const leader of leaders) assert(leader >= 0, `leader ${leader}`);
  }),

  scenario("says that a topic does not exist", {}, async ({ client, name }) => {
    assert.equal(
      await refusal(client.describeTopic(name("nowhere"))),
      "UNKNOWN_TOPIC_OR_PARTITION",
    );
  }),

  scenario("lists topics", {}, async ({ client, topic }) => {
    const topics = [await topic(), await topic()];
    const listed = await client.listTopics();
    for (const topic of topics) assert(listed.includes(topic), `${topic} is not in ${listed}`);
  }),

  scenario("makes a topic", { methods: ["createTopic"] }, async ({ client, name }) => {
    const topic = name("made");
    await client.createTopic(topic, { partitions: 2 });
    await untilKnown(async () => (await client.describeTopic(topic)).length === 2);
  }),

  scenario(
    "refuses to make a topic that exists",
    { methods: ["createTopic"] },
    async ({ client, topic }) => {
      assert.equal(await refusal(client.createTopic(await topic())), "TOPIC_ALREADY_EXISTS");
    },
  ),

  scenario("refuses bad names of topics", { methods: ["createTopic"] }, async ({ client }) => {
    const names = [".", "..", "two words", "a/b", "ünïcode", "x".repeat(250)];
    const refusals = names.map((name) => refusal(client.createTopic(name)));
    assert.deepEqual(await Promise.all(refusals), names.map(() => "INVALID_TOPIC_EXCEPTION"));
  }),

  scenario(
    "refuses bad numbers of partitions and replicas",
    { methods: ["createTopic"] },
    async ({ client, name }) => {
      assert.equal(
        await refusal(client.createTopic(name("none"), { partitions: 0 })),
        "INVALID_PARTITIONS",
      );
      assert.equal(
        await refusal(client.createTopic(name("many"), { replicationFactor: 9 })),
        "INVALID_REPLICATION_FACTOR",
      );
    },
  ),

  scenario(
    "adds partitions to a topic, and never takes any away",
    { methods: ["createPartitions"] },
    async ({ client, topic, name }) => {
      const growing = await topic({ partitions: 2 });
      await client.createPartitions(growing, 4);
      await untilKnown(async () => (await client.describeTopic(growing)).length === 4);
      for (const count of [1, 4]) {
        assert.equal(
          await refusal(client.createPartitions(growing, count)),
          "INVALID_PARTITIONS",
          `to ${count}`,
        );
      }
      assert.equal(
        await refusal(client.createPartitions(name("nowhere"), 2)),
        "UNKNOWN_TOPIC_OR_PARTITION",
      );
    },
  ),

  scenario("deletes a topic", { methods: ["deleteTopic"] }, async ({ client, topic, name }) => {
    const doomed = await topic();
    await client.deleteTopic(doomed);
    await untilKnown(async () =>
      await refusal(client.describeTopic(doomed)) === "UNKNOWN_TOPIC_OR_PARTITION"
    );
    assert.equal(
      await refusal(client.deleteTopic(name("nowhere"))),
      "UNKNOWN_TOPIC_OR_PARTITION",
    );
  }),

  scenario(
    "tells the settings of a topic",
    { methods: ["createTopic", "describeConfigs"] },
    async ({ client, name, topic }) => {
      const set = name("set");
      await client.createTopic(set, { config: { "cleanup.policy": "compact" } });
      await untilKnown(async () => (await client.describeTopic(set)).length === 1);
      assert.equal((await client.describeConfigs(set))["cleanup.policy"], "compact");

      const usual = await client.describeConfigs(await topic());
      assert.equal(usual["cleanup.policy"], "delete");
      assert.equal(usual["max.message.bytes"], "1048588");
    },
  ),

  scenario(
    "refuses settings that do not exist",
    { methods: ["createTopic"] },
    async ({ client, name }) => {
      const config = { "no.such.setting": "1" };
      assert.equal(await refusal(client.createTopic(name("set"), { config })), "INVALID_CONFIG");
    },
  ),
];

/** What a controller has done, a broker may learn somewhat later: there is no event for it. */
async function untilKnown(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const error = await holds().then((held) => held ? undefined : new Error("It does not hold"), (
      error: Error,
    ) => error);
    if (error === undefined) return;
    if (performance.now() > deadline) throw error;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
