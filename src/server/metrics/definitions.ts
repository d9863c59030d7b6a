/** Every metric: its name, what it means, and which of a consumer's figures it shows. */

import type { MonitoredStats } from "../../program/monitor.ts";
import { HANDLING_TIME_BOUNDS_MS } from "../../threads/handling_times.ts";
import { POLL_SIZE_BOUNDS } from "../../threads/messages.ts";

/** The label that every metric has: the consumer's name. */
export const CLIENT_LABEL = "kafka_client_name";

/** A label's values by its name. */
export type Labels = Readonly<Record<string, string>>;

/** What a histogram has counted. */
export interface Distribution {
  /** How many there are in each bucket alone, and behind the last bound. */
  readonly buckets: readonly number[];
  /** All of them together. */
  readonly sum: number;
}

/** One value of a metric, with the labels beside the consumer's name. */
export type Reading<Value> = readonly [labels: Labels, value: Value];

/** What all metrics have. */
interface Described<Value> {
  /** Its full name. */
  readonly name: string;
  /** What it means: a line without a full stop, as Prometheus shows it. */
  readonly help: string;
  /** Names of its labels beside the consumer's name. */
  readonly labels: readonly string[];
  /** Takes its values from the figures; a value that is not known is left out. */
  read(stats: MonitoredStats): readonly Reading<Value>[];
}

/** A number. */
export interface NumberMetric extends Described<number> {
  readonly type: "counter" | "gauge";
  /** What consumers of one name are together: their sum, or the one that stands out. */
  readonly together: "sum" | "max" | "min";
}

/** How something is distributed. */
export interface HistogramMetric extends Described<Distribution> {
  readonly type: "histogram";
  /** Upper bounds of its buckets, in its unit. */
  readonly bounds: readonly number[];
}

/** A metric. */
export type MetricDefinition = NumberMetric | HistogramMetric;

const STATES = ["idle", "starting", "running", "stopping", "stopped", "failed"];
const GROUP_STATES = ["joining", "stable", "standby", "rebalancing", "disconnected", "none"];
const THREAD_STATES = ["starting", "running", "restarting", "stopped"];

const BY_TOPIC = ["kafka_topic"];
const BY_OUTCOME = ["kafka_topic", "kafka_success"];
const BY_PARTITION = ["kafka_topic", "kafka_partition"];

/** All metrics, in the order in which they are shown. Baseplate's three come first, in its own words. */
export const METRICS: readonly MetricDefinition[] = [
  {
    type: "histogram",
    name: "kafka_consumer_message_processing_time_seconds",
    help: "latency histogram of how long it takes to process a message",
    labels: BY_OUTCOME,
    bounds: HANDLING_TIME_BOUNDS_MS.map((ms) => ms / 1_000),
    read: ({ times }) =>
      times.map(({ topic, success, buckets, sumMs }) => [
        outcome(topic, success),
        { buckets, sum: sumMs / 1_000 },
      ]),
  },
  {
    type: "counter",
    name: "kafka_consumer_messages_processed_total",
    help: "total count of messages processed by this host",
    labels: BY_OUTCOME,
    together: "sum",
    read: (stats) => {
      const counts = new Map(
        stats.times.map(({ topic, success, count }) => [`${success} ${topic}`, count]),
      );
      // Both from the start: the first failure of all is an increase, too.
      return topicsOf(stats).flatMap((topic) =>
        [true, false].map((success) =>
          [outcome(topic, success), counts.get(`${success} ${topic}`) ?? 0] as const
        )
      );
    },
  },
  {
    type: "gauge",
    name: "kafka_consumer_active_messages",
    help: "gauge that reflects the number of messages currently being processed",
    labels: BY_TOPIC,
    together: "sum",
    read: (stats) => {
      const counts = new Map(stats.active.map(({ topic, count }) => [topic, count]));
      return topicsOf(stats).map((topic) => [{ kafka_topic: topic }, counts.get(topic) ?? 0]);
    },
  },

  gauge(
    "up",
    "1 while the consumer runs, else 0",
    ({ state }) => state === "running" ? 1 : 0,
    "min",
  ),
  states(
    "state",
    "1 for the state that the consumer is in, 0 for the others",
    STATES,
    ({ state }) => [state],
  ),
  states(
    "group_state",
    "1 for how the membership in the group stands, 0 for the others",
    GROUP_STATES,
    ({ group }) => [group],
  ),
  gauge(
    "paused",
    "1 while the program has paused the consumer, else 0",
    ({ handlers }) => handlers === undefined ? null : Number(handlers.paused),
    "max",
  ),
  gauge(
    "assigned_partitions",
    "Partitions that are assigned to the consumer",
    ({ partitions }) => partitions.length,
  ),
  counter(
    "rebalances_total",
    "Times that partitions were taken away from the consumer",
    ({ rebalances }) => rebalances,
  ),
  counter(
    "heartbeats_total",
    "Heartbeats that the group has answered",
    ({ heartbeats }) => heartbeats,
  ),
  gauge(
    "heartbeat_age_seconds",
    "Time since the group has answered a heartbeat, in seconds",
    ({ heartbeatAgeMs }) => seconds(heartbeatAgeMs),
    "max",
  ),
  gauge(
    "thread_silence_seconds",
    "Time since the poller thread has been heard of, in seconds",
    ({ thread }) => seconds(thread.silentMs),
    "max",
  ),

  partitions("lag_messages", "Offsets from the consumer's position to the end of the log", "lag"),
  partitions("position_offset", "Offset behind all that is finished", "position"),
  partitions("committed_offset", "Offset that the group has committed", "committed"),
  partitions("queued_messages", "Messages that are fetched and wait to be handed over", "queued"),
  partitions(
    "in_flight_messages",
    "Messages that are handed over and not finished",
    "inFlight",
  ),
  partitions(
    "fetching_paused",
    "1 while no more of the partition is fetched, as enough of it waits, else 0",
    "paused",
  ),

  {
    type: "histogram",
    name: "kafka_consumer_poll_messages",
    help: "Messages that one poll has brought; polls without messages do not count",
    labels: [],
    bounds: POLL_SIZE_BOUNDS,
    read: ({ polls }) => [[{}, { buckets: polls.sizes, sum: polls.messages }]],
  },
  counter("poll_errors_total", "Polls that failed", ({ pollErrors }) => pollErrors),
  counter("commits_total", "Commits that the group has acknowledged", ({ commits }) => commits),
  counter("commit_errors_total", "Commits that failed", ({ commitErrors }) => commitErrors),
  counter(
    "processed_bytes_total",
    "Bytes of the messages that are finished, with what holds them together",
    ({ bytes }) => bytes,
  ),

  handlers("retries_total", "Attempts that followed a failed one", ({ retries }) => retries),
  handlers(
    "invalid_messages_total",
    "Messages that could not be decoded, or that the schema refused",
    ({ invalid }) => invalid,
  ),
  handlers(
    "skipped_messages_total",
    "Messages that were skipped, as onError or onInvalid says",
    ({ skipped }) => skipped,
  ),
  handlers(
    "dead_letters_total",
    "Messages that were stored as dead letters",
    ({ deadLetters }) => deadLetters,
  ),
  handlers(
    "left_out_messages_total",
    "Messages that were not processed again, as a commit said that they are finished",
    ({ leftOut }) => leftOut,
  ),
  handlers(
    "handler_busy_seconds_total",
    "Time that calls of the handler have taken, in seconds; those at the same time add up",
    ({ busyMs }) => busyMs / 1_000,
  ),
  gauge(
    "oldest_message_age_seconds",
    "Time since the oldest unfinished message was handed over, in seconds; 0 where there is none",
    ({ handlers }) => handlers === undefined ? null : (handlers.oldestUnderWayMs ?? 0) / 1_000,
    "max",
  ),
  states(
    "handler_threads",
    "Threads that run the handler, by state; the program's own thread counts as one",
    THREAD_STATES,
    ({ handlers }) => handlers?.threads.map(({ state }) => state) ?? null,
  ),
  handlers(
    "handler_thread_restarts_total",
    "Times that a handler thread was replaced, as it had crashed or hung",
    ({ threads }) => threads.reduce((sum, { restarts }) => sum + restarts, 0),
  ),
  gauge(
    "handler_threads_abandoned",
    "Handler threads that hang and could not be ended: each takes a core until the program ends",
    ({ handlers }) => handlers?.abandonedThreads ?? null,
  ),
];

