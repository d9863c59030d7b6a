import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { consumerStatsOf } from "../../src/program/consumer_stats.ts";
import {
  type MonitoredStats,
  monitorOf,
  provideMonitor,
  RunMonitor,
} from "../../src/program/monitor.ts";
import type { PollerRun } from "../../src/program/poller_run.ts";
import { statsOf } from "../../src/program/stats.ts";
import { TimesByTopic } from "../../src/threads/handling_times.ts";

/** A run whose figures are the test's. */
class FakeRun {
  pings = 0;
  answer = Promise.withResolvers<boolean>();
  readonly figures: MonitoredStats;

  /** Everything that is counted is this. */
  constructor(count: number) {
    const stats = consumerStatsOf("shop", "running", null);
    const times = new TimesByTopic();
    times.of("orders").add(true, 1, count);
    const set = (object: object, names: string[]) => {
      for (const name of names) (object as Record<string, number>)[name] = count;
    };
    set(stats, Object.keys(stats).filter((name) => COUNTS.includes(name)));
    set(
      stats.handlers,
      Object.keys(stats.handlers).filter((name) => HANDLER_COUNTS.includes(name)),
    );
    stats.polls = { count, messages: count, sizes: stats.polls.sizes.map(() => count) };
    stats.times = times.list();
    stats.lag = stats.inFlight = count;
    stats.handlers.threads = [{ thread: 0, state: "running", restarts: count }];
    this.figures = { ...stats, active: [{ topic: "orders", count }] };
  }

  ping(): Promise<boolean> {
    this.pings++;
    return this.answer.promise;
  }
}

const COUNTS = [
  ...["heartbeats", "messages", "bytes", "commits", "commitErrors", "pollErrors", "rebalances"],
];
const HANDLER_COUNTS = [
  ...["handled", "failed", "invalid", "retries", "skipped", "deadLetters", "leftOut", "busyMs"],
  "abandonedThreads",
];

const idle: MonitoredStats = { ...consumerStatsOf("shop", "idle", null), active: [] };
const monitor = () => {
  const monitor = new RunMonitor<PollerRun>((run) => (run as unknown as FakeRun)?.figures ?? idle);
  return { monitor, begin: (run: FakeRun) => monitor.begin(run as unknown as PollerRun) };
};

describe("RunMonitor", () => {
  it("goes on counting where an earlier run has ended, for all that is counted", () => {
    const { monitor: watched, begin } = monitor();
    assert.deepEqual(watched.stats(), idle);
    begin(new FakeRun(5));
    assert.deepEqual(watched.stats(), new FakeRun(5).figures);
    begin(new FakeRun(2));
    begin(new FakeRun(1));
    const stats = watched.stats();
    const expected = new FakeRun(8).figures;
    // What stands for the moment is the last run's.
    for (const name of ["active", "lag", "inFlight"] as const) {
      (expected as unknown as Record<string, unknown>)[name] = new FakeRun(1).figures[name];
    }
    assert.deepEqual(stats, expected);
  });

  it("knows of each figure whether it is counted, or stands for the moment", () => {
    const numbers = (object: object) =>
      Object.entries(object).filter(([, value]) => typeof value === "number").map(([name]) => name);
    const { handlers, ...stats } = consumerStatsOf("shop", "idle", null);
    const moments = ["messagesPerSecond", "bytesPerSecond", "inFlight", "lag", "underWay"];
    assert.deepEqual(
      [...numbers(stats), ...numbers(handlers)].toSorted(),
      [...COUNTS, ...HANDLER_COUNTS, ...moments].toSorted(),
    );
  });

  it("counts what a run does after it, and no run twice", () => {
    const { monitor: watched, begin } = monitor();
    const [first, second] = [new FakeRun(5), new FakeRun(0)];
    begin(first);
    begin(second);
    for (let look = 0; look < 3; look++) assert.equal(watched.stats().commits, 5);
    second.figures.commits = 3;
    assert.equal(watched.stats().commits, 8);
    assert.equal(second.figures.commits, 3);
  });

  it("does so for managers, which have no handlers", () => {
    const runs = [1, 2].map((commits) => ({
      figures: { ...statsOf("manager", "running", null), commits, active: [] },
    }));
    const { monitor: watched, begin } = monitor();
    for (const run of runs) begin(run as unknown as FakeRun);
    assert.equal(watched.stats().commits, 3);
    assert.ok(!("handlers" in watched.stats()));
  });

  it("asks the thread once for all who want to know at the same time", async () => {
    const { monitor: watched, begin } = monitor();
    await watched.refresh(1_000);
    const run = new FakeRun(0);
    begin(run);
    const asked = [watched.refresh(1_000), watched.refresh(1_000)];
    assert.equal(run.pings, 1);
    run.answer.resolve(false);
    await Promise.all(asked);
    await watched.refresh(1_000);
    assert.equal(run.pings, 2);
  });

  it("asks the new run, although the old one has not answered", async () => {
    const { monitor: watched, begin } = monitor();
    const [old, young] = [new FakeRun(0), new FakeRun(0)];
    begin(old);
    const waiting = watched.refresh(1_000);
    begin(young);
    young.answer.resolve(true);
    await watched.refresh(1_000);
    assert.equal(young.pings, 1);
    old.answer.resolve(false);
    await waiting;
  });
});

describe("monitorOf()", () => {
  it("finds what was provided, which nothing shows", () => {
    const consumer = { stats: () => idle };
    const { monitor: watched } = monitor();
    provideMonitor(consumer, watched);
    assert.equal(monitorOf(consumer), watched);
    assert.deepEqual(Object.keys(consumer), ["stats"]);
  });

  it("takes the figures of anything else as they are", async () => {
    const found = monitorOf({ stats: () => statsOf("other", "running", null) });
    await found.refresh(1_000);
    assert.equal(found.stats().name, "other");
    assert.deepEqual(found.stats().active, []);
  });
});
