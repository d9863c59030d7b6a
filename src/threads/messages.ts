/**
 * Every message that crosses between the program's thread and the poller thread.
 *
 * All are plain data that `postMessage` can clone. Each channel is ordered, and the protocol leans on
 * it: an acknowledgement posted before an answer has arrived before it.
 */

import type { DriverSasl, DriverStatus, TlsOptions, TopicPartition } from "../driver.ts";
import type { LogLevel } from "../logger.ts";
import type { WireError } from "./error_wire.ts";
import type { HandlingTimes } from "./handling_times.ts";
import type { PackedRecords } from "./records.ts";

/** SASL settings without the token function, which stays on the program's thread. */
export type WireSasl =
  | Exclude<DriverSasl, { mechanism: "oauthbearer" }>
  | { mechanism: "oauthbearer" };

/** What the poller thread needs to know to begin. */
export interface PollerOptions {
  /** Name of the consumer, for log lines. */
  name: string;
  /** Addresses to begin with, each `host:port`. */
  bootstrapServers: readonly string[];
  /** Name of the consumer group. */
  groupId: string;
  /** Topics to read. */
  topics: readonly string[];
  /** Where a group without commits begins. */
  startFrom: "latest" | "earliest";
  /** Name the client gives itself. */
  clientId: string;
  /** TLS, or false. */
  ssl: boolean | TlsOptions;
  /** SASL, or undefined. */
  sasl?: WireSasl;
  /** A built-in driver's name, or the address of a driver module. */
  driver: string;
  /** Whether `driver` is an address. */
  driverIsUrl: boolean;
  /** Passed to the driver as it is. */
  driverOptions: Record<string, unknown>;
  /** See `KafkaOptions`. */
  sessionTimeoutMs: number;
  /** See `KafkaOptions`. */
  heartbeatIntervalMs: number;
  /** Epoch of the last assignment before this run: those of this run come after it. Default: 0. */
  epoch?: number;
  /** The room the receiver grants: what may be handed over and not finished. */
  maxInFlight: { messages: number; bytes: number };
  /** How often to commit what is finished, or null for commits on request only. */
  commitIntervalMs: number | null;
  /** Stop by itself after this time of polling, or null. */
  lifetimeMs: number | null;
  /** Backoff of polling errors. */
  retry: { initialMs: number; maxMs: number; budgetMs: number | null };
  /** Most milliseconds a revocation waits for what is under way. */
  revokeTimeoutMs: number;
  /** Longest wait for the first poll. */
  startTimeoutMs: number;
  /** Log lines below this level do not cross. */
  logLevel: LogLevel;
  /** Look whether polling could begin, and end. Default: false. */
  checkOnly?: boolean;
  /** How messages are given to handlers; without it they go to a callback on the program's thread. */
  work?: WorkOptions;
  /** What is to be loaded first, and how long a stop may take, of which its shutdown is a part. */
  instrumentation?: { module: string; stopTimeoutMs: number };
}

/** How a consumer's messages are given to handlers. */
export interface WorkOptions {
  /** Which messages wait for each other. */
  order: "key" | "partition" | "none";
  /** Whether a message starts only when the one before it is committed. */
  each: boolean;
  /** Whether a commit follows as soon as something is finished. */
  continuous: boolean;
  /** Whether what was handed to handlers is committed, finished or not. */
  countsHanded: boolean;
  /** Most messages that are handed over in one go. */
  batchSize: number;
  /** Messages of one call of the handler, and how long one waits for the others; null: one a call. */
  handlerBatch: { size: number; waitMs: number } | null;
  /** What becomes of failures. */
  policy: {
    retries: number | null;
    backoff: { initialMs: number; maxMs: number; factor: number };
    then: "stop" | "skip" | "dead-letter";
    onInvalid: "skip" | "stop" | "dead-letter";
  };
  /** Name of the topic for dead letters, in which `{topic}` stands for the message's own. */
  deadLetterTopic: string;
  /** Most milliseconds of one call of the handler. */
  handlerTimeoutMs: number;
  /** Most milliseconds that a stop waits for what is under way. */
  stopTimeoutMs: number;
}

/** What has become of messages since the start. */
export interface WorkCounts {
  /** Messages handled. */
  finished: number;
  /** Bytes of those messages, with what each takes in memory beside them. */
  bytes: number;
  /** Attempts that failed. */
  failed: number;
  /** Messages that were not what they should be. */
  invalid: number;
  /** Attempts after a failed one. */
  retried: number;
  /** Messages that were skipped by policy. */
  skipped: number;
  /** Messages that were stored as dead letters. */
  deadLettered: number;
  /** Messages that were not handled again, as a commit's metadata knew them as finished. */
  leftOut: number;
  /** Milliseconds that handlers have taken, those of executors that are gone included. */
  busyMs: number;
}

/** Where the work on messages stands. */
export interface WorkSnapshot extends WorkCounts {
  /** Messages handed to handlers and not answered for. */
  underWay: number;
  /** Whether the program has paused the consumer. */
  paused: boolean;
  /** Milliseconds for which the oldest message has been handed over and not answered for, or null. */
  oldestUnderWayMs: number | null;
  /** For how long the one has been that a handler thread has had for longest, once it has begun, or null. */
  oldestBegunMs: number | null;
  /** When something that waits may start, such as the next attempt of a message, or null. */
  dueAt: number | null;
  /** How long messages took to handle, since the start. */
  times: HandlingTimes[];
  /** Messages that handler threads have begun, or were about to begin when they spoke last, by topic. */
  active: { topic: string; count: number }[];
}

