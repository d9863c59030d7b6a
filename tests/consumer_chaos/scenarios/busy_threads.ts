import assert from "node:assert/strict";
import { ChaosTopic } from "../support/chaos_topic.ts";
import { History } from "../support/history.ts";
import { handlerPlan, Journal } from "../support/journal.ts";
import { Member } from "../support/member.ts";

/** What {@linkcode busyThreads} takes. */
export interface BusyThreadsOptions {
  bootstrapServers: string;
  sessionTimeoutMs: number;
  /** For how many sessions handlers keep their threads busy. */
  sessions: number;
}

/** What came of it. */
export interface BusyThreadsFigures {
  /** For how long handlers kept their threads busy. */
  busyForMs: number;
  heartbeats: number;
  /** As many as there should be. */
  expectedHeartbeats: number;
  rebalances: number;
}

const BUSY_MS = 40;
const HEARTBEAT_INTERVAL_MS = 100;
const THREADS = 2;

/** Handlers that compute on two threads for several session timeouts: the group does not notice. */
export async function busyThreads(options: BusyThreadsOptions): Promise<BusyThreadsFigures> {
  const { bootstrapServers, sessionTimeoutMs, sessions } = options;
  const messages = Math.ceil(sessions * sessionTimeoutMs / BUSY_MS * THREADS);
  const topic = await ChaosTopic.create(bootstrapServers, {
    messages,
    partitions: 2,
    keys: 50,
    seed: 1,
  });
  const history = new History(topic.placeOf);
  await using journal = await Journal.create(history.add);
  journal.plan(handlerPlan({ busyMs: BUSY_MS }));
  await using member = new Member(journal, {
    kind: "parallel",
    handlers: "module",
    name: "member",
    bootstrapServers,
    groupId: journal.groupId,
    topics: [topic.name],
    threads: THREADS,
    sessionTimeoutMs,
    heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
  });
  await member.started();
  const before = await member.stats();
  await topic.produce();
  await journal.until(() => "the first message", () => history.begun.size > 0);
  const begunAt = performance.now();
  await journal.until(
    () => `${history.completed} of ${messages} messages`,
    () => history.completed === messages,
  );
  const busyForMs = performance.now() - begunAt;
  const after = await member.stats();
  const { assignments } = await member.stop();
  assert(busyForMs > 0.9 * sessions * sessionTimeoutMs, `it took ${busyForMs} ms`);
  assert.equal(assignments, 1, "it was a member all the time");
  assert.deepEqual(history.wrong, []);
  assert.deepEqual(history.duplicates, []);
  assert.equal(after.rebalances, 0);
  assert.equal(after.health.status, "UP", JSON.stringify(after.health));
  return {
    busyForMs: Math.round(busyForMs),
    heartbeats: after.heartbeats - before.heartbeats,
    expectedHeartbeats: Math.floor(busyForMs / HEARTBEAT_INTERVAL_MS),
    rebalances: after.rebalances,
  };
}
