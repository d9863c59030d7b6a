import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { sideBySide } from "../support/side_by_side.ts";
import { type Child, runChild } from "../support/child.ts";
import { produce, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { newTopic } from "../support/manager.ts";
import { bootstrapServers } from "./shared.ts";

const PROGRAM = new URL("./fixtures/program.ts", import.meta.url);
/** A clean end: no output that was not asked for. */
const CLEAN = { code: 0, signal: null, stderr: "" };

/** Runs the program; it is killed when the scope ends. */
function program(scope: AsyncDisposableStack, ...args: string[]): Child {
  const env = { KAFKA_BOOTSTRAP_SERVERS: bootstrapServers };
  return scope.use(runChild(PROGRAM, args, env));
}

async function topicWith(...values: string[]): Promise<string> {
  const topic = await newTopic();
  if (values.length > 0) {
    await produce(bootstrapServers, topic, values.map((value) => ({ value })));
  }
  return topic;
}

describe("importing the library", () => {
  it("does nothing", { timeout: 60_000 }, async () => {
    await using child = runChild(new URL("./fixtures/import_only.ts", import.meta.url));
    assert.deepEqual(await child.ended, { ...CLEAN, stdout: "" });
  });
});

describe("a program with a ThreadManager", needsKafka, () => {
  const scenario = sideBySide(3);

  for (const thread of ["worker", "inline"]) {
    describe(`(${thread})`, () => {
      scenario("lives as long as it runs, and ends when it is stopped", async (scope) => {
        const topic = await topicWith();
        const child = program(scope, "runs", topic, thread);
        await child.line("main is over");
        for (const value of ["a", "stop"]) {
          await produce(bootstrapServers, topic, [{ value }]);
          await child.line(`got ${value}`);
        }
        const stdout = "main is over\ngot a\ngot stop\n";
        assert.deepEqual(await child.ended, { ...CLEAN, stdout });
      });

      for (const mode of ["exits", "exits-early", "exits-inside"]) {
        scenario(`has its way when it ${mode}`, async (scope) => {
          const child = program(scope, mode, await topicWith("a"), thread);
          assert.deepEqual(await child.ended, { ...CLEAN, code: 7, stdout: "" });
        });
      }

      scenario("does not die of a failure that nobody hears of", async (scope) => {
        const child = program(scope, "unheard", await topicWith("a"), thread);
        assert.deepEqual(await child.ended, { ...CLEAN, stdout: "failed\n" });
      });

      scenario("does not die of a start that fails unheard", async (scope) => {
        const child = program(scope, "unheard-start", uniqueName("missing"), thread);
        assert.deepEqual(await child.ended, { ...CLEAN, stdout: "failed\n" });
      });

      scenario("prints nothing of its own where a logger is given", async (scope) => {
        const child = program(scope, "whole-life", await topicWith("a"), thread);
        assert.deepEqual(await child.ended, { ...CLEAN, stdout: "" });
      });
    });
  }

  scenario("ends while a daemon runs", async (scope) => {
    const child = program(scope, "daemon", await topicWith());
    assert.deepEqual(await child.ended, { ...CLEAN, stdout: "running\n" });
  });

  scenario("gets a daemon's messages until then", async (scope) => {
    const topic = await topicWith();
    const child = program(scope, "busy-daemon", topic);
    await child.line("running");
    await produce(bootstrapServers, topic, [{ value: "a" }]);
    await child.line("got");
    child.send("end");
    assert.deepEqual(await child.ended, { ...CLEAN, stdout: "running\ngot\n" });
  });

  scenario("is ended by a signal", async (scope) => {
    const child = program(scope, "waits", await topicWith());
    await child.line("running");
    child.kill("SIGTERM");
    const { signal, code, stderr } = await child.ended;
    assert.deepEqual({ signal, code, stderr }, { signal: "SIGTERM", code: null, stderr: "" });
  });

  scenario("gets its log on the console by default", async (scope) => {
    const topic = await topicWith();
    const child = program(scope, "default-logger", topic);
    const { stdout, stderr, code } = await child.ended;
    assert.equal(code, 0);
    const name = `kafka_consumer.program-${topic}`;
    // The line's fields are printed behind it, on as many lines as the runtime's console likes.
    const started = `Kafka consumer started consuming in thread '${name}'`;
    const stopped = "Kafka consumer thread stopped.";
    for (const text of [started, stopped]) {
      const [, rest] = stdout.split(text);
      assert.match(rest ?? stdout, new RegExp(`^ \\{\\s+consumer: ["']${name}["'],?\\s+\\}\n`));
    }
    assert.equal(stderr, "");
  });
});
