// A member of a group in a process of its own, for tests that stop that process or kill it. It prints
// what it begins and finishes and what it logs. The message that its last argument names waits until
// a line comes over standard input; the end of standard input ends it.
import process from "node:process";
import { createInterface } from "node:readline";
import { ThreadManager } from "../../../mod.ts";

const [bootstrapServers, groupId, topic, startFrom, heldOffset] = process.argv.slice(2);
const print = (...words: unknown[]) => void process.stdout.write(`${words.join(" ")}\n`);
const log = (message: string) => print("log", message);
const held = Promise.withResolvers<void>();

const manager = new ThreadManager({
  consumer: {
    bootstrapServers: bootstrapServers!,
    groupId: groupId!,
    topics: [topic!],
    startFrom: startFrom as "latest" | "earliest",
    sessionTimeoutMs: 1_500,
    heartbeatIntervalMs: 300,
  },
  lifetimeMs: null,
  commit: { intervalMs: 100 },
  logger: { debug: log, info: log, warn: log, error: log },
  onMessage: async ({ offset }) => {
    print("begin", offset);
    if (offset === Number(heldOffset)) await held.promise;
    print("finish", offset);
  },
});
createInterface({ input: process.stdin })
  .on("line", () => held.resolve())
  .on("close", () => void manager.stop());
await manager.start();
print("started");
await manager.closed;
