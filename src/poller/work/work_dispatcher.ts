/**
 * Decides which message may start, where, and what becomes of it. Without clocks and sockets: times and
 * random numbers come in, and what is to be posted goes out.
 */

import type { AssignedPartition, DriverBatch, TopicPartition } from "../../driver.ts";
import { DriverError } from "../../errors.ts";
import { isRecordTable, tableOfRecords } from "../../threads/records.ts";
import type { WorkCounts } from "../../threads/messages.ts";
import type { Failure, MessageNames, WorkBatch } from "../../threads/work.ts";
import { Alarms } from "./alarms.ts";
import { Deque } from "../../threads/deque.ts";
import type { ExecutorRecord } from "./executors.ts";
import { gatherRecords } from "./gather.ts";
import { HandedOver } from "./handed_over.ts";
import type { Lane } from "./lane.ts";
import { decodeOffsetMap } from "./offset_map.ts";
import { judge, type RetryPolicy, type Verdict } from "./retry_policy.ts";
import type { Task } from "./task.ts";
import { type Order, WorkPartition } from "./work_partition.ts";

/** How work is given out. */
export interface WorkDispatcherOptions {
  /** Which messages wait for each other. */
  readonly order: Order;
  /** Whether one message is under way in all, and the next waits until the last one is committed. */
  readonly each: boolean;
  /** What may be in memory. */
  readonly maxInFlight: { readonly messages: number; readonly bytes: number };
  /** Most messages that are handed over in one go. */
  readonly batchSize: number;
  /** Messages of one call, and how long one waits for the others; null: one message a call. */
  readonly handlerBatch: { readonly size: number; readonly waitMs: number } | null;
  /** What becomes of failures. */
  readonly policy: RetryPolicy;
  /** Bytes of a commit's metadata that may be used; 0: none. */
  readonly metadataBytes: number;
  /** Whether to commits a message is finished as soon as it is handed over. */
  readonly countsHanded: boolean;
  /** Epoch of the last assignment before. */
  readonly epoch: number;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** What one executor is to be sent. */
export interface Handout {
  readonly executor: number;
  readonly batches: WorkBatch[];
}

/** What is to be done about a failed message. */
export interface Outcome {
  readonly task: Task;
  readonly failure: Failure;
  readonly verdict: Verdict;
}

/** What an executor says of itself. */
export interface Heard {
  readonly credit: number;
  readonly begun: MessageNames | null;
  readonly busyMs: number;
  readonly final?: boolean;
}

interface Wake {
  readonly partition: WorkPartition;
  readonly lane: Lane;
  /** A message of a free lane that waits by itself. */
  readonly task: Task | null;
}

/** The dispatcher of a consumer. */
export class WorkDispatcher {
  readonly #options: WorkDispatcherOptions;
  readonly #partitions = new Map<string, WorkPartition>();
  /** Assignments that are over, with messages still under way, by their number. */
  readonly #gone = new Map<string, WorkPartition>();
  readonly #ready = new Map<WorkPartition, Deque<Lane>>();
  readonly #formerly = new Set<string>();
  readonly #handedOver = new HandedOver();
  readonly #alarms = new Alarms<Wake>();
  #epoch: number;
  #nextAssignment = 0;
  #turn = 0;
  #awaitsCommit = false;
  /** What has happened. */
  readonly counts: WorkCounts = {
    finished: 0,
    bytes: 0,
    failed: 0,
    invalid: 0,
    retried: 0,
    skipped: 0,
    deadLettered: 0,
    leftOut: 0,
    busyMs: 0,
  };
  /** Whether nothing is fetched and nothing starts, as the program asked for. */
  paused = false;
  /** Whether nothing starts any more. */
  stopped = false;

  constructor(options: WorkDispatcherOptions) {
    this.#options = options;
    this.#epoch = options.epoch;
  }

