import assert from "node:assert/strict";
import { refusal } from "../errors.ts";
import { type Scenario, scenario } from "../scenario.ts";

const HOUR_MS = 3_600_000;
/** In 2017. */
const THEN = 1_500_000_000_000;

/** What a broker does about where logs begin and end. */
export const offsetScenarios: readonly Scenario[] = [
  scenario("tells where a partition begins and ends", { methods: ["offsetAt"] }, async (scene) => {
    const { client } = scene;
    const topic = await scene.topic({ partitions: 2 });
    assert.equal(await client.offsetAt(topic, 0, "earliest"), 0);
    assert.equal(await client.offsetAt(topic, 0, "latest"), 0);
    await client.write(topic, [{ value: "a" }, { value: "b" }], { partition: 1 });
    assert.equal(await client.offsetAt(topic, 0, "latest"), 0);
    assert.equal(await client.offsetAt(topic, 1, "earliest"), 0);
    assert.equal(await client.offsetAt(topic, 1, "latest"), 2);
  }),

  scenario(
    "finds the first record that is not older than a time",
    { methods: ["offsetAt"], features: ["timestamps"] },
    async ({ client, clientName, topic }) => {
      const where = await topic();
      // Two batches, and within each of them as well.
      for (const from of [0, 3]) {
        await client.write(
          where,
          [0, 1, 2].map((n) => ({ value: "then", timestamp: THEN + (from + n) * HOUR_MS })),
        );
      }
      const times = [-HOUR_MS, 0, 1, HOUR_MS, 4 * HOUR_MS - 1, 4 * HOUR_MS, 5 * HOUR_MS];
      const offsets = [];
      for (const time of times) offsets.push(await client.offsetAt(where, 0, THEN + time));
      assert.deepEqual(offsets, [0, 0, 1, 1, 4, 4, 5]);
      // Past the last one there is none; kafkajs says the end then.
      const none = await client.offsetAt(where, 0, THEN + 9 * HOUR_MS);
      assert.equal(none, clientName === "kafkajs" ? 6 : -1);
    },
  ),

  scenario(
    "deletes records from the beginning",
    { methods: ["deleteRecords", "offsetAt"] },
    async ({ client, topic }) => {
      const where = await topic();
      await client.write(where, Array.from({ length: 10 }, (_, n) => ({ value: `${n}` })));
      assert.equal(await client.deleteRecords(where, 0, 4), 4);
      assert.equal(await client.offsetAt(where, 0, "earliest"), 4);
      assert.equal(await client.offsetAt(where, 0, "latest"), 10);
      const read = await client.read(where, { from: 0, reset: "earliest", count: 6 });
      assert.deepEqual(read.map(({ offset }) => offset), [4, 5, 6, 7, 8, 9]);
      assert.deepEqual(read.map(({ value }) => value), ["4", "5", "6", "7", "8", "9"]);
    },
  ),

  scenario(
    "refuses to delete records that there are not",
    { methods: ["deleteRecords"], features: ["unchecked deletion"] },
    async ({ client, topic }) => {
      const where = await topic();
      await client.write(where, [{ value: "only" }]);
      assert.equal(await refusal(client.deleteRecords(where, 0, 2)), "OFFSET_OUT_OF_RANGE");
    },
  ),
];
