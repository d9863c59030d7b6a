/** How long messages took to handle: counted where they are handled, added up where they are reported. */

/**
 * Upper bounds of the buckets, in milliseconds: those of Baseplate's `default_latency_buckets`. What
 * takes longer than the last is counted behind it.
 */
export const HANDLING_TIME_BOUNDS_MS: readonly number[] = [
  0.1,
  0.5,
  1,
  2.5,
  5,
  10,
  25,
  50,
  100,
  250,
  500,
  1_000,
  5_000,
  15_000,
  30_000,
];

/** How many counts there are: one for each bound, and one for what is beyond the last. */
const COUNTS = HANDLING_TIME_BOUNDS_MS.length + 1;

/** How long the messages of one topic took that ended in one way. */
export interface HandlingTimes {
  /** Name of the topic. */
  topic: string;
  /** Whether they were handled; else the attempt failed. */
  success: boolean;
  /** How many messages. */
  count: number;
  /** How long all of them took together, in milliseconds. */
  sumMs: number;
  /** How many there are in each bucket alone, and behind the last. */
  buckets: number[];
}

/** Times of one topic, while they are counted. */
export class TopicTimes {
  readonly topic: string;
  readonly #counts = [new Float64Array(COUNTS), new Float64Array(COUNTS)] as const;
  readonly #sums = [0, 0];

  constructor(topic: string) {
    this.topic = topic;
  }

  /** Counts messages that took so long each. */
  add(success: boolean, ms: number, messages = 1): void {
    const outcome = success ? 1 : 0;
    let bucket = 0;
    // A search from the start: most handlers that are worth counting fast are in the first buckets.
    while (bucket < HANDLING_TIME_BOUNDS_MS.length && ms > HANDLING_TIME_BOUNDS_MS[bucket]!) {
      bucket++;
    }
    this.#counts[outcome][bucket]! += messages;
    this.#sums[outcome]! += ms * messages;
  }

  /** What was counted, of each outcome that there was. */
  list(): HandlingTimes[] {
    const times: HandlingTimes[] = [];
    for (const outcome of [0, 1] as const) {
      const buckets = [...this.#counts[outcome]];
      const count = buckets.reduce((sum, some) => sum + some, 0);
      if (count === 0) continue;
      const sumMs = this.#sums[outcome]!;
      times.push({ topic: this.topic, success: outcome === 1, count, sumMs, buckets });
    }
    return times;
  }

  /** Begins to count anew. */
  clear(): void {
    for (const counts of this.#counts) counts.fill(0);
    this.#sums.fill(0);
  }
}

/** Times of all topics, while they are counted. */
export class TimesByTopic {
  readonly #topics = new Map<string, TopicTimes>();

  /** The times of one topic. */
  of(topic: string): TopicTimes {
    let times = this.#topics.get(topic);
    if (times === undefined) this.#topics.set(topic, times = new TopicTimes(topic));
    return times;
  }

  /** What was counted. */
  list(): HandlingTimes[] {
    return Array.from(this.#topics.values(), (topic) => topic.list()).flat();
  }

  /** What was counted since it was taken last. */
  take(): HandlingTimes[] {
    const times = this.list();
    for (const topic of this.#topics.values()) topic.clear();
    return times;
  }
}

/** Times since the start, added up from what was taken. */
export class TotalTimes {
  readonly #totals = new Map<string, HandlingTimes>();

  /** Adds what was taken somewhere. */
  add(taken: readonly HandlingTimes[]): void {
    for (const times of taken) {
      const key = `${times.success} ${times.topic}`;
      const total = this.#totals.get(key);
      if (total === undefined) this.#totals.set(key, { ...times, buckets: [...times.buckets] });
      else {
        total.count += times.count;
        total.sumMs += times.sumMs;
        times.buckets.forEach((count, bucket) => total.buckets[bucket]! += count);
      }
    }
  }

  /** A copy of what there is. */
  all(): HandlingTimes[] {
    return Array.from(
      this.#totals.values(),
      (times) => ({ ...times, buckets: [...times.buckets] }),
    );
  }
}
