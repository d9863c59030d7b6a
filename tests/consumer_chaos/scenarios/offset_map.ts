import assert from "node:assert/strict";
import { decodeOffsetMap } from "../../../src/poller/work/offset_map.ts";
import { committedMetadata, committedOffsets } from "../../support/kafka/groups.ts";
import { seededRandom } from "../../thread_manager/fault/random.ts";
import { ChaosTopic } from "../support/chaos_topic.ts";
import { History } from "../support/history.ts";
import { handlerPlan, Journal } from "../support/journal.ts";
import { Member } from "../support/member.ts";

/** What {@linkcode offsetMap} takes. */
export interface OffsetMapOptions {
  bootstrapServers: string;
  seed: number;
  messages: number;
  /** How many different keys; 0: in no order. */
  keys: number;
  /** How many messages beside the first one are stuck. */
  stuck: number;
  driver: "kafkajs" | "platformatic";
}

/** What came of it. */
export interface OffsetMapFigures {
  /** How many had finished when the process was killed. */
  finished: number;
  /** Where the group's commit stood then. */
  committed: number;
  /** Bytes of what was stored with it. */
  metadataBytes: number;
  /** How many the next process handled. */
  handledAgain: number;
  /** How many it left out. */
  leftOut: number;
}

/** What has not been committed after this time will not be. */
const PATIENCE_MS = 45_000;

/**
 * A process is killed with messages that hang, and all others finished beyond them: the next one is to
 * handle those that hung, and what waits for them, and nothing else.
 */
export async function offsetMap(options: OffsetMapOptions): Promise<OffsetMapFigures> {
  const { bootstrapServers, seed, messages, keys, driver } = options;
  const random = seededRandom(seed);
  const topic = await ChaosTopic.create(bootstrapServers, {
    messages,
    partitions: 1,
    // Without keys every message is a lane of its own.
    keys: Math.max(1, keys),
    keyless: keys === 0 ? 1 : 0,
    seed,
  });
  const history = new History(topic.placeOf);
  await using journal = await Journal.create(history.add);
  const stuck = [...new Set(["0/0", ...topic.choose(options.stuck, random)])];
  journal.plan(handlerPlan({ seed, workMs: 2, stuck }));
  // What waits for them, by key, and they themselves.
  const blockedFrom = new Map<string, number>();
  for (const message of stuck) {
    const { lane, turn } = topic.placeOf(message);
    blockedFrom.set(lane, Math.min(turn, blockedFrom.get(lane) ?? Infinity));
  }
  const unfinished = topic.messages.filter((message) => {
    const { lane, turn } = topic.placeOf(message);
    return turn >= (blockedFrom.get(lane) ?? Infinity);
  });
  const finished = messages - unfinished.length;
  await topic.produce();

  const start = (name: string) =>
    new Member(journal, {
      kind: "parallel",
      handlers: "function",
      name,
      bootstrapServers,
      groupId: journal.groupId,
      topics: [topic.name],
      driver,
      order: keys === 0 ? "none" : "key",
      commit: { intervalMs: 100 },
      maxConcurrency: 64 + stuck.length,
      sessionTimeoutMs: 20_000,
      heartbeatIntervalMs: 200,
    });
  await using first = start("first");
  await journal.until(
    () => `${history.completed} of ${finished} messages beyond the stuck ones`,
    () => history.completed === finished,
  );
  const { groupId } = journal;
  const metadata = await untilStored(bootstrapServers, groupId, topic.name, messages, finished);
  const [committed] = await committedOffsets(bootstrapServers, groupId, topic.name);
  assert.equal(committed, 0, "it stands at the stuck one");
  await first.kill({ evicted: true });

  journal.plan(handlerPlan({ seed }));
  await using second = start("second");
  await journal.until(
    () => `${history.completed} of ${messages} messages`,
    () => history.completed === messages,
  );
  const { stats } = await second.stop();
  assert.deepEqual(history.wrong, []);
  assert.equal(history.kills, 1);
  assert.deepEqual(history.duplicates, []);
  assert.equal(history.begunBy.get("second"), unfinished.length);
  assert.equal(stats.handlers.leftOut, finished);
  assert.deepEqual(await committedOffsets(bootstrapServers, groupId, topic.name), [messages]);
  return {
    finished,
    committed,
    metadataBytes: metadata.length,
    handledAgain: unfinished.length,
    leftOut: stats.handlers.leftOut,
  };
}

/** Asks the broker until it has stored that so many have finished beyond the commit. */
async function untilStored(
  bootstrapServers: string,
  groupId: string,
  topic: string,
  end: number,
  finished: number,
): Promise<string> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const [metadata = ""] = await committedMetadata(bootstrapServers, groupId, topic);
    const map = decodeOffsetMap(metadata, 0, end);
    const ranges = map.kind === "map" ? map.ranges : [];
    const stored = ranges.reduce((sum, [from, to]) => sum + to - from, 0);
    if (stored === finished) return metadata;
    assert(performance.now() < deadline, `${stored} of ${finished} are stored as finished`);
  }
}
