import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { createOrderedConsumer, ThreadManager } from "../../mod.ts";
import { healthRoutes } from "../../src/server/mod.ts";
import { KafkaBroker } from "../../src/testing/mod.ts";
import { typesChecked } from "../support/types_checked.ts";

/** What has not happened after this time will not happen. */
const PATIENCE_MS = 30_000;

describe("the health of consumers whose broker goes away and comes back", () => {
  for (const driver of ["kafkajs", "platformatic"] as const) {
    it(`is ready 503, then 200, and live 200 throughout, with ${driver}`, async () => {
      await typesChecked();
      await using scope = new AsyncDisposableStack();
      const broker = scope.use(
        await KafkaBroker.start({ topics: { orders: 1, audit: 1 }, logLevel: "silent" }),
      );
      const connection = {
        bootstrapServers: broker.bootstrapServers,
        driver,
        startFrom: "earliest" as const,
        heartbeatIntervalMs: 100,
      };
      const retry = { initialMs: 50, maxMs: 200 };
      const second = Promise.withResolvers<void>();
      const gate = Promise.withResolvers<void>();
      const begun = Promise.withResolvers<void>();
      const orders = scope.use(createOrderedConsumer<number>({
        ...connection,
        groupId: "shop.orders",
        topics: ["orders"],
        logLevel: "silent",
        retry,
        handler: async (_context, number) => {
          begun.resolve();
          await gate.promise;
          if (number === 2) second.resolve();
        },
      }));
      const audit = scope.use(
        new ThreadManager({
          consumer: { ...connection, groupId: "audit", topics: ["audit"] },
          onMessage: () => {},
          lifetimeMs: null,
          logLevel: "silent",
          retry,
        }),
      );
      const app = healthRoutes([orders, audit]);
      const statuses = async () => {
        const [ready, live, started] = await Promise.all(
          ["ready", "live", "started"].map((probe) => app.request(`/health/${probe}`)),
        );
        assert.equal(live!.status, 200, await live!.text());
        assert.equal(started!.status, 200);
        return { status: ready!.status, text: await ready!.text() };
      };
      const untilReady = async (wanted: (answer: { status: number; text: string }) => boolean) => {
        const deadline = performance.now() + PATIENCE_MS;
        for (let answer = await statuses(); !wanted(answer); answer = await statuses()) {
          assert(performance.now() < deadline, answer.text);
          // A turn for the broker, which is on this thread.
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      };

      await Promise.all([orders.start(), audit.start()]);
      await broker.produce("orders", [{ value: "1" }]);
      await begun.promise;
      assert.equal((await statuses()).status, 200);
      await broker.takeDown();
      // Finished while nobody is there to be told: a commit that fails.
      gate.resolve();
      await untilReady(({ status, text }) =>
        status === 503 && isDown(text, orders.name, "poll", "commits") &&
        isDown(text, audit.name, "poll")
      );
      await broker.bringUp();
      await untilReady(({ status }) => status === 200);
      await broker.produce("orders", [{ value: "2" }]);
      await second.promise;
    });
  }
});

function isDown(text: string, consumer: string, ...names: string[]): boolean {
  const { checks } = JSON.parse(text) as {
    checks: { consumer: string; name: string; status: string }[];
  };
  return names.every((name) =>
    checks.some((check) =>
      check.consumer === consumer && check.name === name && check.status === "DOWN"
    )
  );
}
