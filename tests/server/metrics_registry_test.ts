// Metrics of made-up consumers: their format, their names, and registries.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Counter, Registry, type RegistryContentType } from "prom-client";
import { describe, it } from "#std/testing/bdd";
import { KafkaThreadsError } from "../../mod.ts";
import { type Monitor, type MonitoredStats, provideMonitor } from "../../src/program/monitor.ts";
import { statsOf } from "../../src/program/stats.ts";
import { consumerStatsOf } from "../../src/program/consumer_stats.ts";
import { METRICS } from "../../src/server/metrics/definitions.ts";
import { createMetrics } from "../../src/server/metrics/mod.ts";
import type { Monitored } from "../../src/server/monitored.ts";
import { TimesByTopic } from "../../src/threads/handling_times.ts";
import { Exposition } from "./exposition.ts";
import { parseByPrometheus, prometheusPython } from "./prometheus.ts";

const python = await prometheusPython();

/** Something with figures, of which tests say what they are. */
class FakeConsumer implements Monitor {
  figures: MonitoredStats;
  refreshes = 0;
  refreshed: Promise<void> = Promise.resolve();

  constructor(name: string, some: Partial<MonitoredStats> = {}) {
    this.figures = { ...consumerStatsOf(name, "running", null), active: [], ...some };
    provideMonitor(this, this);
  }

  async refresh(): Promise<void> {
    this.refreshes++;
    await this.refreshed;
  }

  stats(): MonitoredStats {
    return this.figures;
  }

  get monitored(): Monitored {
    return this as unknown as Monitored;
  }
}

/** A consumer with something to tell of everything. */
function busyConsumer(name: string, factor = 1): FakeConsumer {
  const times = new TimesByTopic();
  times.of("orders").add(true, 0.05, 3 * factor);
  times.of("orders").add(true, 40_000, 1 * factor);
  times.of("orders").add(false, 700, 2 * factor);
  times.of("re\\turns").add(true, 1, factor);
  const fake = new FakeConsumer(name, {
    active: [{ topic: "orders", count: 2 * factor }],
    heartbeatAgeMs: 1_500 * factor,
    heartbeats: 7 * factor,
    group: "stable",
    times: times.list(),
    commits: 5 * factor,
    polls: { count: 3 * factor, messages: 60 * factor, sizes: [1, 0, 2, 0, 0, 0, 0, 0, 0] },
    partitions: [0, 1].map((partition) => ({
      topic: "orders",
      partition: partition + 2 * factor,
      position: 10,
      committed: partition === 0 ? null : 9,
      endOffset: 15,
      lag: 5,
      queued: 3,
      inFlight: 2,
      paused: partition === 1,
    })),
  });
  Object.assign(fake.figures.handlers!, {
    retries: 4 * factor,
    busyMs: 2_500,
    oldestUnderWayMs: 250 * factor,
    threads: [
      { thread: 0, state: "running", restarts: 1 },
      { thread: 1, state: "restarting", restarts: 2 },
    ],
  });
  return fake;
}

async function scrapeOf(...fakes: FakeConsumer[]): Promise<Exposition> {
  const metrics = await createMetrics(fakes.map(({ monitored }) => monitored));
  return new Exposition(await metrics.scrape());
}

