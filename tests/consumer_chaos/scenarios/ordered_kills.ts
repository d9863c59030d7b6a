import assert from "node:assert/strict";
import { committedOffsets } from "../../support/kafka/groups.ts";
import { seededRandom } from "../../thread_manager/fault/random.ts";
import { ChaosTopic } from "../support/chaos_topic.ts";
import { History } from "../support/history.ts";
import { handlerPlan, Journal } from "../support/journal.ts";
import { Member } from "../support/member.ts";

/** What {@linkcode orderedKills} takes. */
export interface OrderedKillsOptions {
  bootstrapServers: string;
  seed: number;
  /** How often a member is killed. */
  rounds: number;
  messages: number;
  driver: "kafkajs" | "platformatic";
  /** Whether the group hears of a death at once, and not when a session is over. */
  evicted: boolean;
}

/** What came of it. */
export interface OrderedKillsFigures {
  kills: number;
  /** Of these, how many hit a handler at work. */
  killedAtWork: number;
  /** Messages that came to a handler again. */
  repeated: number;
  /** Messages that were handled to their end twice. */
  duplicates: number;
  messages: number;
}

/**
 * An ordered consumer with `commit: "each"` is killed again and again. Nothing may be lost, each partition
 * be handled in order, and no more than one message come again after each kill.
 */
export async function orderedKills(options: OrderedKillsOptions): Promise<OrderedKillsFigures> {
  const { bootstrapServers, seed, rounds, messages, driver, evicted } = options;
  const random = seededRandom(seed);
  const topic = await ChaosTopic.create(bootstrapServers, {
    messages,
    partitions: 3,
    keys: 0,
    seed,
  });
  const history = new History(topic.placeOf);
  await using journal = await Journal.create(history.add);
  journal.plan(handlerPlan({ seed, workMs: 4 }));
  await topic.produce();
  const start = (round: number) =>
    new Member(journal, {
      kind: "ordered",
      handlers: round % 2 === 0 ? "function" : "module",
      name: `${round}`,
      bootstrapServers,
      groupId: journal.groupId,
      topics: [topic.name],
      driver,
      commit: "each",
      sessionTimeoutMs: evicted ? 20_000 : 2_000,
      heartbeatIntervalMs: 200,
    });

  for (let round = 0; round < rounds; round++) {
    await using member = start(round);
    // So that enough is left for each of the others.
    const share = (messages - history.completed) / (rounds - round + 1);
    const moment = 1 + Math.floor(random() * 1.5 * share);
    if (random() < 0.1) await member.started();
    else {
      await journal.until(
        () => `${moment} messages to the member ${round}`,
        () => (history.begunBy.get(member.name) ?? 0) >= moment,
      );
      // Within a message as well as between two.
      await new Promise((resolve) => setTimeout(resolve, random() * 5));
    }
    assert(history.completed < messages, "it is killed before it is through");
    await member.kill({ evicted });
  }
  await using last = start(rounds);
  await journal.until(
    () => `${history.completed} of ${messages} messages`,
    () => history.completed === messages,
  );
  await last.stop();

  assert.deepEqual(history.wrong, []);
  assert.equal(history.kills, rounds);
  assert(history.begunBy.size > rounds / 2, "most were at work when they were killed");
  // Not "to each member": one may get what two that were killed before it had of different partitions.
  for (const [member, messages] of [...history.repeats, ...history.interrupted]) {
    assert(messages.length <= 1, `${messages} of member ${member}, which was killed`);
  }
  assert.deepEqual(
    await committedOffsets(bootstrapServers, journal.groupId, topic.name),
    topic.ends,
  );
  return {
    kills: history.kills,
    killedAtWork: [...history.interrupted.values()].flat().length,
    repeated: history.repeated,
    duplicates: history.duplicates.length,
    messages,
  };
}
