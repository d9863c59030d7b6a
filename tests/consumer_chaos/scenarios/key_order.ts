import assert from "node:assert/strict";
import { committedOffsets } from "../../support/kafka/groups.ts";
import { seededRandom } from "../../thread_manager/fault/random.ts";
import { ChaosTopic } from "../support/chaos_topic.ts";
import { History } from "../support/history.ts";
import { handlerPlan, Journal } from "../support/journal.ts";
import { Member } from "../support/member.ts";

/** What is done to the group: a member comes, the oldest one goes, or is killed. */
export type GroupAction = "join" | "leave" | "kill";

/** What {@linkcode keyOrder} takes. */
export interface KeyOrderOptions {
  bootstrapServers: string;
  seed: number;
  messages: number;
  keys: number;
  partitions: number;
  driver: "kafkajs" | "platformatic";
  /** What happens, one after the other, to a group that begins with one member. */
  actions: readonly GroupAction[];
  /** How many handlers end their thread. */
  crashes: number;
  /** Whether the group hears of a death at once, and not when a session is over. */
  evicted: boolean;
}

/** What came of it. */
export interface KeyOrderFigures {
  messages: number;
  members: number;
  kills: number;
  /** Threads that ended. */
  crashes: number;
  /** Attempts that failed as planned. */
  failures: number;
  /** Assignments beyond the first one of each member that was not killed. */
  rebalances: number;
  /** Messages that were handled to their end twice. */
  duplicates: number;
}

/**
 * A group of parallel consumers in order by key, with handlers that take their time, fail, and crash their
 * threads, while members come and go. Nothing may be lost, no two of a key be handled at once, each key
 * be handled in order, and nothing twice but what a kill, or the end of a thread, leaves open.
 */
export async function keyOrder(options: KeyOrderOptions): Promise<KeyOrderFigures> {
  const { bootstrapServers, seed, messages, driver, actions, evicted } = options;
  const random = seededRandom(seed);
  const topic = await ChaosTopic.create(bootstrapServers, { ...options, keyless: 0.05 });
  const history = new History(topic.placeOf);
  await using journal = await Journal.create(history.add);
  const crashes = topic.choose(options.crashes, random);
  journal.plan(handlerPlan({ seed, workMs: 20, failures: 0.03, crashes }));
  await using scope = new AsyncDisposableStack();
  const members: Member[] = [];
  const figures = { members: 0, rebalances: 0, restarts: 0 };

  const join = async () => {
    const member = new Member(journal, {
      kind: "parallel",
      handlers: "module",
      name: `${figures.members++}`,
      bootstrapServers,
      groupId: journal.groupId,
      topics: [topic.name],
      driver,
      order: "key",
      threads: 2,
      maxConcurrency: 64,
      commit: { intervalMs: 200 },
      onError: { retries: null, backoff: { initialMs: 5, maxMs: 50 } },
      restarts: { max: 1_000, withinMs: 2_000 },
      sessionTimeoutMs: evicted || !actions.includes("kill") ? 20_000 : 2_000,
      heartbeatIntervalMs: 200,
    });
    scope.use(member);
    members.push(member);
    await member.started();
  };
  const leave = async () => {
    const { stats, assignments } = await members.shift()!.stop();
    figures.rebalances += assignments - 1;
    figures.restarts += stats.handlers.threads.reduce((sum, { restarts }) => sum + restarts, 0);
  };
  const kill = async () => {
    const { stdout } = await members.shift()!.kill({ evicted });
    figures.rebalances += (stdout.match(/^assigned /gm)?.length ?? 1) - 1;
  };
  const perform = { join, leave, kill };

  await join();
  const stage = Math.ceil(messages / (actions.length + 1));
  for (const action of actions) {
    const before = topic.produced;
    const producing = topic.produce(stage);
    producing.catch((error) => journal.fail(error as Error));
    await journal.until(
      () => `${history.completed} of ${before + stage} messages, before a ${action}`,
      () => history.completed >= before + stage / 10,
    );
    await Promise.all([producing, perform[action]()]);
  }
  await topic.produce();
  await journal.until(
    () => `${history.completed} of ${messages} messages`,
    () => history.completed === messages,
  );
  while (members.length > 0) await leave();

  assert.deepEqual(history.wrong, []);
  assert.deepEqual(history.unexcused, []);
  assert.equal(history.kills, actions.filter((action) => action === "kill").length);
  assert.equal(history.crashes, crashes.length);
  assert(history.failures > 0, "handlers have failed");
  assert(figures.rebalances > 0, "the group has rebalanced");
  if (crashes.length > 0 && history.kills === 0) {
    assert(figures.restarts > 0, "threads were replaced");
  }
  assert.deepEqual(
    await committedOffsets(bootstrapServers, journal.groupId, topic.name),
    topic.ends,
  );
  return {
    messages,
    members: figures.members,
    kills: history.kills,
    crashes: history.crashes,
    failures: history.failures,
    rebalances: figures.rebalances,
    duplicates: history.duplicates.length,
  };
}
