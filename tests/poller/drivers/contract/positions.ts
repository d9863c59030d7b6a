import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  committedMetadata,
  committedOffsets,
  produce,
  uniqueName,
} from "../../../support/kafka/mod.ts";
import { withAdmin } from "../../../support/kafka/client.ts";
import { range } from "./member.ts";
import { makeTopic, type Place } from "./place.ts";

/** Scenarios about where reading begins. */
export function positions({ scenario, member, subscription, kafka }: Place): void {
  const values = (count: number, partition = 0) =>
    range(0, count).map((n) => ({ partition, value: `${n}` }));

  scenario("begins at the earliest offset", async (scope) => {
    const subscribed = await subscription({ partitions: 2 });
    const [topic] = subscribed.topics;
    await produce(subscribed.bootstrapServers[0], topic, values(3));
    const reader = await member(scope, { ...subscribed, startFrom: "earliest" });
    const before = reader.driver.status?.().group ?? "none";
    assert(before === "none" || before === "disconnected", before);
    await reader.poll(0);
    assert.deepEqual(
      reader.assigned.map(({ partition, committed }) => ({ partition, committed })),
      [{ partition: 0, committed: null }, { partition: 1, committed: null }],
    );
    for (const { position } of reader.assigned) assert(position === undefined || position === 0);
    await reader.run().untilRead(3);
    assert.deepEqual(reader.offsets(topic), [0, 1, 2]);
    const status = reader.driver.status?.();
    if (status === undefined) return;
    assert.equal(status.group, "stable");
    assert(status.heartbeatAt !== null && Math.abs(Date.now() - status.heartbeatAt) < 5_000);
    assert(typeof status.memberId === "string" && status.memberId.length > 0);
  });

  scenario("begins at the latest offset, and misses nothing from then on", async (scope) => {
    const subscribed = await subscription();
    const [topic] = subscribed.topics;
    await produce(subscribed.bootstrapServers[0], topic, values(3));
    const reader = await member(scope, { ...subscribed, startFrom: "latest" });
    // What is produced after the first poll counts.
    await reader.poll(0);
    await produce(subscribed.bootstrapServers[0], topic, values(4));
    await reader.run().untilRead(4);
    assert.deepEqual(reader.offsets(topic), [3, 4, 5, 6]);
  });

  scenario("goes on at what the group has committed", async (scope) => {
    const subscribed = await subscription({ partitions: 2 });
    const [topic] = subscribed.topics;
    const { groupId, bootstrapServers: [server] } = subscribed;
    await produce(server, topic, [...values(10, 0), ...values(10, 1)]);
    const first = await member(scope, subscribed);
    await first.run().untilAssigned();
    const metadata = "finished beyond: ✓";
    await first.driver.commit([{ topic, partition: 0, offset: 4, metadata }]);
    assert.deepEqual(await committedOffsets(server, groupId, topic), [4, -1]);
    assert.deepEqual(await committedMetadata(server, groupId, topic), [metadata, ""]);
    await first.driver.commit([
      { topic, partition: 0, offset: 5, metadata },
      { topic, partition: 1, offset: 9 },
    ]);
    await first.close();

    const second = await member(scope, subscribed);
    await second.run().untilRead(6);
    assert.deepEqual(second.offsets(topic, 0), range(5, 10));
    assert.deepEqual(second.offsets(topic, 1), [9]);
    assert.deepEqual(second.assigned.map(({ committed }) => committed), [5, 9]);
    assert.deepEqual(second.assigned.map(({ metadata }) => metadata ?? ""), [metadata, ""]);
    for (const { position, committed } of second.assigned) {
      assert(position === undefined || position === committed);
    }
  });

  scenario("keeps the text that is committed with an offset", async (scope) => {
    const subscribed = await subscription({ partitions: 2 });
    const [topic] = subscribed.topics;
    const { groupId, bootstrapServers: [server] } = subscribed;
    await produce(server, topic, [...values(5, 0), ...values(5, 1)]);
    const first = await member(scope, subscribed);
    await first.run().untilAssigned();
    const commit = (partition: number, offset: number, metadata: string) =>
      first.driver.commit([{ topic, partition, offset, metadata }]);
    // As long as a broker takes by default; one more is too much.
    const longest = randomBytes(3_072).toString("base64");
    assert.equal(longest.length, 4_096);
    await commit(0, 2, "first");
    await commit(0, 2, longest);
    await commit(1, 3, longest);
    await commit(1, 3, "second");
    await assert.rejects(commit(0, 4, `${longest}x`), { name: "CommitError", retriable: false });
    assert.deepEqual(await committedOffsets(server, groupId, topic), [2, 3]);
    assert.deepEqual(await committedMetadata(server, groupId, topic), [longest, "second"]);
    await first.close();

    const second = await member(scope, subscribed);
    await second.run().untilRead(5);
    assert.deepEqual(second.assigned, [
      { topic, partition: 0, position: 2, committed: 2, metadata: longest },
      { topic, partition: 1, position: 3, committed: 3, metadata: "second" },
    ]);
    // A commit without a text leaves none.
    await second.commitAll();
    assert.deepEqual(await committedMetadata(server, groupId, topic), ["", ""]);
  });

  scenario("tells with the first batch where the log ends", async (scope) => {
    const subscribed = await subscription({ partitions: 2 });
    const [topic] = subscribed.topics;
    await produce(subscribed.bootstrapServers[0], topic, values(5, 0));
    const reader = await member(scope, subscribed);
    const ends = new Map<number, number | undefined>();
    while (ends.size < 2) {
      for (const { partition, endOffset } of await reader.driver.poll(1_000)) {
        if (!ends.has(partition)) ends.set(partition, endOffset);
      }
    }
    assert.deepEqual([...ends].toSorted(), [[0, 5], [1, 0]]);
  });

  scenario("reads several topics", async (scope) => {
    const subscribed = await subscription();
    const [topic] = subscribed.topics;
    const { bootstrapServers: [server] } = subscribed;
    const other = uniqueName("contract");
    await makeTopic(server, other, { partitions: 2 });
    await produce(server, topic, values(2));
    await produce(server, other, [...values(3, 0), ...values(4, 1)]);
    const reader = await member(scope, { ...subscribed, topics: [topic, other] });
    await reader.run().untilRead(9);
    assert.deepEqual(reader.offsets(topic), range(0, 2));
    assert.deepEqual(reader.offsets(other, 0), range(0, 3));
    assert.deepEqual(reader.offsets(other, 1), range(0, 4));
  });

  scenario("goes on at the start of the log if what is committed is gone", async (scope) => {
    const subscribed = await subscription();
    const [topic] = subscribed.topics;
    const { groupId, bootstrapServers: [server] } = subscribed;
    await produce(server, topic, values(10));
    await withAdmin(server, async (admin) => {
      await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: "3" }] });
    });
    await cutOff(server, topic, 6);
    // Not even "latest" skips what is still there.
    const reader = await member(scope, { ...subscribed, startFrom: "latest" });
    await reader.run().untilRead(4);
    assert.deepEqual(reader.offsets(topic), range(6, 10));
    assert(reader.warnings.some((line) => line.includes(topic)), "it says so");
  });

  for (const startFrom of ["earliest", "latest"] as const) {
    scenario(
      `begins at the ${startFrom} offset if what is committed lies beyond the end`,
      async (scope) => {
        const subscribed = await subscription();
        const [topic] = subscribed.topics;
        const { groupId, bootstrapServers: [server] } = subscribed;
        await produce(server, topic, values(5));
        await withAdmin(
          server,
          (admin) =>
            admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: "100" }] }),
        );
        const reader = await member(scope, { ...subscribed, startFrom });
        await reader.run().until(
          "it warns",
          () => reader.warnings.some((line) => line.includes(topic)),
        );
        await produce(server, topic, values(2));
        const count = startFrom === "earliest" ? 7 : 2;
        await reader.untilRead(count);
        assert.deepEqual(reader.offsets(topic), range(7 - count, 7));
      },
    );
  }

  scenario(
    "goes on at the start of the log if it is cut off while a partition is paused",
    async (scope) => {
      const subscribed = await subscription();
      const [topic] = subscribed.topics;
      const { bootstrapServers: [server] } = subscribed;
      const paused = [{ topic, partition: 0 }];
      const reader = await member(scope, {
        ...subscribed,
        onAssigned: ({ driver }) => driver.pause(paused),
      });
      await reader.run().untilAssigned();
      await produce(server, topic, values(10));
      await cutOff(server, topic, 6);
      reader.driver.resume(paused);
      await reader.untilRead(4);
      assert.deepEqual(reader.offsets(topic), range(6, 10));
      assert(
        reader.warnings.some((line) => line.includes(topic)),
        "it says so",
      );
    },
  );

  scenario("keeps offsets that do not fit into 32 bits out of trouble", async (scope) => {
    // Nobody can produce that many records here; committing beyond the end is as far as it goes.
    const subscribed = await subscription();
    const [topic] = subscribed.topics;
    const { groupId, bootstrapServers: [server] } = subscribed;
    await kafka();
    const reader = await member(scope, subscribed);
    await reader.run().untilAssigned();
    const offset = 2 ** 52 + 1;
    await reader.driver.commit([{ topic, partition: 0, offset }]);
    assert.deepEqual(await committedOffsets(server, groupId, topic), [offset]);
    await reader.close();
    const second = await member(scope, subscribed);
    await second.run().untilAssigned();
    assert.deepEqual(second.assigned.map(({ committed }) => committed), [offset]);
  });
}

/** Removes what lies before an offset. */
async function cutOff(server: string, topic: string, offset: number): Promise<void> {
  await withAdmin(server, async (admin) => {
    // Without having asked about the topic before, kafkajs does not know its leader.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: `${offset}` }] });
  });
}
