import assert from "node:assert/strict";
import { createParallelConsumer, type Message } from "../../../mod.ts";
import { committedOffsets } from "../../support/kafka/groups.ts";
import { createTopic, produce, uniqueName } from "../../support/kafka/mod.ts";
import { Collector, RecordingLogger, typesChecked, untilStats } from "../../support/manager.ts";

/** What {@linkcode stuckKey} takes. */
export interface StuckKeyOptions {
  bootstrapServers: string;
  /** Of each of the two partitions. */
  messages: number;
  /** Every so many messages of the first partition one is of the stuck key. */
  every: number;
  /** Most messages in memory. */
  maxInFlight: number;
}

/** What came of it. */
export interface StuckKeyFigures {
  /** What was handled of the stuck key's partition while it was stuck. */
  besideIt: number;
  /** What was handled of the other partition. */
  elsewhere: number;
  /** Most messages in memory, as far as was seen. */
  mostInMemory: number;
  /** Heartbeats while all stood still. */
  heartbeats: number;
}

/** Messages that are produced, and so fetched, together. */
const BATCH = 50;
/** How many batches may be on their way when a partition is paused. */
const BATCHES_AHEAD = 8;

/**
 * A key is stuck at the head of a partition: what is not of it goes on until as much of it waits in memory
 * as may be there, and the other partition goes on whatever waits.
 */
export async function stuckKey(options: StuckKeyOptions): Promise<StuckKeyFigures> {
  const { bootstrapServers, messages, every, maxInFlight } = options;
  const topic = uniqueName("stuck");
  await createTopic(bootstrapServers, topic, { partitions: 2 });
  for (let first = 0; first < messages; first += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, messages - first) }, (_, index) => {
      const n = first + index;
      return [
        { partition: 0, key: n % every === 0 ? "stuck" : `key ${n % 17}`, value: `${n}` },
        { partition: 1, key: `key ${n % 17}`, value: `${n}` },
      ];
    });
    await produce(bootstrapServers, topic, batch.flat());
  }
  const ofStuckKey = Math.ceil(messages / every);
  const part = maxInFlight / 2;
  // What waits of the stuck key is all that is left, or fills the partition's part of the memory.
  const fits = ofStuckKey < part;
  const handled = new Collector<Message>();
  const count = (partition: number) =>
    handled.items.filter((message) => message.partition === partition).length;
  const release = Promise.withResolvers<void>();
  let mostInMemory = 0;
  await typesChecked();
  const groupId = uniqueName("chaos.stuck");
  await using consumer = createParallelConsumer({
    bootstrapServers,
    groupId,
    topics: [topic],
    startFrom: "earliest",
    logger: new RecordingLogger(),
    maxInFlight: { messages: maxInFlight },
    maxConcurrency: 8,
    commit: { intervalMs: 50 },
    heartbeatIntervalMs: 100,
    // As small as a batch, so that a fetch brings no more than that.
    driverOptions: { maxBytesPerPartition: 1_000 },
    handler: async (_context, data, message) => {
      if (message.partition === 0 && data === 0) await release.promise;
      handled.add(message);
    },
  });
  const inMemory = () => {
    const { partitions } = consumer.stats();
    const held = partitions.map(({ queued, inFlight }) => queued + inFlight);
    const sum = held.reduce((a, b) => a + b, 0);
    mostInMemory = Math.max(mostInMemory, sum);
    return sum;
  };
  await consumer.start();
  await untilStats(consumer, "the others are through", ({ partitions }) => {
    inMemory();
    const stands = fits
      ? count(0) === messages - ofStuckKey
      : partitions.some(({ partition, paused, inFlight }) =>
        partition === 0 && paused && inFlight === 1
      );
    return stands && count(1) === messages;
  });
  const besideIt = count(0);
  const { heartbeats: before } = consumer.stats();
  const { heartbeats } = await untilStats(
    consumer,
    "hearts beat",
    ({ heartbeats }) => heartbeats >= before + 5,
  );
  assert.equal(count(0), besideIt, "it stands");
  assert(inMemory() <= maxInFlight + BATCHES_AHEAD * BATCH, `${mostInMemory} were in memory`);
  if (!fits) {
    assert(besideIt < messages - ofStuckKey, "it has stopped at the bound");
    // Until the stuck key fills the partition's part there is room for others.
    assert(besideIt >= (part / 2) * (every - 1), `${besideIt} were handled beside it`);
  }
  assert.deepEqual(await committedOffsets(bootstrapServers, groupId, topic), [0, messages]);
  assert.equal((await consumer.health()).status, "UP");

  release.resolve();
  await handled.atLeast(2 * messages);
  await consumer.stop();
  assert.deepEqual(
    await committedOffsets(bootstrapServers, groupId, topic),
    [messages, messages],
  );
  const names = handled.items.map(({ partition, offset }) => `${partition}/${offset}`);
  assert.equal(new Set(names).size, 2 * messages);
  assert.equal(names.length, 2 * messages, "nothing came twice");
  const stuck = handled.items.filter(({ partition, offset }) =>
    partition === 0 && offset % every === 0
  );
  assert.deepEqual(
    stuck.map(({ offset }) => offset),
    stuck.map((_, index) => index * every),
    "the stuck key is in order",
  );
  return {
    besideIt,
    elsewhere: messages,
    mostInMemory,
    heartbeats: heartbeats - before,
  };
}
