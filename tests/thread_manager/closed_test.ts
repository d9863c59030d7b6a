import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { HandlerError } from "../../mod.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { collectMessages, newTopic } from "../support/manager.ts";
import { isPending, managed, numbersManager, produceNumbers, rejection } from "./shared.ts";

describe("ThreadManager.closed", needsKafka, () => {
  const scenario = sideBySide(6);

  scenario("is a new promise for each run, and settles once", async (scope) => {
    const { manager } = await managed(scope, await newTopic(), { onMessage: () => {} });
    const first = manager.closed;
    const starting = manager.start();
    assert.equal(manager.closed, first, "who listens before the start hears of the first run");
    await starting;
    assert.equal(manager.closed, first);
    assert(await isPending(first));
    const stopping = manager.stop();
    assert.equal(manager.closed, first);
    await stopping;
    assert.equal(await first, "stopped");

    const restarting = manager.start();
    const second = manager.closed;
    assert.notEqual(second, first);
    await restarting;
    assert(await isPending(second));
    await manager.stop();
    assert.equal(await second, "stopped");
    assert.equal(await first, "stopped");
  });

  scenario("is settled when stop() has resolved, and when the state says so", async (scope) => {
    const { manager } = await managed(scope, await newTopic(), { onMessage: () => {} });
    await manager.start();
    await manager.stop();
    assert.equal(await isPending(manager.closed), false);
    assert.equal(manager.state, "stopped");
  });

  scenario("rejects with a callback's error, also while it is stopped", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 2);
    const messages = collectMessages();
    const gate = Promise.withResolvers<void>();
    const { manager, log } = await managed(scope, topic, {
      onMessage: (message) => {
        messages.add(message);
        return gate.promise;
      },
    });
    await manager.start();
    await messages.next();
    const stopping = manager.stop();
    const cause = new Error("late");
    gate.reject(cause);
    await stopping;
    const error = await rejection(manager.closed);
    assert(HandlerError.is(error));
    assert.equal(error.cause, cause);
    assert.equal(manager.state, "failed");
    assert.equal(log.messages("error").length, 1);
  });

  scenario("rejects with what makes the driver fail", async (scope) => {
    const { manager, log } = await numbersManager(scope, { failAt: 700 }, {
      onMessage: () => {},
    });
    await manager.start();
    const error = await rejection(manager.closed) as Error;
    assert.match(error.message, /There is no more/);
    assert.equal(manager.state, "failed");
    assert.deepEqual(log.items.filter(({ level }) => level === "error").length, 1);
    await manager.start();
    assert.match((await rejection(manager.closed) as Error).message, /There is no more/);
  });
});
