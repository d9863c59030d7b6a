import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { runChild } from "../../../bench/support/child.ts";
import { payload, payloadSum } from "../../../bench/support/payload.ts";
import { createRecorder, type Figures } from "../../../bench/support/recorder.ts";
import { currentRuntime, findRuntime } from "../../../bench/support/runtimes.ts";
import {
  CONTESTANTS,
  type Run,
  type Spread,
  spread,
  summarize,
  type Summary,
} from "../../../bench/support/summary.ts";
import { summaryTable, table } from "../../../bench/support/table.ts";
import { anyKafka } from "../../support/kafka/mod.ts";

describe("bench/run.ts", () => {
  it("runs every contestant once on a small topic", async () => {
    const runtime = await findRuntime(currentRuntime());
    const { bootstrapServers } = await anyKafka();
    const report = await runChild<{ summaries: Summary[]; runs: Run[] }>(
      runtime,
      new URL("../../../bench/run.ts", import.meta.url),
      {
        arguments: {
          bootstrap: bootstrapServers,
          runtimes: runtime.name,
          messages: 3_000,
          sizes: 100,
          works: "json",
          rounds: 1,
        },
        timeoutMs: 60_000,
      },
    );
    assert.deepEqual(report.runs.map(({ contestant }) => contestant), CONTESTANTS);
    for (const { figures } of report.runs) {
      assert.equal(figures.messages, 3_000);
      assert.ok(figures.messagesPerSecond > 0);
      assert.ok(figures.stall.samples > 0);
      assert.ok(figures.cpuSeconds > 0);
      assert.ok(figures.peakMemory.bytes > 0);
    }
    assert.equal(report.summaries[0]!.ratio.median, 1);
  });
});

describe("bench/broker.ts", () => {
  it("starts, joins, and reads from both brokers", async () => {
    const runtime = await findRuntime(currentRuntime());
    const { bootstrapServers } = await anyKafka();
    const report = await runChild<{
      firstStartMs: number;
      startMs: Spread;
      joinMs: Spread;
      ratio: Spread;
      readings: { round: number; broker: string; figures: Figures }[];
    }>(runtime, new URL("../../../bench/broker.ts", import.meta.url), {
      arguments: { bootstrap: bootstrapServers, messages: 3_000, rounds: 1, starts: 3, joins: 2 },
      timeoutMs: 60_000,
    });
    assert.deepEqual(
      report.readings.map(({ round, broker }) => [round, broker]),
      [[1, "KafkaBroker"], [1, "Apache Kafka"]],
    );
    for (const { figures } of report.readings) assert.equal(figures.messages, 3_000);
    for (const { min, median, max } of [report.startMs, report.joinMs, report.ratio]) {
      assert.ok(min > 0 && min <= median && median <= max);
    }
    assert.ok(report.firstStartMs > report.startMs.min);
  });
});

describe("createRecorder", () => {
  it("counts messages and spans of several partitions", async () => {
    const recorder = createRecorder({ messages: 6, work: "json" });
    recorder.starting();
    recorder.started();
    recorder.message(1, 0);
    recorder.spanBegins();
    recorder.spanEnds(0, 0, 3, 4);
    recorder.message(1, 1);
    recorder.add(payloadSum(6));
    await recorder.done;
    const figures = await recorder.finish();
    assert.equal(figures.messages, 6);
  });

  it("fails at a gap, at a double and at one message too many", async () => {
    const gap = createRecorder({ messages: 3, work: "none" });
    gap.message(0, 0);
    gap.message(0, 2);
    await assert.rejects(gap.done, /Wrong offset in partition 0: expected 1, got 2/);
    await assert.rejects(gap.finish(), /Wrong number of messages: expected 3, got 2/);

    const double = createRecorder({ messages: 3, work: "none" });
    double.spanEnds(0, 0, 1, 2);
    double.spanEnds(0, 1, 2, 2);
    await assert.rejects(double.done, /Wrong offset in partition 0: expected 2, got 1/);
    await assert.rejects(double.finish(), /Wrong number of messages: expected 3, got 4/);
  });

  it("fails if the work was not done", async () => {
    const recorder = createRecorder({ messages: 2, work: "json" });
    recorder.message(0, 0);
    recorder.message(0, 1);
    await assert.rejects(recorder.finish(), /Wrong sum: expected 1, got 0/);
  });
});

describe("payload", () => {
  it("is JSON of exactly the size", () => {
    for (const [n, size] of [[0, 100], [999_999, 100], [7, 1024]] as const) {
      const value = payload(n, size);
      assert.equal(value.length, size);
      assert.equal(JSON.parse(value.toString()).n, n);
    }
  });

  it("refuses a size that has no room for the fields", () => {
    assert.throws(() => payload(1, 60), RangeError);
  });
});

describe("summarize", () => {
  it("takes the ratio pair by pair within a round", () => {
    const run = (round: number, contestant: Run["contestant"], messagesPerSecond: number): Run => ({
      runtime: "deno",
      size: 100,
      work: "none",
      round,
      contestant,
      figures: {
        messages: 1,
        messagesPerSecond,
        seconds: 1,
        secondsFromStart: 1,
        stall: { maxMs: 1, p99Ms: 1, ownMaxMs: 1, coreWaitMs: 0, samples: 1 },
        startStall: { maxMs: 1, p99Ms: 1, ownMaxMs: 1, coreWaitMs: 0, samples: 1 },
        cpuSeconds: 1,
        peakMemory: { bytes: 1, source: "maxRSS" },
      },
    });
    const summaries = summarize([
      run(1, "kafkajs_each_batch", 100),
      run(1, "thread_manager", 110),
      // The machine was slow in this round, for both.
      run(2, "kafkajs_each_batch", 10),
      run(2, "thread_manager", 9),
      run(3, "kafkajs_each_batch", 100),
      run(3, "thread_manager", 105),
    ]);
    assert.deepEqual(summaries.map(({ contestant }) => contestant), [
      "kafkajs_each_batch",
      "thread_manager",
    ]);
    assert.deepEqual(summaries[1]!.ratio, { median: 1.05, min: 0.9, max: 1.1 });
    assert.match(summaryTable(summaries), /thread_manager +\| +105 \| +1\.05 \(0\.90 to 1\.10\)/);
  });
});

describe("spread", () => {
  it("takes the mean of the two in the middle of an even number", () => {
    assert.deepEqual(spread([4, 1, 2, 10]), { median: 3, min: 1, max: 10 });
    assert.deepEqual(spread([5]), { median: 5, min: 5, max: 5 });
  });
});

describe("table", () => {
  it("sets names to the left and figures to the right", () => {
    assert.equal(
      table(["who", "figure"], [["a", "1"], ["long", "1,000"]]),
      [
        "| who  | figure |",
        "| ---- | -----: |",
        "| a    |      1 |",
        "| long |  1,000 |",
      ].join("\n"),
    );
  });
});
