// Takes the first ten messages of a topic by `for await`, then leaves; whatever happens in between,
// `await using` stops the thread and closes the consumer.
//
//     deno run --allow-net --allow-env --allow-read examples/iterate.ts
//     bun run examples/iterate.ts
//     node examples/iterate.ts                (Node 24 or newer)
//
// KAFKA_BOOTSTRAP_SERVERS (default localhost:9092) and TOPIC (default orders) say what to read.
import process from "node:process";
import { ThreadManager } from "@kafka-threads/kafka-threads";

const { KAFKA_BOOTSTRAP_SERVERS = "localhost:9092", TOPIC = "orders" } = process.env;

await using manager = await new ThreadManager({
  consumer: {
    bootstrapServers: KAFKA_BOOTSTRAP_SERVERS,
    // A group of its own for every run, so that each run begins at the first message.
    groupId: `shop.first-ten-${crypto.randomUUID()}`,
    topics: [TOPIC],
    startFrom: "earliest",
  },
  lifetimeMs: null,
}).start();

let count = 0;
for await (const message of manager) {
  console.log(`${++count}: partition ${message.partition} offset ${message.offset}`);
  if (count === 10) break;
}
