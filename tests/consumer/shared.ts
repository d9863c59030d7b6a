// What tests of ordered and parallel consumers share: a consumer with test settings, ways to run its
// handler, and what is to be known of what it was given.
import assert from "node:assert/strict";
import {
  type Consumer,
  type ConsumerEvents,
  createOrderedConsumer,
  createParallelConsumer,
  type Handler,
  type HandlerContext,
  type KafkaOptions,
  type Message,
  type OrderedConsumerOptions,
  type ParallelConsumerOptions,
} from "../../mod.ts";
import {
  committedOffsets,
  createTopic,
  endOffsets,
  produce,
  sharedKafka,
  uniqueName,
} from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { Collector, newTopic, RecordingLogger, typesChecked } from "../support/manager.ts";
import { runsHere } from "../support/runs_here.ts";
import type { RuntimeName } from "../../bench/support/runtimes.ts";
import { remoteHandler } from "./remote.ts";

/** Where the tests' Kafka is; empty where there is none. */
export const { bootstrapServers } = needsKafka.skip
  ? { bootstrapServers: "" }
  : await sharedKafka();

/** A consumer with what belongs to it. */
export interface ConsumerTest {
  /** The consumer; idle. */
  consumer: Consumer;
  /** What it logs. */
  log: RecordingLogger;
  /** Its group. */
  groupId: string;
}

/** One way to run a consumer. */
export interface Variant {
  /** Names it in the report. */
  name: string;
  /** Where handlers run. */
  handlers: "function" | "module";
  /** The other options that make the difference. */
  kafka: Pick<KafkaOptions, "thread" | "driver">;
  /** Where it runs on Apache Kafka. */
  apacheOn: readonly RuntimeName[];
}

/**
 * Every driver, every kind of poller, every kind of handler; not each with each with each, but each two
 * of them with each other.
 */
const VARIANTS: readonly Variant[] = [
  variant("kafkajs", "worker", "function", ["deno", "bun"]),
  variant("kafkajs", "inline", "module", ["node"]),
  variant("platformatic", "worker", "module", ["bun"]),
  variant("platformatic", "inline", "function", ["deno", "node"]),
];

/** Those of them that run here. */
export const VARIANTS_HERE: readonly Variant[] = VARIANTS.filter(runsHere);

function variant(
  driver: "kafkajs" | "platformatic",
  thread: "worker" | "inline",
  handlers: Variant["handlers"],
  apacheOn: readonly RuntimeName[],
): Variant {
  const name = `with ${driver}, ${thread}, ${handlers}`;
  return { name, handlers, kafka: { driver, thread }, apacheOn };
}

/** What both kinds of consumers are told by the tests, all of it optional. */
export type OrderedOverrides = Partial<Omit<OrderedConsumerOptions<never>, "handler">>;
/** What both kinds of consumers are told by the tests, all of it optional. */
export type ParallelOverrides = Partial<Omit<ParallelConsumerOptions<never>, "handler">>;

/** A handler of the tests: `data` is whatever the test knows it to be. */
// deno-lint-ignore no-explicit-any
export type TestHandler = (context: HandlerContext, data: any, message: any) => unknown;

/** Makes an ordered consumer; it is stopped when the scope ends. */
export async function ordered(
  scope: AsyncDisposableStack,
  topic: string | string[],
  handler: TestHandler | URL,
  overrides: OrderedOverrides = {},
  handlers: Variant["handlers"] = "function",
): Promise<ConsumerTest> {
  return await make(scope, createOrderedConsumer as Create, topic, handler, overrides, handlers);
}

/** Makes a parallel consumer; it is stopped when the scope ends. */
export async function parallel(
  scope: AsyncDisposableStack,
  topic: string | string[],
  handler: TestHandler | URL,
  overrides: ParallelOverrides = {},
  handlers: Variant["handlers"] = "function",
): Promise<ConsumerTest> {
  return await make(scope, createParallelConsumer as Create, topic, handler, overrides, handlers);
}

type Create = (options: object) => Consumer;

async function make(
  scope: AsyncDisposableStack,
  create: Create,
  topic: string | string[],
  handler: TestHandler | URL,
  overrides: Partial<KafkaOptions>,
  handlers: Variant["handlers"],
): Promise<ConsumerTest> {
  await typesChecked();
  const log = new RecordingLogger();
  const groupId = overrides.groupId ?? newGroup();
  const consumer = create({
    bootstrapServers,
    groupId,
    topics: typeof topic === "string" ? [topic] : topic,
    startFrom: "earliest",
    logger: log,
    logLevel: "debug",
    stopTimeoutMs: 10_000,
    heartbeatIntervalMs: 100,
    ...overrides,
    handler: typeof handler === "function" && handlers === "module"
      ? remoteHandler(scope, groupId, handler)
      : handler,
  });
  scope.use(consumer);
  return { consumer, log, groupId };
}

