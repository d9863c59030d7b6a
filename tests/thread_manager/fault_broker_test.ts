import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import {
  CommitError,
  type HealthCheck,
  type Message,
  RetryBudgetError,
  StartTimeoutError,
  StateError,
  StopTimeoutError,
  type ThreadManager,
} from "../../mod.ts";
import {
  committedOffsets,
  createTopic,
  fillTopic,
  type KafkaCluster,
  kafkaStartable,
  type KafkaTestBroker,
  produce,
  uniqueName,
} from "../support/kafka/mod.ts";
import {
  collectMessages,
  type ManagedTest,
  managerFor,
  type ManagerOverrides,
} from "../support/manager.ts";
import { Handled } from "./fault/handled.ts";
import { withOwnKafka } from "./fault/own_kafka.ts";
import { type SharedOutage, sharedOutage } from "./fault/shared_outage.ts";

const startable = await kafkaStartable();
const options = startable.ok ? {} : { skip: startable.reason };
const RETRYING = "Cannot poll, trying again";

describe("ThreadManager and a broker that fails", options, () => {
  const own = withOwnKafka();
  /** Registers a test that has a Kafka of its own. */
  const scenario = (name: string, run: (place: Place) => Promise<void>) =>
    own.register(name, () => own.lend((kafka) => run(new Place(kafka))));
  const outage = (returns: boolean) => {
    const register = sharedOutage(own, returns);
    return (name: string, run: (place: Place) => Promise<void>) =>
      register(name, (outage) => run(new Place(outage.kafka, outage)));
  };
  /** Registers a test of an outage after which the broker comes back. */
  const returning = outage(true);
  /** Registers a test of an outage that does not end. */
  const lasting = outage(false);

  returning("goes on by itself when the broker was killed in the middle", async (place) => {
    const topic = uniqueName("fault");
    const fill = { messages: 30_000, bytes: 100, partitions: 3 };
    await fillTopic(place.bootstrapServers, topic, fill);
    const handled = new Handled();
    await using test = await place.setUp(topic, {
      // So little that most of it must be fetched after the outage.
      maxInFlight: { messages: 500, bytes: 50_000 },
      commit: { intervalMs: 100 },
      onMessage: (message) => {
        handled.add(message);
        return handled.count % 100 === 0 ? nextTurn() : undefined;
      },
    });
    // It would be through before the others are ready.
    await place.othersAreReady();
    await test.manager.start();
    await handled.until(5_000);
    await place.whileBrokerIs("away", async () => {
      await test.log.line(RETRYING);
      assert(handled.count < 25_000, `${handled.count} messages came before the broker was gone`);
      assert.equal(test.manager.state, "running");
    });
    await handled.until(30_000);
    // Its answer brings the figures up to date.
    await test.manager.health();
    const atReturn = test.manager.stats();
    assert(atReturn.pollErrors > 0);
    // What is produced after its return comes as well.
    await fillTopic(place.bootstrapServers, topic, { ...fill, messages: 30_300 });
    await handled.until(30_300);
    await test.manager.stop();
    assert.equal(await test.manager.closed, "stopped");
    // Its session outlives the outage, so that not even a duplicate is excused.
    handled.assertComplete(30_300, { duplicates: test.manager.stats().rebalances > 0 });
    assert.deepEqual(
      await committedOffsets(place.bootstrapServers, test.groupId, topic),
      [10_100, 10_100, 10_100],
    );
  });

  returning("starts when the broker comes within startTimeoutMs", async (place) => {
    const topic = await place.makeTopic();
    await place.send(topic, "1");
    const messages = collectMessages();
    await using test = await place.setUp(topic, {
      startTimeoutMs: 60_000,
      onMessage: messages.add,
    });
    let starting: Promise<ThreadManager> | undefined;
    await place.whileBrokerIs("away", async () => {
      starting = test.manager.start();
      await test.log.line(RETRYING);
      assert.equal(test.manager.state, "starting");
    });
    await starting;
    assert.equal(test.manager.state, "running");
    assert.equal((await messages.next()).text(), "1");
  });

  returning("commits later what it could not commit, and says so in its health", async (place) => {
    const topic = await place.makeTopic();
    await place.send(topic, "1", "2", "3");
    const begun = Promise.withResolvers<Message>();
    const gate = Promise.withResolvers<void>();
    await using test = await place.setUp(topic, {
      commit: { intervalMs: 100 },
      onMessage: (message) => {
        begun.resolve(message);
        return gate.promise;
      },
    });
    const { manager, groupId } = test;
    await manager.start();
    await begun.promise;
    assert.equal(find((await manager.health()).checks, "poll").status, "UP");
    await place.whileBrokerIs("away", async () => {
      // Finished while nobody is there to be told.
      gate.resolve();
      await test.log.line("Cannot commit");
      const { status, checks } = await manager.health();
      assert.equal(status, "DOWN");
      assert.equal(find(checks, "poll").status, "DOWN");
      const { message } = find(checks, "poll").data["error"] as { message: string };
      assert(message.length > 0);
      assert.equal(find(checks, "commits").status, "DOWN");
      assert.equal((await manager.health("live")).status, "UP");
      assert(manager.stats().commitErrors > 0);
      await assert.rejects(manager.commit(await begun.promise), CommitError);
    });
    await untilHealthy(manager);
    let committed: number[] = [];
    while (committed[0] !== 3) {
      await manager.health();
      committed = await committedOffsets(place.bootstrapServers, groupId, topic);
    }
    await manager.commit(await begun.promise);
    const { commits, rebalances } = manager.stats();
    assert(commits > 0);
    assert.equal(rebalances, 0);
    assert.equal(test.log.messages().some((message) => message.startsWith("Lost")), false);
  });

  for (const [state, register] of [["away", returning], ["hung", scenario]] as const) {
    register(`fails when the broker is ${state} for longer than the budget`, async (place) => {
      const topic = await place.makeTopic();
      await using test = await place.setUp(topic, {
        consumer: {
          sessionTimeoutMs: 1_000,
          heartbeatIntervalMs: 200,
          driverOptions: { requestTimeout: 1_000 },
        },
        retry: { initialMs: 50, maxMs: 400, budgetMs: 2_000 },
        onMessage: () => {},
      });
      await test.manager.start();
      await place.whileBrokerIs(state, async () => {
        const since = performance.now();
        await assert.rejects(test.manager.closed, (error) => {
          assert(RetryBudgetError.is(error), String(error));
          assert.equal(error.code, "RETRY_BUDGET_EXHAUSTED");
          assert(error.cause instanceof Error);
          assert.match(error.message, /no success within 2000 ms/);
          return true;
        });
        const tookMs = performance.now() - since;
        assert(tookMs >= 1_900 && tookMs < 15_000, `it took ${tookMs} ms`);
        assert.equal(test.manager.state, "failed");
        assert.equal((await test.manager.health()).status, "DOWN");
      });
      assert(test.log.messages("error").some((message) => message.includes("2000 ms")));
      // It is not the end of the manager: the next start finds a broker.
      await test.manager.start();
      assert.equal(test.manager.state, "running");
    });
  }

  scenario(
    "goes on when a broker that hung for longer than a session answers again",
    async (place) => {
      const topic = await place.makeTopic();
      const handled = new Handled();
      await using test = await place.setUp(topic, {
        consumer: { sessionTimeoutMs: 3_000, heartbeatIntervalMs: 300 },
        commit: { intervalMs: 100 },
        onMessage: handled.add,
      });
      await test.manager.start();
      await place.send(topic, "1", "2");
      await handled.until(2);
      await place.whileBrokerIs("hung", async () => {
        await test.log.line(/no answer to a heartbeat/);
        const { status, checks } = await test.manager.health();
        assert.equal(status, "DOWN");
        assert.equal(find(checks, "heartbeat").status, "DOWN");
      });
      await place.send(topic, "3", "4");
      await handled.until(4);
      await untilHealthy(test.manager);
      handled.assertComplete(4, { duplicates: true });
    },
  );

  for (const [state, register] of [["hung", scenario], ["away", lasting]] as const) {
    register(`says why it cannot start while the broker is ${state}`, async (place) => {
      const topic = await place.makeTopic();
      await using test = await place.setUp(topic, { startTimeoutMs: 6_000, onMessage: () => {} });
      await place.whileBrokerIs(state, async () => {
        const since = performance.now();
        await assert.rejects(test.manager.start(), (error) => {
          assert(StartTimeoutError.is(error), String(error));
          assert.match(error.message, state === "away" ? /ECONNREFUSED|refused/i : /6000 ms/);
          return true;
        });
        const tookMs = performance.now() - since;
        assert(tookMs >= 5_900 && tookMs < 15_000, `it took ${tookMs} ms`);
        assert.equal(test.manager.state, "failed");
        await assert.rejects(test.manager.closed, StartTimeoutError);
      });
    });
  }

  for (const [state, register] of [["hung", scenario], ["away", lasting]] as const) {
    register(`stops while the broker is ${state}`, async (place) => {
      const topic = await place.makeTopic();
      await place.send(topic, "1");
      const messages = collectMessages();
      // The last commit is due when the broker is gone: the hardest case.
      await using test = await place.setUp(topic, {
        commit: { intervalMs: 60_000 },
        onMessage: messages.add,
      });
      await test.manager.start();
      await messages.next();
      await place.whileBrokerIs(state, async () => {
        const since = performance.now();
        await test.manager.stop();
        const tookMs = performance.now() - since;
        assert(tookMs < 15_000, `it took ${tookMs} ms`);
        await assert.rejects(test.manager.closed, CommitError);
        assert.equal(test.manager.state, "failed");
      });
      assert(test.log.messages().some((message) => message.includes("will be handled again")));
    });

    register(`abandons a stop at stopTimeoutMs while the broker is ${state}`, async (place) => {
      const topic = await place.makeTopic();
      await place.send(topic, "1");
      const messages = collectMessages();
      await using test = await place.setUp(topic, {
        commit: { intervalMs: 60_000 },
        stopTimeoutMs: 500,
        onMessage: messages.add,
      });
      await test.manager.start();
      await messages.next();
      await place.whileBrokerIs(state, async () => {
        const since = performance.now();
        await test.manager.stop();
        const tookMs = performance.now() - since;
        assert(tookMs >= 450 && tookMs < 8_000, `it took ${tookMs} ms`);
        await assert.rejects(test.manager.closed, StopTimeoutError);
        assert.equal(test.manager.state, "failed");
      });
    });
  }

  lasting("backs off, and never for longer than maxMs", async (place) => {
    const topic = await place.makeTopic();
    await using test = await place.setUp(topic, {
      retry: { initialMs: 50, maxMs: 300 },
      onMessage: () => {},
    });
    await test.manager.start();
    const lines = () => test.log.items.filter(({ message }) => message.includes(RETRYING));
    const at: number[] = [];
    await place.whileBrokerIs("away", async () => {
      await test.log.until("ten tries", () => {
        if (lines().length > at.length) at.push(performance.now());
        return at.length >= 10;
      });
    });
    const delays = lines().slice(0, 10).map(({ fields }) => Number(fields?.["delayMs"]));
    const attempts = lines().slice(0, 10).map(({ fields }) => Number(fields?.["attempt"]));
    assert.deepEqual(attempts, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    delays.forEach((delay, index) => {
      const ceiling = Math.min(300, 50 * 2 ** index);
      assert(delay >= ceiling / 2 - 1 && delay <= ceiling, `delay ${index} is ${delay} ms`);
    });
    // And that is what it has waited. Less a bit, as the first line may have been late.
    const saidMs = delays.slice(0, 9).reduce((sum, delay) => sum + delay);
    const tookMs = at[9]! - at[0]!;
    assert(tookMs >= 0.8 * saidMs, `ten tries took ${tookMs} ms, the waits were ${saidMs} ms`);
  });

  lasting("stops while it is starting and the broker is away", async (place) => {
    const topic = await place.makeTopic();
    await using test = await place.setUp(topic, { onMessage: () => {} });
    await place.whileBrokerIs("away", async () => {
      const starting = test.manager.start();
      starting.catch(() => {});
      await test.log.line(RETRYING);
      const since = performance.now();
      await test.manager.stop();
      assert(performance.now() - since < 5_000);
      await assert.rejects(starting, StateError);
      assert.equal(await test.manager.closed, "stopped");
    });
  });

  lasting("ends with its lifetime while the broker is away", async (place) => {
    const topic = await place.makeTopic();
    await using test = await place.setUp(topic, { lifetimeMs: 3_000, onMessage: () => {} });
    // Its time would be over before the others are ready.
    await place.othersAreReady();
    await test.manager.start();
    const since = performance.now();
    await place.whileBrokerIs("away", async () => {
      await test.log.line(RETRYING);
      assert.equal(test.manager.state, "running");
      assert.equal(await test.manager.closed, "lifetime");
      const tookMs = performance.now() - since;
      assert(tookMs >= 2_900 && tookMs < 15_000, `it took ${tookMs} ms`);
      assert.equal(test.manager.state, "stopped");
    });
  });
});

/** A Kafka that a test has for itself, or with others until it is away, and what tests do with it. */
class Place {
  readonly bootstrapServers: string;
  readonly #broker: KafkaTestBroker;
  readonly #outage: SharedOutage | undefined;

  constructor({ bootstrapServers, brokers }: KafkaCluster, outage?: SharedOutage) {
    this.bootstrapServers = bootstrapServers;
    this.#broker = brokers[0]!;
    this.#outage = outage;
  }

  /** For a test that cannot wait once it has begun. */
  async othersAreReady(): Promise<void> {
    await this.#outage?.othersAreReady();
  }

  setUp(topic: string, { consumer, ...overrides }: ManagerOverrides = {}): Promise<ManagedTest> {
    return managerFor(topic, {
      retry: { initialMs: 50, maxMs: 400 },
      ...overrides,
      consumer: { bootstrapServers: this.bootstrapServers, ...consumer },
    });
  }

  async makeTopic(partitions = 1): Promise<string> {
    const topic = uniqueName("fault");
    // A broker that hung for long is given nothing until its controller counts it in again.
    const isFenced = (error: { errors?: { type?: string }[] }) => {
      if (error.errors?.[0]?.type !== "INVALID_REPLICATION_FACTOR") throw error;
      return true;
    };
    while (
      await createTopic(this.bootstrapServers, topic, { partitions }).then(() => false, isFenced)
    );
    return topic;
  }

  async send(topic: string, ...values: string[]): Promise<void> {
    await produce(this.bootstrapServers, topic, values.map((value) => ({ value })));
  }

  /** Has the broker away, or hung, while a task runs. */
  async whileBrokerIs(state: "away" | "hung", task: () => Promise<void>): Promise<void> {
    if (state === "away") return await this.#outage!.whileBrokerIsAway(task);
    this.#broker.pause();
    try {
      await task();
    } finally {
      this.#broker.resume();
    }
  }
}

function find(checks: readonly HealthCheck[], name: string): HealthCheck {
  const check = checks.find((check) => check.name === name);
  assert(check !== undefined, `there is no check "${name}"`);
  return check;
}

async function untilHealthy(manager: ThreadManager): Promise<void> {
  let health = await manager.health();
  const deadline = performance.now() + 45_000;
  while (health.status !== "UP") {
    assert(performance.now() < deadline, JSON.stringify(health));
    health = await manager.health();
    await nextTurn();
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
