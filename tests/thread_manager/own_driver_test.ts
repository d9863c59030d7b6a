import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { sideBySide } from "../support/side_by_side.ts";
import { collectMessages, managerFor, take, untilStats } from "../support/manager.ts";
import { numbers, numbersManager, texts } from "./shared.ts";

const ONE_MESSAGE = new URL("./fixtures/one_message_driver.ts", import.meta.url);

for (const thread of ["worker", "inline"] as const) {
  describe(`a driver of one's own (${thread})`, () => {
    const scenario = sideBySide(6);

    for (const later of [false, true]) {
      scenario(`is made ${later ? "by and by" : "at once"}`, async (scope) => {
        await import(ONE_MESSAGE.href);
        const messages = collectMessages();
        const { manager, log } = scope.use(
          await managerFor("any", {
            onMessage: messages.add,
            consumer: {
              bootstrapServers: "nowhere:1",
              driver: ONE_MESSAGE,
              driverOptions: { later, a: [1, null] },
              thread,
            },
          }),
        );
        await manager.start();
        const message = await messages.next();
        assert.deepEqual(
          [message.topic, message.partition, message.offset, message.text()],
          ["any", 4, 10, "a"],
        );
        await log.line(`options: {"later":${later},"a":[1,null]}`);
        await untilStats(
          manager,
          "it is finished",
          ({ messages, partitions }) =>
            messages === 1 && partitions[0]?.partition === 4 && partitions[0].position === 11,
        );
        await manager.stop();
        const lines = log.messages("info").filter((line) => /^(commit|closed)/.test(line));
        assert.deepEqual(lines, ['commit: [{"topic":"any","partition":4,"offset":11}]', "closed"]);
      });
    }

    scenario("gives all it has, in order, to a callback", async (scope) => {
      const messages = collectMessages();
      const { manager } = await numbersManager(
        scope,
        { count: 5_000, partitions: 3 },
        { onMessage: messages.add, consumer: { thread } },
      );
      await manager.start();
      await messages.atLeast(15_000);
      for (const partition of [0, 1, 2]) {
        const of = messages.items.filter((message) => message.partition === partition);
        assert.deepEqual(texts(of), numbers(0, 5_000));
      }
    });

    scenario("gives all it has, in order, to a loop", async (scope) => {
      const { manager } = await numbersManager(scope, {}, { consumer: { thread } });
      assert.deepEqual(texts(await take(manager, 3_000)), numbers(0, 3_000));
      assert.equal(await manager.closed, "stopped");
    });
  });
}
