/**
 * The demo's shop: sells things and produces an order for each, until its standard input closes. A
 * process of its own, so that it goes on selling while the demo's thread is blocked.
 *
 * Arguments: `host:port,…` and the topic. Prints how many orders it has produced when it ends.
 *
 * @module
 */
import process from "node:process";
import { quietClient } from "../../tests/support/kafka/client.ts";

/** How often orders are sent, and how many at a time. */
const INTERVAL_MS = 100;
const ORDERS = 30;

const GOODS = [
  { sku: "espresso-beans-1kg", price: 24.9 },
  { sku: "filter-paper-100", price: 4.5 },
  { sku: "hand-grinder", price: 89 },
  { sku: "kettle-gooseneck", price: 64.5 },
  { sku: "cup-double-wall", price: 12 },
] as const;
const CUSTOMERS = ["ada", "grace", "edsger", "barbara", "donald", "margaret", "alan", "katherine"];

let made = 0;

function nextOrder(): { key: string; value: string } {
  const id = ++made;
  const customer = CUSTOMERS[id * 7 % CUSTOMERS.length]!;
  const items = Array.from({ length: 1 + id % 3 }, (_, index) => ({
    ...GOODS[(id + index * 2) % GOODS.length]!,
    quantity: 1 + (id + index) % 2,
  }));
  const total = items.reduce((sum, { price, quantity }) => sum + price * quantity, 0);
  const order = { id, customer, items, total, currency: "EUR", at: new Date().toISOString() };
  return { key: customer, value: JSON.stringify(order) };
}

// kafkajs arms timers with negative delays (kafkajs #1751).
process.removeAllListeners("warning");
const [bootstrapServers, topic] = process.argv.slice(2);
const closed = new Promise<void>((resolve) => process.stdin.once("end", resolve).resume());
const producer = quietClient(bootstrapServers!).producer();
await producer.connect();

let open = true;
closed.then(() => open = false);
while (open) {
  await producer.send({ topic: topic!, messages: Array.from({ length: ORDERS }, nextOrder) });
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, INTERVAL_MS))]);
}
await producer.disconnect();
console.log(made);
process.exit(0);
