import assert from "node:assert/strict";
import process from "node:process";
import { describe } from "#std/testing/bdd";
import { LostPartitionError, type Message, StateError } from "../../mod.ts";
import { runChild } from "../support/child.ts";
import { withAdmin } from "../support/kafka/client.ts";
import {
  committedOffsets,
  describeGroup,
  endOffsets,
  fillTopic,
  produce,
  sharedKafka,
  uniqueName,
} from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import {
  collectMessages,
  type ManagedTest,
  managerFor,
  type ManagerOverrides,
  newTopic,
  untilCommitted,
  untilStats,
} from "../support/manager.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { evict } from "./fault/evict.ts";
import { Handled } from "./fault/handled.ts";
import { seededRandom } from "./fault/random.ts";
import { Turnstile } from "./fault/turnstile.ts";

const QUICK = { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 100 };

describe("ThreadManager in a group that changes", needsKafka, () => {
  const scenario = sideBySide(3);
  const filled = async (messages: number, partitions: number, bytes = 60): Promise<string> => {
    const topic = uniqueName("rebalance");
    await fillTopic((await sharedKafka()).bootstrapServers, topic, { messages, bytes, partitions });
    return topic;
  };
  const member = (
    topic: string,
    groupId: string,
    { consumer, ...overrides }: ManagerOverrides,
  ): Promise<ManagedTest> =>
    managerFor(topic, { ...overrides, consumer: { groupId, ...QUICK, ...consumer } });

  scenario("lets the message under way finish, commits it, and only then lets go", async () => {
    const topic = await filled(400, 2);
    const groupId = uniqueName("rebalance");
    const handled = new Handled();
    const turnstile = new Turnstile();
    const overrides: ManagerOverrides = {
      // Longer than the test: what is committed is committed by the revocation.
      commit: { intervalMs: 600_000 },
      consumer: { sessionTimeoutMs: 1_000 },
    };
    let finished = 0;
    await using first = await member(topic, groupId, {
      ...overrides,
      onMessage: async (message) => {
        handled.add(message, "first");
        if (handled.count === 50) turnstile.close();
        await turnstile.pass();
        finished = handled.count;
      },
    });
    const committedAtHandover: Promise<number[]>[] = [];
    await using second = await member(topic, groupId, {
      ...overrides,
      onMessage: (message) => {
        if (handled.of("second") === 0) {
          committedAtHandover.push(
            sharedKafka().then((kafka) => committedOffsets(kafka.bootstrapServers, groupId, topic)),
          );
        }
        handled.add(message, "second");
      },
    });
    await first.manager.start();
    await turnstile.untilSomebodyWaits();
    const joining = second.manager.start();
    await untilGroup(groupId, "PreparingRebalance");
    // A slow callback, and longer than a session: it is the heartbeats that keep the membership.
    await new Promise((resolve) => setTimeout(resolve, 1_800));
    assert.equal(second.manager.state, "starting");
    assert.equal(finished, 49);
    turnstile.open();
    await joining;
    await handled.until(400);
    handled.assertComplete(400);
    assert(handled.of("second") > 0);
    assert.equal(first.manager.stats().rebalances, 1);
    // Where the second began, the first had committed before.
    const [committed] = await Promise.all(committedAtHandover);
    assert.equal(committed!.filter((offset) => offset >= 0).reduce((a, b) => a + b), 50);
    await first.manager.stop();
    await second.manager.stop();
    assert.deepEqual(await kafkaCommitted(groupId, topic), [200, 200]);
    for (const { log } of [first, second]) {
      assert.equal(log.messages().some((message) => message.startsWith("Lost")), false);
    }
  });

  scenario("is out of the group when it is stopped while it joins", async () => {
    const topic = await filled(400, 2);
    const groupId = uniqueName("rebalance");
    const handled = new Handled();
    const turnstile = new Turnstile();
    turnstile.close();
    // So long that a member that is left behind would be noticed.
    const consumer = { sessionTimeoutMs: 30_000 };
    await using first = await member(topic, groupId, {
      consumer,
      onMessage: async (message) => {
        handled.add(message, "first");
        await turnstile.pass();
      },
    });
    await using second = await member(topic, groupId, {
      consumer,
      onMessage: (message) => handled.add(message, "second"),
    });
    await first.manager.start();
    await turnstile.untilSomebodyWaits();
    const starting = second.manager.start();
    starting.catch(() => {});
    // Its join waits for the first one, which waits for its message.
    await untilGroup(groupId, "PreparingRebalance");
    await second.manager.stop();
    await assert.rejects(starting, StateError);
    const since = performance.now();
    turnstile.open();
    await handled.until(400);
    assert(performance.now() - since < 10_000, "the group has waited for who is gone");
    handled.assertComplete(400);
    assert.equal(handled.of("second"), 0);
  });

  scenario("is out of the group when it is stopped while it joins again", async () => {
    const topic = await filled(6, 3);
    const groupId = uniqueName("rebalance");
    const { bootstrapServers } = await sharedKafka();
    const handled = new Handled();
    const turnstile = new Turnstile();
    const of = (name: string): ManagerOverrides => ({
      consumer: { sessionTimeoutMs: 30_000 },
      onMessage: async (message) => {
        handled.add(message, name);
        if (name === "first") await turnstile.pass();
      },
    });
    await using first = await member(topic, groupId, of("first"));
    await using second = await member(topic, groupId, of("second"));
    await using third = await member(topic, groupId, of("third"));
    await first.manager.start();
    await second.manager.start();
    await handled.until(6);
    turnstile.close();
    const send = () =>
      produce(bootstrapServers, topic, range(0, 3).map((partition) => ({ partition, value: "x" })));
    await send();
    await turnstile.untilSomebodyWaits();
    const joining = third.manager.start();
    await untilStats(second.manager, "it joins again", ({ group }) => group === "joining");
    await second.manager.stop();
    const since = performance.now();
    turnstile.open();
    await joining;
    await send();
    await handled.until(12);
    assert(performance.now() - since < 10_000, "the group has waited for who is gone");
    handled.assertComplete(12);
    await untilMembers(groupId, 2);
  });

  scenario("takes over at once what a member leaves behind", async () => {
    const topic = await filled(2_000, 2);
    const groupId = uniqueName("rebalance");
    const handled = new Handled();
    const pace = () => new Promise<void>((resolve) => setTimeout(resolve, 1));
    let slowly = true;
    const onMessage = (name: string) => (message: Message) => {
      handled.add(message, name);
      return slowly ? pace() : undefined;
    };
    await using first = await member(topic, groupId, { onMessage: onMessage("first") });
    await using second = await member(topic, groupId, { onMessage: onMessage("second") });
    await first.manager.start();
    await second.manager.start();
    await handled.untilOf("first", 100);
    await handled.untilOf("second", 100);
    const before = handled.of("second");
    await first.manager.stop();
    const since = performance.now();
    slowly = false;
    assert(handled.count < 2_000, "the first has left something");
    await handled.until(2_000);
    // A member that leaves is not waited for as one that is silent: 6 s.
    assert(performance.now() - since < 5_000);
    assert(handled.of("second") > before);
    handled.assertComplete(2_000);
    await second.manager.stop();
    assert.deepEqual(await kafkaCommitted(groupId, topic), [1_000, 1_000]);
  });

  scenario("hands every message out once while members come and go at random", async () => {
    const messages = 20_000;
    const seed = Number(process.env["KAFKA_THREADS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
    const random = seededRandom(seed);
    const topic = await filled(messages, 6);
    const groupId = uniqueName("rebalance");
    const handled = new Handled();
    let changing = false;
    await using stack = new AsyncDisposableStack();
    const members: ManagedTest[] = [];
    for (const name of ["a", "b", "c"]) {
      members.push(stack.use(
        await member(topic, groupId, {
          onMessage: (message) => {
            handled.add(message, name);
            // Slow while somebody comes or goes, so that it happens amid the messages; not each one is,
            // or a machine that is slow itself would not get through them in time.
            if (changing && message.offset % 4 === 0) {
              return new Promise<void>((resolve) => setTimeout(resolve, 2));
            }
          },
        }),
      ));
    }
    const wanted = new Set<ManagedTest>();
    const under: Promise<unknown>[] = [];
    const story: string[] = [];
    /** Who is told to leave while it joins, or is still leaving, says so: it tries again if it is wanted. */
    const enter = async (who: ManagedTest): Promise<void> => {
      while (wanted.has(who)) {
        try {
          return void await who.manager.start();
        } catch (error) {
          assert(StateError.is(error), String(error));
          await who.manager.stop();
        }
      }
    };
    const change = async (who: ManagedTest): Promise<void> => {
      const leaves = wanted.has(who) && wanted.size > 1;
      story.push(`${leaves ? "-" : "+"}${"abc"[members.indexOf(who)]}`);
      if (leaves) wanted.delete(who);
      else wanted.add(who);
      const done = leaves ? who.manager.stop() : enter(who);
      under.push(done);
      // Sometimes the next one comes before this one is through.
      if (random() < 0.7) await done;
    };
    const changes = 16;
    try {
      for (let n = 0; n < changes; n++) {
        changing = true;
        await change(members[Math.floor(random() * members.length)]!);
        if (random() < 0.7) changing = false;
        await handled.until(Math.floor((n + random()) * messages / (changes + 1)));
      }
      changing = false;
      await Promise.all(under);
      await Promise.all([...wanted].map(({ manager }) => manager.start()));
      await handled.until(messages);
      handled.assertComplete(messages);
      await Promise.all(members.map(({ manager }) => manager.stop()));
      const revocations = members.flatMap(({ log }) =>
        log.messages().filter((message) => message.startsWith('Revoked "'))
      );
      assert(revocations.length >= 3, `there were only ${revocations.length} rebalances`);
      assert(members.filter((_, index) => handled.of("abc"[index]!) > 0).length >= 2);
      assert.deepEqual(
        await kafkaCommitted(groupId, topic),
        await endOffsets((await sharedKafka()).bootstrapServers, topic),
      );
      for (const { log } of members) {
        assert.deepEqual(log.messages().filter((message) => message.startsWith("Lost")), []);
      }
    } catch (error) {
      throw new Error(`With KAFKA_THREADS_SEED=${seed}: ${story.join(" ")}`, { cause: error });
    }
  });

  scenario("notices that it has slept through its session, and spoils nothing", async () => {
    const topic = await filled(20, 1);
    const groupId = uniqueName("rebalance");
    const { bootstrapServers } = await sharedKafka();
    await using sleeper = runChild(
      new URL("./fault/member_program.ts", import.meta.url),
      [bootstrapServers, groupId, topic, "earliest", "10"],
    );
    await sleeper.line("begin 10");
    await untilCommitted(groupId, topic, [10]);
    const [asleep] = (await describeGroup(bootstrapServers, groupId)).members;
    // By its number: Deno's child processes take only one signal from `kill()`.
    process.kill(sleeper.pid, "SIGSTOP");

    const handled = new Handled(10);
    await using other = await member(topic, groupId, {
      consumer: { sessionTimeoutMs: 1_500 },
      commit: { intervalMs: 50 },
      onMessage: (message) => handled.add(message, "other"),
    });
    // It gets the partition when the sleeper's session is over, and no sooner.
    await other.manager.start();
    await handled.until(10);
    await untilCommitted(groupId, topic, [20]);
    const awake = (await describeGroup(bootstrapServers, groupId)).members;
    assert.equal(awake.some(({ memberId }) => memberId === asleep!.memberId), false);

    process.kill(sleeper.pid, "SIGCONT");
    await sleeper.line("log Lost");
    // Its late result.
    sleeper.send("release");
    await sleeper.line("finish 10");
    await other.log.line("Revoked");
    await untilMembers(groupId, 2);
    assert.deepEqual(await kafkaCommitted(groupId, topic), [20]);
    await produce(bootstrapServers, topic, [{ value: "20" }, { value: "21" }]);
    await untilCommitted(groupId, topic, [22]);

    await other.manager.stop();
    process.kill(sleeper.pid, "SIGTERM");
    const { stdout, stderr } = await sleeper.ended;
    const begun = Array.from(stdout.matchAll(/^begin (\d+)$/gm), ([, offset]) => Number(offset));
    // Nothing of what the other had taken over was begun by it.
    assert.deepEqual(begun.slice(0, 11), Array.from({ length: 11 }, (_, offset) => offset));
    assert.deepEqual([...begun.slice(11), ...handled.offsetsFrom(20)].toSorted(), [20, 21]);
    assert.deepEqual(handled.duplicates, []);
    assert.equal(stderr, "");
  });

  scenario("counts a late result of an earlier assignment for nothing", async () => {
    const topic = await filled(20, 1);
    const groupId = uniqueName("rebalance");
    const { bootstrapServers } = await sharedKafka();
    const turnstile = new Turnstile();
    const messages = collectMessages();
    await using test = await member(topic, groupId, {
      consumer: { heartbeatIntervalMs: 200 },
      commit: { intervalMs: 50 },
      onMessage: async (message) => {
        messages.add(message);
        if (message.offset === 10) turnstile.close();
        await turnstile.pass();
      },
    });
    const { manager, log } = test;
    await manager.start();
    await turnstile.untilSomebodyWaits();
    await untilCommitted(groupId, topic, [10]);
    const early = messages.items.at(-1)!;
    const [self] = (await describeGroup(bootstrapServers, groupId)).members;
    await evict(bootstrapServers, groupId, self!.memberId);
    await log.line("Lost");
    // The same partition again, while the message of the assignment before is still under way.
    const assigned = (lines: readonly { message: string }[]) =>
      lines.filter(({ message }) => message.startsWith("Assigned")).length;
    await log.until("a second assignment", (lines) => assigned(lines) === 2);
    await untilStats(manager, "it is a member again", ({ group }) => group === "stable");
    turnstile.let();
    await messages.until("it comes again", (items) => items.at(-1)!.epoch > early.epoch);
    await turnstile.untilSomebodyWaits();
    const late = messages.items.at(-1)!;
    assert.deepEqual([early.offset, early.epoch], [10, 1]);
    assert.deepEqual([late.offset, late.epoch], [10, 2]);
    // Several commits would be due meanwhile.
    await untilBeats(test, 2);
    assert.deepEqual(await kafkaCommitted(groupId, topic), [10]);
    assert.deepEqual(manager.stats().partitions.map(({ position }) => position), [10]);
    await assert.rejects(manager.commit(early), isLost);
    turnstile.open();
    await messages.until("the rest", (items) => items.at(-1)!.offset === 19);
    await untilCommitted(groupId, topic, [20]);
    assert.deepEqual(
      messages.items.map(({ offset }) => offset),
      [...range(0, 11), ...range(10, 20)],
    );
  });

  scenario("refuses to commit a message of a partition that is gone", async () => {
    const topic = await filled(20, 2);
    const groupId = uniqueName("rebalance");
    const firsts = collectMessages();
    await using first = await member(topic, groupId, { commit: "manual", onMessage: firsts.add });
    await using second = await member(topic, groupId, { commit: "manual", onMessage: () => {} });
    await first.manager.start();
    await firsts.atLeast(20);
    const [p0, p1] = [0, 1].map((partition) =>
      firsts.items.find((message) => message.partition === partition && message.offset === 4)!
    ) as [Message, Message];
    await first.manager.commit(p0);
    assert.deepEqual(await kafkaCommitted(groupId, topic), [5, -1]);
    await second.manager.start();
    await untilStats(first.manager, "one is left", ({ partitions }) => partitions.length === 1);
    // One went to the other member; of the one that stayed, the assignment is another one.
    for (const message of [p0, p1]) {
      await assert.rejects(first.manager.commit(message), (error) => {
        assert(isLost(error));
        const { partition, offset } = error as LostPartitionError;
        assert.deepEqual([partition, offset], [message.partition, message.offset]);
        return true;
      });
    }
    assert.deepEqual(await kafkaCommitted(groupId, topic), [5, -1]);
    // What comes again under the new assignment can be committed.
    const again = await firsts.until("it comes again", (items) => items.at(-1)!.epoch === 2);
    await first.manager.commit(again.at(-1)!);
  });

  scenario("refuses to commit a message of an earlier run", async () => {
    const topic = await filled(20, 1);
    const groupId = uniqueName("rebalance");
    const messages = collectMessages();
    await using test = await member(topic, groupId, { commit: "manual", onMessage: messages.add });
    await test.manager.start();
    const early = (await messages.atLeast(20))[9]!;
    await test.manager.stop();
    await assert.rejects(test.manager.commit(early), StateError);
    await test.manager.start();
    const again = (await messages.atLeast(40))[24]!;
    assert.deepEqual([early.offset, again.offset], [9, 4]);
    // It would speak for what the new run has been given again, and may not have finished.
    await assert.rejects(test.manager.commit(early), isLost);
    await test.manager.commit(again);
    assert.deepEqual(await kafkaCommitted(groupId, topic), [5]);
  });

  scenario("pauses and resumes as before when an assignment has changed", async () => {
    const topic = await filled(20_000, 2, 1_000);
    const groupId = uniqueName("rebalance");
    const handled = new Handled();
    const turnstile = new Turnstile();
    turnstile.close();
    const overrides = (name: string): ManagerOverrides => ({
      maxInFlight: { messages: 100, bytes: 100_000 },
      onMessage: async (message) => {
        handled.add(message, name);
        await turnstile.pass();
      },
    });
    await using first = await member(topic, groupId, overrides("first"));
    await using second = await member(topic, groupId, overrides("second"));
    await first.manager.start();
    const full = async (test: ManagedTest, partitions: number) => {
      await untilStats(
        test.manager,
        "all is paused",
        (stats) =>
          stats.partitions.length === partitions &&
          stats.partitions.every(({ paused }) => paused) && stats.inFlight > 0,
      );
      // Time enough to fetch all there is, if it were not for the pause.
      await untilBeats(test, 4);
      return test.manager.stats();
    };
    const before = await full(first, 2);
    const joining = second.manager.start();
    let joined = false;
    void joining.finally(() => joined = true);
    // The one that is under way has to finish; another one may have begun before the group called.
    while (!joined) {
      turnstile.let();
      await first.manager.health();
    }
    await joining;
    const [ofFirst, ofSecond] = await Promise.all([full(first, 1), full(second, 1)]);
    for (const { inFlight, partitions } of [before, ofFirst, ofSecond]) {
      assert(inFlight <= 100, `${inFlight} are in flight`);
      const queued = partitions.reduce((sum, partition) => sum + partition.queued, 0);
      // A broker sends a whole record batch, however small the fetch: these have 683 messages. Two of
      // a partition may have been fetched ahead.
      assert(queued <= 4 * 683, `${queued} wait`);
    }
    turnstile.open();
    await handled.until(20_000);
    handled.assertComplete(20_000);
  });

  scenario("finds partitions that are added to its topic", async () => {
    const topic = await newTopic();
    const { bootstrapServers } = await sharedKafka();
    const messages = collectMessages();
    await using test = await member(topic, uniqueName("rebalance"), {
      consumer: { driverOptions: { metadataMaxAge: 300 } },
      onMessage: messages.add,
    });
    await test.manager.start();
    await produce(bootstrapServers, topic, [{ partition: 0, value: "old" }]);
    await messages.atLeast(1);
    const count = 3;
    await withAdmin(
      bootstrapServers,
      (admin) => admin.createPartitions({ topicPartitions: [{ topic, count }] }),
    );
    await untilStats(test.manager, "it has three", ({ partitions }) => partitions.length === count);
    await produce(
      bootstrapServers,
      topic,
      range(0, 3).map((partition) => ({ partition, value: "new" })),
    );
    await messages.atLeast(4);
    assert.deepEqual(
      messages.items.map(({ partition, offset }) => `${partition}@${offset}`).sort(),
      ["0@0", "0@1", "1@0", "2@0"],
    );
  });

  describe('startFrom "latest", before the first commit', () => {
    const latest = { startFrom: "latest" as const };

    scenario("loses nothing in a restart", async () => {
      const topic = await filled(5, 1);
      const groupId = uniqueName("rebalance");
      const { bootstrapServers } = await sharedKafka();
      const messages = collectMessages();
      await using test = await member(topic, groupId, {
        consumer: latest,
        onMessage: messages.add,
      });
      await test.manager.start();
      await test.manager.stop();
      await produce(bootstrapServers, topic, [{ value: "while nobody was there" }]);
      await test.manager.start();
      assert.equal((await messages.next()).offset, 5);
    });

    scenario("loses nothing when the process is killed", async () => {
      const topic = await filled(5, 1);
      const groupId = uniqueName("rebalance");
      const { bootstrapServers } = await sharedKafka();
      {
        await using child = runChild(
          new URL("./fault/member_program.ts", import.meta.url),
          [bootstrapServers, groupId, topic, "latest", "5"],
        );
        await child.line("started");
        await produce(bootstrapServers, topic, [{ value: "5" }, { value: "6" }]);
        await child.line("begin 5");
        child.kill("SIGKILL");
        const { signal, stdout } = await child.ended;
        assert.equal(signal, "SIGKILL");
        assert.doesNotMatch(stdout, /finish/);
      }
      await produce(bootstrapServers, topic, [{ value: "7" }]);
      const messages = collectMessages();
      await using test = await member(topic, groupId, {
        consumer: latest,
        onMessage: messages.add,
      });
      await test.manager.start();
      await messages.atLeast(3);
      assert.deepEqual(messages.items.map(({ offset }) => offset), [5, 6, 7]);
    });

    scenario("loses nothing in a rebalance", async () => {
      const topic = await filled(10, 2);
      const groupId = uniqueName("rebalance");
      const { bootstrapServers } = await sharedKafka();
      const handled = new Handled(5);
      const turnstile = new Turnstile();
      turnstile.close();
      await using first = await member(topic, groupId, {
        consumer: latest,
        commit: { intervalMs: 600_000 },
        onMessage: async (message) => {
          handled.add(message, "first");
          await turnstile.pass();
        },
      });
      await using second = await member(topic, groupId, {
        consumer: latest,
        onMessage: (message) => handled.add(message, "second"),
      });
      await first.manager.start();
      const joining = second.manager.start();
      await untilGroup(groupId, "PreparingRebalance", "CompletingRebalance", "Stable");
      // Nobody, one or the other reads them: that depends on how far the second has come.
      await produce(
        bootstrapServers,
        topic,
        range(0, 20).map((n) => ({ partition: n % 2, value: `${n}` })),
      );
      turnstile.open();
      await joining;
      await handled.until(20);
      handled.assertComplete(20);
    });
  });
});

function isLost(error: unknown): boolean {
  assert(LostPartitionError.is(error), String(error));
  assert.equal(error.code, "PARTITION_LOST");
  return true;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** Waits until a member has had so many more heartbeats answered, and so for as many intervals. */
async function untilBeats({ manager }: ManagedTest, count: number): Promise<void> {
  await manager.health();
  const beats = manager.stats().heartbeats + count;
  await untilStats(manager, "its heart beats", ({ heartbeats }) => heartbeats >= beats);
}

async function kafkaCommitted(groupId: string, topic: string): Promise<number[]> {
  return await committedOffsets((await sharedKafka()).bootstrapServers, groupId, topic);
}

/** Asks the broker until the group is in one of these states. */
async function untilGroup(groupId: string, ...states: string[]): Promise<void> {
  const { bootstrapServers } = await sharedKafka();
  const deadline = performance.now() + 45_000;
  for (;;) {
    const { state } = await describeGroup(bootstrapServers, groupId);
    if (states.includes(state)) return;
    assert(performance.now() < deadline, `the group is ${state}, not ${states.join(" or ")}`);
  }
}

/** Asks the broker until the group is stable and has so many members. */
async function untilMembers(groupId: string, count: number): Promise<void> {
  const { bootstrapServers } = await sharedKafka();
  const deadline = performance.now() + 45_000;
  for (;;) {
    const { state, members } = await describeGroup(bootstrapServers, groupId);
    if (state === "Stable" && members.length === count) return;
    assert(performance.now() < deadline, `the group is ${state} with ${members.length} members`);
  }
}
