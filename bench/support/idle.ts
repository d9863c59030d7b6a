import process from "node:process";
import { parseArgs } from "node:util";

/** What an idle consumer cost. */
export interface IdleFigures {
  /** CPU milliseconds of the whole process, all threads. */
  cpuMs: number;
  /** Milliseconds of wall clock over which that was taken. */
  wallMs: number;
}

/**
 * The main program of an idle consumer: starts it on an empty topic, lets it settle, and prints what
 * the process cost while nothing happened.
 *
 * @param create Makes the consumer.
 */
export async function idle(
  create: (at: { bootstrapServers: string; groupId: string; topic: string }) => {
    start(): Promise<unknown>;
    stop(): Promise<unknown>;
  },
): Promise<void> {
  const { values } = parseArgs({
    options: {
      bootstrap: { type: "string" },
      group: { type: "string" },
      topic: { type: "string" },
      "settle-ms": { type: "string", default: "3000" },
      "idle-ms": { type: "string", default: "5000" },
    },
  });
  const { bootstrap, group, topic } = values;
  if (!bootstrap || !group || !topic) {
    throw new Error("Usage: --bootstrap HOST:PORT --group NAME --topic NAME");
  }
  const consumer = create({ bootstrapServers: bootstrap, groupId: group, topic });
  await consumer.start();
  await pass(Number(values["settle-ms"]));
  const before = process.cpuUsage();
  const since = performance.now();
  await pass(Number(values["idle-ms"]));
  const { user, system } = process.cpuUsage(before);
  const figures: IdleFigures = {
    cpuMs: (user + system) / 1_000,
    wallMs: performance.now() - since,
  };
  await consumer.stop();
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

function pass(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
