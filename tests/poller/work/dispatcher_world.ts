// A group, its logs and its members with their executors, around dispatchers: all that happens to a
// dispatcher happens here, one scripted event after the other, and what must hold is checked at each.

import assert from "node:assert/strict";
import type { DriverBatch } from "../../../src/driver.ts";
import { decodeOffsetMap, encodeOffsetMap } from "../../../src/poller/work/offset_map.ts";
import {
  type Handout,
  type Outcome,
  WorkDispatcher,
  type WorkDispatcherOptions,
} from "../../../src/poller/work/work_dispatcher.ts";
import type { Task } from "../../../src/poller/work/task.ts";
import type { WorkPartition } from "../../../src/poller/work/work_partition.ts";
import { encodeError } from "../../../src/threads/error_wire.ts";
import { textAt, unpackRecords } from "../../../src/threads/records.ts";
import type { Failure } from "../../../src/threads/work.ts";

/** What a walk is about. */
export interface Scenario {
  options: Pick<
    WorkDispatcherOptions,
    "order" | "each" | "handlerBatch" | "policy" | "metadataBytes" | "maxInFlight" | "batchSize"
  >;
  countsHanded: boolean;
  /** The messages of each partition: offsets that are left out before one, and its key; 0: none. */
  logs: { gap: number; key: number }[][];
  events: Event[];
}

/** Something that happens; the numbers say to what, and how, in a circle of what there is. */
export interface Event {
  do: EventName;
  a: number;
  b: number;
}

/** All that can happen, and how often it does beside the others. */
export const EVENTS = {
  poll: 8,
  work: 14,
  credit: 3,
  begin: 6,
  end: 5,
  fail: 3,
  report: 2,
  commit: 3,
  acknowledge: 4,
  store: 2,
  time: 3,
  settle: 2,
  revoke: 1,
  letGo: 2,
  lose: 0.5,
  assign: 2,
  bounce: 1.5,
  joinExecutor: 1,
  loseExecutor: 1,
  pause: 0.3,
  resume: 1,
  crash: 0.2,
} as const;

export type EventName = keyof typeof EVENTS;

const ERROR = encodeError(new Error("no luck"));
/** What a message takes beside its record. */
const TASK_BYTES = 160;
const ENOUGH_METADATA = 4_096;

type State = "waiting" | "handed" | "done" | "dropped";

interface Item {
  readonly assignment: Assignment;
  readonly offset: number;
  /** What it shares with those it waits for; null: it waits for none. */
  readonly lane: string | null;
  readonly bytes: number;
  readonly since: number;
  state: State;
  attempt: number;
  notBefore: number;
  suspect: boolean;
  /** Whether its handler has ended in a way that lets the next one begin. */
  passed: boolean;
  task: Task | null;
}

interface Assignment {
  readonly member: Member;
  readonly partition: number;
  readonly ledger: WorkPartition;
  readonly items: Map<number, Item>;
  /** Offsets that the group knows as finished, so that they must not begin. */
  readonly known: Set<number>;
  /** Finished, and not acknowledged by the group. */
  unacknowledged: Set<number>;
  position: number;
  /** Whether its metadata is to be complained about, once something is read. */
  warns: boolean;
  paused: boolean;
  /** Whether its last commit could not say all that had finished. */
  full: boolean;
  closed: boolean;
  gone: boolean;
}

interface Run {
  readonly items: readonly Item[];
  readonly batch: number;
  readonly first: number;
  readonly solo: boolean;
  /** Place of the message that is under way, or comes next. */
  next: number;
  end: number;
  announced: number;
  running: boolean;
}

interface Executor {
  readonly id: number;
  /** What it has asked for and not been given. */
  credit: number;
  asked: number;
  runs: Run[];
  /** Told, and not settled as far as the dispatcher knows. */
  readonly open: Map<string, Item>;
  plan: Item[];
  /** Whether it has said that this was its last word. */
  final: boolean;
  readonly begun: Set<Item>;
  finished: number[];
  released: number[];
  failed: Failure[];
}

interface Member {
  readonly dispatcher: WorkDispatcher;
  readonly assignments: Assignment[];
  readonly executors: Executor[];
  /** Messages whose handlers are at work, by lane. */
  readonly running: Map<string, Item>;
  letters: { task: Task; item: Item }[];
  commit: { assignment: Assignment; point: Point; told: Set<number> }[] | null;
  parts: number;
  counts: { finished: number; skipped: number; retried: number; leftOut: number };
}

interface Point {
  offset: number;
  metadata?: string;
}

const names = (list: number[]) => list.length === 0 ? null : Int32Array.from(list);
const nameOf = (batch: number, index: number) => `${batch}/${index}`;

/** Runs a script, lets everything come to its end, and looks whether it has. */
export function walk(scenario: Scenario): World {
  const world = new World(scenario);
  for (const event of scenario.events) world.step(event);
  world.finish();
  return world;
}

