/** The handler module of `cpu.ts`: about 2 ms of arithmetic for each message. */

import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HandlerContext, SetupContext, Teardown } from "../../mod.ts";

/** What one handler thread did. */
export interface ThreadReading {
  /** Messages that it handled. */
  messages: number;
  /** The sum of their field `n`. */
  sum: number;
  /** Milliseconds since the epoch when its first handler began. */
  firstAt: number;
  /** Milliseconds since the epoch when its last handler ended. */
  lastAt: number;
}

const STEPS = 1_500_000;

const reading: ThreadReading = { messages: 0, sum: 0, firstAt: 0, lastAt: 0 };
/** Kept, so that no compiler leaves the arithmetic out. */
let state = 1;

/**
 * Names the file that a handler thread leaves its reading in when it ends.
 *
 * @param groupId The group.
 * @param thread Number of the thread.
 * @returns The path.
 */
export function readingFile(groupId: string, thread: number): string {
  return join(tmpdir(), `${groupId}.${thread}.json`);
}

/** Called when the thread begins: sees to it that the reading is written down when it ends. */
export function setup({ consumer, thread }: SetupContext): Teardown {
  return () =>
    writeFileSync(readingFile(consumer.groupId, thread), JSON.stringify({ ...reading, state }));
}

/** The same work for every message: it takes longer where the core is shared. */
export default function handle(_context: HandlerContext, data: { n: number }): void {
  if (reading.messages++ === 0) reading.firstAt = Date.now();
  let x = state;
  for (let step = 0; step < STEPS; step++) x = Math.imul(x, 1_664_525) + 1_013_904_223 | 0;
  state = x;
  reading.sum += data.n;
  reading.lastAt = Date.now();
}
