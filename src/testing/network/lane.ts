/**
 * One direction of a connection: chunks pass in order, at once or as slowly as a pace says.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { type Pace, Pacer } from "./pacer.ts";

/** How many bytes may wait in a lane before its source should pause. */
const FULL_BYTES = 1_048_576;

/** Where a lane leads to, and what it says to its source. */
export interface LaneOptions {
  /**
   * Takes the next chunk. Returns whether it can take another at once; after `false` the lane waits
   * for {@link Lane.unblock}.
   */
  readonly deliver: (chunk: Buffer) => boolean;
  /** The source has ended and all has been delivered. */
  readonly onEnd: () => void;
  /** The lane was {@link Lane.full} and no longer is. */
  readonly onRoom: () => void;
}

/** A queue of bytes that keeps its order, whatever its pace and whenever that changes. */
export class Lane {
  readonly #options: LaneOptions;
  readonly #pacer = new Pacer();
  #queue: Buffer[] = [];
  #queued = 0;
  #paced = false;
  #held = false;
  #blocked = false;
  #wasFull = false;
  #ending = false;
  #over = false;
  #passing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Makes a lane that is empty and not slow.
   *
   * @param options Where it leads to.
   */
  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Whether its source should stop giving it more. */
  get full(): boolean {
    return this.#blocked || this.#queued >= FULL_BYTES;
  }

  /** Whether a chunk would be delivered at once. */
  get free(): boolean {
    return !this.#paced && !this.#held && !this.#blocked && this.#pacer.empty && !this.#over;
  }

  /** Whether its end was delivered, or it was discarded. */
  get over(): boolean {
    return this.#over;
  }

  /** Bytes that wait. */
  get queuedBytes(): number {
    return this.#queued;
  }

  /**
   * Makes the lane slow, or as fast as it can be; also for what waits in it.
   *
   * @param pace How slow; `null`: not at all.
   */
  setPace(pace: Pace | null): void {
    if (this.#over) return;
    this.#paced = pace !== null;
    this.#pacer.set(performance.now(), pace ?? {});
    this.#pass();
  }

  /**
   * Stops everything in the lane where it is, or lets it go on.
   *
   * @param held Whether to stop it.
   */
  hold(held: boolean): void {
    this.#held = held;
    this.#pass();
  }

  /**
   * Puts a chunk into the lane.
   *
   * @param chunk The bytes.
   */
  push(chunk: Buffer): void {
    if (this.#over || this.#ending || chunk.length === 0) return;
    if (this.free && !this.#passing) {
      this.#blocked = !this.#options.deliver(chunk);
      this.#wasFull = this.#blocked;
      return;
    }
    this.#queue.push(chunk);
    this.#queued += chunk.length;
    this.#pacer.add(performance.now(), chunk.length);
    this.#pass();
  }

  /** Says that the source has ended: {@link LaneOptions.onEnd} follows the last byte. */
  end(): void {
    if (this.#over || this.#ending) return;
    this.#ending = true;
    this.#pacer.add(performance.now(), 0);
    this.#pass();
  }

  /** Says that the target can take more. */
  unblock(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#pass();
  }

  /** Ends the lane at once; what waits in it is lost. */
  discard(): void {
    this.#over = true;
    this.#queue = [];
    this.#queued = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #pass(): void {
    // deliver() may come back here by push(), unblock() or setPace(): the outer call goes on for it.
    if (this.#passing) return;
    this.#passing = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      while (this.#passSome());
    } finally {
      this.#passing = false;
    }
    if (this.#over) return;
    if (this.#ending && this.#pacer.empty && !this.#held && !this.#blocked) {
      this.#over = true;
      this.#options.onEnd();
      return;
    }
    this.#schedule();
    const full = this.full;
    const hasRoom = this.#wasFull && !full;
    this.#wasFull = full;
    if (hasRoom) this.#options.onRoom();
  }

  #passSome(): boolean {
    if (this.#over || this.#held || this.#blocked || this.#pacer.empty) return false;
    let allowance = this.#pacer.take(performance.now());
    if (allowance === 0) return false;
    let index = 0;
    const passing: Buffer[] = [];
    while (allowance > 0) {
      const chunk = this.#queue[index]!;
      if (chunk.length <= allowance) {
        passing.push(chunk);
        index++;
      } else {
        passing.push(chunk.subarray(0, allowance));
        this.#queue[index] = chunk.subarray(allowance);
      }
      allowance -= passing.at(-1)!.length;
    }
    this.#queue.splice(0, index);
    for (const chunk of passing) {
      if (this.#over) return false;
      this.#queued -= chunk.length;
      // What the pacer let go is delivered, also where the target would rather wait.
      if (!this.#options.deliver(chunk)) this.#blocked = true;
    }
    return true;
  }

  #schedule(): void {
    if (this.#held || this.#blocked) return;
    const now = performance.now();
    const at = this.#pacer.nextAt(now);
    if (at === undefined) return;
    // Timers may fire a little early by this clock: then they are simply set again.
    this.#timer = setTimeout(() => this.#pass(), Math.max(1, Math.ceil(at - now)));
  }
}