describe("The metrics", () => {
  it("show what consumers count, with their labels", async () => {
    const shown = await scrapeOf(busyConsumer("shop"));
    const shop = { kafka_client_name: "shop" };
    const orders = { ...shop, kafka_topic: "orders" };
    const value = (name: string, labels: Record<string, string>) =>
      shown.value(`kafka_consumer_${name}`, labels);
    const processed = "messages_processed_total";
    assert.equal(value(processed, { ...orders, kafka_success: "true" }), 4);
    assert.equal(value(processed, { ...orders, kafka_success: "false" }), 2);
    // Before the first failure there are none: its increase would not be seen otherwise.
    const returns = { ...shop, kafka_topic: "re\\turns", kafka_success: "false" };
    assert.equal(value(processed, returns), 0);
    const took = "message_processing_time_seconds";
    const handled = { ...orders, kafka_success: "true" };
    assert.deepEqual(
      shown.samples(`kafka_consumer_${took}_bucket`, handled).map(({ labels: { le }, value }) =>
        `${le} ${value}`
      ),
      [
        "0.0001 3",
        "0.0005 3",
        "0.001 3",
        "0.0025 3",
        "0.005 3",
        "0.01 3",
        "0.025 3",
        "0.05 3",
        "0.1 3",
        "0.25 3",
        "0.5 3",
        "1.0 3",
        "5.0 3",
        "15.0 3",
        "30.0 3",
        "+Inf 4",
      ],
    );
    assert.equal(value(`${took}_sum`, handled)?.toFixed(6), "40.000150");
    assert.equal(value(`${took}_count`, handled), 4);
    assert.equal(value("active_messages", orders), 2);
    assert.equal(value("lag_messages", { ...orders, kafka_partition: "2" }), 5);
    // What is not known is not there.
    assert.equal(value("committed_offset", { ...orders, kafka_partition: "2" }), undefined);
    assert.equal(value("committed_offset", { ...orders, kafka_partition: "3" }), 9);
    assert.equal(value("fetching_paused", { ...orders, kafka_partition: "3" }), 1);
    assert.equal(value("up", shop), 1);
    assert.equal(value("state", { ...shop, state: "running" }), 1);
    assert.equal(value("state", shop), 1, "one state");
    assert.equal(value("group_state", { ...shop, state: "stable" }), 1);
    assert.equal(value("heartbeat_age_seconds", shop), 1.5);
    assert.equal(value("oldest_message_age_seconds", shop), 0.25);
    assert.equal(value("handler_busy_seconds_total", shop), 2.5);
    assert.equal(value("handler_threads", { ...shop, state: "running" }), 1);
    assert.equal(value("handler_threads", { ...shop, state: "restarting" }), 1);
    assert.equal(value("handler_thread_restarts_total", shop), 3);
    assert.equal(value("poll_messages_bucket", { ...shop, le: "50.0" }), 3);
    assert.equal(value("poll_messages_count", shop), 3);
    assert.equal(value("poll_messages_sum", shop), 60);
  });

  it("of a manager leave out what only handlers of a consumer have", async () => {
    const manager = new FakeConsumer("manager");
    manager.figures = { ...statsOf("manager", "idle", null), active: [] };
    const shown = await scrapeOf(manager);
    assert.equal(shown.value("kafka_consumer_up"), 0);
    assert.equal(shown.value("kafka_consumer_commits_total"), 0);
    for (
      const name of ["retries_total", "paused", "handler_threads", "oldest_message_age_seconds"]
    ) {
      assert.equal(shown.value(`kafka_consumer_${name}`), undefined, name);
    }
  });

  it("of a consumer that has ended keep what it has counted, and nothing that it held", async () => {
    for (const state of ["stopped", "failed"]) {
      const fake = busyConsumer("shop");
      fake.figures.state = state;
      const shown = await scrapeOf(fake);
      const value = (name: string, labels = {}) => shown.value(`kafka_consumer_${name}`, labels);
      assert.equal(value("commits_total"), 5);
      assert.equal(value("messages_processed_total", { kafka_topic: "orders" }), 6);
      assert.equal(value("handler_thread_restarts_total"), 3);
      assert.equal(value("assigned_partitions"), 0);
      assert.equal(value("group_state", { state: "none" }), 1);
      for (const name of ["lag_messages", "queued_messages", "committed_offset"]) {
        assert.equal(value(name), undefined, name);
      }
      assert.equal(value("heartbeat_age_seconds"), undefined);
      assert.equal(value("thread_silence_seconds"), undefined);
    }
  });

  it("of two consumers of one name are shown as one", async () => {
    const [one, other] = [busyConsumer("shop"), busyConsumer("shop", 2)];
    other.figures.state = "stopping";
    const shown = await scrapeOf(one, other, busyConsumer("other"));
    const value = (name: string) =>
      shown.value(`kafka_consumer_${name}`, { kafka_client_name: "shop" });
    assert.equal(value("commits_total"), 15);
    assert.equal(value("message_processing_time_seconds_count"), 7 * 3);
    assert.equal(value("heartbeat_age_seconds"), 3, "the worst of them");
    assert.equal(value("up"), 0, "not all of them run");
    assert.equal(value("assigned_partitions"), 4);
  });

  it("carry any name, and no other label than they say", async () => {
    const names = ['a "b"\\', "two\nlines", "ünïcödé 💬", "{}=,#"];
    const shown = await scrapeOf(...names.map((name) => busyConsumer(name)));
    const found = shown.samples("kafka_consumer_up").map(({ labels }) => labels.kafka_client_name);
    assert.deepEqual(found, names);
    for (const { name, labels, type } of METRICS) {
      for (const sample of shown.families.get(name)!.samples) {
        const { le: _, ...others } = sample.labels;
        assert.deepEqual(Object.keys(others), ["kafka_client_name", ...labels], `${name} ${type}`);
      }
    }
  });

  it("are named as Prometheus asks", () => {
    assert.equal(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
    for (const { name, type, help } of METRICS) {
      assert.match(name, /^kafka_consumer_[a-z_]+$/);
      assert.equal(name.endsWith("_total"), type === "counter", name);
      assert.doesNotMatch(name, /_(?:ms|millis|count|sum|bucket)(?:_|$)/);
      assert.doesNotMatch(help, /\.$|\n/);
    }
  });

  it("have Baseplate's three as Baseplate has them", async () => {
    const file = new URL("fixtures/baseplate_metrics.json", import.meta.url);
    const baseplate = JSON.parse(await readFile(file, "utf8")) as {
      name: string;
      type: string;
      help: string;
      labels: string[];
      buckets: number[];
    }[];
    assert.equal(baseplate.length, 3);
    assert.deepEqual(
      METRICS.slice(0, 3).map((metric) => ({
        name: metric.name,
        type: metric.type,
        help: metric.help,
        labels: ["kafka_client_name", ...metric.labels],
        buckets: metric.type === "histogram" ? metric.bounds : [],
      })),
      baseplate,
    );
  });

  it("are those that docs/metrics.md lists, and no others", async () => {
    const text = await readFile(new URL("../../docs/metrics.md", import.meta.url), "utf8");
    const rows = text.split("\n")
      .filter((line) => line.startsWith("| `kafka_consumer_"))
      .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
    assert.deepEqual(
      rows.map(([name, type, labels]) => [
        name!.replaceAll("`", ""),
        type,
        labels!.match(/[a-z_]+/g) ?? [],
      ]),
      METRICS.map(({ name, type, labels }) => [name, type, [...labels]]),
    );
    for (const [name, , , meaning] of rows) assert.ok(meaning!.length > 10, name);
    // What alerts ask for is there.
    for (const name of text.match(/\bkafka_consumer_\w+/g)!) {
      const known = METRICS.some((metric) =>
        name === metric.name ||
        metric.type === "histogram" && /_(?:bucket|sum|count)$/.test(name) &&
          name.startsWith(metric.name)
      );
      assert.ok(known, `${name} is in docs/metrics.md, and nowhere else`);
    }
  });

  it(
    "are read by Prometheus's own parser",
    { ...(python.ok ? {} : { skip: python.reason }), timeout: 120_000 },
    async () => {
      assert.ok(python.ok);
      const fakes = [busyConsumer('a "b"\\\n💬'), busyConsumer("shop", 3)];
      const metrics = await createMetrics(fakes.map(({ monitored }) => monitored));
      assert.equal(metrics.contentType, "text/plain; version=0.0.4; charset=utf-8");
      const text = await metrics.scrape();
      assert.deepEqual(
        await parseByPrometheus(python.command, text),
        [...new Exposition(text).families.values()],
      );
    },
  );
});

describe("createMetrics()", () => {
  it("asks each consumer once for all metrics of a scrape, and of scrapes at the same time", async () => {
    const fake = busyConsumer("shop");
    const { scrape } = await createMetrics([fake.monitored]);
    const answer = Promise.withResolvers<void>();
    fake.refreshed = answer.promise;
    const both = [scrape(), scrape()];
    fake.figures.commits = 77;
    answer.resolve();
    const [one, other] = await Promise.all(both);
    assert.equal(one, other);
    assert.equal(fake.refreshes, 1);
    assert.equal(new Exposition(one!).value("kafka_consumer_commits_total"), 77);
    await scrape();
    assert.equal(fake.refreshes, 2);
  });

  it("shows a registry's own metrics, too, and to those who ask the registry itself", async () => {
    const registry = new Registry();
    const own = new Counter({ name: "own_total", help: "Own", registers: [registry] });
    own.inc(3);
    const { scrape } = await createMetrics([busyConsumer("shop").monitored], registry);
    for (const text of [await scrape(), await registry.metrics()]) {
      const shown = new Exposition(text);
      assert.equal(shown.value("own_total"), 3);
      assert.equal(shown.value("kafka_consumer_commits_total"), 5);
    }
    const json = await registry.getMetricsAsJSON();
    assert.equal(json.length, METRICS.length + 1);
    registry.resetMetrics();
    const shown = new Exposition(await scrape());
    assert.equal(shown.value("own_total"), 0);
    assert.equal(shown.value("kafka_consumer_commits_total"), 5, "it has happened");
  });

  it("takes a registry again, and shows each consumer once", async () => {
    const registry = new Registry();
    const [one, other] = [busyConsumer("one"), busyConsumer("other")];
    const first = await createMetrics([one.monitored], registry);
    const second = await createMetrics([one.monitored, other.monitored], registry);
    const text = await first.scrape();
    assert.equal(text, await second.scrape());
    const names = new Exposition(text).samples("kafka_consumer_up")
      .map(({ labels }) => labels.kafka_client_name);
    assert.deepEqual(names, ["one", "other"]);
  });

  it("makes a registry for each call otherwise, and leaves prom-client's own alone", async () => {
    const { register } = await import("prom-client");
    const fake = busyConsumer("shop");
    const first = await createMetrics([fake.monitored]);
    const second = await createMetrics([fake.monitored]);
    assert.equal(await first.scrape(), await second.scrape());
    assert.deepEqual(register.getMetricsAsArray(), []);
  });

  it("refuses a registry with a metric of the same name, and puts nothing into it", async () => {
    const registry = new Registry();
    new Counter({ name: "kafka_consumer_commits_total", help: "Mine", registers: [registry] });
    await assert.rejects(createMetrics([busyConsumer("shop").monitored], registry), (error) => {
      assert.ok(KafkaThreadsError.is(error));
      assert.equal(error.code, "METRIC_EXISTS");
      assert.match(error.message, /"kafka_consumer_commits_total"/);
      return true;
    });
    assert.equal(registry.getMetricsAsArray().length, 1);
  });

  it("begins anew in a registry that was cleared", async () => {
    const registry = new Registry();
    await createMetrics([busyConsumer("old").monitored], registry);
    registry.clear();
    const { scrape } = await createMetrics([busyConsumer("new").monitored], registry);
    const names = new Exposition(await scrape()).samples("kafka_consumer_up")
      .map(({ labels }) => labels.kafka_client_name);
    assert.deepEqual(names, ["new"]);
  });

  it("serves OpenMetrics where the registry does", async () => {
    const registry = new Registry<RegistryContentType>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const fake = busyConsumer("shop");
    const metrics = await createMetrics([fake.monitored], registry);
    assert.equal(metrics.contentType, Registry.OPENMETRICS_CONTENT_TYPE);
    for (const text of [await metrics.scrape(), await metrics.scrape()]) {
      assert.match(text, /^# TYPE kafka_consumer_commits counter$/m);
      assert.match(text, /^kafka_consumer_commits_total\{kafka_client_name="shop"\} 5$/m);
      assert.match(text, /^kafka_consumer_poll_messages_count\{kafka_client_name="shop"\} 3$/m);
      assert.ok(text.endsWith("# EOF\n"));
    }
    // The names that they go by in the registry have stayed.
    await createMetrics([fake.monitored], registry);
  });

  it("shows default labels of the registry", async () => {
    const registry = new Registry();
    registry.setDefaultLabels({ pod: "shop-1" });
    const { scrape } = await createMetrics([busyConsumer("shop").monitored], registry);
    const shown = new Exposition(await scrape());
    for (const { samples } of shown.families.values()) {
      for (const { labels } of samples) assert.equal(labels.pod, "shop-1");
    }
  });
});
