/** Delivery to handlers: posts work to those who run them, and does what has to follow from their reports. */

import type {
  AssignedPartition,
  ConsumerDriver,
  DriverBatch,
  ProducedRecord,
  TopicPartition,
} from "../../driver.ts";
import { DriverError, HandlerError, HandlerTimeoutError } from "../../errors.ts";
import { decodeError, encodeError, type WireError } from "../../threads/error_wire.ts";
import type { PollerOptions, ToPoller, WorkOptions, WorkSnapshot } from "../../threads/messages.ts";
import { TimesByTopic, TotalTimes } from "../../threads/handling_times.ts";
import { type PortChannel, portChannel } from "../../threads/port_channel.ts";
import type { Failure, FromExecutor, ToExecutor } from "../../threads/work.ts";
import type { Delivery, DeliveryContext } from "../delivery.ts";
import type { Ledger } from "../ledger.ts";
import { DeadLetters } from "./dead_letters.ts";
import { judge } from "./retry_policy.ts";
import type { Task } from "./task.ts";
import { type Outcome, WorkDispatcher } from "./work_dispatcher.ts";
import type { WorkPartition } from "./work_partition.ts";

/** Most bytes of a commit's metadata; brokers refuse more (`offset.metadata.max.bytes`). */
const METADATA_BYTES = 4_096;
/** What a handler has between the abort of its signal and the end of the wait for it. */
const ABORT_GRACE_MS = 1_000;
/** What a stop keeps of its time for commits and for leaving the group. */
const CLOSE_SHARE_MS = 2_000;
/** What a handler has after its time is over before its thread is taken for stuck. */
const TIMEOUT_GRACE_MS = 6_000;
/** How often threads are looked at. */
const WATCH_INTERVAL_MS = 500;
/** How long a thread that is gone may still be heard of: where all cores are busy, that takes its time. */
const LAST_REPORT_MS = 250;
/** Wait before a commit that has failed is tried again, where the next message waits for it. */
const COMMIT_RETRY_MS = 200;

interface Executor {
  readonly channel: PortChannel<FromExecutor, ToExecutor>;
  /** Whether it can be replaced. */
  readonly watched: boolean;
}

interface Drain {
  readonly partitions: readonly WorkPartition[] | null;
  readonly done: () => void;
}

/** Connects the dispatcher to executors, commits and dead letters. */
export class WorkDelivery implements Delivery {
  readonly #context: DeliveryContext;
  readonly #options: WorkOptions;
  readonly #dispatcher: WorkDispatcher;
  readonly #deadLetters: DeadLetters;
  readonly #executors = new Map<number, Executor>();
  readonly #drains = new Set<Drain>();
  readonly #times = new TotalTimes();
  /** Of attempts that no executor reports, on their way to the others. */
  readonly #lostTimes = new TimesByTopic();
  #wakeAt: number | null = null;
  #wakeTimer: ReturnType<typeof setTimeout> | undefined;
  #committing = false;
  #closed = false;

