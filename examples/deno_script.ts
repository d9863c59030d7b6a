// Prints every message of a topic from now on, until Ctrl-C.
//
//     deno run --allow-net --allow-env --allow-read examples/deno_script.ts
//     bun run examples/deno_script.ts
//     node examples/deno_script.ts            (Node 24 or newer)
//
// KAFKA_BOOTSTRAP_SERVERS (default localhost:9092) and TOPIC (default orders) say what to read;
// `deno task kafka --port 9092 --topic orders:3` starts a Kafka to try it on.
import process from "node:process";
import { ThreadManager } from "@kafka-threads/kafka-threads";

const { KAFKA_BOOTSTRAP_SERVERS = "localhost:9092", TOPIC = "orders" } = process.env;

const manager = new ThreadManager({
  consumer: { bootstrapServers: KAFKA_BOOTSTRAP_SERVERS, groupId: "shop.printer", topics: [TOPIC] },
  onMessage: (message) => console.log(message.partition, message.offset, message.text()),
  lifetimeMs: null,
});
process.once("SIGINT", () => manager.stop());
await manager.start();
