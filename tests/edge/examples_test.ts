import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { runChild } from "../support/child.ts";
import { createTopic, produce, uniqueName } from "../support/kafka/mod.ts";
import { addMessages, smallTopic } from "./small_topic.ts";

const slow = { timeout: 60_000 };

function example(name: string): URL {
  return new URL(`../../examples/${name}.ts`, import.meta.url);
}

describe("examples", () => {
  it("deno_script.ts prints what arrives", slow, async () => {
    const env = await smallTopic();
    await using child = runChild(example("deno_script"), [], env);
    await child.line("Kafka consumer started consuming");
    await addMessages(env.KAFKA_BOOTSTRAP_SERVERS, env.TOPIC);
    assert.equal(await child.line("0 39 "), `{"id":19}`);
    child.kill("SIGINT");
    const { stdout } = await child.ended;
    assert.match(stdout, /thread stopped/);
  });

  it("iterate.ts takes ten messages and ends", slow, async () => {
    const { code, stdout, stderr } = await runChild(example("iterate"), [], await smallTopic())
      .ended;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^10: partition 0 offset 9$/m);
    assert.doesNotMatch(stdout, /^11: /m);
  });

  it("manual_commit.ts goes on where it has committed", slow, async () => {
    // Its group is the same in every run: on a topic of its own it has not committed anything yet.
    const env = await smallTopic();
    {
      await using child = runChild(example("manual_commit"), [], env);
      await child.line("stored and committed: 20");
      child.kill("SIGTERM");
      await child.ended;
    }
    await addMessages(env.KAFKA_BOOTSTRAP_SERVERS, env.TOPIC);
    await using child = runChild(example("manual_commit"), [], env);
    await child.line("stored and committed: 20");
    child.kill("SIGTERM");
    const { stdout } = await child.ended;
    // Not the exit code: to Deno, a child that it has sent a signal has ended by it.
    assert.match(stdout, /thread stopped/);
    assert.doesNotMatch(stdout, /stored and committed: 30/);
  });

  it("ordered.ts books each message once, in order", slow, async () => {
    // Its group is the same in every run.
    const env = await smallTopic();
    {
      await using child = runChild(example("ordered"), [], env);
      await child.line("booked 19, offset 19");
      child.kill("SIGTERM");
      const { stdout } = await child.ended;
      const booked = stdout.split("\n").filter((line) => line.startsWith("booked"));
      assert.deepEqual(booked, Array.from({ length: 20 }, (_, id) => `booked ${id}, offset ${id}`));
    }
    await addMessages(env.KAFKA_BOOTSTRAP_SERVERS, env.TOPIC);
    await using child = runChild(example("ordered"), [], env);
    assert.equal(await child.line("booked "), "0, offset 20");
    child.kill("SIGTERM");
    await child.ended;
  });

  it("parallel.ts seals orders on two threads, and lays a bad one aside", slow, async () => {
    const env = await smallTopic();
    await createTopic(env.KAFKA_BOOTSTRAP_SERVERS, `${env.TOPIC}.dead-letter`);
    await produce(env.KAFKA_BOOTSTRAP_SERVERS, env.TOPIC, [{ value: `{"id":-1}` }]);
    await using child = runChild(example("parallel"), [], env);
    assert.match(await child.line("dead letter of offset 20"), /There is no order -1$/);
    for (let id = 0; id < 20; id++) await child.line(`Order ${id} is sealed`);
    child.kill("SIGTERM");
    const { stdout } = await child.ended;
    for (const thread of [0, 1]) {
      assert.match(stdout, new RegExp(`^Thread ${thread} is set up\\b`, "m"));
      assert.match(stdout, new RegExp(`^Thread ${thread} is torn down\\b`, "m"));
    }
  });

  it("deno_service.ts handles orders on threads, answers, and ends at SIGTERM", slow, async () => {
    await using child = runChild(example("deno_service"), [], { ...await smallTopic(), PORT: "0" });
    const [url] = /http:[^"]*/.exec(await child.line('{"time"'))!;
    const sealed = (line: string) => line.includes("is sealed");
    await untilHandled(new URL("/status", url), 20);
    assert.equal((await fetch(new URL("/health/ready", url))).status, 200);
    const metrics = await (await fetch(new URL("/metrics", url))).text();
    assert.match(metrics, /^kafka_consumer_messages_processed_total\{.*\} 20$/m);
    child.kill("SIGTERM");
    const { code, stdout, stderr } = await child.ended;
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.equal(stdout.split("\n").filter(sealed).length, 20);
  });

  it("least_permissions.ts prints ten messages", slow, async () => {
    const child = runChild(example("least_permissions"), [], await smallTopic());
    const { code, stdout, stderr } = await child.ended;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^10: partition 0 offset 9$/m);
  });
});

describe("examples without Kafka", () => {
  it("numbers.ts sums what its own driver makes", slow, async () => {
    const { code, stdout, stderr } = await runChild(example("numbers"), [], {
      KAFKA_BOOTSTRAP_SERVERS: undefined,
      TOPIC: uniqueName("none"),
    }).ended;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /is 499500$/m);
  });
});

describe("examples that bring their own Kafka", () => {
  it("test_broker.ts tests a consumer, with a fault on purpose", slow, async () => {
    const { code, stdout, stderr } = await runChild(example("test_broker")).ended;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^4 messages handled, committed in spite of a failed commit$/m);
  });
});

describe("examples of telemetry", () => {
  it("open_telemetry.ts prints spans of messages, polls and commits", slow, async () => {
    const env = await smallTopic();
    await using child = runChild(example("open_telemetry"), [], env);
    await child.line("booked 19");
    // The first span of a client, so one of the poller thread.
    await child.line("  kind: 2,");
    child.kill("SIGTERM");
    const { stdout, stderr } = await child.ended;
    const names = Array.from(stdout.matchAll(/^ {2}name: ["'](.*)["'],$/gm), ([, name]) => name);
    const count = (wanted: string) => names.filter((name) => name === wanted).length;
    assert.equal(count(`process ${env.TOPIC}`), 20, stdout + stderr);
    assert.equal(count("booking"), 20);
    assert(count("kafka_consumer.traced.pump") > 0);
  });
});

/** Asks a service again and again until it has handled so many messages. */
async function untilHandled(status: URL, messages: number): Promise<void> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const { consumers: [{ handlers: { handled } }] } = await (await fetch(status)).json();
    if (handled === messages) return;
    assert(performance.now() < deadline, `${handled} messages have been handled`);
  }
}
