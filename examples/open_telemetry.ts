// Prints a span for each message, in the trace of whoever has produced it, and spans for polls and
// commits, until Ctrl-C.
//
//     deno run --allow-net --allow-env --allow-read --allow-sys examples/open_telemetry.ts
//     bun run examples/open_telemetry.ts
//     node examples/open_telemetry.ts         (Node 24 or newer)
//
// KAFKA_BOOTSTRAP_SERVERS (default localhost:9092) and TOPIC (default orders) say what to read;
// `deno task broker --topic orders:3` starts a Kafka to try it on. Deno can do without any of this:
// `OTEL_DENO=true deno run …` registers its own OpenTelemetry in all threads.
import { shutdown } from "./instrumentation.ts"; // In this thread, where the handler runs.
import process from "node:process";
import { createOrderedConsumer } from "@kafka-threads/kafka-threads";
import { trace } from "@opentelemetry/api";

const { KAFKA_BOOTSTRAP_SERVERS = "localhost:9092", TOPIC = "orders" } = process.env;
const tracer = trace.getTracer("shop");

const consumer = createOrderedConsumer({
  bootstrapServers: KAFKA_BOOTSTRAP_SERVERS,
  groupId: "shop.traced",
  topics: [TOPIC],
  startFrom: "earliest",
  commit: { intervalMs: 1_000 },
  // In the poller thread, and in handler threads if there were any.
  instrumentation: new URL("./instrumentation.ts", import.meta.url),
  handler: ({ span }, { id }: { id: number }) => {
    span.setAttribute("shop.order", id);
    // Active spans know their parents.
    tracer.startActiveSpan("booking", (booking) => {
      console.log(`booked ${id}`);
      booking.end();
    });
  },
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => consumer.stop());

await consumer.start();
await consumer.closed;
await shutdown();
