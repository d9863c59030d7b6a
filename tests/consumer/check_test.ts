// check(): whether a consumer could start, found out without starting it.
import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { ConnectionError, isKafkaThreadsError, TopicNotFoundError } from "../../mod.ts";
import { describeGroup, uniqueName } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { managerFor, newTopic } from "../support/manager.ts";
import { sideBySide } from "../support/side_by_side.ts";
import { rejection } from "../thread_manager/shared.ts";
import { bootstrapServers, committed, ordered, parallel, produceNumbers } from "./shared.ts";

describe("check()", needsKafka, () => {
  const scenario = sideBySide(4);
  const drivers = ["kafkajs", "platformatic"] as const;
  const plain = new URL("./fixtures/plain.ts", import.meta.url);

  scenario("resolves where start() would, and leaves no trace in the group", async (scope) => {
    const topic = await newTopic();
    await produceNumbers(topic, 0, 3);
    for (const [index, driver] of drivers.entries()) {
      const thread = index === 0 ? "worker" : "inline";
      const { consumer, groupId, log } = await parallel(scope, topic, plain, { driver, thread });
      await consumer.check();
      assert.equal(consumer.state, "idle");
      assert.deepEqual(log.messages("info"), []);
      const { state, members } = await describeGroup(bootstrapServers, groupId);
      assert.deepEqual([state, members], ["Dead", []]);
      assert.deepEqual(await committed(groupId, topic), [-1]);

      await using test = await managerFor(topic, { consumer: { driver, thread } });
      await test.manager.check();
      assert.equal(test.manager.state, "idle");
      assert.equal((await describeGroup(bootstrapServers, test.groupId)).state, "Dead");
    }
  });

  scenario("says what is in the way, and logs nothing of it", async (scope) => {
    const topic = await newTopic();
    const missing = uniqueName("missing");
    for (const driver of drivers) {
      const absent = await ordered(scope, [topic, missing], () => {}, { driver });
      const error = await rejection(absent.consumer.check());
      assert(TopicNotFoundError.is(error), String(error));
      assert.deepEqual(error.topics, [missing]);
      assert.deepEqual(absent.log.messages("error"), []);

      const nowhere = { driver, bootstrapServers: "127.0.0.1:1" };
      const away = await managerFor(topic, { consumer: nowhere });
      assert(ConnectionError.is(await rejection(away.manager.check())));
    }
    const broken = new URL("./fixtures/broken/no_function.ts", import.meta.url);
    const { consumer } = await parallel(scope, topic, broken);
    const error = await rejection(consumer.check());
    assert(isKafkaThreadsError(error) && error.message.includes("no_function"), String(error));
  });

  scenario("does not disturb a consumer that runs", async (scope) => {
    const topic = await newTopic();
    const { consumer, groupId } = await ordered(scope, topic, () => {});
    await consumer.start();
    const { members } = await describeGroup(bootstrapServers, groupId);
    assert.equal(members.length, 1);
    await consumer.check();
    assert.equal(consumer.state, "running");
    assert.deepEqual((await describeGroup(bootstrapServers, groupId)).members, members);
  });
});
