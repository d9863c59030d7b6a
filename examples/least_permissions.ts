// Prints ten messages with the fewest permissions with which Deno can run a ThreadManager.
//
//     deno run --no-prompt \
//       --allow-net=localhost:9092 \
//       --allow-read=src,workers \
//       --allow-env=KAFKA_BOOTSTRAP_SERVERS,TOPIC \
//       --ignore-env=NODE_ENV,KAFKAJS_LOG_LEVEL,KAFKAJS_DEBUG_PROTOCOL_BUFFERS,KAFKAJS_DEBUG_EXTENDED_PROTOCOL_BUFFERS \
//       examples/least_permissions.ts
//
// - net: every broker of the cluster, under the names by which the brokers advertise themselves.
// - read: the modules of the poller's thread. Where the library comes from JSR they are not files.
// - env: the two variables that this program reads itself.
// - ignore-env: kafkajs asks for these and does without them. Giving them by --allow-env works too;
//   without either, the consumer ends with a DriverError that names the variable.
//
// KAFKA_BOOTSTRAP_SERVERS (default localhost:9092) and TOPIC (default orders) say what to read.
import process from "node:process";
import { ThreadManager } from "@kafka-threads/kafka-threads";

const { KAFKA_BOOTSTRAP_SERVERS = "localhost:9092", TOPIC = "orders" } = process.env;
const manager = new ThreadManager({
  consumer: {
    bootstrapServers: KAFKA_BOOTSTRAP_SERVERS,
    groupId: `shop.least-${crypto.randomUUID()}`,
    topics: [TOPIC],
    startFrom: "earliest",
  },
  startTimeoutMs: 5_000,
  lifetimeMs: null,
});
let count = 0;
for await (const message of manager) {
  console.log(`${++count}: partition ${message.partition} offset ${message.offset}`);
  if (count === 10) break;
}
