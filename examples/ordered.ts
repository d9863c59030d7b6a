// Books the messages of a topic one at a time, each partition in order, until Ctrl-C. Each is committed
// before the next one starts: whatever ends the program, at most one of them is booked twice.
//
//     deno run --allow-net --allow-env --allow-read examples/ordered.ts
//     bun run examples/ordered.ts
//     node examples/ordered.ts                (Node 24 or newer)
//
// KAFKA_BOOTSTRAP_SERVERS (default localhost:9092) and TOPIC (default orders) say what to read;
// `deno task broker --topic orders:3` starts a Kafka to try it on.
import process from "node:process";
import { createOrderedConsumer } from "@kafka-threads/kafka-threads";

const { KAFKA_BOOTSTRAP_SERVERS = "localhost:9092", TOPIC = "orders" } = process.env;

const consumer = createOrderedConsumer({
  bootstrapServers: KAFKA_BOOTSTRAP_SERVERS,
  groupId: "shop.ledger",
  topics: [TOPIC],
  startFrom: "earliest",
  handler: (_context, order: { id: number }, message) => {
    console.log(`booked ${order.id}, offset ${message.offset}`);
  },
  // What fails is tried twice more, and ends the program then.
  onError: { retries: 2 },
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => consumer.stop());

await consumer.start();
await consumer.closed;
