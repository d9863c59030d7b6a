import process from "node:process";
import { parseArgs } from "node:util";

/** The line a busy consumer prints when its thread is about to be blocked. */
export const BLOCKED = "blocked";
/** The line it prints when the thread is free again. */
export const FREE = "free";

/** What became of a consumer whose program's thread was blocked. */
export interface BusyFigures {
  /** Milliseconds the thread was blocked. */
  blockedMs: number;
  /** Age of the last answered heartbeat when the thread was free again, milliseconds. */
  heartbeatAgeMs: number;
  /** Times the group took the assignment away. */
  rebalances: number;
  /** Messages that came more than once. */
  duplicates: number;
}

/** How a consumer's membership in its group stands. */
export interface Membership {
  /** Milliseconds since the epoch of the last answered heartbeat; 0: none yet. */
  heartbeatAt: number;
  /** Rebalances so far, the first join not counted. */
  rebalances: number;
}

/** A consumer under test. */
export interface BusyConsumer {
  /** Begins to consume. */
  start(): Promise<unknown>;
  /** How its membership stands by now; it may wait for the answer of its thread. */
  membership(): Promise<Membership>;
  /** Closes it. */
  stop(): Promise<unknown>;
}

/** What a busy consumer is told. */
export interface BusyAssignment {
  /** The broker, `host:port,…`. */
  bootstrapServers: string;
  /** A group that has never committed. */
  groupId: string;
  /** A topic of one partition, filled already. */
  topic: string;
  /** Session timeout for the group. */
  sessionTimeoutMs: number;
  /** Heartbeat interval for the group. */
  heartbeatIntervalMs: number;
}

/**
 * The main program of a busy consumer: in the middle of the topic, the handler of one message computes
 * for three session timeouts. Prints the figures when every message has arrived and a session
 * timeout has passed without a further one.
 *
 * @param create Makes the consumer; `onMessage` is to be called with every offset.
 */
export async function busy(
  create: (assignment: BusyAssignment, onMessage: (offset: number) => void) => BusyConsumer,
): Promise<void> {
  const { values } = parseArgs({
    options: {
      bootstrap: { type: "string" },
      group: { type: "string" },
      topic: { type: "string" },
      messages: { type: "string" },
      "session-timeout-ms": { type: "string" },
    },
  });
  const { bootstrap, group, topic } = values;
  if (!bootstrap || !group || !topic || !values.messages || !values["session-timeout-ms"]) {
    throw new Error(
      "Usage: --bootstrap HOST:PORT --group NAME --topic NAME --messages N --session-timeout-ms N",
    );
  }
  const messages = Number(values.messages);
  const sessionTimeoutMs = Number(values["session-timeout-ms"]);
  const seen = new Set<number>();
  let duplicates = 0;
  let lastAt = 0;
  let block: { since: number; until: number; membership: Promise<Membership> } | undefined;

  const consumer = create({
    bootstrapServers: bootstrap,
    groupId: group,
    topic,
    sessionTimeoutMs,
    heartbeatIntervalMs: sessionTimeoutMs / 4,
  }, (offset) => {
    if (seen.has(offset)) duplicates++;
    seen.add(offset);
    if (block === undefined && offset === Math.floor(messages / 2)) {
      const since = Date.now();
      tell(BLOCKED);
      while (Date.now() - since < 3 * sessionTimeoutMs);
      tell(FREE);
      block = { since, until: Date.now(), membership: consumer.membership() };
    }
    lastAt = Date.now();
  });
  await consumer.start();
  while (seen.size < messages || Date.now() - lastAt < sessionTimeoutMs) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { since, until, membership } = block!;
  const { heartbeatAt } = await membership;
  const { rebalances } = await consumer.membership();
  await consumer.stop();
  const figures: BusyFigures = {
    blockedMs: until - since,
    heartbeatAgeMs: Math.max(0, until - heartbeatAt),
    rebalances,
    duplicates,
  };
  tell(JSON.stringify(figures));
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}
