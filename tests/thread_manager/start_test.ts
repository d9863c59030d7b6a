import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { StateError, TopicNotFoundError } from "../../mod.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { createTopic, describeGroup, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { collectMessages, managerFor, newTopic } from "../support/manager.ts";
import { bootstrapServers, managed, numbers, produceNumbers, rejection, texts } from "./shared.ts";

describe("ThreadManager.start()", needsKafka, () => {
  const scenario = sideBySide(6);

  scenario("is one start, however often it is called", async (scope) => {
    const { manager, log, groupId } = await managed(scope, await newTopic(), {
      onMessage: () => {},
    });
    const starting = manager.start();
    assert.equal(manager.start(), starting);
    await starting;
    const before = await describeGroup(bootstrapServers, groupId);
    const { closed } = manager;
    assert.equal(await manager.start(), manager);
    assert.deepEqual(await describeGroup(bootstrapServers, groupId), before);
    assert.equal(manager.closed, closed);
    assert.equal(log.messages("info").filter((line) => line.includes("started")).length, 1);
  });

  scenario("begins afresh after a failure", async (scope) => {
    const topic = uniqueName("manager");
    const messages = collectMessages();
    const { manager } = await managed(scope, topic, { onMessage: messages.add });
    assert(TopicNotFoundError.is(await rejection(manager.start())));
    assert.equal(manager.state, "failed");
    const failed = manager.closed;
    await createTopic(bootstrapServers, topic);
    await produceNumbers(topic, 0, 3);
    const starting = manager.start();
    assert.notEqual(manager.closed, failed);
    await starting;
    await messages.atLeast(3);
    await manager.stop();
    assert.equal(await manager.closed, "stopped");
  });

  scenario("waits for a stop that is under way", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 4);
    const messages = collectMessages();
    const gate = Promise.withResolvers<void>();
    const { manager, log } = await managed(scope, topic, {
      onMessage: (message) => {
        messages.add(message);
        if (messages.items.length === 2) return gate.promise;
      },
    });
    await manager.start();
    await messages.atLeast(2);
    const { closed } = manager;
    const stopping = manager.stop();
    const starting = manager.start();
    assert.equal(manager.state, "stopping");
    gate.resolve();
    await Promise.all([stopping, starting]);
    assert.equal(await closed, "stopped");
    assert.equal(manager.state, "running");
    assert.notEqual(manager.closed, closed);
    await messages.atLeast(4);
    assert.deepEqual(texts(messages.items), numbers(0, 4));
    const lines = log.messages("info").filter((line) => /consuming|stopped/.test(line));
    assert.deepEqual(lines.map((line) => line.includes("stopped")), [false, true, false]);
  });

  scenario("loses to a stop that is called after it", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 1);
    const messages = collectMessages();
    const gate = Promise.withResolvers<void>();
    const { manager } = await managed(scope, topic, {
      onMessage: (message) => {
        messages.add(message);
        return gate.promise;
      },
    });
    await manager.start();
    await messages.next();
    const first = manager.stop();
    const starting = rejection(manager.start());
    const second = manager.stop();
    gate.resolve();
    await Promise.all([first, second]);
    assert(StateError.is(await starting));
    assert.equal(manager.state, "stopped");
  });

  scenario("is refused within the message that a stop waits for", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 1);
    const restart = Promise.withResolvers<unknown>();
    const { manager } = await managed(scope, topic, {
      onMessage: async () => {
        await manager.stop();
        restart.resolve(await rejection(manager.start()));
      },
    });
    await manager.start();
    assert(StateError.is(await restart.promise));
    assert.equal(await manager.closed, "stopped");
    await manager.start();
    assert.equal(manager.state, "running");
  });

  scenario("rejects with the reason of a signal that has aborted", async (scope) => {
    const reason = new Error("enough");
    const { manager } = await managed(scope, await newTopic(), {
      onMessage: () => {},
      signal: AbortSignal.abort(reason),
    });
    assert.equal(await rejection(manager.start()), reason);
    assert.equal(manager.state, "idle");
  });

  scenario("stops when its signal aborts", async (scope) => {
    const controller = new AbortController();
    const { manager } = await managed(scope, await newTopic(), {
      onMessage: () => {},
      signal: controller.signal,
    });
    await manager.start();
    controller.abort();
    assert.equal(manager.state, "stopping");
    assert.equal(await manager.closed, "stopped");
  });

  scenario("is given up when its signal aborts", async (scope) => {
    const controller = new AbortController();
    const { manager } = await managed(scope, await newTopic(), {
      onMessage: () => {},
      signal: controller.signal,
    });
    const starting = rejection(manager.start());
    controller.abort();
    assert(StateError.is(await starting));
    assert.equal(await manager.closed, "stopped");
  });

  scenario("leaves no listener on the signal", async (scope) => {
    let listeners = 0;
    const signal = Object.assign(new EventTarget(), { aborted: false, throwIfAborted: () => {} });
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args) => {
      listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args) => {
      listeners--;
      removeEventListener.apply(signal, args);
    };
    const { manager } = await managed(scope, await newTopic(), {
      onMessage: () => {},
      signal: signal as unknown as AbortSignal,
    });
    for (let run = 0; run < 2; run++) {
      await manager.start();
      assert.equal(listeners, 1);
      await manager.stop();
      assert.equal(listeners, 0);
    }
  });

  scenario("pins where the group begins, so that nothing after it is skipped", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 2);
    const messages = collectMessages();
    const { manager, log, groupId } = await managed(scope, topic, {
      onMessage: messages.add,
      consumer: { startFrom: "latest" },
    });
    await manager.start();
    await manager.stop();
    await produceNumbers(topic, 2, 4);
    assert.deepEqual(log.messages("error"), []);
    await using second = await managerFor(topic, {
      onMessage: messages.add,
      consumer: { startFrom: "latest", groupId },
    });
    await second.manager.start();
    await messages.atLeast(2);
    assert.deepEqual(texts(messages.items), numbers(2, 4));
  });
});
