import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { quietClient } from "../support/kafka/client.ts";
import { describeGroup, fillTopic, sharedKafka, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { Collector, managerFor } from "../support/manager.ts";

const SESSION_MS = 1_800;
const HEARTBEAT_MS = 300;
const BLOCKED_MS = 3 * SESSION_MS;
const MESSAGES = 40;
const BUSY_AT = 20;

describe("a callback that computes for three session timeouts", needsKafka, () => {
  it("costs kafkajs its partitions, and ThreadManager nothing", { timeout: 120_000 }, async () => {
    const { bootstrapServers } = await sharedKafka();
    const topic = uniqueName("busy");
    await fillTopic(bootstrapServers, topic, { messages: MESSAGES, bytes: 60 });

    const ours = await runThreadManager(bootstrapServers, topic);
    const theirs = await runKafkajs(bootstrapServers, topic);
    console.log(
      `blocked for ${BLOCKED_MS} ms, session ${SESSION_MS} ms: ThreadManager ${ours.heartbeats} ` +
        `heartbeats, ${ours.rebalances} rebalances, ${ours.duplicates} duplicates; kafkajs ` +
        `${theirs.heartbeats} heartbeats, ${theirs.rebalances} rebalances, ${theirs.duplicates} duplicates`,
    );

    assert.equal(ours.rebalances, 0);
    assert.equal(ours.duplicates, 0);
    assert.deepEqual(ours.membersAfter, ours.membersBefore);
    assert(
      ours.heartbeats >= BLOCKED_MS / HEARTBEAT_MS / 2,
      `there were ${ours.heartbeats} heartbeats`,
    );
    assert(ours.heartbeatAgeMs < SESSION_MS / 2, `the last was ${ours.heartbeatAgeMs} ms ago`);

    // The contrast is the point: the same topic, the same settings, the same callback.
    assert.equal(theirs.heartbeats, 0);
    assert(theirs.rebalances >= 1, "kafkajs was not rebalanced");
    assert(theirs.duplicates >= 1, "kafkajs got no message twice");
  });
});

interface Outcome {
  /** Answered while the thread was blocked. */
  heartbeats: number;
  rebalances: number;
  duplicates: number;
}

async function runThreadManager(
  bootstrapServers: string,
  topic: string,
): Promise<Outcome & { heartbeatAgeMs: number; membersBefore: string[]; membersAfter: string[] }> {
  const handled = new Collector<number>();
  const before = Promise.withResolvers<string[]>();
  let heartbeats = -1;
  let after: Promise<{ heartbeats: number; heartbeatAgeMs: number }> | undefined;
  await using test = await managerFor(topic, {
    consumer: {
      bootstrapServers,
      sessionTimeoutMs: SESSION_MS,
      heartbeatIntervalMs: HEARTBEAT_MS,
    },
    onMessage: async ({ offset }) => {
      if (offset === BUSY_AT) {
        before.resolve(await memberIds(bootstrapServers, groupId));
        await manager.health();
        heartbeats = manager.stats().heartbeats;
        block();
        // Asked at once: what the thread has done meanwhile, and not what it makes up for afterwards.
        after = manager.health().then(() => {
          const { heartbeats, heartbeatAgeMs } = manager.stats();
          return { heartbeats, heartbeatAgeMs: heartbeatAgeMs ?? Infinity };
        });
      }
      handled.add(offset);
    },
  });
  const { manager, groupId } = test;
  await manager.start();
  await handled.until("all messages", (offsets) => new Set(offsets).size === MESSAGES);
  const at = await after!;
  // Long enough for an eviction, and what would follow from it, to come out.
  const later = manager.stats().heartbeats + 3;
  while (manager.stats().heartbeats < later) await manager.health();
  return {
    heartbeats: at.heartbeats - heartbeats,
    heartbeatAgeMs: at.heartbeatAgeMs,
    rebalances: manager.stats().rebalances,
    duplicates: handled.items.length - MESSAGES,
    membersBefore: await before.promise,
    membersAfter: await memberIds(bootstrapServers, groupId),
  };
}

async function runKafkajs(bootstrapServers: string, topic: string): Promise<Outcome> {
  const handled = new Collector<number>();
  const consumer = quietClient(bootstrapServers).consumer({
    groupId: uniqueName("busy"),
    sessionTimeout: SESSION_MS,
    heartbeatInterval: HEARTBEAT_MS,
  });
  const joined = new Collector<unknown>();
  let heartbeats = 0;
  let during = -1;
  consumer.on(consumer.events.GROUP_JOIN, joined.add);
  consumer.on(consumer.events.HEARTBEAT, () => heartbeats++);
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        await Promise.resolve();
        const offset = Number(message.offset);
        if (offset === BUSY_AT && during < 0) {
          const before = heartbeats;
          block();
          during = heartbeats - before;
        }
        handled.add(offset);
      },
    });
    await joined.atLeast(2);
    await handled.until(
      "all messages, and one of them twice",
      (offsets) => new Set(offsets).size === MESSAGES && offsets.length > MESSAGES,
    );
    return {
      heartbeats: during,
      rebalances: joined.items.length - 1,
      duplicates: handled.items.length - MESSAGES,
    };
  } finally {
    await consumer.disconnect();
  }
}

/** Computes; nothing else happens on this thread. */
function block(): void {
  const until = performance.now() + BLOCKED_MS;
  while (performance.now() < until);
}

async function memberIds(bootstrapServers: string, groupId: string): Promise<string[]> {
  const { members } = await describeGroup(bootstrapServers, groupId);
  return members.map(({ memberId }) => memberId);
}
