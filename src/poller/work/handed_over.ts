/** What was handed over to whom, and has not been answered for. */

import type { MessageNames } from "../../threads/work.ts";
import { createExecutorRecord, type ExecutorRecord } from "./executors.ts";
import type { Task } from "./task.ts";

/** Messages that were handed over together. */
interface Post {
  readonly tasks: readonly Task[];
  readonly executor: ExecutorRecord;
  /** Which of them have not been answered for. */
  readonly open: Uint8Array;
  left: number;
  /** When they were handed over. */
  readonly at: number;
}

/** Executors, and the messages that they have. */
export class HandedOver {
  readonly #executors = new Map<number, ExecutorRecord>();
  readonly #posts = new Map<number, Post>();
  #nextBatch = 0;

  /** Those who run handlers. */
  get executors(): ExecutorRecord[] {
    return [...this.#executors.values()];
  }

  /** Messages handed over and not answered for. */
  get underWay(): number {
    let sum = 0;
    for (const { underWay } of this.#executors.values()) sum += underWay;
    return sum;
  }

  /** When the oldest of them was handed over, or null. */
  get oldest(): number | null {
    for (const { at } of this.#posts.values()) return at;
    return null;
  }

  /** When the oldest of them has begun of which that is known, or null. */
  get oldestBegun(): number | null {
    let oldest: number | null = null;
    for (const { tasks, open } of this.#posts.values()) {
      for (const [index, { begunAt }] of tasks.entries()) {
        if (begunAt === null || open[index] !== 1) continue;
        if (oldest === null || begunAt < oldest) oldest = begunAt;
      }
    }
    return oldest;
  }

  /** Messages that have begun and are not answered for, by topic. */
  get active(): { topic: string; count: number }[] {
    const counts = new Map<string, number>();
    for (const { tasks, open } of this.#posts.values()) {
      for (const [index, { begunAt, partition: { topic } }] of tasks.entries()) {
        if (begunAt === null || open[index] !== 1) continue;
        counts.set(topic, (counts.get(topic) ?? 0) + 1);
      }
    }
    return Array.from(counts, ([topic, count]) => ({ topic, count }));
  }

  /** Adds one that runs handlers. */
  addExecutor(id: number): void {
    this.#executors.set(id, createExecutorRecord(id));
  }

  /** One that runs handlers, unless it is gone. */
  executor(id: number): ExecutorRecord | undefined {
    return this.#executors.get(id);
  }

  /** Takes one that runs handlers out; what it had is answered for by that, and returned. */
  removeExecutor(executor: ExecutorRecord): Task[] {
    this.#executors.delete(executor.id);
    const left: Task[] = [];
    for (const [batch, { executor: owner, tasks, open }] of this.#posts) {
      if (owner !== executor) continue;
      this.#posts.delete(batch);
      tasks.forEach((task, index) => {
        if (open[index] === 1) left.push(task);
      });
    }
    return left;
  }

  /**
   * Notes messages as handed over.
   *
   * @returns The number of their batch.
   */
  add(tasks: readonly Task[], executor: ExecutorRecord, now: number): number {
    const batch = this.#nextBatch;
    // The names are 32-bit numbers; those that come round are long answered for.
    this.#nextBatch = (this.#nextBatch + 1) & 0x7fffffff;
    for (const task of tasks) task.begunAt = null;
    const open = new Uint8Array(tasks.length).fill(1);
    this.#posts.set(batch, { tasks, executor, open, left: tasks.length, at: now });
    executor.credit -= tasks.length;
    executor.underWay += tasks.length;
    executor.waitingSince ??= now;
    return batch;
  }

  /** The message of a name, if it is under way. */
  at(batch: number, index: number): Task | undefined {
    const post = this.#posts.get(batch);
    return post?.open[index] === 1 ? post.tasks[index] : undefined;
  }

  /** The messages of these names that are under way, which they stay. */
  *named(names: MessageNames | null): Generator<Task> {
    if (names === null) return;
    for (let place = 0; place < names.length; place += 2) {
      const task = this.at(names[place]!, names[place + 1]!);
      if (task !== undefined) yield task;
    }
  }

  /** The messages of these names that are under way, which they are no longer. */
  *settle(names: MessageNames | null): Generator<Task> {
    if (names === null) return;
    for (let place = 0; place < names.length; place += 2) {
      const batch = names[place]!;
      const index = names[place + 1]!;
      const post = this.#posts.get(batch);
      if (post === undefined || post.open[index] !== 1) continue;
      post.open[index] = 0;
      post.executor.underWay--;
      if (--post.left === 0) this.#posts.delete(batch);
      yield post.tasks[index]!;
    }
  }
}
