import process from "node:process";
import { type PeakMemory, peakMemory } from "./memory.ts";
import { payloadSum } from "./payload.ts";
import { type StallFigures, watchStalls } from "./stall_monitor.ts";

/** What a contestant does with each message. */
export type Work = "none" | "json";

/** What one run of one contestant gave. */
export interface Figures {
  /** Messages that arrived: all, each once, each partition in order; anything else is an error. */
  messages: number;
  /** Messages per second, from the first message to the last. */
  messagesPerSecond: number;
  /** Seconds from the first message to the last. */
  seconds: number;
  /** Seconds from before the consumer was started to the last message. */
  secondsFromStart: number;
  /** How long the loop of the program's thread stood still, from the end of the start-up on. */
  stall: StallFigures;
  /** The same during start-up. */
  startStall: StallFigures;
  /** CPU seconds of the whole process, all threads, from before the start to the last message. */
  cpuSeconds: number;
  /** The most memory the process has had. */
  peakMemory: PeakMemory;
}

/** Counts and checks the messages of one run, and takes the figures. */
export interface Recorder {
  /** Resolves when the last message has arrived; rejects at the first that should not be there. */
  readonly done: Promise<void>;
  /** Call it directly before the consumer is started. */
  starting(): void;
  /** Call it when the consumer has started. */
  started(): void;
  /** One message has arrived. */
  message(partition: number, offset: number): void;
  /** A run of messages begins: call it before its first message is looked at. */
  spanBegins(): void;
  /** A run of `count` messages without gaps, from offset `first` on, has been worked through. */
  spanEnds(partition: number, first: number, last: number, count: number): void;
  /** Adds the field `n` of a message, where the work is to parse it. */
  add(n: number): void;
  /** Call it when the consumer has been closed. */
  finish(): Promise<Figures>;
}

/**
 * Makes a recorder. Every contestant uses the same one, so that its cost is the same in all.
 *
 * @param options How many messages the topic has, and what is done with each.
 * @returns The recorder.
 */
export function createRecorder(options: { messages: number; work: Work }): Recorder {
  const { messages: expected, work } = options;
  /** The offset that each partition must bring next. */
  const next: number[] = [];
  let received = 0;
  let sum = 0;
  let startAt = 0;
  let firstAt = 0;
  let lastAt = 0;
  let cpuAtStart = process.cpuUsage();
  let cpuSeconds = 0;
  let startStall: StallFigures | undefined;
  const stalls = watchStalls();

  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const done = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Looked at by the contestant only after its own start-up.
  done.catch(() => {});

  const started = (): void => {
    startStall ??= stalls.section();
  };
  const first = (): void => {
    // Messages may come before the promise of the start has been heard of: they are in.
    started();
    firstAt = performance.now();
  };
  const complete = (): void => {
    lastAt = performance.now();
    const { user, system } = process.cpuUsage(cpuAtStart);
    cpuSeconds = (user + system) / 1e6;
    resolve();
  };
  const wrong = (partition: number, offset: number): void => {
    reject(
      new Error(
        `Wrong offset in partition ${partition}: expected ${next[partition] ?? 0}, got ${offset}`,
      ),
    );
  };

  return {
    done,
    starting() {
      startAt = performance.now();
      cpuAtStart = process.cpuUsage();
    },
    started,
    message(partition, offset) {
      if (received === 0) first();
      if (offset !== (next[partition] ?? 0)) wrong(partition, offset);
      next[partition] = offset + 1;
      if (++received === expected) complete();
    },
    spanBegins() {
      if (received === 0) first();
    },
    spanEnds(partition, first, last, count) {
      if (first !== (next[partition] ?? 0)) wrong(partition, first);
      if (last !== first + count - 1) wrong(partition, last);
      next[partition] = last + 1;
      const before = received;
      received += count;
      if (before < expected && received >= expected) complete();
    },
    add(n) {
      sum += n;
    },
    async finish() {
      const stall = await stalls.stop();
      if (received !== expected) {
        throw new Error(`Wrong number of messages: expected ${expected}, got ${received}`);
      }
      if (work === "json" && sum !== payloadSum(expected)) {
        throw new Error(`Wrong sum: expected ${payloadSum(expected)}, got ${sum}`);
      }
      const seconds = (lastAt - firstAt) / 1_000;
      return {
        messages: received,
        messagesPerSecond: Math.round(received / seconds),
        seconds,
        secondsFromStart: (lastAt - startAt) / 1_000,
        stall,
        startStall: startStall!,
        cpuSeconds,
        peakMemory: peakMemory(),
      };
    },
  };
}
