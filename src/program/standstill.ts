/** Notices that a group stands still although there is something to read. */

import type { PollerSnapshot } from "../threads/messages.ts";
import { isBeating } from "./judge_health.ts";

/** What of a snapshot tells whether anything moves. */
export type MovingParts = Pick<
  PollerSnapshot,
  "at" | "group" | "heartbeatAt" | "error" | "partitions" | "work"
>;

/**
 * Compares snapshots. Time is the poller thread's own, from snapshot to snapshot: that the program's
 * thread was blocked, and asked for none, is not a standstill of the group.
 */
export class Standstill {
  readonly #sessionTimeoutMs: number;
  #place: string | null = null;
  #since = 0;
  #seenAt = 0;

  /** @param sessionTimeoutMs How old a heartbeat may be where the group is fine. */
  constructor(sessionTimeoutMs: number) {
    this.#sessionTimeoutMs = sessionTimeoutMs;
  }

  /** For how many milliseconds nothing has moved although it should have. */
  get ms(): number {
    return this.#place === null ? 0 : this.#seenAt - this.#since;
  }

  /** Takes in a snapshot. */
  observe(snapshot: MovingParts): void {
    this.#seenAt = snapshot.at;
    if (!this.#shouldMove(snapshot)) {
      this.#place = null;
      return;
    }
    const { work, partitions } = snapshot;
    const { finished = 0, failed = 0, invalid = 0, skipped = 0, deadLettered = 0, leftOut = 0 } =
      work ?? {};
    const place = JSON.stringify([
      [finished, failed, invalid, skipped, deadLettered, leftOut],
      partitions.map(({ topic, partition, position }) => [topic, partition, position]),
    ]);
    if (place === this.#place) return;
    this.#place = place;
    this.#since = snapshot.at;
  }

  #shouldMove({ at, group, heartbeatAt, error, partitions, work }: MovingParts): boolean {
    // A broker that is gone, and a rebalance, are no standstill: others tell of these.
    const ageMs = heartbeatAt === null ? null : at - heartbeatAt;
    const { paused = false, underWay = 0, dueAt = null } = work ?? {};
    const isFine = error === null &&
      (group === "none" ||
        (group === "stable" && isBeating({ ageMs, sessionTimeoutMs: this.#sessionTimeoutMs })));
    // What waits for its next attempt does so by policy.
    if (!isFine || paused || underWay > 0 || (dueAt !== null && dueAt > at)) return false;
    return partitions.some(({ position, endOffset }) =>
      position !== null && endOffset !== null && endOffset > position
    );
  }
}
