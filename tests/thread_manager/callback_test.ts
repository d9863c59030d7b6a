import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { HandlerError } from "../../mod.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { fillTopic, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { collectMessages, Collector, committedFor, newTopic } from "../support/manager.ts";
import {
  bootstrapServers,
  managed,
  numbers,
  numbersManager,
  produceNumbers,
  rejection,
  texts,
} from "./shared.ts";

describe("ThreadManager's callback", needsKafka, () => {
  const scenario = sideBySide(6);

  scenario("is awaited before the next message", async (scope) => {
    const topic = await newTopic({ partitions: 2 });
    await produceNumbers(topic, 0, 200);
    let underWay = 0;
    let most = 0;
    const done = new Collector<number>();
    const { manager } = await managed(scope, topic, {
      onMessage: async ({ offset }) => {
        most = Math.max(most, ++underWay);
        // The earlier, the longer: without waiting they would overtake each other.
        for (let turn = 0; turn < 5 - offset % 5; turn++) await Promise.resolve();
        if (offset % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        underWay--;
        done.add(offset);
      },
    });
    await manager.start();
    await done.atLeast(200);
    assert.equal(most, 1);
    assert.deepEqual(done.items, done.items.map((_, index) => index));
  });

  scenario("may return anything, and what can be awaited is", async (scope) => {
    const results: unknown[] = [undefined, null, false, 0, "text", {}, { then: 1 }, () => {}];
    let awaited = 0;
    results.push({
      then: (resolve: () => void) =>
        setTimeout(() => {
          awaited++;
          resolve();
        }, 1),
    });
    const messages = collectMessages();
    const seen: number[] = [];
    const { manager } = await numbersManager(scope, { count: results.length + 1 }, {
      onMessage: (message) => {
        messages.add(message);
        seen.push(awaited);
        return results[message.offset];
      },
    });
    await manager.start();
    await messages.atLeast(results.length + 1);
    assert.equal(seen.at(-2), 0);
    assert.equal(seen.at(-1), 1);
  });

  scenario("leaves the event loop its turns, however many messages wait", async (scope) => {
    const messages = collectMessages();
    let turns = 0;
    const turnsBefore: number[] = [];
    // All of them arrive at once.
    const { manager } = await numbersManager(scope, { count: 400 }, {
      onMessage: (message) => {
        turnsBefore.push(turns);
        const until = performance.now() + 0.5;
        while (performance.now() < until);
        messages.add(message);
      },
    });
    const timer = setInterval(() => turns++, 0);
    scope.defer(() => clearInterval(timer));
    await manager.start();
    await messages.atLeast(400);
    const during = turnsBefore.at(-1)! - turnsBefore[0]!;
    assert(during >= 10, `${during} turns during 200 ms of work`);
  });

  scenario("fails at one message, and all that was handled is committed", async (scope) => {
    const topic = uniqueName("manager");
    await fillTopic(bootstrapServers, topic, { messages: 9_000, bytes: 50, partitions: 3 });
    const messages = collectMessages();
    let fails = true;
    const { manager, groupId } = await managed(scope, topic, {
      onMessage: (message) => {
        if (fails && message.partition === 1 && message.offset === 1_777) throw new Error("no");
        messages.add(message);
      },
    });
    await manager.start();
    const error = await rejection(manager.closed);
    assert(HandlerError.is(error));
    assert.deepEqual([error.partition, error.offset], [1, 1_777]);
    const { length } = messages.items;
    const committed = await committedFor(groupId, topic);
    assert.equal(committed[1], 1_777);
    assert.equal(committed.reduce((sum, offset) => sum + Math.max(offset, 0), 0), length);

    fails = false;
    await manager.start();
    await messages.atLeast(9_000);
    await manager.stop();
    assert.equal(messages.items.length, 9_000);
    assert.deepEqual(await committedFor(groupId, topic), [3_000, 3_000, 3_000]);
  });

  const unprintable = Object.create(null);
  const thrown: [string, unknown][] = [
    ["an error", new TypeError("no")],
    ["a string", "no"],
    ["undefined", undefined],
    ["null", null],
    ["a symbol", Symbol("no")],
    ["what cannot be printed", unprintable],
    ["an error with a message that is none", Object.assign(new Error(), { message: 7 })],
  ];
  for (const [what, cause] of thrown) {
    for (const how of ["throws", "rejects with"]) {
      scenario(`fails where it ${how} ${what}`, async (scope) => {
        const seen: string[] = [];
        const { manager, log } = await numbersManager(scope, { count: 9 }, {
          onMessage: (message) => {
            seen.push(message.text()!);
            if (message.offset !== 2) return;
            if (how === "throws") throw cause;
            return Promise.reject(cause);
          },
        });
        await manager.start();
        const error = await rejection(manager.closed);
        assert(HandlerError.is(error), `${error}`);
        assert.equal(error.cause, cause);
        assert.deepEqual([error.topic, error.partition, error.offset], ["numbers", 0, 2]);
        assert.equal(manager.state, "failed");
        assert.deepEqual(seen, numbers(0, 3));
        const [line, ...others] = log.items.filter(({ level }) => level === "error");
        assert.deepEqual(others, []);
        assert.equal(line?.fields?.["error"], error);
      });
    }
  }

  scenario("gets the messages of several topics", async (scope) => {
    const topics = [await newTopic(), await newTopic({ partitions: 3 })];
    for (const topic of topics) await produceNumbers(topic, 0, 10);
    const messages = collectMessages();
    const { manager } = await managed(scope, topics, { onMessage: messages.add });
    await manager.start();
    await messages.atLeast(20);
    for (const topic of topics) {
      const of = messages.items.filter((message) => message.topic === topic);
      assert.deepEqual(texts(of), numbers(0, 10));
    }
  });
});
