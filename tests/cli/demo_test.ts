import assert from "node:assert/strict";
import { after, before, describe, it } from "#std/testing/bdd";
import { currentRuntime } from "../../bench/support/runtimes.ts";
import { type Control, KafkaBroker } from "../../src/testing/mod.ts";
import type { Child } from "../support/child.ts";
import { kafkaThreads } from "./command.ts";

const slow = { timeout: 60_000 };
/** Whose Kafka it is makes no difference to a runtime: once is enough. */
const NAMES_ONE = currentRuntime() === "bun";

/** The lines that the demo ends with. */
function verdicts(stdout: string): string[] {
  return stdout.split("\n").filter((line) => /^ {2}(ok|WRONG) /.test(line));
}

describe("kafka-threads demo", slow, () => {
  let alone: Child;
  let broker: KafkaBroker | undefined;
  let produced: Control | undefined;
  let named: Child | undefined;

  // Both at once: most of the time each of them waits.
  before(async () => {
    alone = kafkaThreads(["demo"], { KAFKA_BOOTSTRAP_SERVERS: undefined });
    if (!NAMES_ONE) return;
    broker = await KafkaBroker.start({ logLevel: "silent" });
    produced = broker.control("Produce", () => undefined);
    named = kafkaThreads(["demo"], { KAFKA_BOOTSTRAP_SERVERS: broker.bootstrapServers });
  });
  after(async () => {
    await alone[Symbol.asyncDispose]();
    await named?.[Symbol.asyncDispose]();
    await broker?.stop();
  });

  it("shows all kinds at work on a broker in its own process, and that all is well", async () => {
    const { code, stdout, stderr } = await alone.ended;
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /A Kafka broker in this process listens on 127\.0\.0\.1:\d+/);
    assert.match(stdout, /ThreadManager +ordered +parallel, by key, 2 threads/);
    assert.match(stdout, /orders +lag +heartbeats .* threads busy +retries +dead letters/);
    assert.ok(stdout.match(/^ +\d+\.\d s +\d+/gm)!.length >= 4, "it shows what happens, live");
    const lines = verdicts(stdout);
    assert.equal(lines.length, 6, stdout);
    const [, made, counted] = /(\d+) orders produced, (\d+) counted/.exec(lines[0]!)!;
    assert.equal(made, counted);
    assert.ok(Number(made) >= 500, `${made} orders`);
    const [, paid, booked] = /(\d+) payments produced, (\d+) booked/.exec(lines[1]!)!;
    assert.equal(paid, booked);
    const [, invoices, dead] = /(\d+) invoices made, (\d+) dead letters/.exec(lines[2]!)!;
    assert.equal(Number(invoices) + Number(dead), Number(made));
    assert.ok(Number(dead) >= 5, "one order in 97 has no address");
    const [, retries] = /(\d+) retries/.exec(lines[3]!)!;
    assert.ok(Number(retries) >= 20, "the tax office is busy at one order in 23");
    const [, heartbeats, meanwhile] = /blocked thread: (\d+) heartbeats and (\d+) invoices/
      .exec(lines[5]!)!;
    assert.ok(Number(heartbeats) >= 3, "one each half a second, for three seconds");
    assert.ok(Number(meanwhile) >= 1, "handler threads need nobody");
  });

  if (NAMES_ONE) {
    it("works on a Kafka that is named, and leaves nothing on it", async () => {
      const { code, stdout, stderr } = await named!.ended;
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, new RegExp(`Kafka is at ${broker!.bootstrapServers}`));
      assert.ok(produced!.seen > 10, "the orders went there");
      assert.deepEqual(broker!.topics(), {});
      assert.ok(verdicts(stdout).every((line) => line.includes("ok ")));
    });
  }

  it("says that the Kafka is not there, and ends with exit code 1", async () => {
    await using command = kafkaThreads(["demo", "--bootstrap", "127.0.0.1:1"]);
    const { code, stderr } = await command.ended;
    assert.equal(code, 1);
    assert.match(stderr, /The demo has failed: .*(?:127\.0\.0\.1:1|ECONNREFUSED)/);
  });
});
