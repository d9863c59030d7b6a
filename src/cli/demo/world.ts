/**
 * The world outside of the demo's program, in a thread of its own: a Kafka, and a shop that produces an
 * order for each sale, and payments. It goes on while the program's thread is blocked, as a real world
 * does.
 *
 * @module
 */
import process from "node:process";
import { type Admin, Kafka, logLevel, Partitioners, type Producer } from "kafkajs";
import { KafkaBroker } from "../../testing/kafka_broker.ts";
import { workerChannel } from "../../threads/worker_channel.ts";
import type { Audit, FromWorld, ToWorld } from "./messages.ts";
import { makeOrder, makePayment } from "./orders.ts";
import { type Group, PARTITIONS, type Shop } from "./shop.ts";

/** How often orders and payments are sent, and how many at a time. */
const INTERVAL_MS = 100;
const ORDERS = 30;
const PAYMENTS = 3;

const TOPICS = ["orders", "deadLetters", "payments"] as const satisfies (keyof Shop)[];

class World {
  readonly #post: (message: FromWorld) => void;
  readonly #open: Extract<ToWorld, { type: "open" }>;
  #broker: KafkaBroker | undefined;
  #admin: Admin | undefined;
  #producer: Producer | undefined;
  #selling: Promise<void> | undefined;
  #closing = false;
  #orders = 0;
  #payments = 0;

  constructor(open: Extract<ToWorld, { type: "open" }>, post: (message: FromWorld) => void) {
    this.#open = open;
    this.#post = post;
  }

  async open(): Promise<void> {
    const { bootstrapServers: given, shop } = this.#open;
    const began = performance.now();
    this.#broker = given === null
      ? await KafkaBroker.start({ autoCreateTopics: false, logLevel: "warn" })
      : undefined;
    const startMs = given === null ? performance.now() - began : null;
    const bootstrapServers = given ?? this.#broker!.bootstrapServers;
    const client = new Kafka({
      clientId: "kafka-threads-demo",
      brokers: bootstrapServers.split(","),
      logLevel: logLevel.NOTHING,
      // About two seconds, for a Kafka that is not there.
      retry: { retries: 3 },
    });
    this.#admin = client.admin();
    await this.#admin.connect();
    await this.#admin.createTopics({
      topics: TOPICS.map((name) => ({ topic: shop[name], numPartitions: PARTITIONS[name] })),
    });
    // A fresh Kafka makes the topic that commits are kept in when it is first asked for one.
    const { groupId, topic } = shop.groups.revenue;
    await this.#admin.fetchOffsets({ groupId, topics: [topic] });
    this.#producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await this.#producer.connect();
    this.#post({ type: "opened", bootstrapServers, startMs });
  }

  sell(): void {
    this.#selling = this.#sell();
    this.#selling.catch(() => {}); // Told by close().
  }

  async #sell(): Promise<void> {
    const { orders, payments } = this.#open.shop;
    while (!this.#closing) {
      const sold = Array.from({ length: ORDERS }, () => makeOrder(++this.#orders, new Date()));
      const paid = Array.from({ length: PAYMENTS }, () => makePayment(++this.#payments));
      await this.#producer!.sendBatch({
        topicMessages: [{ topic: orders, messages: sold }, { topic: payments, messages: paid }],
      });
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#selling;
    this.#post({ type: "closed", orders: this.#orders, payments: this.#payments });
  }

  async audit(): Promise<void> {
    const { shop } = this.#open;
    const { revenue, ledger, invoices } = shop.groups;
    const groups = {
      revenue: await this.#audit(revenue),
      ledger: await this.#audit(ledger),
      invoices: await this.#audit(invoices),
    };
    const deadLetters = await this.#admin!.fetchTopicOffsets(shop.deadLetters);
    await this.#producer!.disconnect();
    // What the demo has made on somebody's Kafka, it takes away again.
    if (this.#broker === undefined) {
      await this.#admin!.deleteTopics({ topics: TOPICS.map((name) => shop[name]) });
    }
    await this.#admin!.disconnect();
    await this.#broker?.stop();
    this.#post({
      type: "audited",
      groups,
      deadLetters: deadLetters.reduce((sum, { offset }) => sum + Number(offset), 0),
    });
  }

  async #audit({ groupId, topic }: Group): Promise<Audit> {
    const ends = await this.#admin!.fetchTopicOffsets(topic);
    const [commits] = await this.#admin!.fetchOffsets({ groupId, topics: [topic] });
    const byPartition = (rows: { partition: number; offset: string }[]) =>
      rows.toSorted((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset));
    // A partition without messages has no commit: its end is 0, and so is its position.
    const committed = byPartition(commits!.partitions).map((offset) => Math.max(offset, 0));
    return { committed, ends: byPartition(ends) };
  }
}

// kafkajs arms timers with negative delays (kafkajs #1751).
process.removeAllListeners("warning");
const channel = workerChannel<ToWorld, FromWorld>();
let world: World | undefined;
channel.onMessage = (message) => {
  if (message.type === "open") world = new World(message, channel.post);
  Promise.resolve(world?.[message.type]()).catch((error) =>
    channel.post({ type: "failed", reason: (error as Error)?.message ?? `${error}` })
  );
};
channel.post({ type: "ready" });
