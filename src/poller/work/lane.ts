/** Messages that wait for each other, or, in a free lane, for nothing but their turn. */

import { Deque } from "../../threads/deque.ts";
import type { Task } from "./task.ts";

/** Messages of one partition that have one order: those of a key, of the partition, or those with none. */
export interface Lane {
  /** The hash of its key; null for the lane of a whole partition and the free lane. */
  readonly key: number | null;
  /** Whether its messages are handled one after the other; those of a free lane are not. */
  readonly serial: boolean;
  /** What has not been handed over, in offset order. */
  readonly waiting: Deque<Task>;
  /** How many are handed over and not settled. */
  handed: number;
  /** Whether it stands in its partition's list of lanes that may start. */
  ready: boolean;
  /** Time before which it may not start, as a retry has its backoff. */
  notBefore: number;
  /** Time at which it is looked at again, or null. */
  alarm: number | null;
}

/** Makes a lane. */
export function createLane(key: number | null, serial: boolean): Lane {
  return { key, serial, waiting: new Deque(), handed: 0, ready: false, notBefore: 0, alarm: null };
}
