import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { HandlerError, type Logger, type LogLevel } from "../../mod.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { collectMessages, newTopic } from "../support/manager.ts";
import { managed, produceNumbers, rejection } from "./shared.ts";

const STOPPED = "Kafka consumer thread stopped.";

describe("ThreadManager's log", needsKafka, () => {
  const scenario = sideBySide(6);

  scenario("tells at info that it has started and stopped, once per run", async (scope) => {
    const topic = await newTopic();
    const { manager, log, groupId } = await managed(scope, topic, {
      onMessage: () => {},
      logLevel: "info",
    });
    const name = `kafka_consumer.${groupId}`;
    for (let run = 0; run < 2; run++) {
      await manager.start();
      await manager.stop();
    }
    const started = `Kafka consumer started consuming in thread '${name}'`;
    const lines = log.items.filter(({ message }) => message === started || message === STOPPED);
    assert.deepEqual(
      lines.map(({ message }) => message),
      [started, STOPPED, started, STOPPED],
    );
    assert(lines.every(({ level }) => level === "info"));
    assert(!log.messages("debug").length);
    assert.deepEqual(log.messages("warn"), []);
    assert.deepEqual(log.messages("error"), []);
  });

  scenario("names the thread as it was named", async (scope) => {
    const { manager, log } = await managed(scope, await newTopic(), {
      onMessage: () => {},
      name: "orders",
    });
    await manager.start();
    await log.line("Kafka consumer started consuming in thread 'orders'");
  });

  for (
    const [logLevel, levels] of [
      ["info", ["info", "error"]],
      ["warn", ["error"]],
      ["error", ["error"]],
      ["silent", []],
    ] as [LogLevel, string[]][]
  ) {
    scenario(`keeps to the level ${logLevel}`, async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 1);
      const { manager, log } = await managed(scope, topic, {
        onMessage: () => {
          throw new Error("no");
        },
        logLevel,
      });
      await manager.start();
      await rejection(manager.closed);
      const seen = new Set(log.items.map(({ level }) => level));
      assert.deepEqual([...seen].toSorted(), levels.toSorted());
    });
  }

  scenario("says that it cannot start, and why", async (scope) => {
    const topic = uniqueName("missing");
    const { manager, log } = await managed(scope, topic, { onMessage: () => {} });
    const error = await rejection(manager.start());
    const [line, ...others] = log.items.filter(({ level }) => level === "error");
    assert.deepEqual(others, []);
    assert(line!.message.includes(topic), line!.message);
    assert.match(line!.message, /^Kafka consumer cannot start: /);
    assert.equal(line!.fields?.["error"], error);
    assert(!log.messages().some((message) => message.includes("started consuming")));
  });

  const broken: [string, () => unknown][] = [
    ["throws", () => {
      throw new Error("the log is full");
    }],
    ["rejects", () => Promise.reject(new Error("the log is full"))],
  ];
  for (const [what, log] of broken) {
    scenario(`may go to a logger that ${what}`, async (scope) => {
      const topic = await newTopic();
      await produceNumbers(topic, 0, 2);
      const logger: Logger = { debug: log, info: log, warn: log, error: log };
      const messages = collectMessages();
      const { manager } = await managed(scope, topic, {
        logger,
        onMessage: (message) => {
          messages.add(message);
          if (message.offset === 1) throw new Error("no");
        },
      });
      await manager.start();
      await messages.atLeast(2);
      assert(HandlerError.is(await rejection(manager.closed)));
    });
  }
});
