import type {
  AssignedPartition,
  ConsumerDriver,
  CreateDriver,
  DriverContext,
  TopicPartition,
} from "../../../../src/driver.ts";
import type { KafkaThreadsError } from "../../../../src/errors.ts";
import {
  headersAt,
  isRecordTable,
  keyAt,
  tableOfRecords,
  valueAt,
} from "../../../../src/threads/records.ts";

/** A record as the tests compare it. */
export interface Read {
  offset: number;
  timestamp: number;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: { key: string; value: Uint8Array | null }[];
}

/** What happened to a member's assignment, in order. */
export type HookCall =
  | { hook: "assigned"; partitions: AssignedPartition[] }
  | { hook: "revoked" | "lost"; partitions: TopicPartition[] };

/** What a member is made from, beside what every driver needs. */
export interface MemberOptions extends Partial<Omit<DriverContext, "hooks">> {
  /** Runs within the hook. Default: nothing. */
  onAssigned?: (member: Member) => void;
  /** Runs within the hook, before the partitions are given up. Default: nothing. */
  onRevoked?: (member: Member) => Promise<void>;
  /** Runs within the hook. Default: nothing. */
  onLost?: (member: Member) => void;
}

/** How long something may take that takes seconds at most. */
const PATIENCE_MS = 30_000;
const POLL_MS = 1_000;
const BACKOFF_MS = 50;

/** One driver, polled as the poller does it, and everything it has told. */
export class Member implements AsyncDisposable {
  readonly calls: HookCall[] = [];
  readonly errors: KafkaThreadsError[] = [];
  readonly warnings: string[] = [];
  /** Everything read, by `topic/partition`. */
  readonly records = new Map<string, Read[]>();
  /** What is assigned now, with the position of the next record. */
  readonly positions = new Map<string, TopicPartition & { offset: number }>();
  readonly #stop = new AbortController();
  readonly #watchers = new Set<() => void>();
  #driver: ConsumerDriver | null = null;
  #running: Promise<void> | null = null;
  #closing: Promise<void> | null = null;

  private constructor() {}