/** A name for a group, as strict naming has it. */
export function newGroup(): string {
  return `shop.${uniqueName("consumer")}`;
}

/** Creates a topic beside which there is one for its dead letters. */
export async function topicWithDeadLetters(partitions = 1): Promise<string> {
  const topic = await newTopic({ partitions });
  await createTopic(bootstrapServers, `${topic}.dead-letter`, { partitions });
  return topic;
}

/** Collects events of a consumer. */
export function eventsOf<Name extends keyof ConsumerEvents>(
  { consumer }: ConsumerTest,
  name: Name,
): Collector<ConsumerEvents[Name]> {
  const events = new Collector<ConsumerEvents[Name]>();
  consumer.addEventListener(name, ({ detail }) => events.add(detail));
  return events;
}

/** What all partitions of a topic have got, in their order: read by a plain client. */
export async function readTopic(topic: string): Promise<Message[]> {
  const wanted = (await endOffsets(bootstrapServers, topic)).reduce((a, b) => a + b, 0);
  const messages = new Collector<Message>();
  await using scope = new AsyncDisposableStack();
  const handler: Handler<null> = (_context, _data, message) => messages.add(message);
  const { consumer } = await ordered(scope, topic, handler as TestHandler, {
    decode: () => null as never,
    commit: { intervalMs: 60_000 },
  });
  await consumer.start();
  return await messages.atLeast(wanted);
}

/** Produces "0", "1", … in one partition, from one number to before another: as JSON, those numbers. */
export async function produceNumbers(
  topic: string,
  from: number,
  to: number,
  key: (n: number) => string | null = () => null,
): Promise<void> {
  await produce(
    bootstrapServers,
    topic,
    range(from, to).map((n) => ({ partition: 0, key: key(n), value: `${n}` })),
  );
}

/** The numbers from one to before another. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** What a group has committed, by partition; -1 where there is nothing. */
export async function committed(groupId: string, topic: string): Promise<number[]> {
  return await committedOffsets(bootstrapServers, groupId, topic);
}

/** Resolves after so many milliseconds: what a handler takes. */
export function work(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Watches over handlers: who is under way, in which order they begin, and how many at a time.
 */
export class Watch {
  /** Everything that has begun, as "partition/offset". */
  readonly begun = new Collector<string>();
  /** Everything that has ended well. */
  readonly ended = new Collector<string>();
  /** Most that were under way at once. */
  most = 0;
  /** Most that were under way at once although they have no key, of one partition. */
  mostKeyless = 0;
  /** What was not as it should be. */
  readonly wrong: string[] = [];
  readonly #lane: (message: Message) => string | null;
  readonly #busy = new Map<string, number>();
  readonly #last = new Map<string, number>();
  #underWay = 0;
  #keyless = 0;

  /** @param order What is one after the other. */
  constructor(order: "key" | "partition" | "none") {
    this.#lane = ({ partition, key }) => {
      if (order === "partition") return `${partition}`;
      return order === "none" || key === null
        ? null
        : `${partition} ${new TextDecoder().decode(key)}`;
    };
  }

  /** Has a handler's work watched. */
  async around(message: Message, work: () => unknown): Promise<void> {
    const { partition, offset } = message;
    const name = `${partition}/${offset}`;
    const lane = this.#lane(message);
    if (lane !== null) {
      const busy = this.#busy.get(lane);
      if (busy !== undefined) this.wrong.push(`${name} began beside ${busy} of "${lane}"`);
      const last = this.#last.get(lane) ?? -1;
      if (offset < last) this.wrong.push(`${name} began after ${last} of "${lane}"`);
      this.#busy.set(lane, offset);
      this.#last.set(lane, offset);
    } else this.mostKeyless = Math.max(this.mostKeyless, ++this.#keyless);
    this.most = Math.max(this.most, ++this.#underWay);
    this.begun.add(name);
    try {
      await work();
      this.ended.add(name);
    } finally {
      this.#underWay--;
      if (lane === null) this.#keyless--;
      else this.#busy.delete(lane);
    }
  }

  /** Asserts that each of these has ended exactly once, and nothing was wrong. */
  assertOnce(ends: readonly number[]): void {
    assert.deepEqual(this.wrong, []);
    const all = ends.flatMap((end, partition) => range(0, end).map((n) => `${partition}/${n}`));
    assert.deepEqual(this.ended.items.toSorted(), all.toSorted());
  }
}
