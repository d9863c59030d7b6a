// Handles the messages of a topic on threads of their own, many at once, those of a key in order, until
// Ctrl-C. What cannot be handled goes to another topic, "orders.dead-letter", with headers that say why.
//
//     deno run --allow-net --allow-env --allow-read examples/parallel.ts
//     bun run examples/parallel.ts
//     node examples/parallel.ts               (Node 24 or newer)
//
// KAFKA_BOOTSTRAP_SERVERS (default localhost:9092) and TOPIC (default orders) say what to read;
// `deno task broker --topic orders:3` starts a Kafka to try it on.
import process from "node:process";
import { createParallelConsumer } from "@kafka-threads/kafka-threads";

const { KAFKA_BOOTSTRAP_SERVERS = "localhost:9092", TOPIC = "orders" } = process.env;

const consumer = createParallelConsumer({
  bootstrapServers: KAFKA_BOOTSTRAP_SERVERS,
  groupId: "shop.invoices",
  topics: [TOPIC],
  startFrom: "earliest",
  // A module, and so on handler threads.
  handler: new URL("./parallel_handler.ts", import.meta.url),
  threads: 2,
  onError: { retries: 3, backoff: { initialMs: 100 }, then: "dead-letter" },
  onInvalid: "dead-letter",
});
consumer.addEventListener("dead-letter", ({ detail: { offset, error } }) => {
  console.log(`dead letter of offset ${offset}: ${error.message}`);
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => consumer.stop());

await consumer.start();
await consumer.closed;
