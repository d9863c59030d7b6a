import assert from "node:assert/strict";
import { committedOffsets } from "../../support/kafka/groups.ts";
import { ChaosTopic } from "../support/chaos_topic.ts";
import { History } from "../support/history.ts";
import { handlerPlan, Journal } from "../support/journal.ts";
import { Member, type MemberStats } from "../support/member.ts";

/** What {@linkcode endlessLoop} takes. */
export interface EndlessLoopOptions {
  bootstrapServers: string;
  messages: number;
  onStuck: "replace" | "exit";
}

/** What came of it. */
export interface EndlessLoopFigures {
  /** Exit code of the process. */
  code: number | null;
  /** What the process printed when it had ended in good order. */
  stats: MemberStats | null;
}

/** Only Deno cannot end a thread that never gives up control. */
export const canEndLoops = !("Deno" in globalThis);

/** A handler that never returns, on one of two threads: the other messages go on, and then it too. */
export async function endlessLoop(options: EndlessLoopOptions): Promise<EndlessLoopFigures> {
  const { bootstrapServers, messages, onStuck } = options;
  const looping = "0/5";
  const topic = await ChaosTopic.create(bootstrapServers, {
    messages,
    partitions: 1,
    keys: messages,
    seed: 1,
  });
  const history = new History(topic.placeOf);
  await using journal = await Journal.create(history.add);
  // Each begins by itself: among several that began at once nobody could tell which one loops.
  journal.plan(handlerPlan({ loops: [looping], workMs: 2, sync: 0 }));
  await topic.produce();
  await using member = new Member(journal, {
    kind: "parallel",
    handlers: "module",
    name: "member",
    bootstrapServers,
    groupId: journal.groupId,
    topics: [topic.name],
    threads: 2,
    maxConcurrency: 2,
    handlerTimeoutMs: 200,
    onStuck,
    onError: { retries: 1, backoff: { initialMs: 10 } },
    commit: { intervalMs: 100 },
  });
  if (onStuck === "exit" && !canEndLoops) {
    const { code, stdout } = await member.ended;
    assert.match(stdout, /hangs and cannot be ended: the program is ended/);
    assert.equal(history.crashes, 1);
    assert.deepEqual(history.wrong, []);
    assert(history.completed > messages / 2, "the others did not wait for it");
    return { code, stats: null };
  }
  // What its thread had been given before waits with it.
  await journal.until(
    () => `${history.completed} messages beside the loop`,
    () => history.completed > 0.75 * messages,
  );
  assert(!history.ended.has(looping), "the others did not wait for it");
  await journal.until(
    () => `${history.completed} of ${messages} messages`,
    () => history.completed === messages,
  );
  const stats = await member.untilStats(
    "the thread is replaced or abandoned",
    ({ handlers }) =>
      handlers.handled === messages && handlers.abandonedThreads === (canEndLoops ? 0 : 1) &&
      handlers.threads.every(({ state }) => state === "running"),
  );
  await member.stop();
  assert.deepEqual(history.wrong, []);
  assert.deepEqual(history.unexcused, []);
  assert.equal(history.crashes, 1);
  assert.equal(history.begun.get(looping), 2);
  assert.deepEqual(
    await committedOffsets(bootstrapServers, journal.groupId, topic.name),
    topic.ends,
  );
  return { code: 0, stats };
}
