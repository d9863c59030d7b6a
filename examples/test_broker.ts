/**
 * A test without Docker: a Kafka in this process, a consumer, and a fault on purpose.
 *
 *     deno run -A examples/test_broker.ts
 */
import assert from "node:assert/strict";
import { ThreadManager } from "@kafka-threads/kafka-threads";
import { KafkaBroker } from "@kafka-threads/kafka-threads/testing";

await using broker = await KafkaBroker.start({ topics: { orders: 3 } });
const sold = ["espresso", "filter", "espresso", "grinder"];
await broker.produce("orders", sold.map((value) => ({ key: value, value })));

// The first commit fails, as it does when the coordinator moves.
using failing = broker.control("OffsetCommit", () => ({ error: "NOT_COORDINATOR" }), { times: 1 });

const handled: (string | null)[] = [];
const manager = new ThreadManager({
  consumer: {
    bootstrapServers: broker.bootstrapServers,
    groupId: "shop.shipping",
    topics: ["orders"],
    startFrom: "earliest",
  },
  onMessage: (message) => void handled.push(message.text()),
  commit: { intervalMs: 100 },
  logLevel: "warn",
});
await manager.start();

// No sleep: it resolves when the commits are there.
await broker.whenCommitted("shop.shipping", "orders", { total: sold.length });
await manager.stop();

assert.deepEqual(handled.toSorted(), sold.toSorted());
assert.equal(failing.hits, 1);
console.log(`${handled.length} messages handled, committed in spite of a failed commit`);
