// A whole poller between a source that rebalances, fails and commits at random, and the program's own
// inbox with a handler that takes its time. What must hold is checked at the source and at the handler,
// by what they see, whatever the poller believes.

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import type { ConsumerDriver, DriverBatch, DriverContext, OffsetCommit } from "../../src/driver.ts";
import { CommitError, ConnectionError } from "../../src/errors.ts";
import type { Message } from "../../src/message.ts";
import { Poller } from "../../src/poller/poller.ts";
import { deliver } from "../../src/program/deliver.ts";
import { Inbox } from "../../src/program/inbox.ts";
import { channelPair } from "../../src/threads/channel.ts";
import type { FromPoller, PollerOptions, ToPoller } from "../../src/threads/messages.ts";
import { nextTurn, yieldToLoop } from "../../src/threads/turns.ts";
import { quietOptions } from "./poller_rig.ts";

/** What one poll of the source does. */
type Event =
  | { do: "records"; most: number }
  | { do: "nothing" }
  | { do: "fail" }
  | { do: "revoke"; partitions: number }
  | { do: "lose"; partitions: number }
  | { do: "assign" };

interface Scenario {
  /** Offsets in the log of each partition, and how far the log reaches behind the last. */
  logs: { gaps: number[]; tail: number }[];
  events: Event[];
  /** Turns of the loop that each message takes, in a circle. */
  efforts: number[];
  /** Whether the first, the second, … commit is refused. */
  refusals: boolean[];
  maxInFlight: { messages: number; bytes: number };
  /** After how many handled messages the program stops; beyond the log: when all is handled. */
  stopAfter: number;
}

const scenario: fc.Arbitrary<Scenario> = fc.record({
  logs: fc.array(
    fc.record({ gaps: fc.array(fc.nat(2), { maxLength: 30, size: "max" }), tail: fc.nat(3) }),
    { minLength: 1, maxLength: 3 },
  ),
  events: fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ do: fc.constant("records" as const), most: fc.nat(12) }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("nothing" as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("fail" as const) }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant("revoke" as const), partitions: fc.nat(7) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant("lose" as const), partitions: fc.nat(7) }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("assign" as const) }) },
    ),
    { minLength: 1, maxLength: 30, size: "max" },
  ),
  efforts: fc.array(fc.nat(4), { minLength: 1, maxLength: 5 }),
  // Few, because a last commit is tried again only after a real 200 ms.
  refusals: fc.oneof(
    { weight: 9, arbitrary: fc.constant<boolean[]>([]) },
    { weight: 1, arbitrary: fc.array(fc.boolean(), { maxLength: 3 }) },
  ),
  maxInFlight: fc.record({
    messages: fc.integer({ min: 1, max: 12 }),
    bytes: fc.integer({ min: 1, max: 2_000 }),
  }),
  stopAfter: fc.nat(100),
});

const keyOf = ({ partition }: { partition: number }) => partition;

/** The source: logs, commits, and an assignment that changes. */
class Source implements ConsumerDriver {
  readonly #context: DriverContext;
  readonly #scenario: Scenario;
  readonly logs: { offsets: number[]; end: number }[];
  readonly committed: number[];
  /** Next offset to read, of the partitions that are assigned. */
  readonly positions = new Map<number, number>();
  readonly #paused = new Set<number>();
  #event = 0;
  #commits = 0;
  /** Checks what a commit says against what was handled. */
  onCommit: (partition: number, offset: number) => void = () => {};
  /** A partition has gone: its batches do not count any more. */
  onGone: (partition: number) => void = () => {};
  /** Where each partition begins under the first, second, … assignment. */
  readonly assignments: Map<number, number>[] = [];
  /** Whether a message may be handled twice from now on. */
  repeats = false;
  closed = false;

  constructor(context: DriverContext, scenario: Scenario) {
    this.#context = context;
    this.#scenario = scenario;
    this.logs = scenario.logs.map(({ gaps, tail }) => {
      let next = 0;
      const offsets = gaps.map((gap) => (next += gap + 1) - 1);
      return { offsets, end: next + tail };
    });
    this.committed = this.logs.map(() => -1);
    this.#assign();
  }