function nameOf(short: string): string {
  return `kafka_consumer_${short}`;
}

function single(value: number | null): readonly Reading<number>[] {
  return value === null ? [] : [[{}, value]];
}

function counter(
  short: string,
  help: string,
  read: (stats: MonitoredStats) => number | null,
): NumberMetric {
  const rest = { labels: [], together: "sum" } as const;
  return {
    type: "counter",
    name: nameOf(short),
    help,
    ...rest,
    read: (stats) => single(read(stats)),
  };
}

function gauge(
  short: string,
  help: string,
  read: (stats: MonitoredStats) => number | null,
  together: NumberMetric["together"] = "sum",
): NumberMetric {
  return { ...counter(short, help, read), type: "gauge", together };
}

/** A counter of what only handlers of a consumer have. */
function handlers(
  short: string,
  help: string,
  read: (handlers: NonNullable<MonitoredStats["handlers"]>) => number,
): NumberMetric {
  return counter(short, help, ({ handlers }) => handlers === undefined ? null : read(handlers));
}

/** How many are in each of the states that there are. */
function states(
  short: string,
  help: string,
  all: readonly string[],
  read: (stats: MonitoredStats) => readonly string[] | null,
): NumberMetric {
  return {
    type: "gauge",
    name: nameOf(short),
    help,
    labels: ["state"],
    together: "sum",
    read: (stats) => {
      const present = read(stats);
      if (present === null) return [];
      return all.map((state) => [{ state }, present.filter((one) => one === state).length]);
    },
  };
}

/** What each assigned partition has: one that has gone is not shown any more. */
function partitions(
  short: string,
  help: string,
  figure: "lag" | "position" | "committed" | "queued" | "inFlight" | "paused",
): NumberMetric {
  return {
    type: "gauge",
    name: nameOf(short),
    help,
    labels: BY_PARTITION,
    together: "sum",
    read: ({ partitions }) =>
      partitions.flatMap(({ topic, partition, [figure]: value }) =>
        value === null
          ? []
          : [[{ kafka_topic: topic, kafka_partition: `${partition}` }, Number(value)] as const]
      ),
  };
}

function outcome(topic: string, success: boolean): Labels {
  return { kafka_topic: topic, kafka_success: `${success}` };
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1_000;
}

/** The topics that are assigned, or that messages have come of. */
function topicsOf({ partitions, times, active }: MonitoredStats): string[] {
  return [...new Set([...partitions, ...times, ...active].map(({ topic }) => topic))];
}
