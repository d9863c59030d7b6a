// A poller on the test's own thread: a driver without Kafka on one side, a scripted program on the
// other. Tests wait for what is posted or called, never for time.

import type {
  ConsumerDriver,
  CreateDriver,
  DriverBatch,
  DriverContext,
  DriverStatus,
  OffsetCommit,
  TopicPartition,
} from "../../src/driver.ts";
import { Poller } from "../../src/poller/poller.ts";
import { nextTurn } from "../../src/threads/turns.ts";
import { channelPair } from "../../src/threads/channel.ts";
import type { FromPoller, PollerOptions, ToPoller } from "../../src/threads/messages.ts";

/** Options of a poller that does nothing by itself within a test's time. */
export const quietOptions: PollerOptions = {
  name: "test",
  bootstrapServers: ["nowhere:9092"],
  groupId: "group",
  topics: ["t"],
  startFrom: "earliest",
  clientId: "client",
  ssl: false,
  driver: new URL("./given_driver.ts", import.meta.url).href,
  driverIsUrl: true,
  driverOptions: {},
  sessionTimeoutMs: 10_000,
  heartbeatIntervalMs: 3_000,
  maxInFlight: { messages: 100, bytes: 1e6 },
  commitIntervalMs: 3_600_000,
  lifetimeMs: null,
  retry: { initialMs: 1, maxMs: 2, budgetMs: null },
  revokeTimeoutMs: 60_000,
  startTimeoutMs: 60_000,
  logLevel: "debug",
};

/** Things that happen, and those who wait for them. */
class Happenings<T> {
  readonly all: T[] = [];
  #unread: T[] = [];
  #waiting: { fits: (each: T) => boolean; found: (each: T) => void }[] = [];

  note(each: T): void {
    this.all.push(each);
    const index = this.#waiting.findIndex(({ fits }) => fits(each));
    if (index < 0) this.#unread.push(each);
    else this.#waiting.splice(index, 1)[0]!.found(each);
  }

  /** The first one that fits and was not returned here before; waits for it. */
  next(fits: (each: T) => boolean = () => true): Promise<T> {
    const index = this.#unread.findIndex(fits);
    if (index >= 0) return Promise.resolve(this.#unread.splice(index, 1)[0]!);
    return new Promise((found) => this.#waiting.push({ fits, found }));
  }
}

/** A driver that the test answers for. */
export class FakeDriver implements ConsumerDriver {
  readonly context: DriverContext;
  readonly polls = new Happenings<{
    timeoutMs: number;
    answer: (batches?: readonly DriverBatch[]) => void;
    fail: (error: unknown) => void;
  }>();
  readonly commits = new Happenings<{
    offsets: readonly OffsetCommit[];
    answer: () => void;
    fail: (error: unknown) => void;
  }>();
  readonly calls = new Happenings<string>();
  /** Whether commits are acknowledged at once. */
  commitsAtOnce = true;
  closed = false;

  constructor(context: DriverContext) {
    this.context = context;
  }

  poll(timeoutMs: number): Promise<readonly DriverBatch[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly DriverBatch[]>();
    this.polls.note({ timeoutMs, answer: (batches = []) => resolve(batches), fail: reject });
    return promise;
  }

  commit(offsets: readonly OffsetCommit[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.commits.note({ offsets, answer: resolve, fail: reject });
    if (this.commitsAtOnce) resolve();
    return promise;
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.calls.note(`pause ${numbers(partitions)}`);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.calls.note(`resume ${numbers(partitions)}`);
  }

  close(): Promise<void> {
    this.closed = true;
    this.calls.note("close");
    return Promise.resolve();
  }

  status(): DriverStatus {
    return { group: "stable", heartbeatAt: 77, memberId: "member" };
  }
}

function numbers(partitions: readonly TopicPartition[]): string {
  return partitions.map(({ partition }) => partition).join(",");
}

/** Records of partition `partition` of topic `t`, at these offsets, each of `size` bytes. */
export function batch(
  partition: number,
  offsets: readonly number[],
  { size = 1, nextOffset, endOffset }: { size?: number; nextOffset?: number; endOffset?: number } =
    {},
): DriverBatch {
  return {
    topic: "t",
    partition,
    records: offsets.map((offset) => ({ offset, value: "x".repeat(size) })),
    ...(nextOffset === undefined ? {} : { nextOffset }),
    ...(endOffset === undefined ? {} : { endOffset }),
  };
}

/** Numbers from `from` on. */
export const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from + index);

type Posted<T extends FromPoller["type"]> = Extract<FromPoller, { type: T }>;

/** A poller between a {@link FakeDriver} and the test. */
export class PollerRig {
  readonly posted = new Happenings<FromPoller>();
  readonly poller: Poller;
  readonly run: Promise<void>;
  /** Given to the poller as random numbers. */
  random = 0.5;
  #made = Promise.withResolvers<FakeDriver>();
  readonly #post: (message: ToPoller) => void;

  constructor(options: Partial<PollerOptions> = {}, create?: CreateDriver) {
    const [inside, outside] = channelPair<ToPoller, FromPoller>(nextTurn);
    this.#post = (message) => outside.post(message);
    outside.onMessage = (message) => this.posted.note(message);
    const makeDriver: CreateDriver = (context) => {
      const driver = new FakeDriver(context);
      this.#made.resolve(driver);
      return driver;
    };
    this.poller = new Poller(
      inside,
      { ...quietOptions, driverOptions: { create: create ?? makeDriver }, ...options },
      { now: Date.now, random: () => this.random },
    );
    inside.onMessage = (message) => this.poller.receive(message);
    this.run = this.poller.run();
  }

  /** The driver, when it is made. */
  get driver(): Promise<FakeDriver> {
    return this.#made.promise;
  }

  /** Starts polling with these partitions of topic `t` assigned at offset 0. */
  async begin(...partitions: number[]): Promise<FakeDriver> {
    const driver = await this.driver;
    const poll = await driver.polls.next();
    driver.context.hooks.assigned(
      partitions.map((partition) => ({ topic: "t", partition, position: 0 })),
    );
    poll.answer();
    await this.next("started");
    return driver;
  }

  /** The next message of this kind from the poller. */
  next<T extends FromPoller["type"]>(type: T): Promise<Posted<T>> {
    return this.posted.next((message) => message.type === type) as Promise<Posted<T>>;
  }

  /** All messages of this kind so far. */
  all<T extends FromPoller["type"]>(type: T): Posted<T>[] {
    return this.posted.all.filter((message): message is Posted<T> => message.type === type);
  }

  post(message: ToPoller): void {
    this.#post(message);
  }

  /** Where the poller stands, after all that was posted to it before. */
  async snapshot(): Promise<Posted<"pong">["snapshot"]> {
    this.post({ type: "ping", id: 1 });
    return (await this.next("pong")).snapshot;
  }

  /** Stops it, with nothing under way, and waits for its end. */
  async end(): Promise<Posted<"ended">> {
    this.post({ type: "stop" });
    return await this.ended();
  }

  /** Answers the last drain and waits for the end. */
  async ended(): Promise<Posted<"ended">> {
    const last = await this.posted.next((message) =>
      message.type === "drain" && message.partitions === null
    ) as Posted<"drain">;
    this.post({ type: "drained", id: last.id });
    const ended = await this.next("ended");
    await this.run;
    return ended;
  }
}
