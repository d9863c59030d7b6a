/** Counts what polls bring. */

import type { DriverBatch } from "../driver.ts";
import { POLL_SIZE_BOUNDS, type PollCounts } from "../threads/messages.ts";

/** How many messages there are in these batches. */
export function countMessages(batches: readonly DriverBatch[]): number {
  return batches.reduce(
    (sum, { records }) => sum + ("count" in records ? records.count : records.length),
    0,
  );
}

/** Sizes of polls since the start. */
export class PollSizes {
  readonly #sizes = new Array<number>(POLL_SIZE_BOUNDS.length + 1).fill(0);
  #polls = 0;
  #messages = 0;

  /** Counts one poll; one without messages does not count. */
  add(batches: readonly DriverBatch[]): void {
    const messages = countMessages(batches);
    if (messages === 0) return;
    this.#polls++;
    this.#messages += messages;
    const bucket = POLL_SIZE_BOUNDS.findIndex((bound) => messages <= bound);
    this.#sizes[bucket === -1 ? POLL_SIZE_BOUNDS.length : bucket]!++;
  }

  /** A copy of the figures. */
  counts(): PollCounts {
    return { polls: this.#polls, messages: this.#messages, sizes: [...this.#sizes] };
  }
}