  constructor(
    context: DeliveryContext,
    work: WorkOptions,
    { maxInFlight, epoch = 0, groupId }: PollerOptions,
  ) {
    this.#context = context;
    this.#options = work;
    this.#dispatcher = new WorkDispatcher({
      order: work.order,
      each: work.each,
      maxInFlight,
      batchSize: work.batchSize,
      handlerBatch: work.handlerBatch,
      policy: work.policy,
      metadataBytes: work.countsHanded ? 0 : METADATA_BYTES,
      countsHanded: work.countsHanded,
      epoch,
      random: context.random,
    });
    this.#deadLetters = new DeadLetters({
      groupId,
      topic: work.deadLetterTopic,
      produce: (records) => this.#produce(records),
      stored: (letters) => {
        const { counts } = this.#dispatcher;
        counts.deadLettered += letters.length;
        this.#finish(letters.map(({ task }) => task));
      },
      failed: (error) => this.#fail(error),
      dropped: (letters) => {
        for (const { task } of letters) this.#dispatcher.abandon(task, context.now());
        this.#checkDrains();
      },
    });
    this.#watch();
  }

  get ledgers(): readonly Ledger[] {
    return this.#dispatcher.partitions;
  }

  check(driver: ConsumerDriver): void {
    const { then, onInvalid } = this.#options.policy;
    if (driver.produce !== undefined || (then !== "dead-letter" && onInvalid !== "dead-letter")) {
      return;
    }
    throw new DriverError("Cannot store dead letters: the driver has no produce()", {
      code: "DRIVER_INVALID",
    });
  }

  assign(partitions: readonly AssignedPartition[]): readonly Ledger[] {
    return this.#dispatcher.assign(partitions);
  }

  find(partition: TopicPartition): Ledger | undefined {
    return this.#dispatcher.find(partition);
  }

  takeIn(batches: readonly DriverBatch[], now: number): void {
    for (const { partition, reason } of this.#dispatcher.takeIn(batches, now)) {
      const { topic, committed } = partition;
      this.#context.logger.warn(
        `Cannot use what was stored with the commit of "${topic}" partition ${partition.partition} at ${committed}: ${reason}; messages that had finished beyond it are handled again`,
        { topic, partition: partition.partition, offset: committed },
      );
    }
  }

  handOver(): void {
    const now = this.#context.now();
    // Several times: what one has no room for is for the others, and each post has its limit.
    for (
      let handouts = this.#dispatcher.dispatch(now);
      handouts.length > 0;
      handouts = this.#dispatcher.dispatch(now)
    ) {
      for (const { executor, batches } of handouts) {
        const channel = this.#executors.get(executor)?.channel;
        channel?.post({ type: "work", batches }, batches.map(({ records }) => records.buffer));
      }
    }
    this.#setWake();
  }

  balance(): { pause: TopicPartition[]; resume: TopicPartition[] } {
    return this.#dispatcher.balance();
  }

  async drain(ledgers: readonly Ledger[] | null, timeoutMs: number | null): Promise<boolean> {
    const { timers } = this.#context;
    const partitions = ledgers as readonly WorkPartition[] | null;
    if (partitions === null) this.#dispatcher.stopped = true;
    const assignments = partitions?.map(({ assignment }) => assignment) ?? null;
    for (const { channel } of this.#executors.values()) {
      channel.post({ type: "release", assignments });
    }
    const drained = Promise.withResolvers<void>();
    const drain: Drain = { partitions, done: drained.resolve };
    this.#drains.add(drain);
    this.#checkDrains();
    const { stopTimeoutMs } = this.#options;
    const limitMs = timeoutMs ?? stopTimeoutMs - Math.min(CLOSE_SHARE_MS, stopTimeoutMs / 4);
    const reason = partitions === null ? "stopped" : "revoked";
    const abort = timers.after(limitMs - Math.min(ABORT_GRACE_MS, limitMs / 4), () => {
      for (const { channel } of this.#executors.values()) {
        channel.post({ type: "abort", assignments, reason });
      }
    });
    const inTime = await timers.within(limitMs, drained.promise);
    timers.cancel(abort);
    this.#drains.delete(drain);
    return inTime;
  }

  forget(ledgers: readonly Ledger[]): void {
    this.#dispatcher.forget(ledgers as readonly WorkPartition[]);
  }

  receive(message: ToPoller): void {
    switch (message.type) {
      case "executor":
        return this.#add(message.id, message.port, message.watched);
      case "executor-gone": {
        this.#dispatcher.gone(message.id);
        const goneAt = this.#context.now();
        // What it has reported last may still be on its way, over another port than this word of it.
        this.#context.timers.after(
          LAST_REPORT_MS,
          () => this.#gone(message.id, message.error, goneAt),
        );
        return;
      }
      case "pause":
      case "resume":
        this.#dispatcher.paused = message.type === "pause";
        return this.#context.changed();
    }
  }

  snapshot(): WorkSnapshot {
    const { counts, underWay, paused, oldestUnderWay, oldestBegun, nextWake, active } = this
      .#dispatcher;
    const now = this.#context.now();
    const since = (at: number | null) => at === null ? null : Math.max(0, now - at);
    return {
      ...counts,
      underWay,
      paused,
      oldestUnderWayMs: since(oldestUnderWay),
      oldestBegunMs: since(oldestBegun),
      dueAt: nextWake,
      times: this.#times.all(),
      active,
    };
  }

  close(): void {
    this.#closed = true;
    for (const { channel } of this.#executors.values()) channel.close();
    this.#executors.clear();
  }

  #add(id: number, port: MessagePort, watched: boolean): void {
    const channel = portChannel<FromExecutor, ToExecutor>(port);
    if (this.#closed) return channel.close();
    this.#executors.set(id, { channel, watched });
    this.#dispatcher.addExecutor(id);
    channel.onMessage = (message) => {
      if (!this.#executors.has(id)) return;
      if (message.type === "report") this.#report(id, message);
      else this.#overdue(id, message.batch, message.index);
    };
  }

  #report(id: number, report: Extract<FromExecutor, { type: "report" }>): void {
    const now = this.#context.now();
    const finished = this.#dispatcher.finished(report.finished, now);
    const outcomes = this.#dispatcher.failed(report.failed, now);
    this.#dispatcher.released(report.released, now);
    this.#dispatcher.heard(id, report, now);
    if (report.times !== null) this.#times.add(report.times);
    this.#act(outcomes);
    this.#afterFinished(finished);
  }

  /** Does what the policy says of failed messages. */
  #act(outcomes: readonly Outcome[]): void {
    const skipped: Task[] = [];
    for (const { task, failure, verdict } of outcomes) {
      this.#logFailure({ task, failure, verdict });
      switch (verdict.do) {
        case "retry":
          break;
        case "skip":
          this.#dispatcher.counts.skipped++;
          skipped.push(task);
          break;
        case "dead-letter":
          this.#deadLetters.add({ task, failure });
          break;
        case "stop":
          this.#dispatcher.stopped = true;
          this.#dispatcher.abandon(task, this.#context.now());
          this.#context.fail(decodeError(failure.error));
      }
    }
    this.#finish(skipped);
  }

  #logFailure({ task, failure, verdict }: Outcome): void {
    // Told to give up, it has done so.
    if (failure.kind === "aborted") return;
    const { topic, partition, closed } = task.partition;
    const { offset } = task;
    if (closed && verdict.do !== "stop") {
      // The policy is left to whoever has the partition next, but no failure goes unheard.
      return this.#context.logger.warn(
        `${failure.error.message}; it will be handled again, as the partition is being let go of`,
        { topic, partition, offset, attempt: task.attempt, kind: failure.kind },
      ) as void;
    }
    const attempt = verdict.do === "retry" ? task.attempt - 1 : task.attempt;
    const next = verdict.do === "retry"
      ? `trying again in ${Math.round(verdict.delayMs)} ms`
      : NEXT[verdict.do];
    if (verdict.do !== "stop") {
      this.#context.channel.post({
        type: "event",
        event: {
          name: verdict.do,
          topic,
          partition,
          offset,
          attempt,
          delayMs: verdict.do === "retry" ? verdict.delayMs : 0,
          error: failure.error,
        },
      });
    }
    const level = verdict.do === "stop" ? "error" : "warn";
    this.#context.logger[level](`${failure.error.message}; ${next}`, {
      topic,
      partition,
      offset,
      attempt,
      kind: failure.kind,
    });
  }

  #finish(tasks: readonly Task[]): void {
    if (tasks.length === 0) return;
    const now = this.#context.now();
    for (const task of tasks) this.#dispatcher.finish(task, now);
    this.#afterFinished(new Set(tasks.map(({ partition }) => partition)));
  }

  #afterFinished(partitions: Set<WorkPartition>): void {
    if (this.#options.each && partitions.size > 0) void this.#commitEach([...partitions]);
    else if (this.#options.continuous && partitions.size > 0) void this.#commitContinuously();
    this.#checkDrains();
    this.#context.changed();
  }

  /** Nothing starts until the group has it. */
  async #commitEach(partitions: readonly WorkPartition[]): Promise<void> {
    this.#dispatcher.awaitCommit(true);
    // What fails for good, or for too long, ends the consumer.
    while (!this.#closed && await this.#context.commit(partitions) !== null) {
      await this.#context.timers.wait(COMMIT_RETRY_MS);
    }
    this.#dispatcher.awaitCommit(false);
    this.#context.changed();
  }

  /** One commit after the other, for as long as there is news. */
  async #commitContinuously(): Promise<void> {
    if (this.#committing) return;
    this.#committing = true;
    const news = () => this.#dispatcher.partitions.filter((one) => one.commitable() !== null);
    for (let partitions = news(); partitions.length > 0 && !this.#closed; partitions = news()) {
      const failure = await this.#context.commit(partitions);
      if (failure !== null) await this.#context.timers.wait(COMMIT_RETRY_MS);
      // A partition in which nothing could start may have room again.
      this.#context.changed();
    }
    this.#committing = false;
  }

  async #produce(records: readonly ProducedRecord[]): Promise<void> {
    await this.#context.driver()?.produce?.(records);
  }

  #fail(error: Error): void {
    this.#dispatcher.stopped = true;
    this.#context.fail(error);
  }

  #checkDrains(): void {
    for (const { partitions, done } of this.#drains) {
      const left = partitions === null
        ? this.#dispatcher.partitions.some(({ inFlight }) => inFlight > 0)
        : partitions.some(({ inFlight }) => inFlight > 0);
      if (!left) done();
    }
  }

  /** A handler goes on beyond its time, and beyond the grace after its signal has aborted. */
  #overdue(id: number, batch: number, index: number): void {
    const task = this.#dispatcher.taskAt(batch, index);
    if (task === undefined) return;
    const { topic, partition } = task.partition;
    const { offset } = task;
    const { handlerTimeoutMs, policy } = this.#options;
    const where = `"${topic}" partition ${partition} offset ${offset}`;
    const error = new HandlerTimeoutError(
      `The handler has not ended at ${where} within ${handlerTimeoutMs} ms, nor after its signal aborted`,
      { topic, partition, offset },
    );
    if (this.#executors.get(id)?.watched) return this.#stuck(id, error, task);
    // A function cannot be ended. Where the message would be given up it ends the consumer; where it
    // would be tried again, or skipped, its lane waits: two attempts at a time would break the order.
    const { do: next } = judge(policy, { kind: "timeout", retriable: true }, task.attempt, 0);
    if (next === "stop") this.#fail(error);
    else {
      this.#context.logger.error(`${error.message}; messages behind it wait for it`, {
        topic,
        partition,
        offset,
      });
    }
  }

  /** Finds threads in which a handler does not let the event loop turn, which no timer there can notice. */
  #watch(): void {
    const limitMs = this.#options.handlerTimeoutMs + TIMEOUT_GRACE_MS;
    this.#context.timers.every(WATCH_INTERVAL_MS, () => {
      for (const { id } of this.#dispatcher.silent(this.#context.now(), limitMs)) {
        if (!this.#executors.get(id)?.watched) continue;
        const error = new HandlerTimeoutError(
          `A handler thread has not answered for ${limitMs} ms: a handler in it does not let go of it`,
        );
        this.#stuck(id, error, null);
      }
      return Promise.resolve(!this.#closed);
    });
  }

  #gone(id: number, error: WireError, goneAt: number): void {
    const cause = decodeError(error);
    this.#lose(
      id,
      "failed",
      null,
      goneAt,
      ({ partition: { topic, partition }, offset }) =>
        new HandlerError(
          `The handler thread ended while it handled "${topic}" partition ${partition} offset ${offset}: ${cause.message}`,
          { cause, topic, partition, offset },
        ),
    );
  }

  #stuck(id: number, error: Error, blame: Task | null): void {
    this.#context.channel.post({ type: "executor-stuck", id, error: encodeError(error) });
    const { handlerTimeoutMs } = this.#options;
    this.#lose(
      id,
      "timeout",
      blame,
      this.#context.now(),
      ({ partition: { topic, partition }, offset }) =>
        new HandlerTimeoutError(
          `The handler has not ended at "${topic}" partition ${partition} offset ${offset} within ${handlerTimeoutMs} ms: ${error.message}`,
          { cause: error, topic, partition, offset },
        ),
    );
  }

  /** Settles what an executor had that is none any more. */
  #lose(
    id: number,
    kind: Failure["kind"],
    blame: Task | null,
    lostAt: number,
    errorOf: (task: Task) => Error,
  ): void {
    const executor = this.#executors.get(id);
    if (executor === undefined) return;
    this.#executors.delete(id);
    executor.channel.close();
    const outcomes = this.#dispatcher.lost(
      id,
      (task) => ({ kind, retriable: true, error: encodeError(errorOf(task)) }),
      { hangs: kind === "timeout", blame, now: this.#context.now() },
    );
    // Nobody else is left to tell how long these attempts have taken.
    for (const { task: { begunAt, partition: { topic } } } of outcomes) {
      this.#lostTimes.of(topic).add(false, Math.max(0, lostAt - (begunAt ?? lostAt)));
    }
    this.#times.add(this.#lostTimes.take());
    this.#act(outcomes);
    this.#checkDrains();
    this.#context.changed();
  }

  #setWake(): void {
    const { nextWake } = this.#dispatcher;
    if (nextWake === null || (this.#wakeAt !== null && this.#wakeAt <= nextWake)) return;
    const { timers, now } = this.#context;
    if (this.#wakeTimer !== undefined) timers.cancel(this.#wakeTimer);
    this.#wakeAt = nextWake;
    this.#wakeTimer = timers.after(Math.max(0, nextWake - now()), () => {
      this.#wakeAt = null;
      this.#context.changed();
    });
  }
}

const NEXT = {
  stop: "the consumer stops",
  skip: "it is skipped",
  "dead-letter": "it becomes a dead letter",
} as const;
