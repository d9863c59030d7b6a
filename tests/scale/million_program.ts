// Reads a topic of `fillTopic` to its end and prints, as JSON, what was wrong with the order and the
// number of the messages, and how long the loop of the program's thread stood still. A process of its
// own, because Linux tells only of its first thread how long that waited for a core.
import process from "node:process";
import { coreWaitClock } from "../../bench/support/core_wait.ts";
import { quietLogger } from "../../bench/support/quiet_logger.ts";
import { type Message, ThreadManager } from "../../mod.ts";

/** What came of reading a topic. */
export interface MillionFigures {
  /** Messages that came. */
  messages: number;
  /** Of these, those that had come before. */
  repeated: number;
  /** Of these, those that were not the next one of their partition. */
  disorder: number;
  /** Numbers that did not come. */
  missing: number;
  /** Seconds from the start to the last message. */
  seconds: number;
  /** Milliseconds that a timer of this thread was late, less the wait for a core: at most. */
  ownMaxMs: number;
  /** The same, of 99 of 100 timers. */
  ownP99Ms: number;
  /** Milliseconds that a timer of this thread was late: at most. */
  maxMs: number;
  /** How many timers that was taken from. */
  samples: number;
}

/** Where the number begins in `{"n":123,"p":"xxx"}`. */
const NUMBER_AT = 5;
const COMMA = 0x2c;
const ZERO = 0x30;
const TIMER_MS = 2;

const [bootstrapServers, groupId, topic, count, partitionCount] = process.argv.slice(2);
const total = Number(count);
const partitions = Number(partitionCount);
const perPartition = total / partitions;

// By the number in the value, not by the offset, which the library could get wrong by itself.
const seen = Array.from({ length: partitions }, () => new Uint8Array(Math.ceil(perPartition / 8)));
const next = new Array<number>(partitions).fill(0);
const complete = Promise.withResolvers<void>();
let messages = 0;
let repeated = 0;
let disorder = 0;

const manager = new ThreadManager({
  consumer: {
    bootstrapServers: bootstrapServers!,
    groupId: groupId!,
    topics: [topic!],
    startFrom: "earliest",
  },
  lifetimeMs: null,
  logger: quietLogger,
  onMessage: (message) => {
    const { partition, offset } = message;
    const n = numberIn(message);
    const bits = seen[partition]!;
    const bit = 1 << (n & 7);
    if ((bits[n >> 3]! & bit) !== 0) repeated++;
    bits[n >> 3]! |= bit;
    if (n !== next[partition] || offset !== n) disorder++;
    next[partition] = n + 1;
    if (++messages === total) complete.resolve();
  },
});
await manager.start();
const since = performance.now();
const stalls = watchStalls();
await Promise.race([complete.promise, manager.closed]);
const seconds = (performance.now() - since) / 1_000;
const { late, own } = stalls();
await manager.stop();

let missing = 0;
for (const bits of seen) {
  for (let n = 0; n < perPartition; n++) if ((bits[n >> 3]! & (1 << (n & 7))) === 0) missing++;
}
const figures: MillionFigures = {
  messages,
  repeated,
  disorder,
  missing,
  seconds,
  ownMaxMs: own.at(-1)!,
  ownP99Ms: own[Math.floor(own.length * 0.99)]!,
  maxMs: late.at(-1)!,
  samples: own.length,
};
process.stdout.write(`${JSON.stringify(figures)}\n`);

/** The number in a value of `fillTopic`; `JSON.parse` would be most of what is measured. */
function numberIn(message: Message): number {
  const value = message.value!;
  let n = 0;
  for (let at = NUMBER_AT; value[at] !== COMMA; at++) n = n * 10 + value[at]! - ZERO;
  return n;
}

/** Notes how late a timer comes that sets itself anew; the function ends that and gives all, sorted. */
function watchStalls(): () => { late: number[]; own: number[] } {
  const coreWait = coreWaitClock();
  const late: number[] = [];
  const own: number[] = [];
  let waited = coreWait();
  let due = performance.now() + TIMER_MS;
  const look = () => {
    const lateMs = Math.max(0, performance.now() - due);
    const before = waited;
    waited = coreWait();
    late.push(lateMs);
    own.push(Math.max(0, lateMs - (waited - before)));
    due = performance.now() + TIMER_MS;
  };
  let timer = setTimeout(function tick() {
    look();
    timer = setTimeout(tick, TIMER_MS);
  }, TIMER_MS);
  return () => {
    clearTimeout(timer);
    // A stall that is not over counts as well.
    look();
    return { late: late.sort((a, b) => a - b), own: own.sort((a, b) => a - b) };
  };
}