/** See the head of this file. */
export class World {
  readonly #scenario: Scenario;
  readonly logs: { offset: number; key: number }[][];
  readonly #ends: number[];
  readonly #committed: (Point | null)[];
  /** What is handled, skipped or stored, or (where that counts) handed over, by partition. */
  readonly #done: Set<number>[];
  /** How many times each message was handled. */
  readonly handled: Map<number, number>[];
  readonly #members: Member[];
  readonly #owners: (Assignment | null)[];
  readonly #formerly: Set<string> = new Set();
  #now = 1_000;
  #executors = 0;
  #epoch = 0;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.logs = scenario.logs.map((log) => {
      let offset = -1;
      return log.map(({ gap, key }) => ({ offset: offset += gap + 1, key }));
    });
    this.#ends = this.logs.map((log) => (log.at(-1)?.offset ?? -1) + 2);
    this.#committed = this.logs.map(() => null);
    this.#done = this.logs.map(() => new Set());
    this.handled = this.logs.map(() => new Map());
    this.#owners = this.logs.map(() => null);
    this.#members = [this.#join(), this.#join()];
    this.logs.forEach((_, partition) => this.#assign(partition, this.#members[0]!, 0));
  }

  step({ do: name, a, b }: Event): void {
    const member = this.#members[a % 8 === 7 ? 1 : 0]!;
    const { executors } = member;
    const executor = executors[a % Math.max(1, executors.length)];
    const partition = b % this.logs.length;
    const owner = this.#owners[partition]!;
    const open = member.assignments.filter(({ gone }) => !gone);
    switch (name) {
      case "poll":
        this.#poll(member, a, b);
        break;
      case "credit":
        if (executor === undefined) break;
        executor.asked += 1 + b % 7;
        this.#report(member, executor);
        break;
      case "work":
        if (executor === undefined) break;
        if (executor.credit < 2) executor.asked += 1 + b % 7;
        this.#begin(member, executor, 1 + b % 4, false);
        for (let count = b % 3; count > 0; count--) this.#end(member, executor, b >> 3);
        break;
      case "begin":
        if (executor !== undefined) this.#begin(member, executor, 1 + b % 4, b % 3 === 0);
        break;
      case "end":
        if (executor === undefined) break;
        for (let count = b % 5; count >= 0; count--) this.#end(member, executor, b >> 3);
        if (b % 3 > 0) this.#report(member, executor);
        break;
      case "fail":
        if (executor === undefined) break;
        this.#fail(member, executor, b);
        if (a % 3 > 0) this.#report(member, executor);
        break;
      case "report":
        if (executor !== undefined) this.#report(member, executor);
        break;
      case "commit":
        this.#commit(member);
        break;
      case "acknowledge":
        this.#acknowledge(member, b % 4 > 0);
        break;
      case "store":
        this.#store(member, 1 + b % 3);
        break;
      case "time":
        this.#time(b);
        break;
      case "settle":
        this.#settle(member);
        break;
      case "revoke":
        if (owner !== null && !owner.closed) this.#close(owner);
        break;
      case "letGo": {
        const closed = open.filter((each) => each.closed);
        if (closed.length > 0) this.#letGo(closed[b % closed.length]!, b % 5 > 0);
        break;
      }
      case "lose":
        if (owner !== null) this.#lose(owner);
        break;
      case "assign":
        if (owner === null && !member.dispatcher.stopped) this.#assign(partition, member, a);
        break;
      case "bounce":
        // Gone, and here again at once, with what is under way still at work.
        if (owner === null || owner.member.dispatcher.stopped) break;
        if (b % 3 === 0) this.#lose(owner);
        else {
          if (!owner.closed) this.#close(owner);
          this.#letGo(owner, b % 2 === 0);
        }
        this.#assign(partition, owner.member, a);
        break;
      case "joinExecutor":
        if (executors.length < 4) this.#joinExecutor(member);
        break;
      case "loseExecutor":
        if (executor !== undefined) this.#loseExecutor(member, executor, b);
        break;
      case "pause":
      case "resume":
        member.dispatcher.paused = name === "pause";
        this.#handOver(member);
        break;
      case "crash":
        this.#crash(member);
    }
    for (const each of this.#members) this.#check(each);
  }

  /** Nothing goes wrong any more: everything must come to its end. */
  finish(): void {
    for (let round = 0;; round++) {
      assert.ok(round < 400, "it does not come to its end");
      this.#members.forEach((member) => {
        member.dispatcher.paused = false;
        if (member.dispatcher.stopped) return this.#restart(member);
        if (member.executors.length === 0) this.#joinExecutor(member);
        this.#work(member);
        for (const each of member.assignments) {
          if (each.closed && !each.gone) this.#letGo(each, true);
        }
        this.#poll(member, 4, round);
        this.#commit(member);
        this.#acknowledge(member, true);
        this.#settle(member);
      });
      this.#owners.forEach((owner, partition) => {
        if (owner === null) this.#assign(partition, this.#members[round % 2]!, 1);
      });
      for (const each of this.#members) this.#check(each);
      if (this.#isOver()) break;
      this.#time(7);
    }
    this.logs.forEach((log, partition) => {
      for (const { offset } of log) {
        assert.ok(this.#done[partition]!.has(offset), `${partition}:${offset} is lost`);
      }
      const { offset } = this.#committed[partition] ?? { offset: 0 };
      const next = (log.at(-1)?.offset ?? -1) + 1;
      assert.ok(offset >= next, `${partition} is committed to ${offset}, not to ${next}`);
    });
    for (const { dispatcher } of this.#members) {
      assert.equal(dispatcher.underWay, 0);
      assert.equal(dispatcher.oldestUnderWay, null);
      for (const { inFlight, queuedMessages, held, lowest } of dispatcher.partitions) {
        assert.deepEqual([inFlight, queuedMessages, lowest], [0, 0, null]);
        assert.deepEqual(held, { messages: 0, bytes: 0 });
      }
    }
  }

  #isOver(): boolean {
    return this.#owners.every((owner, partition) =>
      owner !== null && !owner.closed && owner.position >= this.#ends[partition]! &&
      [...owner.items.values()].every(({ state }) => state === "done")
    ) && this.#members.every(({ executors, dispatcher: { partitions } }) =>
      executors.every(({ open }) =>
        open.size === 0
      ) &&
      partitions.every((each) => each.commitable() === null)
    );
  }

  #work(member: Member): void {
    for (const executor of [...member.executors]) {
      if (executor.credit < 1) executor.asked = 3;
      this.#begin(member, executor, 1_000, false);
      for (let running; (running = executor.runs.find((run) => run.running));) {
        this.#endRun(member, executor, running);
      }
      this.#report(member, executor);
    }
    this.#store(member, 1_000);
  }

  #restart(member: Member): void {
    for (const each of member.assignments) if (!each.closed) this.#close(each);
    for (let round = 0; round < 50; round++) this.#work(member);
    for (const each of member.assignments) if (!each.gone) this.#letGo(each, true);
    this.#crash(member);
  }

  // --- Members ------------------------------------------------------------------------------------

  #join(): Member {
    const { options, countsHanded } = this.#scenario;
    const dispatcher = new WorkDispatcher({
      ...options,
      countsHanded,
      metadataBytes: countsHanded ? 0 : options.metadataBytes,
      epoch: this.#epoch += 100,
      random: () => (this.#now % 7) / 7,
    });
    const member: Member = {
      dispatcher,
      assignments: [],
      executors: [],
      running: new Map(),
      letters: [],
      commit: null,
      parts: 1,
      counts: { finished: 0, skipped: 0, retried: 0, leftOut: 0 },
    };
    this.#joinExecutor(member);
    this.#joinExecutor(member);
    return member;
  }

  #crash(member: Member): void {
    for (const each of member.assignments) if (!each.gone) this.#owners[each.partition] = null;
    this.#members[this.#members.indexOf(member)] = this.#join();
  }

  #joinExecutor(member: Member): void {
    const id = this.#executors++;
    member.executors.push({
      id,
      credit: 0,
      asked: id % 5,
      runs: [],
      open: new Map(),
      plan: [],
      final: false,
      begun: new Set(),
      finished: [],
      released: [],
      failed: [],
    });
    member.dispatcher.addExecutor(id);
  }

  #assign(partition: number, member: Member, a: number): void {
    const log = this.logs[partition]!;
    const point = this.#committed[partition]!;
    const known = new Set<number>();
    // Compaction has taken the message that the group would go on with.
    if (a % 3 === 0) {
      const next = log.findIndex(({ offset }) => offset >= (point?.offset ?? 0));
      if (next >= 0) log.splice(next, 1);
    }
    const end = this.#ends[partition]!;
    let metadata = point?.metadata;
    let warns = false;
    if (point !== null) {
      const tampered = a % 29;
      const { offset } = point;
      if (tampered === 5) metadata = "what others write";
      if (tampered === 6) metadata = encodeOffsetMap(offset, [[offset + 1, end + 3]]).metadata;
      if (tampered === 7) {
        metadata = encodeOffsetMap(offset + 1, [[offset + 2, offset + 3]]).metadata;
      }
      if (tampered === 8) metadata = "kt1:AQIDBAUGBwg";
      const map = decodeOffsetMap(metadata ?? null, offset, end);
      warns = map.kind !== "map" && map.kind !== "none";
      const ranges = map.kind === "map" ? map.ranges : [];
      for (const { offset } of log) {
        const finished = ranges.some(([from, to]) => from <= offset && offset < to);
        if (finished || offset < point.offset) known.add(offset);
      }
    }
    const position = point?.offset ?? 0;
    const [ledger] = member.dispatcher.assign([{
      topic: "t",
      partition,
      ...(point === null && a % 4 === 0 ? {} : { position }),
      committed: point?.offset ?? null,
      ...(metadata === undefined ? {} : { metadata }),
    }]);
    const assignment: Assignment = {
      member,
      partition,
      ledger: ledger!,
      items: new Map(),
      known,
      unacknowledged: new Set(),
      position,
      warns: warns && member.dispatcher.partitions.length > 0 && this.#metadataBytes() > 0,
      paused: false,
      full: false,
      closed: false,
      gone: false,
    };
    member.assignments.push(assignment);
    this.#owners[partition] = assignment;
    this.#formerly.add(`${this.#members?.indexOf(member)}/${partition}`);
  }

  #metadataBytes(): number {
    return this.#scenario.countsHanded ? 0 : this.#scenario.options.metadataBytes;
  }

  /** What goes before a partition goes. */
  #close(assignment: Assignment): void {
    assignment.closed = true;
    assignment.ledger.discard();
    for (const item of assignment.items.values()) {
      if (item.state === "waiting") item.state = "dropped";
    }
    for (const executor of assignment.member.executors) {
      for (const run of executor.runs) {
        if (run.items[0]!.assignment === assignment) this.#releaseRest(executor, run);
      }
    }
  }

  #letGo(assignment: Assignment, commits: boolean): void {
    const { member, ledger } = assignment;
    this.#acknowledge(member, true);
    if (commits && ledger.commitable() !== null) {
      const told = new Set(assignment.unacknowledged);
      const point = this.#pointOf(assignment, ledger.commitable()!);
      ledger.wasCommitted(point);
      this.#committed[assignment.partition] = point;
      for (const offset of told) assignment.unacknowledged.delete(offset);
    }
    if (commits) assert.ok(!ledger.uncommitted, "there is still something to commit");
    if (commits && this.#metadataBytes() === ENOUGH_METADATA) {
      assert.equal(assignment.unacknowledged.size, 0, "what has finished is handled again");
    }
    this.#forget(assignment);
  }

  #lose(assignment: Assignment): void {
    if (!assignment.closed) this.#close(assignment);
    this.#forget(assignment);
  }

  #forget(assignment: Assignment): void {
    const { member, partition, ledger } = assignment;
    assignment.gone = true;
    member.dispatcher.forget([ledger]);
    this.#owners[partition] = null;
    this.#handOver(member);
  }

  // --- Reading ------------------------------------------------------------------------------------

  #poll(member: Member, a: number, b: number): void {
    const { maxInFlight } = this.#scenario.options;
    const batches: DriverBatch[] = [];
    const warned: number[] = [];
    for (const assignment of member.assignments) {
      const { partition, ledger, closed, gone, paused } = assignment;
      if (gone || paused) continue;
      if (closed) {
        // A driver may have fetched ahead.
        const ahead = this.logs[partition]!.filter(({ offset }) => offset >= assignment.position);
        const records = ahead.slice(0, b % 3).map(({ offset }) => ({ offset, value: "late" }));
        batches.push({ topic: "t", partition, records, endOffset: this.#ends[partition]! });
        continue;
      }
      const { messages, bytes } = ledger.held;
      assert.ok(
        messages * member.parts < maxInFlight.messages && bytes * member.parts < maxInFlight.bytes,
        `more is fetched of ${partition} though it holds ${messages} messages, ${bytes} bytes`,
      );
      const log = this.logs[partition]!;
      const end = this.#ends[partition]!;
      const rest = log.filter(({ offset }) => offset >= assignment.position);
      const found = rest.slice(0, Math.max(0, (a + b * (partition + 1)) % 12 - 3));
      const following = rest[found.length]?.offset ?? end;
      const last = found.at(-1)?.offset;
      const tells = (a + b) % 3;
      const next = tells === 0 ? following : last === undefined ? assignment.position : last + 1;
      for (const { offset, key } of found) this.#read(assignment, offset, key);
      if (found.length > 0 && assignment.warns) warned.push(partition);
      // Where nothing is read, it may or may not have been looked at.
      if (found.length > 0) assignment.warns = false;
      assignment.position = following === end && tells === 0 ? end : next;
      batches.push({
        topic: "t",
        partition,
        records: found.map(({ offset, key }) => ({
          offset,
          key: key === 0 ? null : `k${key}`,
          value: `${partition}:${offset}`,
        })),
        endOffset: end,
        ...(tells === 2 ? {} : { nextOffset: next }),
      });
    }
    const warnings = member.dispatcher.takeIn(batches, this.#now);
    for (const partition of warned) {
      assert.ok(
        warnings.some((each) => each.partition.partition === partition),
        `no word of the metadata of ${partition}`,
      );
    }
    for (const { partition: { partition } } of warnings) {
      const owner = this.#owners[partition]!;
      assert.ok(warned.includes(partition) || owner.warns, `a warning of ${partition}`);
      owner.warns = false;
    }
    this.#handOver(member);
  }

  #read(assignment: Assignment, offset: number, key: number): void {
    if (assignment.known.has(offset)) {
      assignment.member.counts.leftOut++;
      return;
    }
    const { order } = this.#scenario.options;
    const { partition, items } = assignment;
    const lane = order === "partition"
      ? `${partition}`
      : order === "key" && key > 0
      ? `${partition}/${key}`
      : null;
    const text = `${partition}:${offset}`;
    items.set(offset, {
      assignment,
      offset,
      lane,
      bytes: text.length + (key === 0 ? 0 : 2) + 1 + TASK_BYTES,
      since: this.#now,
      state: "waiting",
      attempt: 1,
      notBefore: 0,
      suspect: false,
      passed: false,
      task: null,
    });
  }

  // --- Handing over -------------------------------------------------------------------------------

  /** As the poller does after anything has changed; whether anything was handed over. */
  #handOver(member: Member): boolean {
    const handouts = member.dispatcher.dispatch(this.#now);
    const { paused, stopped } = member.dispatcher;
    assert.ok(handouts.length === 0 || !paused && !stopped, "something starts though nothing may");
    for (const handout of handouts) this.#receive(member, handout);
    const { pause, resume } = member.dispatcher.balance();
    member.parts = Math.max(1, member.dispatcher.partitions.length);
    for (const [list, value] of [[pause, true], [resume, false]] as const) {
      for (const { partition } of list) {
        const owner = this.#owners[partition]!;
        assert.notEqual(owner.paused, value, "paused or resumed twice");
        owner.paused = value;
      }
    }
    return handouts.length > 0;
  }

  #receive(member: Member, { executor: id, batches }: Handout): void {
    const { each, handlerBatch, batchSize } = this.#scenario.options;
    const executor = member.executors.find((one) => one.id === id);
    assert.ok(executor !== undefined, "work for an executor that is gone");
    if (each) this.#checkEach(member);
    let longest = 0;
    let total = 0;
    for (const work of batches) {
      const assignment = member.assignments.find(({ ledger }) =>
        ledger.assignment === work.assignment
      )!;
      assert.ok(!assignment.closed, "a message of an assignment that is over");
      assert.equal(work.partition, assignment.partition);
      assert.equal(work.epoch, assignment.ledger.epoch);
      const table = unpackRecords(work.records);
      let index = 0;
      for (const length of work.runs) {
        const items: Item[] = [];
        for (const end = index + length; index < end; index++) {
          const offset = table.offsets[index]!;
          assert.equal(textAt(table, index), `${work.partition}:${offset}`);
          const item = assignment.items.get(offset);
          assert.ok(item !== undefined, `${offset} starts, and was finished before`);
          assert.equal(item.state, "waiting", `${offset} of ${work.partition} starts again`);
          assert.equal(work.attempts?.[index] ?? 1, item.attempt, `attempts at ${offset}`);
          assert.ok(item.notBefore <= this.#now, `${offset} does not wait its backoff`);
          assert.ok(!item.suspect || work.solo, `${offset} is suspected, and not sent alone`);
          item.task = member.dispatcher.taskAt(work.batch, index)!;
          assert.equal(item.task.offset, offset);
          items.push(item);
          executor.open.set(nameOf(work.batch, index), item);
        }
        for (const item of items) item.state = "handed";
        if (this.#scenario.countsHanded) {
          for (const { offset } of items) this.#done[work.partition]!.add(offset);
        }
        this.#checkRun(items, work.solo, assignment);
        executor.runs.push({
          items,
          batch: work.batch,
          first: index - length,
          solo: work.solo,
          next: 0,
          end: length,
          announced: 0,
          running: false,
        });
        longest = Math.max(longest, length);
        total += length;
      }
      assert.equal(index, table.count);
      assert.ok(!work.solo || table.count === 1, "alone means alone");
    }
    const most = Math.min(executor.credit, batchSize) + (handlerBatch === null ? 0 : longest - 1);
    assert.ok(total <= most, `${total} messages where ${most} were asked for`);
    executor.credit -= total;
  }

  #checkRun(items: readonly Item[], solo: boolean, { ledger, items: all }: Assignment): void {
    const { handlerBatch } = this.#scenario.options;
    const { lane, since, assignment } = items[0]!;
    if (assignment.full && this.#metadataBytes() > 0) {
      // What could not be remembered would be handled again: only the lowest may go on.
      const unfinished = [...all.values()].find(({ state }) => state !== "done");
      assert.ok(
        items.length === 1 && items[0] === unfinished,
        "something starts beyond a full map",
      );
    }
    assert.ok(items.every((item) => item.lane === lane), "a run of several lanes");
    if (lane !== null) {
      items.reduce((one, other) => {
        assert.ok(one.offset < other.offset, "a run that does not rise");
        return other;
      });
    }
    if (handlerBatch === null) {
      assert.ok(
        lane !== null || items.length === 1,
        "messages that are free of each other in a run",
      );
      return;
    }
    assert.ok(items.length <= handlerBatch.size);
    const suspects = [...all.values()].some(({ suspect }) => suspect);
    if (lane === null || items.length === handlerBatch.size || solo || suspects || ledger.full) {
      return;
    }
    assert.ok(since + handlerBatch.waitMs <= this.#now, "a batch that is short has not waited");
  }

  /** One message in all, and the one before is committed. */
  #checkEach(member: Member): void {
    for (const { gone, items, unacknowledged } of member.assignments) {
      if (gone) continue;
      assert.equal(unacknowledged.size, 0, "the next one starts before the last is committed");
      for (const { state } of items.values()) assert.notEqual(state, "handed", "two at once");
    }
  }

  /** Hands over until nothing more comes: whatever may start has, as far as there is room. */
  #settle(member: Member): void {
    for (let round = 0; this.#handOver(member); round++) assert.ok(round < 1_000);
    const { dispatcher, executors, assignments } = member;
    const { each } = this.#scenario.options;
    if (dispatcher.paused || dispatcher.stopped || each) return;
    if (!executors.some(({ credit }) => credit > 0)) return;
    const busy = new Set<string | null>();
    for (const { items } of assignments) {
      for (const { state, lane } of items.values()) if (state === "handed") busy.add(lane);
    }
    for (const { closed, items, ledger, partition } of assignments) {
      if (closed) continue;
      const waiting = Map.groupBy(
        [...items.values()].filter(({ state }) => state === "waiting"),
        ({ lane }) => lane,
      );
      for (const [lane, list] of waiting) {
        if (lane !== null && busy.has(lane)) continue;
        const item = this.#mayStart(list, ledger);
        assert.equal(item, null, `${item?.offset} of ${partition} may start, and does not`);
      }
    }
  }

  #mayStart(list: readonly Item[], ledger: WorkPartition): Item | null {
    const { handlerBatch } = this.#scenario.options;
    // Of a lane only the first may, and nothing before the wait of any of it is over.
    const serial = list[0]!.lane !== null;
    const candidates = serial
      ? (list.some(({ notBefore }) => notBefore > this.#now) ? [] : list.slice(0, 1))
      : list.filter(({ notBefore }) => notBefore <= this.#now);
    const hasWaited = handlerBatch === null ||
      candidates.length > 0 &&
        (serial && list.length >= handlerBatch.size ||
          list.every(({ since }) => since + handlerBatch.waitMs <= this.#now));
    if (!hasWaited) return null;
    if (!ledger.full) return candidates[0] ?? null;
    return candidates.find(({ offset }) => offset === ledger.lowest?.offset) ?? null;
  }

  // --- Executors ----------------------------------------------------------------------------------

  /** Announces the next messages of some runs, and begins them. */
  #begin(member: Member, executor: Executor, most: number, ahead: boolean): void {
    const batches = this.#scenario.options.handlerBatch !== null;
    const idle = executor.runs.filter(({ running, next, end }) => !running && next < end);
    let chosen = idle.slice(0, most);
    // Nothing else begins with one that is to begin alone.
    const alone = chosen.findIndex(({ solo }) => solo);
    if (alone >= 0) chosen = alone === 0 ? chosen.slice(0, 1) : chosen.slice(0, alone);
    for (const run of chosen) {
      const to = batches || ahead ? run.end : run.next + 1;
      run.announced = Math.max(run.announced, to);
    }
    this.#report(member, executor, chosen.length > 0);
    for (const run of chosen) if (run.next < run.end) this.#start(member, run);
  }

  /** What is announced and has not begun. */
  #announced(executor: Executor): number[] {
    const batches = this.#scenario.options.handlerBatch !== null;
    return executor.runs.flatMap(({ batch, first, next, announced, end, running }) => {
      const from = running ? (batches ? end : next + 1) : next;
      const length = Math.max(0, Math.min(announced, end) - from);
      return Array.from({ length }, (_, place) => [batch, first + from + place]).flat();
    });
  }

  #start(member: Member, run: Run): void {
    run.running = true;
    const called = this.#scenario.options.handlerBatch === null
      ? [run.items[run.next]!]
      : run.items.slice(run.next, run.end);
    for (const item of called) {
      const { assignment, lane, offset } = item;
      assert.ok(!assignment.known.has(offset), `${offset} is handled again`);
      if (lane === null) continue;
      const other = member.running.get(lane);
      assert.ok(
        other === undefined || called.includes(other),
        `${offset} begins while ${other?.offset} of "${lane}" is under way`,
      );
      member.running.set(lane, item);
      for (const before of assignment.items.values()) {
        if (before.lane !== lane || before.offset >= offset || called.includes(before)) continue;
        assert.ok(
          before.passed,
          `${offset} begins before ${before.offset} of "${lane}" is done with`,
        );
      }
    }
  }

  #pick(executor: Executor, b: number): Run | undefined {
    const running = executor.runs.filter((run) => run.running);
    return running[b % Math.max(1, running.length)];
  }

  #end(member: Member, executor: Executor, b: number): void {
    const run = this.#pick(executor, b);
    if (run !== undefined) this.#endRun(member, executor, run);
  }

  /** A call of the handler ends well. */
  #endRun(member: Member, executor: Executor, run: Run): void {
    const to = this.#scenario.options.handlerBatch === null ? run.next + 1 : run.end;
    for (let place = run.next; place < to; place++) this.#handle(executor, run, place);
    this.#ended(member, run, to);
    this.#goOn(member, run);
  }

  #handle(executor: Executor, run: Run, place: number): void {
    const item = run.items[place]!;
    const { assignment: { partition }, offset } = item;
    item.passed = true;
    const handled = this.handled[partition]!;
    handled.set(offset, (handled.get(offset) ?? 0) + 1);
    this.#done[partition]!.add(offset);
    executor.finished.push(run.batch, run.first + place);
  }

  #ended(member: Member, run: Run, to: number): void {
    const { lane } = run.items[run.next]!;
    if (lane !== null) member.running.delete(lane);
    run.next = to;
    run.running = false;
  }

  /** What is announced already begins as soon as what is before it has ended. */
  #goOn(member: Member, run: Run): void {
    if (run.next < run.end && run.next < run.announced) this.#start(member, run);
  }

  #fail(member: Member, executor: Executor, b: number): void {
    const run = this.#pick(executor, b >> 4);
    if (run === undefined) return;
    const { policy, handlerBatch } = this.#scenario.options;
    const kind = (["failed", "failed", "invalid", "timeout", "aborted"] as const)[b % 5]!;
    const passesOver = kind === "invalid" && policy.onInvalid === "skip";
    const retriable = kind !== "invalid" && b % 7 > 0;
    const failed = (place: number, count = 1) => {
      executor.failed.push({
        batch: run.batch,
        index: run.first + place,
        count,
        kind,
        retriable,
        error: ERROR,
      });
    };
    if (handlerBatch === null) {
      const place = run.next;
      failed(place);
      if (passesOver) run.items[place]!.passed = true;
      this.#ended(member, run, place + 1);
      if (passesOver) this.#goOn(member, run);
      else this.#releaseRest(executor, run);
      return;
    }
    const { next, end } = run;
    const at = next + b % (end - next);
    if (kind !== "invalid" && b % 3 === 0) failed(next, end - next);
    else {
      for (let place = next; place < at; place++) this.#handle(executor, run, place);
      failed(at);
      if (passesOver) run.items[at]!.passed = true;
      for (let place = at + 1; place < end; place++) {
        if (passesOver) this.#handle(executor, run, place);
        else executor.released.push(run.batch, run.first + place);
      }
    }
    this.#ended(member, run, end);
  }

  #releaseRest(executor: Executor, run: Run): void {
    if (run.running && this.#scenario.options.handlerBatch !== null) return;
    const from = run.running ? run.next + 1 : run.next;
    for (let place = from; place < run.end; place++) {
      executor.released.push(run.batch, run.first + place);
    }
    run.end = Math.min(run.end, from);
  }

  /** As the shell does with a report. */
  #report(member: Member, executor: Executor, announces = false, final = false): void {
    const { dispatcher } = member;
    const { finished, failed, released, asked } = executor;
    const announce = announces ? this.#announced(executor) : [];
    executor.finished = [];
    executor.failed = [];
    executor.released = [];
    executor.asked = 0;
    executor.credit += asked;
    executor.runs = executor.runs.filter(({ next, end, running }) => running || next < end);

    const touched = new Set<Assignment>();
    for (const item of this.#take(executor, finished)) {
      this.#isDone(item);
      touched.add(item.assignment);
      member.counts.finished++;
    }
    const failures = failed.map((failure) => {
      const places = Array.from({ length: failure.count }, (_, place) => failure.index + place);
      return this.#take(executor, places.flatMap((index) => [failure.batch, index]));
    });
    const waiting = this.#take(executor, released);
    const partitions = dispatcher.finished(names(finished), this.#now);
    assert.deepEqual(
      new Set([...partitions]),
      new Set([...touched].map(({ ledger }) => ledger)),
    );
    const outcomes = dispatcher.failed(failed, this.#now);
    dispatcher.released(names(released), this.#now);
    if (announce.length > 0 || final) executor.plan = [];
    for (let place = 0; place < announce.length; place += 2) {
      const item = executor.open.get(nameOf(announce[place]!, announce[place + 1]!));
      if (item === undefined) continue;
      executor.plan.push(item);
      executor.begun.add(item);
    }
    executor.final = final;
    const heard = { credit: asked, begun: names(announce), busyMs: 1, final };
    dispatcher.heard(executor.id, heard, this.#now);
    for (const item of waiting) this.#putBack(item);
    const expected = failed.flatMap((failure, place) =>
      failures[place]!.map((item) => ({ item, failure }))
    );
    this.#act(member, outcomes, expected);
    this.#afterFinished(member, touched.size > 0);
  }

  /** Takes messages out of what is under way, as they are told as settled. */
  #take(executor: Executor, list: readonly number[]): Item[] {
    const items: Item[] = [];
    for (let place = 0; place < list.length; place += 2) {
      const name = nameOf(list[place]!, list[place + 1]!);
      const item = executor.open.get(name)!;
      executor.open.delete(name);
      executor.begun.delete(item);
      items.push(item);
    }
    return items;
  }

  #isDone(item: Item): void {
    const { assignment, offset } = item;
    item.state = "done";
    item.passed = true;
    assignment.unacknowledged.add(offset);
    this.#done[assignment.partition]!.add(offset);
  }

  #putBack(item: Item): void {
    item.state = item.assignment.closed ? "dropped" : "waiting";
    item.passed = false;
  }

  #act(
    member: Member,
    outcomes: readonly Outcome[],
    expected: readonly { item: Item; failure: Pick<Failure, "kind" | "retriable"> }[],
  ): void {
    const { policy: { retries, backoff, then, onInvalid } } = this.#scenario.options;
    const { dispatcher } = member;
    assert.equal(outcomes.length, expected.length);
    // What would stop a consumer that has stopped already is told all the same.
    const { stopped } = dispatcher;
    const skipped: Item[] = [];
    expected.forEach(({ item, failure: { kind, retriable } }, place) => {
      const { task, verdict } = outcomes[place]!;
      assert.equal(task, item.task);
      const isLast = kind !== "invalid" &&
        (!retriable || (retries !== null && item.attempt > retries));
      if (kind === "aborted" || item.assignment.closed) {
        const stops = kind === "invalid" ? onInvalid === "stop" : isLast && then === "stop";
        if (kind !== "aborted" && stopped && stops) {
          assert.deepEqual(verdict, { do: "stop" });
          dispatcher.abandon(task, this.#now);
        } else assert.deepEqual(verdict, { do: "retry", delayMs: 0 });
        return this.#putBack(item);
      }
      if (kind !== "invalid" && !isLast) {
        assert.ok(verdict.do === "retry");
        const longest = Math.min(
          backoff.maxMs,
          backoff.initialMs * backoff.factor ** (item.attempt - 1),
        );
        assert.ok(verdict.delayMs >= longest / 2 && verdict.delayMs <= longest);
        item.attempt++;
        item.notBefore = this.#now + verdict.delayMs;
        member.counts.retried++;
        return this.#putBack(item);
      }
      assert.equal(verdict.do, kind === "invalid" ? onInvalid : then);
      if (verdict.do === "skip") skipped.push(item);
      else if (verdict.do === "dead-letter") member.letters.push({ task, item });
      else {
        dispatcher.stopped = true;
        dispatcher.abandon(task, this.#now);
        item.state = "dropped";
      }
    });
    for (const item of skipped) {
      member.counts.skipped++;
      this.#isDone(item);
      dispatcher.finish(item.task!, this.#now);
    }
    if (skipped.length > 0) this.#afterFinished(member, true);
  }

  #afterFinished(member: Member, any: boolean): void {
    if (this.#scenario.options.each && any) member.dispatcher.awaitCommit(true);
    this.#handOver(member);
  }

  #store(member: Member, most: number): void {
    const letters = member.letters.splice(0, most);
    if (letters.length === 0) return;
    for (const { task, item } of letters) {
      this.#isDone(item);
      member.dispatcher.finish(task, this.#now);
    }
    this.#afterFinished(member, true);
  }

  #loseExecutor(member: Member, executor: Executor, b: number): void {
    const { dispatcher, executors, running } = member;
    if (b % 5 === 0) this.#report(member, executor, true, true);
    executors.splice(executors.indexOf(executor), 1);
    for (const run of executor.runs) {
      const { lane } = run.items[run.next] ?? run.items[0]!;
      if (run.running && lane !== null) running.delete(lane);
    }
    const open = [...executor.open.values()];
    const begun = open.filter((item) => executor.begun.has(item));
    const hangs = b % 2 === 0;
    const blame = b % 3 === 0 ? begun[b % Math.max(1, begun.length)] ?? null : null;
    const announced = begun.filter((item) => executor.plan.includes(item));
    const underWay = begun.filter((item) => !executor.plan.includes(item));
    const isUnclear = blame === null && !executor.final && announced.length > 1;
    const blamed = blame !== null
      ? [blame]
      : executor.final || announced.length === 0
      ? underWay
      : isUnclear
      ? (hangs ? [] : underWay)
      : hangs
      ? announced
      : [...announced, ...underWay];
    for (const item of open) {
      if (isUnclear && announced.includes(item)) item.suspect = true;
      if (!blamed.includes(item)) this.#putBack(item);
    }
    const failure = { kind: hangs ? "timeout" : "failed", retriable: true, error: ERROR } as const;
    const outcomes = dispatcher.lost(executor.id, () => failure, {
      hangs,
      blame: blame?.task ?? null,
      now: this.#now,
    });
    const order = outcomes.map(({ task }) => blamed.find((item) => item.task === task)!);
    assert.deepEqual(
      outcomes.map(({ task }) => task.offset).sort(),
      blamed.map(({ offset }) => offset).sort(),
      `others are blamed, ${executor.final} ${hangs} ${executor.plan.length} ${begun.length}`,
    );
    this.#act(member, outcomes, order.map((item) => ({ item, failure })));
    this.#handOver(member);
  }

  // --- Commits and time ---------------------------------------------------------------------------

  #commit(member: Member): void {
    if (member.commit !== null) return;
    member.commit = member.assignments.flatMap((assignment) => {
      const offset = assignment.gone ? null : assignment.ledger.commitable();
      if (offset === null) return [];
      return [{
        assignment,
        point: this.#pointOf(assignment, offset),
        told: new Set(assignment.unacknowledged),
      }];
    });
  }

  #acknowledge(member: Member, succeeds: boolean): void {
    const { commit } = member;
    member.commit = null;
    if (commit === null) return;
    if (succeeds) {
      for (const { assignment, point, told } of commit) {
        if (assignment.gone) continue;
        assignment.ledger.wasCommitted(point);
        this.#committed[assignment.partition] = point;
        for (const offset of told) assignment.unacknowledged.delete(offset);
      }
      const left = member.assignments.some(({ gone, unacknowledged }) =>
        !gone && unacknowledged.size > 0
      );
      if (!left) member.dispatcher.awaitCommit(false);
    }
    this.#handOver(member);
  }

  /** What a commit says, and whether that is true. */
  #pointOf(assignment: Assignment, offset: number): Point {
    const { partition, ledger, known, items, position } = assignment;
    const point = ledger.commitPoint(offset);
    const log = this.logs[partition]!;
    const map = decodeOffsetMap(point.metadata ?? null, point.offset, this.#ends[partition]!);
    assert.ok(map.kind === "map" || map.kind === "none", `it is ${map.kind}`);
    const ranges = map.kind === "map" ? map.ranges : [];
    const says = (offset: number) =>
      offset < point.offset || ranges.some(([from, to]) => from <= offset && offset < to);
    for (const { offset } of log) {
      if (!says(offset)) continue;
      assert.ok(this.#done[partition]!.has(offset), `${partition}:${offset} is not finished`);
      const state = items.get(offset)?.state;
      if (this.#scenario.countsHanded) continue;
      assert.ok(known.has(offset) || state === "done", `${partition}:${offset} is ${state}`);
    }
    assignment.full = [...items.values()].some(({ offset, state }) =>
      state === "done" && !says(offset)
    );
    const before = this.#committed[partition]?.offset ?? 0;
    assert.ok(point.offset >= before, `the commit goes back from ${before}`);
    const lowest = [...items.values()].find(({ state }) => state !== "done")?.offset ?? position;
    assert.ok(point.offset >= lowest, `${point.offset} is committed where ${lowest} might be`);
    if (this.#metadataBytes() === ENOUGH_METADATA) {
      for (const { offset } of log) {
        const finished = known.has(offset) || items.get(offset)?.state === "done";
        assert.ok(!finished || says(offset), `${partition}:${offset} is finished, and not noted`);
      }
      assert.ok(!ledger.full);
    }
    return point;
  }

  #time(b: number): void {
    this.#now += [1, 10, 100][b % 3]!;
    for (const member of this.#members) {
      const { nextWake } = member.dispatcher;
      if (b % 8 === 7 && nextWake !== null) this.#now = Math.max(this.#now, nextWake);
      if (nextWake !== null && nextWake <= this.#now) this.#handOver(member);
    }
  }

  // --- Counters -----------------------------------------------------------------------------------

  #check({ dispatcher, assignments, executors, counts }: Member): void {
    assert.equal(
      dispatcher.underWay,
      executors.reduce((sum, { open }) => sum + open.size, 0),
      "underWay",
    );
    for (const { id, underWay, credit } of dispatcher.executors) {
      const executor = executors.find((each) => each.id === id)!;
      assert.deepEqual([underWay, credit], [executor.open.size, executor.credit]);
    }
    for (const { ledger, items, closed, gone, paused } of assignments) {
      let [queued, queuedBytes, handed, handedBytes] = [0, 0, 0, 0];
      for (const { state, bytes } of items.values()) {
        if (state === "waiting") {
          queued++;
          queuedBytes += bytes;
        } else if (state === "handed") {
          handed++;
          handedBytes += bytes;
        }
      }
      if (closed) assert.equal(queued, 0);
      assert.deepEqual([ledger.queuedMessages, ledger.queuedBytes], [queued, queuedBytes]);
      assert.equal(ledger.inFlight, handed, "inFlight");
      assert.deepEqual(ledger.held, {
        messages: queued + handed,
        bytes: queuedBytes + handedBytes,
      });
      if (!gone) assert.equal(ledger.paused, paused);
    }
    const { finished, skipped, retried, leftOut } = counts;
    assert.equal(dispatcher.counts.finished, finished);
    assert.equal(dispatcher.counts.retried, retried);
    assert.equal(dispatcher.counts.leftOut, leftOut);
    assert.ok(skipped >= dispatcher.counts.skipped);
  }
}
