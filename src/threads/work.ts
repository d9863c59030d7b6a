/**
 * Every message between the poller thread and what runs handlers (an executor: one on the program's
 * thread, or one in each handler thread), and between the program's thread and a handler thread.
 *
 * Messages of Kafka are named by the number of the batch they were handed over in and their place in
 * it. Lists of such names are flat pairs, `[batch, index, batch, index, …]`, so that a thousand of them
 * are one typed array.
 */

import type { ConsumerIdentity } from "../handler.ts";
import type { LogLevel } from "../logger.ts";
import type { WireError } from "./error_wire.ts";
import type { HandlingTimes } from "./handling_times.ts";
import type { PackedRecords } from "./records.ts";

/** Names of messages, as pairs of batch and index. */
export type MessageNames = Int32Array<ArrayBuffer>;

/** Messages of one partition and one assignment, in runs. */
export interface WorkBatch {
  /** Names the batch. */
  batch: number;
  /** Number of the assignment: no two assignments of any partition have the same. */
  assignment: number;
  topic: string;
  partition: number;
  /** Epoch of the assignment. */
  epoch: number;
  records: PackedRecords;
  /**
   * Lengths of the runs that the records are in, one behind the other. The messages of a run are
   * handled one after the other, or, with `handlerBatch`, in one call; different runs are free of each
   * other. What follows a failed message in its run is given back.
   */
  runs: Int32Array<ArrayBuffer>;
  /** Which attempt each message is at, from 1; null where all are at their first. */
  attempts: Int32Array<ArrayBuffer> | null;
  /**
   * Begin it with nothing else in the same step: one of these messages may have brought a thread down,
   * and it must be plain which.
   */
  solo: boolean;
}

/** From the poller thread to an executor. */
export type ToExecutor =
  | { type: "work"; batches: WorkBatch[] }
  /** Give back what has not begun, of these assignments or (null) of all. */
  | { type: "release"; assignments: number[] | null }
  /** Abort the signals of what is under way, of these assignments or (null) of all. */
  | { type: "abort"; assignments: number[] | null; reason: "revoked" | "stopped" };

/** A handler call that did not end well. */
export interface Failure {
  batch: number;
  /** The message that failed; with `count`, the first of those that did. */
  index: number;
  /** How many failed together: more than one where a batch failed as a whole. */
  count: number;
  /**
   * "failed": the handler threw. "invalid": the message could not be decoded, or its data is not what
   * the schema wants; the handler was not called. "timeout": it was over `handlerTimeoutMs`. "aborted":
   * it threw after its signal had aborted because of a revocation or a stop.
   */
  kind: "failed" | "invalid" | "timeout" | "aborted";
  /** Whether another attempt may help, by `retryIf` and the error's own word. */
  retriable: boolean;
  error: WireError;
}

/** From an executor to the poller thread. */
export type FromExecutor =
  | {
    type: "report";
    /** For how many more messages there is room, in addition to what was asked for earlier. */
    credit: number;
    /**
     * About to begin, in this order: one of these is to blame if the thread is not heard of again. All
     * that is announced and has not begun; null: nothing has been announced since the last report.
     */
    begun: MessageNames | null;
    /** The last report of a thread that is about to end: what `begun` names will not begin. */
    final?: boolean;
    /** Handled. */
    finished: MessageNames | null;
    /** Not handled. */
    failed: Failure[];
    /** Given back without having begun. */
    released: MessageNames | null;
    /** Milliseconds that handler calls have taken in all since the last report. */
    busyMs: number;
    /** How long what is in `finished` and `failed` has taken; null where there is neither. */
    times: HandlingTimes[] | null;
  }
  /** A message is over its time, and over the grace after its signal aborted, and goes on. */
  | { type: "overdue"; batch: number; index: number };

/** How an executor runs handlers. */
export interface ExecutorOptions {
  consumer: ConsumerIdentity;
  /** Name that the consumer's client gives itself. */
  clientId: string;
  /** Address of what is to be loaded first where the executor has a thread of its own. */
  instrumentation?: string;
  /** How many calls of the handler may be under way at once. */
  concurrency: number;
  /** Most milliseconds of one call, after which its signal aborts. */
  handlerTimeoutMs: number;
  /** Whether a run is handled in one call. */
  batches: boolean;
  /**
   * Whether the thread is watched, and replaced if it hangs or dies: then a message is announced before
   * it begins.
   */
  watched: boolean;
  /** Whether a run goes on behind a message that is invalid, because that one will be skipped. */
  skipsInvalid: boolean;
  /** Most messages of one call, where runs are handled in one call; else 1. */
  batchSize: number;
  logLevel: LogLevel;
}

/** From the program's thread to a handler thread. */
export type ToHandlerThread =
  | {
    type: "start";
    /** Number of the thread, from 0. */
    thread: number;
    /** Address of the handler's module. */
    module: string;
    options: ExecutorOptions;
    /** Leads to the poller thread. */
    port: MessagePort;
  }
  /** Answer `pong`. */
  | { type: "ping"; id: number }
  /** Tear down, then answer `stopped`. */
  | { type: "stop" };

/** From a handler thread to the program's thread. */
export type FromHandlerThread =
  /** The thread listens: nothing may be posted to it earlier. */
  | { type: "ready" }
  /** The module is loaded and set up. */
  | { type: "loaded" }
  /** The thread's event loop turns. */
  | { type: "pong"; id: number }
  /** The module cannot be used; the last message. */
  | { type: "failed"; error: WireError }
  | { type: "log"; level: LogLevel; message: string; fields?: Record<string, unknown> }
  /** Something was thrown outside of a handler, or the thread is about to exit: the last message. */
  | { type: "crashed"; error: WireError }
  /** It has torn down: the last message. */
  | { type: "stopped" };