  /** Makes a driver; it is not polled before {@linkcode run}. */
  static async create(createDriver: CreateDriver, options: MemberOptions): Promise<Member> {
    const member = new Member();
    const { onAssigned, onRevoked, onLost, ...context } = options;
    const warn = (message: string) => void member.warnings.push(message);
    member.#driver = await createDriver({
      bootstrapServers: [],
      groupId: "",
      topics: [],
      startFrom: "earliest",
      clientId: "kafka-threads-tests",
      ssl: false,
      driverOptions: {},
      sessionTimeoutMs: 10_000,
      heartbeatIntervalMs: 200,
      maxBytes: 64 * 1024 * 1024,
      logger: { debug() {}, info() {}, warn, error: warn },
      signal: member.#stop.signal,
      ...context,
      hooks: {
        assigned: (partitions) => {
          member.calls.push({ hook: "assigned", partitions: [...partitions] });
          for (const { topic, partition, position } of partitions) {
            member.positions.set(keyOf({ topic, partition }), {
              topic,
              partition,
              offset: position ?? 0,
            });
          }
          onAssigned?.(member);
          member.#notify();
        },
        revoked: async (partitions) => {
          member.calls.push({ hook: "revoked", partitions: [...partitions] });
          member.#notify();
          await onRevoked?.(member);
          for (const partition of partitions) member.positions.delete(keyOf(partition));
          member.#notify();
        },
        lost: (partitions) => {
          member.calls.push({ hook: "lost", partitions: [...partitions] });
          for (const partition of partitions) member.positions.delete(keyOf(partition));
          onLost?.(member);
          member.#notify();
        },
      },
    });
    return member;
  }

  /** The driver itself. */
  get driver(): ConsumerDriver {
    return this.#driver!;
  }

  /** Aborts the signal that the driver has been given. */
  abort(): void {
    this.#stop.abort();
  }

  /** Polls from now on, as the poller does, until the close or an error that is final. */
  run(): this {
    this.#running ??= (async () => {
      while (this.#closing === null) {
        try {
          this.#takeIn(await this.driver.poll(POLL_MS));
        } catch (error) {
          if (this.#closing !== null) return;
          this.errors.push(error as KafkaThreadsError);
          this.#notify();
          if ((error as KafkaThreadsError).retriable === false) return;
          await new Promise((resolve) => setTimeout(resolve, BACKOFF_MS));
        }
        this.#notify();
      }
    })();
    return this;
  }

  /** Polls until that succeeds once. */
  async poll(timeoutMs = POLL_MS): Promise<void> {
    for (;;) {
      try {
        return this.#takeIn(await this.driver.poll(timeoutMs));
      } catch (error) {
        this.errors.push(error as KafkaThreadsError);
        if ((error as KafkaThreadsError).retriable !== true) throw error;
        await new Promise((resolve) => setTimeout(resolve, BACKOFF_MS));
      }
    }
  }

  /**
   * Waits until something is so; it is looked at whenever something happens to this member.
   *
   * @param what Says in the error what was waited for.
   */
  async until(what: string, condition: () => boolean, patienceMs = PATIENCE_MS): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => {
      if (condition()) resolve();
    };
    const timer = setTimeout(() => {
      const state = JSON.stringify({
        calls: this.calls,
        errors: [...new Set(this.errors.map((error) => `${error.name}: ${error.message}`))],
        warnings: [...new Set(this.warnings)],
        read: [...this.records].map(([key, list]) => [key, list.length]),
        status: this.#driver?.status?.(),
      });
      reject(new Error(`Waited ${patienceMs} ms in vain until ${what}: ${state}`));
    }, patienceMs);
    // Not everything that happens has a hook: a heartbeat, say.
    const ticks = setInterval(look, 20);
    this.#watchers.add(look);
    look();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      clearInterval(ticks);
      this.#watchers.delete(look);
    }
  }

  /** Waits until this member has been assigned partitions so many times. */
  untilAssigned(times = 1): Promise<void> {
    return this.until(`it is assigned ${times} times`, () => this.count("assigned") >= times);
  }

  /** Waits until this member has read so many records. */
  untilRead(count: number): Promise<void> {
    return this.until(`it has read ${count} records`, () => this.read >= count);
  }

  /** How many records have been read. */
  get read(): number {
    return this.records.values().reduce((sum, list) => sum + list.length, 0);
  }

  /** How often a hook was called. */
  count(hook: HookCall["hook"]): number {
    return this.calls.filter((call) => call.hook === hook).length;
  }

  /** The last assignment. */
  get assigned(): AssignedPartition[] {
    const last = this.calls.findLast((call) => call.hook === "assigned");
    return last === undefined ? [] : (last.partitions as AssignedPartition[])
      .toSorted((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition);
  }

  /** What has been read of a partition. */
  of(topic: string, partition = 0): Read[] {
    return this.records.get(keyOf({ topic, partition })) ?? [];
  }

  /** The offsets that have been read of a partition. */
  offsets(topic: string, partition = 0): number[] {
    return this.of(topic, partition).map(({ offset }) => offset);
  }

  /** Commits everything that has been read. */
  async commitAll(): Promise<void> {
    await this.driver.commit([...this.positions.values()]);
  }

  /** Stops polling and closes the driver. */
  close(): Promise<void> {
    return this.#closing ??= (async () => {
      this.#stop.abort();
      await inTime("the driver closes", this.driver.close());
      await inTime("the last poll ends", this.#running ?? Promise.resolve());
    })();
  }

  /** Stops polling, commits what has been read, and closes. */
  async leave(): Promise<void> {
    this.#closing = Promise.resolve();
    this.#stop.abort();
    await this.#running;
    await this.commitAll();
    this.#closing = null;
    await this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #takeIn(batches: Awaited<ReturnType<ConsumerDriver["poll"]>>): void {
    for (const { topic, partition, records, nextOffset } of batches) {
      const key = keyOf({ topic, partition });
      const place = this.positions.get(key);
      if (place === undefined) throw new Error(`"${key}" is read, and it is not assigned`);
      const table = isRecordTable(records) ? records : tableOfRecords(records, Date.now());
      const read = this.records.get(key) ?? [];
      this.records.set(key, read);
      for (let index = 0; index < table.count; index++) {
        read.push({
          offset: table.offsets[index]!,
          timestamp: table.timestamps[index]!,
          key: keyAt(table, index),
          value: valueAt(table, index),
          headers: headersAt(table, index),
        });
      }
      const last = table.count > 0 ? table.offsets[table.count - 1]! + 1 : place.offset;
      place.offset = nextOffset ?? last;
    }
  }

  #notify(): void {
    for (const look of this.#watchers) look();
  }
}

/** Far beyond what is allowed: only so that one failure does not hold up all the others. */
const ENDLESS_MS = 20_000;

async function inTime(what: string, promise: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${ENDLESS_MS} ms and not yet: ${what}`)),
      ENDLESS_MS,
    );
  });
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The name of a partition in the tables of a member. */
export function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

/** The numbers from `start` to `end`, without `end`. */
export function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}
