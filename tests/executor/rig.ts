// An executor whose clock, turns and other side are the test's.
import assert from "node:assert/strict";
import { Executor } from "../../src/executor/executor.ts";
import type { Handlers } from "../../src/executor/handlers.ts";
import type { Surroundings } from "../../src/executor/surroundings.ts";
import type { Channel } from "../../src/threads/channel.ts";
import type {
  ExecutorOptions,
  Failure,
  FromExecutor,
  ToExecutor,
  WorkBatch,
} from "../../src/threads/work.ts";
import { yieldToLoop } from "../../src/threads/turns.ts";
import { executorOptions, namesOf, recordingLogger } from "./work.ts";

/** Time that passes when a test says so. */
export class FakeTime implements Surroundings {
  time = 0;
  readonly timers = new Map<unknown, { at: number; task: () => void }>();
  #tasks: (() => void)[] = [];

  now = () => this.time;

  setTimer(task: () => void, ms: number): unknown {
    const timer = {};
    this.timers.set(timer, { at: this.time + ms, task });
    return timer;
  }

  clearTimer(timer: unknown): void {
    this.timers.delete(timer);
  }

  nextTurn(task: () => void): void {
    this.#tasks.push(task);
  }

  /** Whether anything waits for a turn. */
  get busy(): boolean {
    return this.#tasks.length > 0;
  }

  /** Runs a turn of the event loop, and all that is settled in it. */
  async turn(): Promise<void> {
    for (const task of this.#tasks.splice(0)) task();
    await yieldToLoop();
  }

  /** Lets time pass, with all timers that ring meanwhile. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= end)
        .toSorted(([, a], [, b]) => a.at - b.at)[0];
      if (due === undefined) break;
      const [timer, { at, task }] = due;
      this.timers.delete(timer);
      this.time = Math.max(this.time, at);
      task();
      await yieldToLoop();
    }
    this.time = end;
    await this.turns();
  }

  /** Runs turns until nothing waits for one. */
  async turns(): Promise<void> {
    await yieldToLoop();
    for (let turn = 0; this.busy; turn++) {
      assert(turn < 10_000, "it asks for turns without end");
      await this.turn();
    }
  }
}

/** What an executor is made of here. */
export interface RigOptions extends Partial<Handlers> {
  options?: Partial<ExecutorOptions>;
}

/** An executor, and everything that it has posted. */
export class ExecutorRig {
  readonly time = new FakeTime();
  readonly logger = recordingLogger();
  readonly posts: FromExecutor[] = [];
  readonly executor: Executor;
  readonly channel: Channel<ToExecutor, FromExecutor>;

  constructor({ options, ...handlers }: RigOptions) {
    this.channel = {
      onMessage: null,
      // What is posted is cloned: it must not change afterwards, and it can be cloned at all.
      post: (message) => void this.posts.push(structuredClone(message)),
    };
    this.executor = new Executor(
      this.channel,
      {
        handler: () => {},
        decode: undefined,
        schema: undefined,
        middleware: [],
        retryIf: undefined,
        ...handlers,
      },
      executorOptions(options),
      this.logger,
      this.time,
    );
    this.executor.start();
  }

  send(message: ToExecutor): void {
    this.channel.onMessage?.(structuredClone(message));
  }

  /** Hands over batches and runs turns until nothing waits for one. */
  async work(...batches: WorkBatch[]): Promise<void> {
    this.send({ type: "work", batches });
    await this.time.turns();
  }

  get credit(): number {
    return this.reports.reduce((sum, { credit }) => sum + credit, 0);
  }

  get reports(): (FromExecutor & { type: "report" })[] {
    return this.posts.filter((post) => post.type === "report");
  }

  get overdue(): string[] {
    return this.posts.flatMap((post) =>
      post.type === "overdue" ? [`${post.batch}:${post.index}`] : []
    );
  }

  get begun(): string[] {
    return this.reports.flatMap(({ begun }) => namesOf(begun));
  }

  get finished(): string[] {
    return this.reports.flatMap(({ finished }) => namesOf(finished));
  }

  get released(): string[] {
    return this.reports.flatMap(({ released }) => namesOf(released));
  }

  get failures(): Failure[] {
    return this.reports.flatMap(({ failed }) => failed);
  }

  /** Failures as text, `batch:index kind`, each message by itself. */
  get failed(): string[] {
    return this.failures.flatMap(({ batch, index, count, kind }) =>
      Array.from({ length: count }, (_, more) => `${batch}:${index + more} ${kind}`)
    );
  }
}