  async poll(): Promise<DriverBatch[]> {
    await yieldToLoop();
    const { events } = this.#scenario;
    // When the script is over, the group settles and everything is read to the end.
    const event = events[this.#event++] ?? { do: "calm" as const };
    const chosen = (mask: number) =>
      [...this.positions.keys()].filter((each) => mask & (1 << each));
    switch (event.do) {
      case "fail":
        throw new ConnectionError("gone for a while");
      case "revoke":
        await this.#take(chosen(event.partitions), "revoked");
        return [];
      case "lose":
        this.repeats = true;
        await this.#take(chosen(event.partitions), "lost");
        return [];
      case "assign":
        this.#assign();
        return [];
      case "records":
        return this.#read(event.most);
      case "nothing":
        return [];
      case "calm":
        this.#assign();
        return this.#read(7);
    }
  }

  async #take(partitions: number[], how: "revoked" | "lost"): Promise<void> {
    if (partitions.length === 0) return;
    const list = partitions.map((partition) => ({ topic: "t", partition }));
    await this.#context.hooks[how](list);
    for (const partition of partitions) {
      this.positions.delete(partition);
      this.#paused.delete(partition);
      this.onGone(partition);
    }
  }

  #assign(): void {
    const fresh = this.logs.map((_, partition) => partition)
      .filter((partition) => !this.positions.has(partition));
    if (fresh.length === 0) return;
    const starts = new Map<number, number>();
    this.assignments.push(starts);
    const list = fresh.map((partition) => {
      const committed = this.committed[partition]!;
      const position = Math.max(0, committed);
      this.positions.set(partition, position);
      starts.set(partition, position);
      return { topic: "t", partition, position, committed: committed < 0 ? null : committed };
    });
    this.#context.hooks.assigned(list);
  }

  #read(most: number): DriverBatch[] {
    const batches: DriverBatch[] = [];
    for (const [partition, position] of this.positions) {
      if (this.#paused.has(partition)) continue;
      const { offsets, end } = this.logs[partition]!;
      const found = offsets.filter((offset) => offset >= position).slice(0, most);
      const last = found.at(-1);
      const next = last === undefined || last === offsets.at(-1)
        ? (most > 0 ? end : position)
        : last + 1;
      this.positions.set(partition, next);
      batches.push({
        topic: "t",
        partition,
        records: found.map((offset) => ({ offset, value: "x".repeat(offset % 90) })),
        nextOffset: next,
        endOffset: end,
      });
    }
    return batches;
  }

  async commit(offsets: readonly OffsetCommit[]): Promise<void> {
    assert.ok(!this.closed, "a commit after the end");
    await yieldToLoop();
    if (this.#scenario.refusals[this.#commits++]) throw new CommitError("not now");
    for (const { partition, offset } of offsets) {
      // A commit that was under way when its partition was lost is nobody's any more.
      if (!this.positions.has(partition)) continue;
      this.onCommit(partition, offset);
      this.committed[partition] = offset;
    }
  }

  pause(partitions: readonly { partition: number }[]): void {
    for (const each of partitions) this.#paused.add(keyOf(each));
  }

  resume(partitions: readonly { partition: number }[]): void {
    for (const each of partitions) this.#paused.delete(keyOf(each));
  }

  close(): Promise<void> {
    assert.ok(!this.closed, "closed twice");
    this.closed = true;
    return Promise.resolve();
  }
}

