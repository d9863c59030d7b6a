// Commits when it wants to: here after every tenth message, once those ten are stored. What was not
// committed comes again after a restart, so storing a message twice must do no harm.
//
//     deno run --allow-net --allow-env --allow-read examples/manual_commit.ts
//     bun run examples/manual_commit.ts
//     node examples/manual_commit.ts          (Node 24 or newer)
//
// KAFKA_BOOTSTRAP_SERVERS (default localhost:9092) and TOPIC (default orders) say what to read.
import process from "node:process";
import { LostPartitionError, type Message, ThreadManager } from "@kafka-threads/kafka-threads";

const { KAFKA_BOOTSTRAP_SERVERS = "localhost:9092", TOPIC = "orders" } = process.env;

const manager = new ThreadManager({
  consumer: {
    bootstrapServers: KAFKA_BOOTSTRAP_SERVERS,
    groupId: "shop.archive",
    topics: [TOPIC],
    startFrom: "earliest",
  },
  commit: "manual",
  onMessage: archive,
  lifetimeMs: null,
});
const stored = new Map<string, Message>();
const waiting: Message[] = [];

async function archive(message: Message): Promise<void> {
  waiting.push(message);
  if (waiting.length < 10) return;
  const ten = waiting.splice(0);
  // Stands for a write to a database.
  for (const message of ten) stored.set(`${message.partition}/${message.offset}`, message);

  // A commit covers all before it in its partition, so the last message of each is enough.
  const last = new Map(ten.map((message) => [message.partition, message]));
  for (const message of last.values()) {
    await manager.commit(message).catch((error) => {
      // Somebody else reads the partition now, and gets these messages again.
      if (!LostPartitionError.is(error)) throw error;
    });
  }
  console.log(`stored and committed: ${stored.size}`);
}

// Leaves the group at once, where a program that just ends would be missed for a session's time.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => manager.stop());
await manager.start();
