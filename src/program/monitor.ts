/** What metrics are made of: fresh figures, counted over all runs of a consumer. */

import { TotalTimes } from "../threads/handling_times.ts";
import type { HandlerStats } from "./consumer_stats.ts";
import type { ActiveMessages, PollerRun } from "./poller_run.ts";
import type { ConsumerStats } from "./stats.ts";

// Not a private symbol: a server that was bundled with a second copy of the library finds it as well.
const MONITOR: unique symbol = Symbol.for("kafka-threads.monitor") as never;

/** Figures of a manager or a consumer, counted since it was made, and not only since its last start. */
export interface MonitoredStats extends ConsumerStats {
  /** Its handlers, where it is a consumer. */
  handlers?: HandlerStats;
  /** Messages that are being handled, by topic. */
  active: ActiveMessages[];
}

/** What those who watch over a consumer may ask of it beside what is public. */
export interface Monitor {
  /**
   * Asks the thread where it stands. Calls made while an answer is waited for share it.
   *
   * @param timeoutMs Longest wait, after which the figures are what they were.
   */
  refresh(timeoutMs: number): Promise<void>;
  /** The figures. */
  stats(): MonitoredStats;
}

/** Lets a consumer be watched. Nobody sees it who does not know where to look. */
export function provideMonitor(consumer: object, monitor: Monitor): void {
  Object.defineProperty(consumer, MONITOR, { value: monitor });
}

/** Finds what `provideMonitor` has left; for something else with figures, these are taken as they are. */
export function monitorOf(consumer: { stats(): ConsumerStats }): Monitor {
  return (consumer as { [MONITOR]?: Monitor })[MONITOR] ?? {
    refresh: () => Promise.resolve(),
    stats: () => ({ ...consumer.stats(), active: [] }),
  };
}

/**
 * Watches over the runs of a consumer, one after the other.
 *
 * @typeParam Run What a run is.
 */
export class RunMonitor<Run extends PollerRun> implements Monitor {
  readonly #stats: (run: Run | null) => MonitoredStats;
  #run: Run | null = null;
  #refreshing: { readonly run: Run; readonly answer: Promise<boolean> } | null = null;
  /** What earlier runs have counted. */
  #earlier: MonitoredStats | null = null;

  /** @param stats Tells the figures of a run. */
  constructor(stats: (run: Run | null) => MonitoredStats) {
    this.#stats = stats;
  }

  /** A run begins; what the one before has counted is kept. */
  begin(run: Run): void {
    if (this.#run !== null) this.#earlier = this.stats();
    this.#run = run;
  }

  async refresh(timeoutMs: number): Promise<void> {
    const run = this.#run;
    if (run === null) return;
    if (this.#refreshing?.run !== run) {
      const refreshing = this.#refreshing = {
        run,
        answer: run.ping(timeoutMs).finally(() => {
          if (this.#refreshing === refreshing) this.#refreshing = null;
        }),
      };
    }
    await this.#refreshing.answer;
  }

  stats(): MonitoredStats {
    const stats = this.#stats(this.#run);
    return this.#earlier === null ? stats : withCountsOf(this.#earlier, stats);
  }
}

/** Adds to figures what was counted before; what stands for the moment stays as it is. */
export function withCountsOf(earlier: MonitoredStats, stats: MonitoredStats): MonitoredStats {
  const times = new TotalTimes();
  times.add(earlier.times);
  times.add(stats.times);
  return {
    ...sums(earlier, stats, [
      "heartbeats",
      "messages",
      "bytes",
      "commits",
      "commitErrors",
      "pollErrors",
      "rebalances",
    ]),
    polls: {
      ...sums(earlier.polls, stats.polls, ["count", "messages"]),
      sizes: stats.polls.sizes.map((count, bucket) => count + (earlier.polls.sizes[bucket] ?? 0)),
    },
    times: times.all(),
    ...(stats.handlers === undefined || earlier.handlers === undefined ? {} : {
      handlers: {
        ...sums(earlier.handlers, stats.handlers, [
          "handled",
          "failed",
          "invalid",
          "retries",
          "skipped",
          "deadLetters",
          "leftOut",
          "busyMs",
          // They go on, and take a core, until the program ends.
          "abandonedThreads",
        ]),
        threads: stats.handlers.threads.map((thread) => ({
          ...thread,
          restarts: thread.restarts +
            (earlier.handlers!.threads.find((one) => one.thread === thread.thread)?.restarts ?? 0),
        })),
      },
    }),
  };
}

function sums<T extends { [K in Name]: number }, Name extends keyof T>(
  one: T,
  other: T,
  names: readonly Name[],
): T {
  const result = { ...other };
  for (const name of names) result[name] = (one[name] + other[name]) as T[Name];
  return result;
}