async function simulate(scenario: Scenario): Promise<void> {
  const problems: string[] = [];
  const expect = (holds: boolean, problem: string) => void (holds || problems.push(problem));
  const [inside, outside] = channelPair<ToPoller, FromPoller>(nextTurn);
  const ended = Promise.withResolvers<Extract<FromPoller, { type: "ended" }>>();

  // --- What is under way, as the channel shows it -------------------------------------------------
  const underWay = new Map<
    number,
    { partition: number; messages: number; bytes: number; epoch: number }
  >();
  const inFlight = () =>
    [...underWay.values()].reduce(
      (sum, { messages, bytes }) => ({
        messages: sum.messages + messages,
        bytes: sum.bytes + bytes,
      }),
      { messages: 0, bytes: 0 },
    );
  const { post } = inside;
  inside.post = (message, transfer) => {
    if (message.type === "batch") {
      const { count, buffer } = message.records;
      const before = inFlight();
      const { messages, bytes } = scenario.maxInFlight;
      expect(before.messages + count <= messages, "more messages under way than there is room for");
      expect(before.bytes < bytes, "a batch is handed over though all bytes are taken");
      expect(
        before.bytes + buffer.byteLength <= bytes || count === 1,
        "more bytes under way than there is room for",
      );
      expect(!underWay.has(message.batch), "a batch number is used again");
      underWay.set(message.batch, {
        partition: message.partition,
        messages: count,
        bytes: buffer.byteLength,
        epoch: message.epoch,
      });
      sizes.set(message.batch, count);
    }
    post(message, transfer);
  };
  const sizes = new Map<number, number>();

  // --- The source and what must hold there --------------------------------------------------------
  const handled = scenario.logs.map(() => new Set<number>());
  const made = Promise.withResolvers<Source>();
  const create = (context: DriverContext): ConsumerDriver => {
    const source = new Source(context, scenario);
    source.onGone = (partition) => {
      for (const [id, batch] of underWay) if (batch.partition === partition) underWay.delete(id);
    };
    source.onCommit = (partition, offset) => {
      const unfinished = source.logs[partition]!.offsets
        .find((each) => each < offset && !handled[partition]!.has(each));
      expect(
        unfinished === undefined,
        `offset ${offset} of ${partition} is committed, and ${unfinished} has not finished`,
      );
      expect(offset > source.committed[partition]!, `the commit of ${partition} goes back`);
    };
    made.resolve(source);
    return source;
  };
  const options: PollerOptions = {
    ...quietOptions,
    driverOptions: { create },
    maxInFlight: scenario.maxInFlight,
    commitIntervalMs: 1,
    logLevel: "error",
  };
  const poller = new Poller(inside, options, { now: Date.now, random: () => 0 });
  inside.onMessage = (message) => {
    if (message.type === "finished" && sizes.get(message.batch) === message.count) {
      underWay.delete(message.batch);
    }
    poller.receive(message);
  };

  // --- The program and what must hold there -------------------------------------------------------
  const inbox = new Inbox((message) => outside.post(message), 0);
  const total = scenario.logs.reduce((sum, { gaps }) => sum + gaps.length, 0);
  const newest = new Map<number, number>();
  let count = 0;
  const isDone = () => handled.reduce((sum, { size }) => sum + size, 0) === total;
  const onMessage = async ({ partition, offset, epoch }: Message) => {
    const source = await made.promise;
    expect(epoch >= (newest.get(partition) ?? 0), "a message of an assignment that is over");
    if (epoch > (newest.get(partition) ?? 0)) newest.set(partition, epoch);
    // Under each assignment, from where it begins, every message there is, in order.
    const starts = source.assignments[epoch - 1]!;
    const next = source.logs[partition]!.offsets.find((each) => each >= starts.get(partition)!);
    expect(offset === next, `${offset} of ${partition} is handled where ${next} is due`);
    starts.set(partition, offset + 1);
    expect(source.repeats || !handled[partition]!.has(offset), `${offset} is handled twice`);
    for (let turn = scenario.efforts[count % scenario.efforts.length]!; turn > 0; turn--) {
      await yieldToLoop();
    }
    handled[partition]!.add(offset);
    if (++count === scenario.stopAfter || isDone()) outside.post({ type: "stop" });
  };
  outside.onMessage = (message) => {
    if (message.type === "batch") inbox.push(message);
    if (message.type === "drain") inbox.drain(message);
    if (message.type === "ended") ended.resolve(message);
  };
  const delivering = deliver(inbox, onMessage);
  const running = poller.run();
  if (total === 0) outside.post({ type: "stop" });
  const { ending, snapshot } = await ended.promise;
  await running;
  await delivering;

  const source = await made.promise;
  expect(ending.reason === "stopped", `it ended with ${JSON.stringify(ending)}`);
  expect(source.closed, "the driver is not closed");
  expect(
    snapshot.partitions.every(({ queuedMessages }) => queuedMessages === 0),
    "something still waits in a partition",
  );
  expect(inbox.waiting === 0 || inbox.closed, "something is left in the inbox");
  // After a clean stop nothing that has finished is handled again.
  for (const partition of source.positions.keys()) {
    const after = Math.max(0, source.committed[partition]!);
    const twice = source.logs[partition]!.offsets
      .filter((offset) => offset >= after && handled[partition]!.has(offset));
    expect(source.repeats || twice.length === 0, `${twice} of ${partition} would be handled again`);
  }
  assert.deepEqual(problems, []);
}

describe("Poller between a source and a program", () => {
  it("neither loses, repeats, reorders nor hoards, whatever happens", async () => {
    await fc.assert(fc.asyncProperty(scenario, simulate), { numRuns: 150 });
  });
});
