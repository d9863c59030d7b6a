// Consumes from a source that is not Kafka, through a driver of one's own: numbers_driver.ts.
//
//     deno run --allow-read examples/numbers.ts
//     bun run examples/numbers.ts
//     node examples/numbers.ts                (Node 24 or newer)
import { ThreadManager } from "@kafka-threads/kafka-threads";

await using manager = new ThreadManager({
  consumer: {
    driver: new URL("./numbers_driver.ts", import.meta.url),
    // The driver connects to nothing, so it ignores these.
    bootstrapServers: "localhost:9092",
    groupId: "numbers.sum",
    topics: ["numbers"],
  },
  lifetimeMs: null,
});

let sum = 0;
for await (const message of manager) {
  sum += Number(message.text());
  if (message.offset === 999) break;
}
console.log(`The sum of the numbers from 0 to 999 is ${sum}`);
