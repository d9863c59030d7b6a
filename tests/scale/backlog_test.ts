import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { runChild } from "../support/child.ts";
import { fillTopic, sharedKafka, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import type { BacklogFigures } from "./backlog_program.ts";

/** 300 MB; `bench/memory_bound.ts` does the same with 2 GB. */
const MESSAGES = 300_000;
const TOPIC = `kafka-threads-backlog-1k-${MESSAGES}`;
/** Room for 16 MiB in flight, as much again that waits or is being fetched, and what the engines
 * leave uncollected. */
const BOUND = 200e6;

describe("a callback that is slower than its topic", needsKafka, () => {
  it("keeps memory bounded, however long the backlog", { timeout: 300_000 }, async () => {
    const { bootstrapServers } = await sharedKafka();
    await fillTopic(bootstrapServers, TOPIC, { messages: MESSAGES, bytes: 1_000, partitions: 4 });
    await using child = runChild(new URL("./backlog_program.ts", import.meta.url), [
      ...["--bootstrap", bootstrapServers, "--group", uniqueName("backlog")],
      ...["--topic", TOPIC, "--run-ms", "10000"],
    ]);
    const { code, stdout, stderr } = await child.ended;
    assert.equal(code, 0, stderr);
    const figures = JSON.parse(stdout) as BacklogFigures;
    const { startRss, peakRss, endRss } = figures;
    const mb = (bytes: number) => Math.round(bytes / 1e6);
    console.log(
      `${figures.messages} of ${MESSAGES} messages handled, at most ${figures.inFlight} in flight; ` +
        `resident ${mb(startRss)} MB at the start, at most ${mb(peakRss)}, ${
          mb(endRss)
        } at the end`,
    );
    // There was a backlog, and it was held back.
    assert(figures.messages > 1_000);
    assert(figures.lag > 0.9 * MESSAGES, `it is only ${figures.lag} behind`);
    assert(figures.paused);
    assert(figures.inFlight <= 50_000 && figures.inFlight * 1_000 <= 16 * 2 ** 20);
    assert(peakRss - startRss < BOUND, `${mb(peakRss - startRss)} MB more than at the start`);
  });
});
