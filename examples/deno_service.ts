// A service: handles the messages of a topic on threads of their own, answers probes and Prometheus, and
// ends when SIGTERM arrives, with exit code 0. examples/kubernetes.yaml deploys it.
//
//     deno run --allow-net --allow-env --allow-read examples/deno_service.ts
//     bun run examples/deno_service.ts
//     node examples/deno_service.ts           (Node 24 or newer)
//
// KAFKA_BOOTSTRAP_SERVERS (default localhost:9092) and TOPIC (default orders) say what to read; HOST (default
// localhost) and PORT (default 9090) where to answer: http://localhost:9090/health, …/metrics, …/status.
import process from "node:process";
import { createParallelConsumer } from "@kafka-threads/kafka-threads";
import { jsonLogger, serve } from "@kafka-threads/kafka-threads/server";

const {
  KAFKA_BOOTSTRAP_SERVERS = "localhost:9092",
  TOPIC = "orders",
  HOST = "localhost",
  PORT = "9090",
  STOP_TIMEOUT_MS = "30000",
} = process.env;

const logger = jsonLogger();

const consumer = createParallelConsumer({
  bootstrapServers: KAFKA_BOOTSTRAP_SERVERS,
  groupId: "shop.seals",
  topics: [TOPIC],
  startFrom: "earliest",
  // A module, and so on handler threads: the program's thread is free to answer.
  handler: new URL("./parallel_handler.ts", import.meta.url),
  threads: 2,
  stopTimeoutMs: Number(STOP_TIMEOUT_MS),
  logger,
});

// Starts the consumer, and exits with 0 after a clean stop, or 1.
await serve(consumer, { hostname: HOST, port: Number(PORT), logger });
