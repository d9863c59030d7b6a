// What tests of ThreadManager share: a manager with test settings, a logger that records, and ways to
// wait for what happens instead of for time to pass.
import type { KafkaOptions, Logger, LogLevel, Message, ThreadManagerOptions } from "../../mod.ts";
import { ThreadManager } from "../../mod.ts";
import { sharedKafka } from "./kafka/shared.ts";
import { committedOffsets } from "./kafka/groups.ts";
import { createTopic, endOffsets, type TopicOptions, uniqueName } from "./kafka/topics.ts";
import { typesChecked } from "./types_checked.ts";

export { typesChecked };

/** What has not happened after this time will not happen: then a wait rejects. */
const PATIENCE_MS = 45_000;

/** One line that was logged. */
export interface LogLine {
  /** Its level. */
  level: Exclude<LogLevel, "silent">;
  /** Its text. */
  message: string;
  /** What was logged with it. */
  fields: Record<string, unknown> | undefined;
}

/**
 * Collects what happens, and lets tests wait for it.
 *
 * @typeParam T What is collected.
 */
export class Collector<T> {
  /** All of it, in order. */
  readonly items: T[] = [];
  #read = 0;
  #changed = Promise.withResolvers<void>();

  /** Adds an item; usable as a callback by itself. */
  readonly add = (item: T): void => {
    this.items.push(item);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  };

