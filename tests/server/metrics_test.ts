// Metrics of consumers that consume: what a scrape shows is what really happened.
import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { BatchError, type Message } from "../../mod.ts";
import { createMetrics } from "../../src/server/metrics/mod.ts";
import type { Monitored } from "../../src/server/monitored.ts";
import { remoteHandler } from "../consumer/remote.ts";
import {
  bootstrapServers,
  eventsOf,
  newGroup,
  ordered,
  parallel,
  produceNumbers,
  range,
  topicWithDeadLetters,
  work,
} from "../consumer/shared.ts";
import { produce } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { Collector, managerFor, newTopic, untilCommitted } from "../support/manager.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { rejection } from "../thread_manager/shared.ts";
import { Exposition } from "./exposition.ts";
import { parseByPrometheus, prometheusPython } from "./prometheus.ts";

const python = await prometheusPython();

/** Scrapes a consumer. */
class Scraper {
  readonly #consumer: Monitored;
  /** What each counter has been: it may not go back. */
  readonly #counters = new Map<string, number>();
  #text = "";
  #shown = new Exposition("\n");

  constructor(consumer: Monitored) {
    this.#consumer = consumer;
  }

  /** Scrapes, and looks at all that must always hold. */
  async scrape(): Promise<this> {
    // Each with a registry of its own: nothing is kept but in the consumer.
    this.#text = await (await createMetrics([this.#consumer])).scrape();
    this.#shown = new Exposition(this.#text);
    for (const { type, samples } of this.#shown.families.values()) {
      for (const { name, labels, value } of samples) {
        assert.equal(labels.kafka_client_name, this.#consumer.name);
        if (type === "gauge") continue;
        const key = `${name} ${JSON.stringify(labels)}`;
        assert.ok(value >= (this.#counters.get(key) ?? 0), `${key} has gone back to ${value}`);
        this.#counters.set(key, value);
      }
    }
    // The two are counted from the same figures, and may not differ.
    for (const success of ["true", "false"]) {
      const labels = { kafka_success: success };
      assert.equal(
        this.value("message_processing_time_seconds_count", labels) ?? 0,
        this.value("messages_processed_total", labels) ?? 0,
      );
    }
    return this;
  }

  /** Scrapes until something holds. */
  async until(what: string, holds: (shown: this) => boolean): Promise<this> {
    const scrapes = new Collector<null>();
    let over = false;
    const asked = scrapes.until(what, () => holds(this)).finally(() => over = true);
    while (!over) {
      await this.scrape();
      scrapes.add(null);
      await work(1);
    }
    await asked;
    return this;
  }

  /** A metric's value, by its name without "kafka_consumer_". */
  value(name: string, labels: Record<string, string> = {}): number | undefined {
    return this.#shown.value(`kafka_consumer_${name}`, labels);
  }

  /** Attempts that went well, and those that did not. */
  get processed(): (number | undefined)[] {
    return ["true", "false"].map((success) =>
      this.value("messages_processed_total", { kafka_success: success })
    );
  }

  /** Asserts that Prometheus's own parser reads the same, where there is Python. */
  async compareWithPrometheus(): Promise<void> {
    if (!python.ok) return;
    const families = await parseByPrometheus(python.command, this.#text);
    assert.deepEqual(families, [...this.#shown.families.values()]);
  }
}

describe("The metrics of", needsKafka, () => {
  const scenario = sideBySide(4);

  scenario(
    "an ordered consumer, while it runs, after a stop, and after a restart",
    async (scope) => {
      const topic = await topicWithDeadLetters();
      await produceNumbers(topic, 0, 10);
      await produce(bootstrapServers, topic, [{ partition: 0, key: null, value: "{ no JSON" }]);
      await produceNumbers(topic, 10, 29);
      const handling = new Collector<number>();
      const gate = Promise.withResolvers<void>();
      const test = await ordered(scope, topic, async (context, data) => {
        handling.add(data);
        if (data === 5) throw new Error("for good");
        if (data === 7 && context.attempt === 1) throw new Error("for now");
        if (data === 9) await work(30);
        if (data === 20) await gate.promise;
      }, {
        driver: "kafkajs",
        commit: "continuous",
        onError: { retries: 2, backoff: { initialMs: 1 }, then: "dead-letter" },
      });
      const { consumer, groupId } = test;
      const shown = new Scraper(consumer);
      await shown.scrape();
      assert.deepEqual([shown.value("up"), shown.value("state", { state: "idle" })], [0, 1]);

      await consumer.start();
      await handling.until("the message that is held", (all) => all.includes(20));
      await shown.until(
        "what is finished is committed",
        () => shown.value("committed_offset") === 21 && shown.value("heartbeats_total")! > 0,
      );
      const expected = {
        up: 1,
        paused: 0,
        assigned_partitions: 1,
        active_messages: 1,
        position_offset: 21,
        lag_messages: 30 - 21,
        retries_total: 3,
        invalid_messages_total: 1,
        skipped_messages_total: 1,
        dead_letters_total: 1,
        poll_messages_sum: 30,
        rebalances_total: 0,
        commit_errors_total: 0,
      };
      for (const [name, value] of Object.entries(expected)) {
        assert.equal(shown.value(name), value, name);
      }
      assert.equal(shown.value("in_flight_messages")! + shown.value("queued_messages")!, 9);
      // 21 offsets are done with: 19 are handled, one is invalid, one has failed three times, one once.
      assert.deepEqual(shown.processed, [19, 1 + 3 + 1]);
      assert.equal(shown.value("group_state", { state: "stable" }), 1);
      assert.equal(shown.value("handler_threads", { state: "running" }), 1);
      assert.ok(shown.value("oldest_message_age_seconds")! > 0);
      assert.ok(shown.value("heartbeat_age_seconds")! < 10);
      await shown.compareWithPrometheus();
      consumer.pause();
      assert.equal((await shown.scrape()).value("paused"), 1);
      consumer.resume();

      gate.resolve();
      await untilCommitted(groupId, topic, [30]);
      await shown.until("all is handled", () => shown.value("active_messages") === 0);
      assert.deepEqual(shown.processed, [28, 5]);
      assert.equal(shown.value("lag_messages"), 0);
      const took = (ending: string, labels: Record<string, string>) =>
        shown.value(`message_processing_time_seconds_${ending}`, {
          kafka_success: "true",
          ...labels,
        })!;
      assert.ok(took("sum", {}) >= 0.029);
      // All but the one that slept, and the one that was held, are short, on the busiest of machines.
      assert.ok(took("bucket", { le: "0.025" }) <= 27, "one slept for 30 ms");
      assert.ok(took("bucket", { le: "1.0" }) >= 26);

      await consumer.stop();
      await shown.scrape();
      assert.deepEqual([shown.value("up"), shown.value("state", { state: "stopped" })], [0, 1]);
      assert.deepEqual(shown.processed, [28, 5]);
      assert.equal(shown.value("lag_messages"), undefined, "its partition is another's");
      assert.equal(shown.value("assigned_partitions"), 0);
      const commits = shown.value("commits_total")!;
      assert.ok(commits > 0);

      await consumer.start();
      assert.deepEqual((await shown.scrape()).processed, [28, 5], "it goes on where it was");
      await produceNumbers(topic, 29, 34);
      await untilCommitted(groupId, topic, [35]);
      await shown.scrape();
      assert.deepEqual(shown.processed, [33, 5]);
      assert.ok(shown.value("commits_total")! > commits);
      assert.equal(shown.value("poll_messages_sum"), 35);
      await consumer.stop();
    },
  );

  scenario("a parallel consumer whose handler threads crash and hang", async (scope) => {
    const topic = await newTopic({ partitions: 2 });
    await produce(
      bootstrapServers,
      topic,
      range(0, 60).map((n) => ({ partition: n % 2, key: `${n % 20}`, value: `${n}` })),
    );
    const groupId = newGroup();
    const handler = remoteHandler(scope, groupId, (context, data) => {
      if (data === 7 && context.attempt === 1) throw new Error("out of it all");
      if (data === 12 && context.attempt === 1) return new Promise(() => {});
      return work(1);
    }, new URL("../consumer/fixtures/crashing.ts", import.meta.url));
    const test = await parallel(scope, topic, handler, {
      groupId,
      driver: "platformatic",
      threads: 2,
      maxConcurrency: 4,
      handlerTimeoutMs: 500,
      commit: { intervalMs: 50 },
      onError: { retries: 9, backoff: { initialMs: 1, maxMs: 10 } },
    });
    const { consumer } = test;
    const retries = eventsOf(test, "retry");
    const shown = new Scraper(consumer);
    await consumer.start();
    await shown.until("one of them runs", () => shown.value("active_messages")! > 0);
    await shown.until(
      "all are handled, and all threads are there",
      () =>
        shown.processed[0] === 60 && shown.value("handler_threads", { state: "running" }) === 2 &&
        shown.value("handler_thread_restarts_total")! >= 2,
    );
    await untilCommitted(groupId, topic, [30, 30]);
    await shown.scrape();
    const { handlers } = consumer.stats();
    // Each message has ended well once, however often its thread has gone down with it.
    assert.deepEqual(shown.processed, [60, handlers.failed]);
    assert.equal(shown.value("retries_total"), retries.items.length);
    assert.equal(handlers.failed, retries.items.length);
    assert.ok(retries.items.length >= 2, "one crashed and one hung");
    // The one that hung did so for its time, and for as long as it was waited for beyond that.
    const failed = { kafka_success: "false" };
    assert.ok(shown.value("message_processing_time_seconds_sum", failed)! >= 0.5);
    assert.equal(shown.value("handler_threads_abandoned"), 0);
    assert.equal(shown.value("active_messages"), 0);
    assert.equal(shown.value("assigned_partitions"), 2);
    assert.deepEqual(
      ["0", "1"].map((partition) => shown.value("lag_messages", { kafka_partition: partition })),
      [0, 0],
    );
    await consumer.stop();
    assert.deepEqual((await shown.scrape()).processed, [60, handlers.failed]);
  });

  scenario("a consumer whose handler gets batches", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 40);
    const gate = Promise.withResolvers<void>();
    const batches = new Collector<number>();
    let calls = 0;
    const handler = async (_context: unknown, data: number[]) => {
      batches.add(data.length);
      if (++calls === 1) await gate.promise;
      // Two of it are finished, the third has failed, and the rest has not been tried.
      if (calls === 2) throw new BatchError(2, { cause: new Error("the third") });
    };
    const { consumer, groupId } = await parallel(scope, topic, handler as never, {
      driver: "platformatic",
      order: "partition",
      handlerBatch: { size: 8, waitMs: 10 },
      commit: { intervalMs: 50 },
      onError: { retries: 2, backoff: { initialMs: 1 } },
    });
    const shown = new Scraper(consumer);
    await consumer.start();
    const first = await batches.next();
    await shown.scrape();
    assert.equal(shown.value("active_messages"), first);
    gate.resolve();
    await untilCommitted(groupId, topic, [40]);
    await shown.scrape();
    assert.deepEqual(shown.processed, [40, 1]);
    assert.equal(shown.value("retries_total"), 1);
    assert.equal(shown.value("active_messages"), 0);
    await consumer.stop();
  });

  scenario("a manager, of a callback that is fast, that waits, and that fails", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 2_000);
    const got = new Collector<number>();
    const gate = Promise.withResolvers<void>();
    let failures = 0;
    const onMessage = ({ offset }: Message) => {
      if (offset === 1_900 && failures++ === 0) throw new Error("for once");
      got.add(offset);
      if (offset === 1_500) return gate.promise;
    };
    const { manager } = scope.use(
      await managerFor(topic, { consumer: { driver: "platformatic" }, onMessage }),
    );
    const shown = new Scraper(manager);
    await manager.start();
    await got.atLeast(1_501);
    await shown.scrape();
    assert.deepEqual(shown.processed, [1_500, 0], "those before the one that waits");
    assert.equal(shown.value("active_messages"), 1);
    gate.resolve();
    await rejection(manager.closed);
    await shown.scrape();
    assert.deepEqual(shown.processed, [1_900, 1]);
    assert.equal(shown.value("active_messages"), 0);
    assert.equal(shown.value("state", { state: "failed" }), 1);
    await manager.start();
    await got.atLeast(2_000);
    await shown.until("the rest", () => shown.processed[0] === 2_000);
    assert.deepEqual(shown.processed, [2_000, 1]);
    await manager.stop();
    assert.deepEqual((await shown.scrape()).processed, [2_000, 1]);
  });
});
