/** The same requests to Apache Kafka and to our log: the same answers, the same bytes kept. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { protocolErrors } from "@platformatic/kafka";
import { after, before, describe, it } from "#std/testing/bdd";
import { PartitionLog } from "../../../src/testing/log/partition_log.ts";
import { withAdmin } from "../../support/kafka/client.ts";
import {
  createTopic,
  deleteTopics,
  sharedApacheKafka,
  uniqueName,
} from "../../support/kafka/mod.ts";
import { needsApacheKafka } from "../../support/apache_skip.ts";
import { batchOf } from "./batches.ts";
import { connectRawBroker, type Produced, type RawBroker } from "./raw_broker.ts";
import { SCENARIOS, type TopicKind, TOPICS } from "./scenarios.ts";

const slow = { timeout: 120_000 };
const kinds = Object.keys(TOPICS) as TopicKind[];
const topics = Object.fromEntries(
  kinds.map((kind) => [kind, uniqueName(`log-${kind.toLowerCase()}`)]),
) as Record<TopicKind, string>;
const times = uniqueName("log-times");

describe("PartitionLog beside Apache Kafka", needsApacheKafka, () => {
  let bootstrapServers: string;
  let broker: RawBroker;
  before(async () => {
    ({ bootstrapServers } = await sharedApacheKafka());
    const partitions = SCENARIOS.length;
    await Promise.all([
      createTopic(bootstrapServers, times),
      ...kinds.map((kind) =>
        createTopic(bootstrapServers, topics[kind], { partitions, config: TOPICS[kind].config })
      ),
    ]);
    broker = await connectRawBroker(bootstrapServers);
  }, slow);
  after(async () => {
    await broker.close();
    await deleteTopics(bootstrapServers, times, ...Object.values(topics));
  }, slow);

  SCENARIOS.forEach(({ name, topic = "plain", sends, apache }, partition) => {
    it(`${apache ? "is told apart by" : "treats alike"} ${name}`, slow, async () => {
      const log = new PartitionLog(TOPICS[topic].options);
      const now = Date.now();
      const requests = sends(now);
      for (const [index, { records, version = 8 }] of requests.entries()) {
        const theirs = await broker.produce(topics[topic], partition, records, version);
        const ours = log.append(records, {
          leaderEpoch: 0,
          version,
          now: topic === "logAppendTime" ? theirs.logAppendTimeMs : now,
        });
        if (apache && index === requests.length - 1) {
          assert.equal(theirs.errorCode, protocolErrors[apache]!.code);
          assert.notEqual(ours.errorCode, theirs.errorCode);
          return;
        }
        const { errorCode, baseOffset, logAppendTimeMs, logStartOffset, recordErrors } = ours;
        const wrong = recordErrors.map(({ batchIndex }) => batchIndex);
        const expected: Produced = {
          errorCode,
          baseOffset,
          logAppendTimeMs,
          logStartOffset,
          wrong: version < 8 ? [] : wrong,
        };
        assert.deepEqual(theirs, expected, `request ${index}`);
      }
      const { pieces } = log.read(0, Infinity, { atLeastOne: true });
      assert.deepEqual(Buffer.concat(pieces), await broker.fetch(topics[topic], partition, 0));
    });
  });

  it("finds times alike, and producers after their records were deleted", slow, async () => {
    const log = new PartitionLog();
    const now = Date.now();
    const both = async (records: Buffer) => {
      const { errorCode, baseOffset } = await broker.produce(times, 0, records);
      const ours = log.append(records, { leaderEpoch: 0, now });
      assert.deepEqual([ours.errorCode, ours.baseOffset], [errorCode, baseOffset]);
    };
    const deltas = [5, 1, 1, 9, 3, 9, 2, 2, 7];
    for (let first = 0; first < deltas.length; first += 3) {
      const records = deltas.slice(first, first + 3)
        .map((delta) => ({ value: "x", timestamp: now - 1000 + delta }));
      await both(batchOf(records, { producerId: 9, producerEpoch: 0, baseSequence: first }));
    }
    const sequence = deltas.length;
    await withAdmin(bootstrapServers, async (admin) => {
      for (const start of [0, 1, 4, 8, 9]) {
        // kafkajs knows leaders only of what it has asked for before.
        await admin.fetchTopicOffsets(times);
        await admin.deleteTopicRecords({
          topic: times,
          partitions: [{ partition: 0, offset: String(start) }],
        });
        log.deleteRecords(start);
        for (let delta = 0; delta < 11; delta++) {
          const timestamp = now - 1000 + delta;
          const [found] = await admin.fetchTopicOffsetsByTimestamp(times, timestamp);
          // It says the end where there is none.
          const ours = log.offsetForTimestamp(timestamp)?.offset ?? log.endOffset;
          assert.equal(ours, Number(found!.offset), `from ${start}, time ${delta}`);
        }
      }
    });
    const producer = { producerId: 9, producerEpoch: 0 };
    await both(batchOf([{ value: "gap" }], { ...producer, baseSequence: sequence + 1 }));
    await both(batchOf([{ value: "next" }], { ...producer, baseSequence: sequence }));
  });
});