  /**
   * Waits until something holds; asked again after each item.
   *
   * @param what Named in the error if it never does.
   * @param holds What to wait for.
   * @returns All items.
   */
  async until(what: string, holds: (items: readonly T[]) => boolean): Promise<T[]> {
    await withPatience(
      () => `${what}: it has not come to that; ${this.items.length} items were collected`,
      async (over) => {
        while (!holds(this.items)) await Promise.race([this.#changed.promise, over]);
      },
    );
    return this.items;
  }

  /** Waits until there are so many items. */
  atLeast(count: number): Promise<T[]> {
    return this.until(`${count} items`, (items) => items.length >= count);
  }

  /** The next item that this method has not returned yet. */
  async next(): Promise<T> {
    const index = this.#read++;
    await this.atLeast(index + 1);
    return this.items[index]!;
  }
}

/** A logger that keeps every line. */
export class RecordingLogger extends Collector<LogLine> implements Logger {
  /** Keeps a line of this level. */
  readonly debug = this.#at("debug");
  /** Keeps a line of this level. */
  readonly info = this.#at("info");
  /** Keeps a line of this level. */
  readonly warn = this.#at("warn");
  /** Keeps a line of this level. */
  readonly error = this.#at("error");

  /** The texts that were logged at a level; at any, if none is given. */
  messages(level?: LogLine["level"]): string[] {
    return this.items
      .filter((line) => level === undefined || line.level === level)
      .map(({ message }) => message);
  }

  /** Waits for a line whose text contains or matches this. */
  async line(text: string | RegExp): Promise<LogLine> {
    const fits = ({ message }: LogLine) =>
      typeof text === "string" ? message.includes(text) : text.test(message);
    const lines = await this.until(`the log line ${text}`, (lines) => lines.some(fits));
    return lines.find(fits)!;
  }

  #at(level: LogLine["level"]): Logger["info"] {
    return (message, fields) => this.add({ level, message, fields });
  }
}

/** Options of {@linkcode managerFor}: those of `ThreadManager`, all of them optional. */
export type ManagerOverrides = Omit<Partial<ThreadManagerOptions>, "consumer"> & {
  consumer?: Partial<KafkaOptions>;
};

/** A manager with what belongs to it. Dispose of it at the end of the test: that stops the manager. */
export interface ManagedTest extends AsyncDisposable {
  /** The manager; idle. */
  manager: ThreadManager;
  /** What it logs. */
  log: RecordingLogger;
  /** Its consumer group. */
  groupId: string;
  /** The options it was made with. */
  options: ThreadManagerOptions;
}

/**
 * Makes a manager for a topic of the tests' Kafka: a group of its own from the earliest message on,
 * without a lifetime, with a logger that records everything.
 *
 * @param topic The topic, or several.
 * @param overrides Options that differ from these.
 * @returns The manager, not started, and what belongs to it.
 */
export async function managerFor(
  topic: string | string[],
  { consumer = {}, ...overrides }: ManagerOverrides = {},
): Promise<ManagedTest> {
  await typesChecked();
  const log = new RecordingLogger();
  const groupId = consumer.groupId ?? uniqueName("manager");
  const options: ThreadManagerOptions = {
    lifetimeMs: null,
    logger: log,
    logLevel: "debug",
    ...overrides,
    consumer: {
      bootstrapServers: consumer.bootstrapServers ?? (await sharedKafka()).bootstrapServers,
      topics: typeof topic === "string" ? [topic] : topic,
      startFrom: "earliest",
      ...consumer,
      groupId,
    },
  };
  const manager = new ThreadManager(options);
  return {
    manager,
    log,
    groupId,
    options,
    [Symbol.asyncDispose]: () => manager.stop(),
  };
}

/**
 * Creates a topic of the tests' Kafka, with a name of its own, and waits until the broker knows it.
 *
 * @param options Partitions and settings.
 * @returns Its name.
 */
export async function newTopic(options: TopicOptions = {}): Promise<string> {
  const { bootstrapServers } = await sharedKafka();
  const topic = uniqueName("manager");
  const isUnknown = (error: { type?: string }) => {
    if (error.type !== "UNKNOWN_TOPIC_OR_PARTITION") throw error;
    return true;
  };
  // A broker may not have heard of it when its controller has.
  let unknown = await createTopic(bootstrapServers, topic, options).then(() => false, isUnknown);
  while (unknown) unknown = await endOffsets(bootstrapServers, topic).then(() => false, isUnknown);
  return topic;
}

/** Collects messages: give its `add` as `onMessage`. */
export function collectMessages(): Collector<Message> {
  return new Collector();
}

/**
 * Takes messages out of an iteration, which is left after the last of them.
 *
 * @param messages What to iterate over.
 * @param count How many to take.
 * @returns The messages.
 */
export async function take(messages: AsyncIterable<Message>, count: number): Promise<Message[]> {
  const taken: Message[] = [];
  for await (const message of messages) {
    taken.push(message);
    if (taken.length === count) break;
  }
  return taken;
}

/**
 * Waits until a manager's figures are as they should be; each look is an answer of its thread.
 *
 * @typeParam Stats What the figures are.
 * @param manager A running manager, or consumer.
 * @param what Named in the error if they never are.
 * @param holds What to wait for.
 * @returns The figures.
 */
export async function untilStats<Stats>(
  manager: { stats(): Stats; health(): Promise<unknown> },
  what: string,
  holds: (stats: Stats) => boolean,
): Promise<Stats> {
  let stats = manager.stats();
  await withPatience(() => `${what}: the figures are ${JSON.stringify(stats)}`, async (over) => {
    while (!holds(stats)) {
      await Promise.race([manager.health(), over]);
      // A manager without a thread answers at once: others need a turn too.
      await new Promise((resolve) => setTimeout(resolve, 1));
      stats = manager.stats();
    }
  });
  return stats;
}

/**
 * Waits until a group has committed certain offsets, as its broker tells.
 *
 * @param groupId The group.
 * @param topic The topic.
 * @param offsets By partition.
 */
export async function untilCommitted(
  groupId: string,
  topic: string,
  offsets: number[],
): Promise<void> {
  let committed: number[] = [];
  await withPatience(() => `${offsets} are to be committed: ${committed} are`, async (over) => {
    while (committed.join() !== offsets.join()) {
      committed = await Promise.race([committedFor(groupId, topic), over]);
    }
  });
}

/** What a group has committed on the tests' Kafka, by partition; -1 where there is nothing. */
export async function committedFor(groupId: string, topic: string): Promise<number[]> {
  const { bootstrapServers } = await sharedKafka();
  return await committedOffsets(bootstrapServers, groupId, topic);
}

/**
 * Rejects if a task is not done in time.
 *
 * @param message Says what was waited for, at that time.
 * @param task Gets a promise that rejects when the time is over, to race against.
 */
async function withPatience(
  message: () => string,
  task: (over: Promise<never>) => Promise<void>,
): Promise<void> {
  const over = Promise.withResolvers<never>();
  over.promise.catch(() => {});
  const timer = setTimeout(() => over.reject(new Error(message())), PATIENCE_MS);
  try {
    await task(over.promise);
  } finally {
    clearTimeout(timer);
  }
}