  /** The partitions that are assigned. */
  get partitions(): WorkPartition[] {
    return [...this.#partitions.values()];
  }

  /** Those who run handlers. */
  get executors(): ExecutorRecord[] {
    return this.#handedOver.executors;
  }

  /** Messages handed over and not answered for, of every assignment. */
  get underWay(): number {
    return this.#handedOver.underWay;
  }

  /** Those of them that have begun where that is announced, by topic. */
  get active(): { topic: string; count: number }[] {
    return this.#handedOver.active;
  }

  /** When the oldest of them was handed over, or null. */
  get oldestUnderWay(): number | null {
    return this.#handedOver.oldest;
  }

  /** When the oldest of them has begun where that is announced, or null. */
  get oldestBegun(): number | null {
    return this.#handedOver.oldestBegun;
  }

  /** The next time at which something may start that may not now, or null. */
  get nextWake(): number | null {
    return this.#alarms.next;
  }

  /** Begins an assignment: each one has an epoch of its own. */
  assign(partitions: readonly AssignedPartition[]): WorkPartition[] {
    const epoch = ++this.#epoch;
    const { order, metadataBytes, countsHanded } = this.#options;
    return partitions.map((assigned) => {
      const key = keyOf(assigned);
      const partition = new WorkPartition(assigned, {
        epoch,
        assignment: this.#nextAssignment++,
        order,
        metadataBytes,
        countsHanded,
        predecessor: this.#gone.get(key) ?? null,
      });
      const { metadata, committed } = assigned;
      if (metadataBytes > 0 && metadata !== undefined && typeof committed === "number") {
        partition.metadata = metadata;
      }
      this.#partitions.set(key, partition);
      this.#ready.set(partition, new Deque());
      return partition;
    });
  }

  /** A partition, if it is assigned. */
  find(partition: TopicPartition): WorkPartition | undefined {
    return this.#partitions.get(keyOf(partition));
  }

  /**
   * Ends assignments. What is under way of them counts for nothing any more, but a message of the same
   * key waits for it if the partition comes back.
   */
  forget(partitions: readonly WorkPartition[]): void {
    for (const partition of partitions) {
      const key = keyOf(partition);
      partition.discard();
      this.#ready.delete(partition);
      this.#formerly.add(key);
      if (this.#partitions.get(key) !== partition) continue;
      this.#partitions.delete(key);
      this.#keep(key, partition);
    }
  }

  /**
   * Takes in what was polled.
   *
   * @returns What is wrong with the metadata of partitions' commits, now that the end of the log is known.
   * @throws {DriverError} If it is of a partition that was never assigned.
   */
  takeIn(
    batches: readonly DriverBatch[],
    now: number,
  ): { partition: WorkPartition; reason: string }[] {
    const warnings: { partition: WorkPartition; reason: string }[] = [];
    for (const batch of batches) {
      const partition = this.find(batch);
      if (partition === undefined) {
        // A driver that fetches ahead may return what was fetched before the partition went.
        if (this.#formerly.has(keyOf(batch))) continue;
        throw new DriverError(
          `Cannot take in records of "${batch.topic}" partition ${batch.partition}: the driver has not assigned it`,
          { code: "DRIVER_INVALID", topic: batch.topic, partition: batch.partition },
        );
      }
      const { records, nextOffset, endOffset } = batch;
      const table = isRecordTable(records) ? records : tableOfRecords(records, now);
      const seen = table.count > 0 ? table.offsets[table.count - 1]! + 1 : nextOffset ?? 0;
      // Before anything can be committed, which would take the place of that metadata.
      if (table.count > 0 || seen > (partition.position ?? 0)) {
        const reason = this.#restore(partition, seen, endOffset);
        if (reason !== null) warnings.push({ partition, reason });
      }
      const { lanes, leftOut } = partition.add(table, now, nextOffset, endOffset);
      this.counts.leftOut += leftOut;
      for (const lane of lanes) this.#consider(partition, lane, now);
    }
    return warnings;
  }

  /** Adds one that runs handlers. */
  addExecutor(id: number): void {
    this.#handedOver.addExecutor(id);
  }

  /** The thread of an executor is gone: it gets nothing more. What it had is settled by `lost`. */
  gone(id: number): void {
    const executor = this.#handedOver.executor(id);
    if (executor !== undefined) executor.gone = true;
  }

  /** Takes in what an executor has asked for, and what it is about to begin. */
  heard(
    id: number,
    { credit, begun, busyMs, final = false }: Heard,
    now: number,
  ): void {
    const executor = this.#handedOver.executor(id);
    if (executor === undefined) return;
    executor.credit += credit;
    this.counts.busyMs += busyMs;
    executor.waitingSince = executor.underWay > 0 ? now : null;
    executor.final = final;
    if (begun === null && !final) return;
    executor.plan = [...this.#handedOver.named(begun)];
    for (const task of executor.plan) task.begunAt = now;
  }

  /** Takes what is to be handed over now. */
  dispatch(now: number): Handout[] {
    for (const wake of this.#alarms.due(now)) this.#wake(wake, now);
    if (this.paused || this.stopped) return [];
    for (const partition of this.#partitions.values()) {
      if (!partition.hasRoomAgain()) continue;
      for (const lane of partition.lanes()) this.#consider(partition, lane, now);
    }
    if (this.#options.each && (this.#awaitsCommit || this.#isBusy())) return [];
    const executors = this.executors
      .filter(({ credit, final, gone }) => credit > 0 && !final && !gone)
      .sort((one, other) => one.underWay - other.underWay);
    const handouts: Handout[] = [];
    for (const [index, executor] of executors.entries()) {
      // Where there is less to do than there is room, each gets its part of it.
      const share = Math.ceil(this.#startable() / (executors.length - index));
      if (share === 0) break;
      const batches = this.#collect(executor, share, now);
      if (batches.length > 0) handouts.push({ executor: executor.id, batches });
      if (this.#options.each) break;
    }
    return handouts;
  }

  /**
   * Notes messages as handled.
   *
   * @returns The partitions they are of.
   */
  finished(names: MessageNames | null, now: number): Set<WorkPartition> {
    const touched = new Set<WorkPartition>();
    for (const task of this.#handedOver.settle(names)) {
      this.finish(task, now);
      this.counts.finished++;
      this.counts.bytes += task.bytes;
      touched.add(task.partition);
    }
    return touched;
  }

  /** Notes one message as done with, however. */
  finish(task: Task, now: number): void {
    const { partition, lane } = task;
    partition.finish(task);
    this.#after(partition, lane, now);
  }

  /** Puts messages back that an executor has not begun. */
  released(names: MessageNames | null, now: number): void {
    this.#giveBack([...this.#handedOver.settle(names)], now);
  }

  /**
   * Notes failures. Messages that are to be tried again wait for it already; all others stay under way
   * until `finish` or `abandon` is called with them.
   */
  failed(failures: readonly Failure[], now: number): Outcome[] {
    const outcomes: Outcome[] = [];
    for (const failure of failures) {
      const names = new Int32Array(failure.count * 2);
      for (let place = 0; place < failure.count; place++) {
        names[place * 2] = failure.batch;
        names[place * 2 + 1] = failure.index + place;
      }
      for (const task of this.#handedOver.settle(names)) {
        outcomes.push(this.#fail(task, failure, now));
      }
    }
    return outcomes;
  }

  /** Lets a message go that was under way: it is not finished, and not tried again. */
  abandon(task: Task, now: number): void {
    task.partition.abandon(task);
    this.#after(task.partition, task.lane, now);
  }

  /**
   * An executor is gone. What it had begun counts as a failed attempt, where it is known to have begun,
   * and what had not begun is given back. Where one of several that it had announced must be to blame,
   * those are tried again, one at a time, without having lost an attempt.
   *
   * @param hangs Whether the thread hung: then only what it hung in is to blame.
   * @param blame The message that is to blame, if that is known.
   */
  lost(
    id: number,
    failureOf: (task: Task) => Omit<Failure, "batch" | "index" | "count">,
    { hangs, blame, now }: { hangs: boolean; blame: Task | null; now: number },
  ): Outcome[] {
    const executor = this.#handedOver.executor(id);
    if (executor === undefined) return [];
    const open = this.#handedOver.removeExecutor(executor);
    const planned = new Set(executor.plan);
    // What has come back since it was announced, and was handed over again, has not begun again.
    const begun = open.filter(({ begunAt }) => begunAt !== null);
    const announced = begun.filter((task) => planned.has(task));
    const underWay = begun.filter((task) => !planned.has(task));
    let blamed: Task[];
    if (blame !== null) blamed = [blame];
    else if (executor.final || announced.length === 0) blamed = underWay;
    else if (announced.length === 1) blamed = hangs ? announced : [...announced, ...underWay];
    else {
      blamed = hangs ? [] : underWay;
      for (const task of announced) task.suspect = true;
    }
    const guilty = new Set(blamed);
    this.#giveBack(open.filter((task) => !guilty.has(task)), now);
    return blamed.map((task) =>
      this.#fail(task, { ...failureOf(task), batch: -1, index: -1, count: 1 }, now)
    );
  }

  /** The message of a name, if it is under way. */
  taskAt(batch: number, index: number): Task | undefined {
    return this.#handedOver.at(batch, index);
  }

  /** Executors that have announced something and then said nothing for longer than any handler may take. */
  silent(now: number, limitMs: number): ExecutorRecord[] {
    return this.executors.filter(({ plan, waitingSince }) =>
      waitingSince !== null && now - waitingSince > limitMs &&
      plan.some(({ state }) => state === "handed")
    );
  }

  /** With a commit after each message: nothing starts until the commit is acknowledged. */
  awaitCommit(waits: boolean): void {
    this.#awaitsCommit = waits;
  }

  /**
   * Finds the partitions to pause, as enough of them is in memory, and those to resume, and marks them
   * so. Each has its even part of all that may be in memory.
   */
  balance(): { pause: TopicPartition[]; resume: TopicPartition[] } {
    const { messages, bytes } = this.#options.maxInFlight;
    const parts = Math.max(1, this.#partitions.size);
    const pause: TopicPartition[] = [];
    const resume: TopicPartition[] = [];
    for (const partition of this.#partitions.values()) {
      const { topic, partition: number, paused, held } = partition;
      const part = Math.max(held.messages * parts / messages, held.bytes * parts / bytes);
      const full = this.paused || (paused ? part > 0.5 : part >= 1);
      if (full === paused) continue;
      partition.paused = full;
      (full ? pause : resume).push({ topic, partition: number });
    }
    return { pause, resume };
  }

  #restore(partition: WorkPartition, seen: number, endOffset: number | undefined): string | null {
    const { metadata, committed } = partition;
    if (metadata === null || committed === null) return null;
    partition.metadata = null;
    // A source that does not tell the end of its log has at least what has just been read.
    const map = decodeOffsetMap(metadata, committed, endOffset ?? seen);
    if (map.kind === "map") partition.restore(map.ranges);
    return map.kind === "map" || map.kind === "none" ? null : map.reason;
  }

  /** Whether any message is under way, or about to be a dead letter. */
  #isBusy(): boolean {
    return this.underWay > 0 || this.partitions.some(({ inFlight }) => inFlight > 0);
  }

  /** How many runs could start now. */
  #startable(): number {
    const { handlerBatch } = this.#options;
    let count = 0;
    for (const [{ free }, lanes] of this.#ready) {
      count += lanes.length;
      // A free lane is as many as it has messages.
      if (free.ready) count += Math.ceil(free.waiting.length / (handlerBatch?.size ?? 1)) - 1;
    }
    return count;
  }

  #collect(executor: ExecutorRecord, runs: number, now: number): WorkBatch[] {
    const { batchSize, each, handlerBatch } = this.#options;
    const room = each ? 1 : Math.min(executor.credit, batchSize);
    // A message for each lane first; with few lanes, several of each, which saves their round trips.
    const length = handlerBatch?.size ?? (each ? 1 : Math.max(1, Math.floor(room / runs)));
    const chosen = new Map<WorkPartition, Task[][]>();
    let left = room;
    let idle = 0;
    const queues = [...this.#ready];
    while (left > 0 && runs > 0 && idle < queues.length) {
      this.#turn = (this.#turn + 1) % queues.length;
      const [partition, lanes] = queues[this.#turn]!;
      const run = this.#takeRun(
        partition,
        lanes,
        Math.min(length, handlerBatch?.size ?? left),
        now,
      );
      if (run === null) {
        idle++;
        continue;
      }
      idle = 0;
      left -= run.length;
      runs--;
      const list = chosen.get(partition);
      if (list === undefined) chosen.set(partition, [run]);
      else list.push(run);
    }
    const batches: WorkBatch[] = [];
    for (const [partition, list] of chosen) {
      const solo = list.filter(([task]) => task!.suspect);
      const others = solo.length === 0 ? list : list.filter(([task]) => !task!.suspect);
      if (others.length > 0) batches.push(this.#post(partition, others, executor, false, now));
      for (const run of solo) batches.push(this.#post(partition, [run], executor, true, now));
    }
    return batches;
  }

  #takeRun(
    partition: WorkPartition,
    lanes: Deque<Lane>,
    most: number,
    now: number,
  ): Task[] | null {
    while (true) {
      const lane = lanes.shift();
      if (lane === undefined) return null;
      lane.ready = false;
      // What was true when it was put here may not be any more.
      if (!partition.mayStart(lane) || this.#notBefore(lane) > now) {
        this.#consider(partition, lane, now);
        continue;
      }
      const size = lane.serial || this.#options.handlerBatch !== null ? most : 1;
      const run = [partition.take(lane)];
      while (run.length < size && lane.waiting.length > 0 && !partition.full) {
        // Alone with its suspicion.
        if (run[0]!.suspect || lane.waiting.at(0)!.suspect) break;
        run.push(partition.take(lane));
      }
      if (!lane.serial) this.#consider(partition, lane, now);
      return run;
    }
  }

  #post(
    partition: WorkPartition,
    runs: readonly Task[][],
    executor: ExecutorRecord,
    solo: boolean,
    now: number,
  ): WorkBatch {
    const tasks = runs.flat();
    const batch = this.#handedOver.add(tasks, executor, now);
    const { topic, partition: number, epoch, assignment } = partition;
    return {
      batch,
      assignment,
      topic,
      partition: number,
      epoch,
      records: gatherRecords(tasks),
      runs: Int32Array.from(runs, (run) => run.length),
      attempts: tasks.some(({ attempt }) => attempt > 1)
        ? Int32Array.from(tasks, ({ attempt }) => attempt)
        : null,
      solo,
    };
  }

  #fail(task: Task, failure: Failure, now: number): Outcome {
    const { policy, random } = this.#options;
    const { partition, lane } = task;
    const given = (): Outcome => {
      this.#giveBack([task], now);
      return { task, failure, verdict: { do: "retry", delayMs: 0 } };
    };
    // Told to give up, it has done so: that is no attempt of its own.
    if (failure.kind === "aborted") return given();
    // It is for whoever has the partition next; but what would have stopped the consumer is told.
    if (partition.closed) {
      const verdict = judge(policy, failure, task.attempt, 0);
      return this.stopped && verdict.do === "stop" ? { task, failure, verdict } : given();
    }
    if (failure.kind === "invalid") this.counts.invalid++;
    else this.counts.failed++;
    const verdict = judge(policy, failure, task.attempt, random());
    if (verdict.do !== "retry") return { task, failure, verdict };
    this.counts.retried++;
    task.attempt++;
    const at = now + verdict.delayMs;
    if (lane.serial) {
      lane.notBefore = Math.max(lane.notBefore, at);
      this.#giveBack([task], now);
    } else {
      partition.putAside(task);
      this.#alarms.set(at, { partition, lane, task });
      this.#after(partition, lane, now);
    }
    return { task, failure, verdict };
  }

  #giveBack(tasks: readonly Task[], now: number): void {
    // From the highest offset down: each goes to the front at once.
    const sorted = tasks.toSorted((one, other) => other.offset - one.offset);
    for (const task of sorted) task.partition.giveBack(task);
    for (const { partition, lane } of sorted) this.#after(partition, lane, now);
  }

  /** Something of a lane has been settled: it, or what waits for it, may go on. */
  #after(partition: WorkPartition, lane: Lane, now: number): void {
    if (!partition.closed) {
      this.#consider(partition, lane, now);
      if (partition.full) this.#considerLowest(partition, now);
      return;
    }
    const key = keyOf(partition);
    this.#keep(key, this.#gone.get(key));
    const successor = this.#partitions.get(key);
    const counterpart = successor?.counterpart(lane);
    if (successor !== undefined && counterpart !== undefined) {
      this.#consider(successor, counterpart, now);
    }
  }

  /** Keeps what is under way of assignments that are over, so that the next one waits for it. */
  #keep(key: string, partition: WorkPartition | undefined): void {
    const left = partition?.lastUnderWay ?? null;
    if (left === null) this.#gone.delete(key);
    else this.#gone.set(key, left);
  }

  #considerLowest(partition: WorkPartition, now: number): void {
    const { lowest } = partition;
    if (lowest !== null) this.#consider(partition, lowest.lane, now);
  }

  /** Puts a lane among those that may start, if it may; else sets an alarm if that is a matter of time. */
  #consider(partition: WorkPartition, lane: Lane, now: number): void {
    if (lane.ready || !partition.mayStart(lane)) return;
    const notBefore = this.#notBefore(lane);
    if (notBefore <= now) {
      const lanes = this.#ready.get(partition);
      if (lanes === undefined) return;
      lane.ready = true;
      lanes.push(lane);
    } else if (lane.alarm === null || notBefore < lane.alarm) {
      lane.alarm = notBefore;
      this.#alarms.set(notBefore, { partition, lane, task: null });
    }
  }

  /** When a lane may start: after a backoff, and when a batch is full or has waited long enough. */
  #notBefore(lane: Lane): number {
    const { handlerBatch } = this.#options;
    if (handlerBatch === null || lane.waiting.length >= handlerBatch.size) return lane.notBefore;
    return Math.max(lane.notBefore, (lane.waiting.at(0)?.since ?? 0) + handlerBatch.waitMs);
  }

  #wake({ partition, lane, task }: Wake, now: number): void {
    if (task === null) lane.alarm = null;
    else partition.takeUp(task);
    if (!partition.closed) this.#consider(partition, lane, now);
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
