/** What a consumer is doing, in figures. */

import type { DriverStatus } from "../driver.ts";
import { POLL_SIZE_BOUNDS } from "../threads/messages.ts";
import type { HandlingTimes } from "../threads/handling_times.ts";
import type { PollerRun } from "./poller_run.ts";

/** Where a consumer stands in one partition. */
export interface PartitionStats {
  /** Name of the topic. */
  topic: string;
  /** Number of the partition. */
  partition: number;
  /** Offset behind all that is finished, or null before anything is known. */
  position: number | null;
  /** Offset the group has committed, or null. */
  committed: number | null;
  /** End of the log as last seen, or null. */
  endOffset: number | null;
  /** Offsets from the position to the end of the log, or null where either is unknown. */
  lag: number | null;
  /** Messages fetched and waiting in the poller thread. */
  queued: number;
  /** Messages handed over and not finished. */
  inFlight: number;
  /** Whether no more is fetched at present, as enough of it waits. */
  paused: boolean;
}

/** How the poller's thread is. */
export interface ThreadStats {
  /** Its name. */
  name: string;
  /** Whether it runs. */
  alive: boolean;
  /** Milliseconds since its last sign of life, or null. */
  silentMs: number | null;
}

/** What polls have brought. */
export interface PollStats {
  /** Polls that brought messages. */
  count: number;
  /** Messages that they brought. */
  messages: number;
  /**
   * How many polls brought at most 1, 10, 50, 100, 500, 1,000, 5,000 and 10,000 messages but more than the
   * bound before, and how many brought more than all of these.
   */
  sizes: number[];
}

/** What a manager, or a consumer, is doing. */
export interface ConsumerStats {
  /** Name of the consumer. */
  name: string;
  /** Where it is in its life. */
  state: string;
  /** Its thread. */
  thread: ThreadStats;
  /** Membership in the group; "none" where there is none to speak of. */
  group: DriverStatus["group"];
  /** Milliseconds since the last heartbeat that was answered, or null. */
  heartbeatAgeMs: number | null;
  /** Heartbeats that were answered since the start. */
  heartbeats: number;
  /** Messages finished since the start. */
  messages: number;
  /** Bytes of their keys, values and headers, with what holds them together. */
  bytes: number;
  /** Messages finished per second, over the last few seconds. */
  messagesPerSecond: number;
  /** Bytes finished per second, over the last few seconds. */
  bytesPerSecond: number;
  /** Messages handed over to the program's thread and not finished. */
  inFlight: number;
  /** Sum of the known lags. */
  lag: number;
  /** Each assigned partition. */
  partitions: PartitionStats[];
  /** Commits that were acknowledged. */
  commits: number;
  /** Commits that failed. */
  commitErrors: number;
  /** Polls that failed. */
  pollErrors: number;
  /** Times partitions were taken away. */
  rebalances: number;
  /** What polls have brought. */
  polls: PollStats;
  /** How long handlers have taken, by topic and outcome. */
  times: HandlingTimes[];
}

/** Puts the figures together. */
export function statsOf(name: string, state: string, run: PollerRun | null): ConsumerStats {
  const now = Date.now();
  const snapshot = run?.snapshot;
  const { messages = 0, bytes = 0 } = run ?? {};
  const rates = run?.rates.perSecond(performance.now(), messages, bytes);
  const partitions = (snapshot?.partitions ?? []).map((partition): PartitionStats => {
    const { position, endOffset } = partition;
    return {
      topic: partition.topic,
      partition: partition.partition,
      position,
      committed: partition.committed,
      endOffset,
      lag: position === null || endOffset === null ? null : Math.max(0, endOffset - position),
      queued: partition.queuedMessages,
      inFlight: partition.inFlight,
      paused: partition.paused,
    };
  });
  const { heartbeatAt = null } = snapshot ?? {};
  return {
    name,
    state,
    thread: {
      name,
      alive: run !== null && run.answeredAt !== null && state !== "stopped" && state !== "failed",
      silentMs: run?.answeredAt == null ? null : Math.max(0, now - run.answeredAt),
    },
    group: snapshot?.group ?? "none",
    heartbeatAgeMs: heartbeatAt === null ? null : Math.max(0, now - heartbeatAt),
    heartbeats: snapshot?.heartbeats ?? 0,
    messages,
    bytes,
    messagesPerSecond: rates?.messages ?? 0,
    bytesPerSecond: rates?.bytes ?? 0,
    inFlight: run?.inFlight ?? 0,
    lag: partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0),
    partitions,
    commits: snapshot?.commits ?? 0,
    commitErrors: snapshot?.commitErrors ?? 0,
    pollErrors: snapshot?.pollErrors ?? 0,
    rebalances: snapshot?.rebalances ?? 0,
    polls: {
      count: snapshot?.polled.polls ?? 0,
      messages: snapshot?.polled.messages ?? 0,
      sizes: snapshot?.polled.sizes ?? POLL_SIZE_BOUNDS.map(() => 0).concat(0),
    },
    times: run?.times ?? [],
  };
}
