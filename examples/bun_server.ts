// A web server of one's own, on Bun: a consumer beside it counts orders, a route tells how many there are, and
// health, metrics and status are mounted under /internal.
//
//     bun run examples/bun_server.ts
//
// KAFKA_BOOTSTRAP_SERVERS (default localhost:9092) and TOPIC (default orders) say what to read, PORT (default
// 3000) where to listen: http://localhost:3000/orders/count, …/internal/health/ready, …/internal/metrics.
import process from "node:process";
import { createOrderedConsumer } from "@kafka-threads/kafka-threads";
import { healthRoutes } from "@kafka-threads/kafka-threads/server";
import { Hono } from "hono";

// In a project of Bun's, @types/bun has this.
declare const Bun: {
  serve(options: { port: number; fetch(request: Request): Response | Promise<Response> }): {
    url: URL;
    stop(): Promise<void>;
  };
};

const { KAFKA_BOOTSTRAP_SERVERS = "localhost:9092", TOPIC = "orders", PORT = "3000" } = process.env;

let count = 0;

const consumer = createOrderedConsumer({
  bootstrapServers: KAFKA_BOOTSTRAP_SERVERS,
  groupId: "shop.counter",
  topics: [TOPIC],
  startFrom: "earliest",
  handler: () => void count++,
});

const app = new Hono();
app.get("/orders/count", (context) => context.json({ count }));
app.route("/internal", healthRoutes(consumer));

// It listens first, so that probes are answered while the consumer joins its group.
const server = Bun.serve({ port: Number(PORT), fetch: (request) => app.fetch(request) });
console.log(`Listening at ${server.url}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => consumer.stop());

try {
  await consumer.start();
  // Until it is stopped; rejects with what makes it fail, and so the program ends with exit code 1.
  await consumer.closed;
} finally {
  await server.stop();
}
