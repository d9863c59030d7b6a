/** What the dispatcher knows of those who run handlers. */

import type { Task } from "./task.ts";

/** One that runs handlers: the program's thread, or a handler thread. */
export interface ExecutorRecord {
  readonly id: number;
  /** Messages it still has room for. */
  credit: number;
  /** Messages it has been given and has not answered for. */
  underWay: number;
  /** What it said it was about to begin, last: the thread may hang in one of these, or die of it. */
  plan: Task[];
  /** Whether it has said what has not begun, and that it ends. */
  final: boolean;
  /** Whether its thread is gone: it gets nothing more, and what it has said last may be on its way. */
  gone: boolean;
  /** When it was heard of last, or given its first work since; null while it has nothing to do. */
  waitingSince: number | null;
}

/** Makes a record. */
export function createExecutorRecord(id: number): ExecutorRecord {
  return {
    id,
    credit: 0,
    underWay: 0,
    plan: [],
    final: false,
    gone: false,
    waitingSince: null,
  };
}