/** Upper bounds of the buckets that polls are counted in, in messages. */
export const POLL_SIZE_BOUNDS: readonly number[] = [1, 10, 50, 100, 500, 1_000, 5_000, 10_000];

/** Sizes of the batches that polls have brought. */
export interface PollCounts {
  /** Polls that brought messages. */
  polls: number;
  /** Messages that they brought. */
  messages: number;
  /** How many polls brought as many messages, by `POLL_SIZE_BOUNDS`, and behind the last. */
  sizes: number[];
}

/** Where one partition stands. */
export interface PartitionSnapshot extends TopicPartition {
  /** Epoch of its assignment. */
  epoch: number;
  /** The offset behind all that is finished, or null before anything is known. */
  position: number | null;
  /** Offset from which the next fetch reads, or null before the first. */
  fetched: number | null;
  /** Offset the group has committed, or null. */
  committed: number | null;
  /** End of the log as last seen, or null. */
  endOffset: number | null;
  /** Messages fetched but not handed over. */
  queuedMessages: number;
  /** Their bytes. */
  queuedBytes: number;
  /** Messages handed over and not finished. */
  inFlight: number;
  /** Whether the client was told not to fetch it. */
  paused: boolean;
}

/** Where the poller thread stands. */
export interface PollerSnapshot {
  /** Milliseconds since the epoch at which it was made. */
  at: number;
  /** Membership in the group. */
  group: DriverStatus["group"];
  /** Milliseconds since the epoch of the last answered heartbeat, or null. */
  heartbeatAt: number | null;
  /** Heartbeats that were answered. */
  heartbeats: number;
  /** Name the group knows this member by, or null. */
  memberId: string | null;
  /** Milliseconds since the epoch of the last good poll, or null. */
  polledAt: number | null;
  /** The last polling error that has not been followed by a success, or null. */
  error: WireError | null;
  /** The last commit error that has not been followed by a success, or null. */
  commitError: WireError | null;
  /** Each assigned partition. */
  partitions: PartitionSnapshot[];
  /** Polls that failed. */
  pollErrors: number;
  /** Commits that were acknowledged. */
  commits: number;
  /** Commits that failed. */
  commitErrors: number;
  /** Times the assignment was taken away. */
  rebalances: number;
  /** What polls have brought. */
  polled: PollCounts;
  /** What handlers do, in a consumer; else null. */
  work: WorkSnapshot | null;
}

/** What a consumer's program may want to hear of. */
export type WireEvent =
  | { name: "assigned" | "revoked" | "lost"; partitions: TopicPartition[] }
  | {
    name: "retry" | "skip" | "dead-letter";
    topic: string;
    partition: number;
    offset: number;
    /** The attempt that has failed. */
    attempt: number;
    /** Until the next one; 0 where there is none. */
    delayMs: number;
    error: WireError;
  };

/** How the poller thread's run ended. */
export type Ending =
  | { reason: "stopped" | "lifetime" }
  | { reason: "failed"; error: WireError };

/** From the program's thread to the poller thread. */
export type ToPoller =
  | { type: "start"; options: PollerOptions }
  /** The first `count` messages of a batch are finished; `offset` is that of the last of them. */
  | { type: "finished"; batch: number; count: number; offset: number }
  /** The answer to `drain`: nothing of what it named is under way, nor will be. */
  | { type: "drained"; id: number }
  | ({ type: "commit"; id: number; epoch: number; offset: number } & TopicPartition)
  | { type: "token"; id: number; token: string }
  | { type: "token-failed"; id: number; error: WireError }
  | { type: "ping"; id: number }
  /** Somebody new runs handlers: the port leads there. `watched`: if it hangs, it can be replaced. */
  | { type: "executor"; id: number; port: MessagePort; watched: boolean }
  /** It is gone, and why. */
  | { type: "executor-gone"; id: number; error: WireError }
  | { type: "pause" }
  | { type: "resume" }
  | { type: "stop" };

/** From the poller thread to the program's thread. */
export type FromPoller =
  /** The thread listens: nothing may be posted to it earlier. */
  | { type: "ready" }
  /** The first poll has succeeded. */
  | { type: "started"; snapshot: PollerSnapshot }
  | ({ type: "batch"; batch: number; epoch: number; records: PackedRecords } & TopicPartition)
  /**
   * Give up what belongs to these partitions' epochs (null: everything, for good), let what is under
   * way finish, acknowledge it, then answer `drained`.
   */
  | { type: "drain"; id: number; partitions: (TopicPartition & { epoch: number })[] | null }
  | { type: "committed"; id: number }
  | { type: "commit-failed"; id: number; error: WireError }
  | { type: "token-wanted"; id: number }
  | { type: "log"; level: LogLevel; message: string; fields?: Record<string, unknown> }
  | { type: "pong"; id: number; snapshot: PollerSnapshot }
  | { type: "event"; event: WireEvent }
  /** One that runs handlers hangs, and is none any more: it is to be replaced. */
  | { type: "executor-stuck"; id: number; error: WireError }
  /** Intake has ended; what is under way is being waited for. */
  | { type: "stopping"; ending: Ending }
  /** The last message: everything is closed. */
  | { type: "ended"; ending: Ending; snapshot: PollerSnapshot };
