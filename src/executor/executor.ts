/** Runs handlers over messages, and reports what became of them. */

import { BatchError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { Message } from "../message.ts";
import type { Channel } from "../threads/channel.ts";
import { Deque } from "../threads/deque.ts";
import { encodeError } from "../threads/error_wire.ts";
import { Laps } from "../threads/laps.ts";
import { TimesByTopic } from "../threads/handling_times.ts";
import { TimeSlice } from "../threads/time_slice.ts";
import type { ExecutorOptions, Failure, FromExecutor, ToExecutor } from "../threads/work.ts";
import { type AnyHandler, around } from "./around.ts";
import {
  abortCall,
  abortReason,
  CallContext,
  type CallScope,
  observedOf,
  setObserved,
} from "./call_context.ts";
import { CreditWindow } from "./credit_window.ts";
import { Deadlines } from "./deadlines.ts";
import { abortError, handlerError, isRetriable, timeoutError } from "./failure.ts";
import type { Handlers } from "./handlers.ts";
import { NameList } from "./name_list.ts";
import { Pace } from "./pace.ts";
import { dataReader } from "./read_data.ts";
import type { Run, WorkMessages } from "./run.ts";
import { type Surroundings, systemSurroundings } from "./surroundings.ts";
import { ProcessTelemetry } from "../telemetry/process_telemetry.ts";
import { isThenable } from "../threads/thenable.ts";
import { WorkQueue } from "./work_queue.ts";

/** How long a handler may go on after its signal has aborted before that is told. */
const OVERDUE_GRACE_MS = 5_000;

/** A call of the handler that has not ended yet. */
interface Call {
  readonly run: Run;
  /** The message; the first one of a batch. */
  readonly index: number;
  readonly context: CallContext;
  readonly beganAt: number;
  /** Since when nothing of it keeps the thread from other things. */
  waitsSince: number;
  /** Whether data is still being made, so that what is thrown says that the message is invalid. */
  reading: boolean;
  /** Whether its signal has aborted because its time was over. */
  timedOut: boolean;
  /** What it is about where it is about a whole run. */
  batch: BatchOfCall | null;
}

/** What a call over a whole run is about. */
interface BatchOfCall {
  /** What the handler is given. */
  readonly accepted: Message[];
  /** Where those messages are in their batch. */
  readonly indexes: number[];
  /** All messages of the run. */
  reads: readonly Read[];
}

/** One message of a batch: its data, or why it has none. */
type Read = { readonly data: unknown } | { readonly error: unknown };

/** What a call has thrown. */
interface Thrown {
  readonly error: unknown;
}

/**
 * Runs the handler of one thread over the messages that come over its channel.
 *
 * It works in steps. A step announces the next few messages, together with what has become of earlier
 * ones, and begins them; several steps make a slice, between slices the event loop gets its turns. What
 * ends later, outside of a slice, is gathered until the end of its turn, so that a thousand timers that
 * ring together are one report.
 */
export class Executor {
  readonly #channel: Channel<ToExecutor, FromExecutor>;
  readonly #options: ExecutorOptions;
  readonly #surroundings: Surroundings;
  readonly #scope: CallScope;
  readonly #handlers: Handlers;
  readonly #read: (message: Message) => unknown;
  /** The handler with its middleware. */
  readonly #handler: AnyHandler;
  readonly #telemetry: ProcessTelemetry | null;
  /** What is called: the handler, or in the slices of a thread that has an SDK, what observes it. */
  #invoke: AnyHandler;
  readonly #credit: CreditWindow;
  readonly #pace = new Pace();
  readonly #slice: TimeSlice;

  readonly #queue = new WorkQueue();
  /** Runs that hold a slot, and whose next message is not announced. */
  readonly #waiting = new Deque<Run>();
  /** Runs that hold a slot, and whose next message is announced. */
  readonly #going = new Deque<Run>();
  /** Runs whose first message is announced, and that have no slot yet. */
  readonly #opened = new Deque<Run>();
  /** Calls under way that have time left. */
  readonly #inTime: Deadlines<Call>;
  /** Calls under way whose signal has aborted because their time was over. */
  readonly #late: Deadlines<Call>;
  /** Those that have not even ended in the time after that. */
  readonly #overdue = new Set<Call>();
  /** How many runs hold a slot. */
  #slots = 0;
  /** How many messages are announced and have not begun. */
  #unbegun = 0;

  readonly #begun = new NameList();
  readonly #finished = new NameList();
  readonly #released = new NameList();
  #failed: Failure[] = [];
  #busyMs = 0;
  readonly #times = new TimesByTopic();
  readonly #laps: Laps;

  #scheduled = false;
  #sliceOver = false;
  /** Whether this slice has begun a message that must begin alone. */
  #alone = false;
  #begunInSlice = 0;
  #settledInSlice = 0;
  #planned = 0;
  #stopped = false;
  /** Whether the thread is about to end: nothing begins any more. */
  #ending = false;
  #closed = false;

  /**
   * Makes an executor, which does nothing before its `start()`.
   *
   * @param channel Leads to whoever gives out the work.
   * @param handlers What to run.
   * @param options How to run it.
   * @param logger The consumer's logger.
   * @param surroundings Clock and timers. Default: this thread's.
   * @param telemetry Observes calls; null: nothing does. Default: what uses this thread's SDK.
   */
  constructor(
    channel: Channel<ToExecutor, FromExecutor>,
    handlers: Handlers,
    options: ExecutorOptions,
    logger: Logger,
    surroundings: Surroundings = systemSurroundings,
    telemetry: ProcessTelemetry | null = new ProcessTelemetry(
      { groupId: options.consumer.groupId, clientId: options.clientId },
      logger,
    ),
  ) {
    this.#channel = channel;
    this.#handlers = handlers;
    this.#options = options;
    this.#surroundings = surroundings;
    this.#scope = { consumer: options.consumer, logger };
    this.#read = dataReader(handlers);
    this.#handler = this.#invoke = around(handlers.middleware, handlers.handler as AnyHandler);
    this.#telemetry = telemetry;
    const { concurrency, handlerTimeoutMs } = options;
    this.#credit = new CreditWindow({
      concurrency,
      callSize: options.batches ? options.batchSize : 1,
    });
    this.#laps = new Laps(surroundings.now);
    this.#slice = new TimeSlice(this.#laps.lookedAt);
    this.#inTime = new Deadlines(handlerTimeoutMs, surroundings, (call) => this.#timeOut(call));
    const graceMs = Math.min(OVERDUE_GRACE_MS, handlerTimeoutMs);
    this.#late = new Deadlines(graceMs, surroundings, (call) => this.#tellOverdue(call));
  }

  /** Listens, and asks for the first messages. */
  start(): void {
    this.#channel.onMessage = (message) => this.#receive(message);
    this.flush();
  }

  /** Posts what there is to report. */
  flush(): void {
    if (this.#ending) this.flushFinally();
    else this.#post(false);
  }

  /**
   * Posts a report that may be the last one: the thread is about to end, and what is announced will not
   * begin. What ends in the time that is left is reported at once.
   */
  flushFinally(): void {
    if (this.#closed) return;
    this.#ending = true;
    this.#sliceOver = true;
    // It may be a handler that ends the thread: what is finished before it goes into the same report.
    this.#laps.lap();
    this.#begun.take();
    this.#announce();
    this.#post(true);
  }

  #post(final: boolean): void {
    if (this.#closed) return;
    const credit = this.#credit.take();
    const failed = this.#failed;
    const finished = this.#finished.take();
    const report: FromExecutor = {
      type: "report",
      credit,
      begun: this.#begun.take(),
      finished,
      failed,
      released: this.#released.take(),
      busyMs: this.#busyMs,
      times: finished === null && failed.length === 0 ? null : this.#times.take(),
      ...(final ? { final } : {}),
    };
    const { begun, released } = report;
    if (
      credit === 0 && begun === null && finished === null && released === null &&
      failed.length === 0 && !final
    ) return;
    if (failed.length > 0) this.#failed = [];
    this.#busyMs = 0;
    this.#channel.post(report);
  }

  /** Messages of calls that are under way, by topic. */
  active(): { topic: string; count: number }[] {
    const counts = new Map<string, number>();
    for (const { run: { messages: { topic } }, batch } of this.#underWay()) {
      counts.set(topic, (counts.get(topic) ?? 0) + (batch?.accepted.length ?? 1));
    }
    return Array.from(counts, ([topic, count]) => ({ topic, count }));
  }

  /** Ends it at once: nothing more begins or is posted, whatever is under way. */
  close(): void {
    this.#closed = true;
    this.#channel.onMessage = null;
    for (const { context } of this.#underWay()) this.#abandonSpan(context);
    this.#inTime.clear();
    this.#late.clear();
    this.#overdue.clear();
  }

  #receive(message: ToExecutor): void {
    if (this.#closed) return;
    switch (message.type) {
      case "work":
        return this.#take(message);
      case "release":
        return this.#release(message.assignments);
      case "abort":
        return this.#abort(message.assignments, message.reason);
    }
  }

  #take({ batches }: ToExecutor & { type: "work" }): void {
    for (const batch of batches) {
      this.#credit.received(batch.records.count);
      this.#queue.push(batch, this.#times.of(batch.topic));
    }
    // What was on its way when everything was released.
    if (this.#stopped) return this.#release(null);
    this.#schedule();
  }

  #release(assignments: number[] | null): void {
    if (assignments === null) {
      this.#stopped = true;
      this.#credit.close();
    }
    const chosen = chooser(assignments);
    this.#queue.release(chosen, (messages, index) => this.#addReleased(messages, index));
    const dropRest = (run: Run) => {
      if (chosen(run.messages)) this.#releaseRest(run);
    };
    for (const run of this.#opened.remove(({ messages }) => chosen(messages))) dropRest(run);
    // These hold slots, which they let go in their turn.
    for (const list of [this.#waiting, this.#going]) {
      for (const run of list.remove(({ messages }) => chosen(messages))) {
        dropRest(run);
        this.#slots--;
      }
    }
    for (const { run } of this.#underWay()) dropRest(run);
    this.flush();
    this.#schedule();
  }

  #abort(assignments: number[] | null, reason: "revoked" | "stopped"): void {
    const chosen = chooser(assignments);
    // A list of its own: a handler that hears of it may end at once.
    for (const { run, context } of [...this.#underWay()]) {
      if (chosen(run.messages)) abortCall(context, abortError(context.message, reason));
    }
  }

  /** For how many milliseconds the oldest call has been that has not ended, or null. */
  get oldestCallMs(): number | null {
    const now = this.#surroundings.now();
    let oldest: number | null = null;
    for (const { beganAt } of this.#underWay()) oldest = Math.max(oldest ?? 0, now - beganAt);
    return oldest;
  }

  *#underWay(): Iterable<Call> {
    yield* this.#inTime.items;
    yield* this.#late.items;
    yield* this.#overdue;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#surroundings.nextTurn(() => this.#turn());
  }

  /** A slice of work, in a turn of its own. */
  #turn(): void {
    this.#scheduled = false;
    if (this.#closed || this.#ending) return;
    if (this.#begunInSlice > 0) {
      this.#pace.sliced({
        begun: this.#begunInSlice,
        settled: this.#settledInSlice,
        left: this.#unbegun,
        cut: this.#sliceOver,
      });
    }
    // Once in a slice: asking whether there is an SDK is not for free.
    this.#invoke = this.#telemetry?.look() ? this.#observe : this.#handler;
    this.#slice.begin(this.#laps.begin());
    this.#sliceOver = false;
    this.#alone = false;
    this.#begunInSlice = 0;
    this.#settledInSlice = 0;
    while (!this.#sliceOver && !this.#alone && this.#plan()) {
      this.flush();
      this.#pace.worked(this.#planned, this.#work());
    }
    // One that had to begin alone has left the others waiting: that says nothing about their number.
    if (!this.#alone) {
      this.#credit.turnOver({
        queued: this.#queue.count,
        free: this.#options.concurrency - this.#slots,
        begun: this.#begunInSlice,
      });
    }
    this.flush();
    if (this.#canPlan()) this.#schedule();
  }

  /** Whether anything could begin in another turn. */
  #canPlan(): boolean {
    return this.#canWork() || this.#waiting.length > 0 ||
      this.#slots < this.#options.concurrency && this.#queue.count > 0;
  }

  /** Announces what is to begin next; whether there is anything to begin now. */
  #plan(): boolean {
    if (!this.#canPlan()) return false;
    const { concurrency, batches } = this.#options;
    // What waits for a slot must not keep those from beginning that hold the slots.
    let left = Math.max(this.#pace.length - this.#unbegun, this.#canWork() ? 0 : 1);
    const plan: Run[] = [];
    const announce = (run: Run, count: number) => {
      const announced = batches ? run.end : Math.min(run.end, run.announced + count);
      const more = announced - run.announced;
      run.announced = announced;
      left -= more;
      return more;
    };
    // First what can begin at once: runs that have a slot, then as many new ones as there are slots.
    while (left > 0 && this.#waiting.length > 0) {
      if (!this.#mayBegin(this.#waiting.at(0)!.messages.solo, plan)) break;
      const run = this.#waiting.shift()!;
      announce(run, 1);
      this.#going.push(run);
      plan.push(run);
    }
    let free = concurrency - this.#slots - this.#opened.length;
    while (left > 0 && free > 0 && this.#queue.count > 0) {
      if (!this.#mayBegin(this.#queue.soloFirst, plan)) break;
      const run = this.#open();
      announce(run, 1);
      plan.push(run);
      free--;
    }
    // Then, where messages end as soon as they have begun, what comes behind those.
    let ahead = this.#alone ? 0 : Math.min(left, this.#pace.ahead);
    for (const run of plan) {
      if (ahead <= 0) break;
      ahead -= announce(run, ahead);
    }
    while (ahead > 0 && this.#queue.count > 0 && !this.#queue.soloFirst) {
      const run = this.#open();
      ahead -= announce(run, ahead);
      plan.push(run);
    }
    this.#planned = 0;
    for (const { next, announced } of plan) this.#planned += announced - next;
    this.#unbegun += this.#planned;
    if (this.#planned > 0 && this.#options.watched) this.#announce();
    return this.#canWork();
  }

  /** Lists all that is announced and has not begun, also what was announced earlier. */
  #announce(): void {
    let left = this.#unbegun;
    const add = ({ messages, next, announced }: Run) => {
      for (let index = next; index < announced; index++) this.#begun.add(messages.batch, index);
      left -= announced - next;
    };
    for (const run of this.#going) add(run);
    for (const run of this.#opened) add(run);
    if (left === 0) return;
    // Behind messages that are under way.
    for (const { run } of this.#underWay()) add(run);
  }

  /** Whether anything that is announced could begin now. */
  #canWork(): boolean {
    return this.#going.length > 0 ||
      this.#opened.length > 0 && this.#slots < this.#options.concurrency;
  }

  /** Whether the next message may be a part of this plan: one that is to begin alone is all of one. */
  #mayBegin(solo: boolean, plan: readonly Run[]): boolean {
    if (this.#alone) return false;
    if (!solo) return true;
    if (plan.length > 0 || this.#canWork()) return false;
    this.#alone = true;
    return true;
  }

  #open(): Run {
    const run = this.#queue.shift()!;
    this.#opened.push(run);
    return run;
  }

  /** Begins what is announced, as far as slots and time allow; how long that has taken. */
  #work(): number {
    const { concurrency } = this.#options;
    const beganAt = this.#laps.begin();
    while (!this.#sliceOver) {
      let run = this.#going.shift();
      if (run === undefined && this.#slots < concurrency) {
        run = this.#opened.shift();
        if (run !== undefined) this.#slots++;
      }
      if (run === undefined) break;
      this.#advance(run);
    }
    const ms = this.#laps.begin() - beganAt;
    this.#busyMs += ms;
    return ms;
  }

  /** Begins runs in the slots that have become free, unannounced. */
  #refill(): void {
    const { concurrency } = this.#options;
    const beganAt = this.#laps.lookedAt;
    while (!this.#sliceOver && this.#slots < concurrency) {
      if (this.#queue.count === 0 || this.#queue.soloFirst) break;
      const run = this.#queue.shift()!;
      run.announced = run.end;
      this.#unbegun += run.end - run.next;
      this.#slots++;
      this.#advance(run);
    }
    // The time until the next turn is nobody's.
    this.#busyMs += this.#laps.settle() - beganAt;
  }

  /** Takes a run as far as it goes without waiting. */
  #advance(run: Run): void {
    while (run.next < run.announced) {
      if (this.#sliceOver) return this.#going.push(run);
      const waits = this.#options.batches ? this.#beginBatch(run) : this.#beginOne(run);
      if (this.#slice.over(this.#laps.lookedAt)) this.#sliceOver = true;
      if (waits) return;
    }
    this.#put(run);
  }

  /** Puts a run where it belongs, of which nothing is under way. */
  #put(run: Run): void {
    if (run.next < run.announced) this.#going.push(run);
    else if (run.next < run.end) this.#waiting.push(run);
    else {
      this.#slots--;
      if (this.#queue.count === 0 && this.#opened.length === 0) this.#credit.ranDry();
    }
  }

  /** Begins the next message of a run; whether it is to be waited for. */
  #beginOne(run: Run): boolean {
    const { messages } = run;
    const index = run.next++;
    this.#unbegun--;
    this.#begunInSlice++;
    const message = new Message(messages, index);
    const context = new CallContext(this.#scope, message, messages.attempt(index));
    let data: unknown;
    try {
      data = this.#read(message);
      if (isThenable(data)) {
        const call = this.#call(run, index, context, this.#laps.lap());
        call.reading = true;
        this.#wait(call, this.#invokeLater(call, data, message));
        return true;
      }
    } catch (error) {
      this.#fail(run, index, 1, "invalid", error, this.#laps.lap());
      return false;
    }
    try {
      const outcome = this.#invoke(context, data, message);
      if (isThenable(outcome)) {
        this.#wait(this.#call(run, index, context, this.#laps.lap()), outcome);
        return true;
      }
    } catch (error) {
      this.#fail(run, index, 1, "failed", error, this.#laps.lap());
      return false;
    }
    this.#laps.handled(messages.times);
    this.#finish(messages, index);
    return false;
  }

  readonly #observe: AnyHandler = (context, data, messages) => {
    const call = context as CallContext;
    return this.#telemetry!.call(messages as Message | Message[], {
      attempt: call.attempt,
      begins: (observed) => setObserved(call, observed),
      reason: () => abortReason(call),
    }, () => this.#handler(context, data, messages));
  };

  /** Ends the span of a call that nobody waits for any more. */
  #abandonSpan(context: CallContext): void {
    const observed = observedOf(context);
    if (observed !== null) this.#telemetry?.abandon(observed, abortReason(context));
  }

  async #invokeLater(call: Call, data: PromiseLike<unknown>, message: Message): Promise<void> {
    const made = await data;
    call.reading = false;
    await this.#invoke(call.context, made, message);
  }

  /** Begins a whole run in one call; whether it is to be waited for. */
  #beginBatch(run: Run): boolean {
    const { messages, next: from, end } = run;
    run.next = end;
    this.#unbegun -= end - from;
    this.#begunInSlice += end - from;
    this.#laps.begin();
    const reads: (Read | Promise<Read>)[] = [];
    let attempt = 1;
    let later = false;
    for (let index = from; index < end; index++) {
      attempt = Math.max(attempt, messages.attempt(index));
      const read = readOf(this.#read, new Message(messages, index));
      later ||= read instanceof Promise;
      reads.push(read);
    }
    const accepted: Message[] = [];
    const call = this.#call(run, from, new CallContext(this.#scope, accepted, attempt), 0);
    call.batch = { accepted, indexes: [], reads: [] };
    let outcome: unknown;
    if (later) {
      outcome = Promise.all(reads).then((reads) => this.#callBatch(call, reads));
    } else {
      try {
        outcome = this.#callBatch(call, reads as Read[]);
        if (!isThenable(outcome)) {
          this.#settleBatch(call, call.batch, null, this.#laps.lap());
          return false;
        }
      } catch (error) {
        this.#settleBatch(call, call.batch, { error }, this.#laps.lap());
        return false;
      }
    }
    call.waitsSince = this.#laps.begin();
    this.#wait(call, outcome as PromiseLike<unknown>);
    return true;
  }

  /** Calls the handler with what could be read. */
  #callBatch(call: Call, reads: readonly Read[]): unknown {
    const { run, index: from, context, batch } = call;
    const { accepted, indexes } = batch!;
    batch!.reads = reads;
    const data: unknown[] = [];
    for (const [place, read] of reads.entries()) {
      if ("error" in read) {
        if (this.#options.skipsInvalid) continue;
        // It will not be passed over: what is behind it has to wait for what becomes of it.
        break;
      }
      data.push(read.data);
      indexes.push(from + place);
      accepted.push(new Message(run.messages, from + place));
    }
    return data.length === 0 ? undefined : this.#invoke(context, data, accepted);
  }

  /** A call that began so many milliseconds before the last look at the clock. */
  #call(run: Run, index: number, context: CallContext, ms: number): Call {
    const { lookedAt } = this.#laps;
    return {
      run,
      index,
      context,
      beganAt: lookedAt - ms,
      waitsSince: lookedAt,
      reading: false,
      timedOut: false,
      batch: null,
    };
  }

  #wait(call: Call, outcome: PromiseLike<unknown>): void {
    this.#inTime.add(call, call.beganAt);
    Promise.resolve(outcome).then(
      () => this.#ended(call, null),
      (error) => this.#ended(call, { error }),
    );
  }

  /** A call has ended that was waited for. */
  #ended(call: Call, thrown: Thrown | null): void {
    if (this.#closed) return;
    this.#inTime.delete(call) || this.#late.delete(call) || this.#overdue.delete(call);
    const now = this.#laps.begin();
    const ms = now - call.beganAt;
    // What it took before it had to wait has been counted with the others of its slice.
    this.#busyMs += now - call.waitsSince;
    if (this.#slice.over(now)) this.#sliceOver = true;
    const { run, index, batch } = call;
    if (batch !== null) this.#settleBatch(call, batch, thrown, ms);
    else if (thrown === null) this.#finishTimed(run.messages, index, ms);
    else this.#fail(run, index, 1, kindOf(call), thrown.error, ms);
    this.#put(run);
    if (this.#ending) return this.flushFinally();
    // As long as the slice lasts, what is announced goes on at once, and what need not be announced is
    // begun: a turn of the event loop takes longer than many an asynchronous handler.
    if (!this.#sliceOver && !this.#alone) {
      if (this.#unbegun > 0) this.#work();
      if (!this.#options.watched) this.#refill();
    }
    this.#schedule();
  }

  /** What a call over a whole run has come to. */
  #settleBatch(
    call: Call,
    { indexes, reads }: BatchOfCall,
    thrown: Thrown | null,
    ms: number,
  ): void {
    const { run, index: from } = call;
    const { messages } = run;
    if (thrown === null) {
      for (const index of indexes) this.#finishTimed(messages, index, ms);
    } else this.#failBatch(call, indexes, thrown.error, ms);
    const { skipsInvalid } = this.#options;
    let blocked = thrown !== null && !skipsInvalid;
    for (const [place, read] of reads.entries()) {
      const index = from + place;
      if ("error" in read && !blocked) {
        this.#fail(run, index, 1, "invalid", read.error, ms);
        blocked = !skipsInvalid;
      } else if (!skipsInvalid && place >= indexes.length) this.#addReleased(messages, index);
    }
  }

  #failBatch(call: Call, indexes: readonly number[], error: unknown, ms: number): void {
    const { run } = call;
    const kind = kindOf(call);
    let note = "";
    if (BatchError.is(error)) {
      const at = error.index;
      if (Number.isInteger(at) && at >= 0 && at < indexes.length) {
        for (const index of indexes.slice(0, at)) this.#finishTimed(run.messages, index, ms);
        this.#fail(run, indexes[at]!, 1, kind, error, ms);
        for (const index of indexes.slice(at + 1)) this.#addReleased(run.messages, index);
        return;
      }
      note =
        `; the index of that BatchError is ${at}, and the batch had ${indexes.length} messages`;
    }
    // Invalid messages lie between those that have failed together.
    for (let first = 0; first < indexes.length;) {
      let last = first + 1;
      while (last < indexes.length && indexes[last] === indexes[last - 1]! + 1) last++;
      this.#fail(run, indexes[first]!, last - first, kind, error, ms, note);
      first = last;
    }
  }

  #finish(messages: WorkMessages, index: number): void {
    this.#finished.add(messages.batch, index);
    this.#settled(1);
  }

  #finishTimed(messages: WorkMessages, index: number, ms: number): void {
    messages.times.add(true, ms);
    this.#finish(messages, index);
  }

  #fail(
    run: Run,
    index: number,
    count: number,
    kind: Failure["kind"],
    thrown: unknown,
    ms: number,
    note = "",
  ): void {
    // Told to give up, it has done so: that is no attempt of its own.
    if (kind !== "aborted") run.messages.times.add(false, ms, count);
    const message = new Message(run.messages, index);
    const { batch } = run.messages;
    const invalid = kind === "invalid";
    if (invalid) this.#telemetry?.invalid(message, run.messages.attempt(index), thrown, ms);
    const { logger } = this.#scope;
    const retriable = !invalid && isRetriable(thrown, message, this.#handlers.retryIf, logger);
    this.#failed.push({
      batch,
      index,
      count,
      kind,
      retriable,
      error: encodeError(
        invalid
          ? thrown
          : kind === "timeout"
          ? timeoutError(message, this.#options.handlerTimeoutMs, thrown)
          : handlerError(thrown, message, { count, note, retriable }),
      ),
    });
    this.#settled(count);
    if (!invalid || !this.#options.skipsInvalid) this.#releaseRest(run);
  }

  /** Gives back what of a run has not begun. */
  #releaseRest(run: Run): void {
    this.#unbegun -= run.announced - run.next;
    for (let index = run.next; index < run.end; index++) this.#addReleased(run.messages, index);
    run.end = run.announced = run.next;
  }

  #addReleased({ batch }: WorkMessages, index: number): void {
    this.#released.add(batch, index);
    this.#credit.settled(1);
  }

  #settled(count: number): void {
    this.#credit.settled(count);
    if (!this.#sliceOver) this.#settledInSlice += count;
  }

  #timeOut(call: Call): void {
    this.#late.add(call, this.#surroundings.now());
    const { run, index, context } = call;
    if (abortReason(context) !== null) return;
    call.timedOut = true;
    const message = new Message(run.messages, index);
    abortCall(context, timeoutError(message, this.#options.handlerTimeoutMs));
  }

  #tellOverdue(call: Call): void {
    this.#overdue.add(call);
    this.#abandonSpan(call.context);
    // What it is about may be in a report that has not been posted.
    this.flush();
    this.#channel.post({ type: "overdue", batch: call.run.messages.batch, index: call.index });
  }
}

function chooser(assignments: number[] | null): (messages: WorkMessages) => boolean {
  if (assignments === null) return () => true;
  const chosen = new Set(assignments);
  return ({ assignment }) => chosen.has(assignment);
}

function kindOf({ context, timedOut, reading }: Call): Failure["kind"] {
  if (timedOut) return "timeout";
  if (abortReason(context) !== null) return "aborted";
  return reading ? "invalid" : "failed";
}

function readOf(read: (message: Message) => unknown, message: Message): Read | Promise<Read> {
  try {
    const data = read(message);
    if (!isThenable(data)) return { data };
    return Promise.resolve(data).then((data) => ({ data }), (error) => ({ error }));
  } catch (error) {
    return { error };
  }
}
