import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import type { ContestName } from "../../../bench/consumers/contests.ts";
import type { CpuReading } from "../../../bench/consumers/cpu.ts";
import { createCounter } from "../../../bench/consumers/measure.ts";
import type { Reading } from "../../../bench/peers/peers.ts";
import { type Program, runChild, runProgram } from "../../../bench/support/child.ts";
import { compare, comparisonTable, type Standing } from "../../../bench/support/comparison.ts";
import { payloadSum } from "../../../bench/support/payload.ts";
import { currentRuntime, findRuntime } from "../../../bench/support/runtimes.ts";
import { fillTopic } from "../../../bench/support/topic.ts";
import { anyKafka } from "../../support/kafka/mod.ts";

describe("bench/consumers.ts", () => {
  it("lets ours run in every contest, without peers", async () => {
    const runtime = await findRuntime(currentRuntime());
    const { bootstrapServers } = await anyKafka();
    const report = await runChild<{
      standings: Record<ContestName, Standing[]>;
      runs: { contest: ContestName; name: string; reading: Reading | CpuReading }[];
    }>(runtime, new URL("../../../bench/consumers.ts", import.meta.url), {
      arguments: {
        bootstrap: bootstrapServers,
        runtimes: runtime.name,
        peers: "none",
        messages: 600,
        "async-messages": 600,
        "cpu-messages": 20,
        keys: 30,
        rounds: 1,
        // All of them together stay below this program's own time, so that none is left behind.
        "timeout-ms": 15_000,
      },
      timeoutMs: 120_000,
    });
    assert.deepEqual(report.runs.map(({ contest, name }) => `${contest}: ${name}`), [
      "ordered: createOrderedConsumer",
      `parallel: createParallelConsumer, order "key"`,
      `parallel: createParallelConsumer, order "none"`,
      "async: timers alone, no Kafka",
      "async: createParallelConsumer, 1000 at once",
      "cpu: handler module, 1 thread",
      "cpu: handler module, 2 threads",
    ]);
    for (const { contest, reading } of report.runs) {
      const messages = contest === "cpu" ? 20 : 600;
      assert.deepEqual([reading.messages, reading.sum], [messages, payloadSum(messages)]);
      assert.ok(reading.seconds > 0);
    }
    const [one, two] = report.standings.cpu as [Standing, Standing];
    assert.deepEqual(one.times, {});
    assert.ok(two.times["by 1 thread"]!.median > 0);
  });
});

describe("createCounter", () => {
  it("takes the time from the first beginning to the last end", async () => {
    const counter = createCounter(2);
    counter.begin();
    counter.end(3);
    counter.begin();
    counter.end(4);
    await counter.done;
    const { seconds, cpuSeconds, ...counts } = counter.reading();
    assert.deepEqual(counts, { messages: 2, sum: 7 });
    assert.ok(seconds >= 0 && seconds < 60);
    assert.ok(cpuSeconds >= 0);
  });
});

describe("runProgram", () => {
  it("fails with what the program wrote to standard error", async () => {
    const { executable } = await findRuntime(currentRuntime());
    const program: Program = {
      name: "Peer 1.0",
      executable,
      arguments: ["eval", `console.error("no such topic"); Deno.exit(3)`],
    };
    await assert.rejects(
      runProgram(program, { arguments: {}, timeoutMs: 60_000 }),
      /^Error: Cannot run Peer 1\.0: it ended with code 3\n\nno such topic/,
    );
  });
});

describe("fillTopic", () => {
  it("refuses keys that would be in several partitions", async () => {
    await assert.rejects(
      fillTopic("127.0.0.1:1", {
        ...{ topic: "any", partitions: 3, messages: 10, size: 100, batchBytes: 1_000, keys: 10 },
      }),
      /Cannot deal 10 keys to 3 partitions/,
    );
  });
});

describe("compare", () => {
  const contenders = [
    { name: "peer", runtime: "Java", measure: "by peer" },
    { name: "absent", runtime: "Python", measure: "by absent", missing: "there is no Python" },
    { name: "ours", runtime: "deno", ideal: 1_000 },
  ];
  const timings = [
    { round: 1, contender: 0, messagesPerSecond: 10, cpuMicroseconds: 100 },
    { round: 1, contender: 2, messagesPerSecond: 500, cpuMicroseconds: 2.5 },
    // The machine was slow in this round, for both.
    { round: 2, contender: 0, messagesPerSecond: 1, cpuMicroseconds: 2.5 },
    { round: 2, contender: 2, messagesPerSecond: 60, cpuMicroseconds: 2.5 },
    // The peer failed in this one.
    { round: 3, contender: 2, messagesPerSecond: 900, cpuMicroseconds: 2.5 },
  ];

  it("takes ratios pair by pair within a round", () => {
    const [peer, absent, ours] = compare(contenders, timings);
    assert.deepEqual(peer!.times, {});
    assert.equal(peer!.messagesPerSecond.median, 5.5);
    assert.equal(absent!.missing, "there is no Python");
    assert.deepEqual(ours!.times["by peer"], { median: 55, min: 50, max: 60 });
    assert.equal(ours!.cpuMicroseconds.median, 2.5);
    assert.ok(Number.isNaN(ours!.times["by absent"]!.median));
    assert.deepEqual(ours!.ofIdeal, { median: 0.5, min: 0.06, max: 0.9 });
  });

  it("takes measures with the same title for their own runtimes only", () => {
    const standings = compare(
      [
        { name: "one", runtime: "deno", measure: "by one" },
        { name: "two", runtime: "deno" },
        { name: "one", runtime: "bun", measure: "by one" },
        { name: "two", runtime: "bun" },
      ],
      [10, 19, 100, 180].map((messagesPerSecond, contender) => ({
        ...{ round: 1, contender, messagesPerSecond, cpuMicroseconds: 1 },
      })),
    );
    assert.deepEqual(
      standings.map(({ times }) => times["by one"]?.median),
      [undefined, 1.9, undefined, 1.8],
    );
  });

  it("gives a table that says why somebody is missing", () => {
    assert.equal(
      comparisonTable(compare(contenders, timings.slice(0, 2)), {
        head: ["more"],
        cells: (row) => [`${row}`],
      }),
      [
        "| contestant | runtime | messages/s | CPU µs each |        of the ideal |                by peer | more |",
        "| ---------- | ------- | ---------: | ----------: | ------------------: | ---------------------: | ---: |",
        "| peer       | Java    |         10 |       100.0 |                   - |                      - |    0 |",
        "| absent     | Python  |          - |           - |                   - |                      - |    1 |",
        "| ours       | deno    |        500 |         2.5 | 0.50 (0.50 to 0.50) | 50.00 (50.00 to 50.00) |    2 |",
        "",
        "Without a figure: there is no Python",
      ].join("\n"),
    );
  });
});
