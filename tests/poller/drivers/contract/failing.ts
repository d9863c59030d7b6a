import assert from "node:assert/strict";
import { endOffsets, produce, uniqueName } from "../../../support/kafka/mod.ts";
import { range } from "./member.ts";
import { makeTopic, type Place } from "./place.ts";

/** Scenarios about brokers that fail. */
export function failing({ scenario, member, ownKafka }: Place): void {
  scenario("outlives a broker that is killed and comes back", async (scope) => {
    const kafka = await ownKafka(scope);
    const server = kafka.bootstrapServers;
    const [broker] = kafka.brokers;
    const topic = uniqueName("contract");
    await makeTopic(server, topic, { partitions: 2 });
    const send = (count: number) =>
      produce(
        server,
        topic,
        range(0, 2 * count).map((n) => ({ partition: n % 2, value: `${n}` })),
      );
    await send(50);
    const reader = await member(scope, {
      bootstrapServers: [server],
      groupId: uniqueName("contract"),
      topics: [topic],
    });
    await reader.run().untilRead(100);
    await reader.commitAll();

    const other = await member(scope, {
      bootstrapServers: [server],
      groupId: uniqueName("contract"),
      topics: [topic],
    });
    await other.run().untilRead(100);
    broker!.pause();
    const started = performance.now();
    await other.close();
    const took = performance.now() - started;
    broker!.resume();
    assert(took < 3_000, `it takes ${took} ms to close while the broker hangs`);

    await broker!.kill();
    const before = reader.errors.length;
    await reader.until("polls fail", () => reader.errors.length > before);
    const commit = reader.driver.commit([{ topic, partition: 0, offset: 50 }]);
    await assert.rejects(commit, { name: "CommitError", retriable: true });
    await broker!.start();
    await send(50);
    // A producer that tries again may have sent some of it twice.
    const ends = await endOffsets(server, topic);
    assert(ends.every((end) => end >= 100));
    const all = () =>
      ends.every((end, partition) => new Set(reader.offsets(topic, partition)).size === end);
    await reader.until("everything has been read", all);
    assert.deepEqual(reader.errors.filter(({ retriable }) => !retriable), []);
    for (const partition of [0, 1]) {
      // What was committed does not come again.
      assert.deepEqual(reader.offsets(topic, partition).slice(0, 50), range(0, 50));
      assert(reader.offsets(topic, partition).slice(50).every((offset) => offset >= 50));
    }
    await committedAtLast(reader);
  });
}

/** A coordinator that has just come back loads what was committed, and says so; nothing tells when it has. */
async function committedAtLast(reader: { commitAll(): Promise<void> }): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      return await reader.commitAll();
    } catch (error) {
      if (!(error as { retriable?: boolean }).retriable || attempt === 100) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
