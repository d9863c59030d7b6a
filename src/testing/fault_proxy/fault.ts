import type { WaitOptions, Watcher } from "../watcher.ts";

/** One way through a proxy, or both of them. */
export type FaultDirection = "toBroker" | "toClient" | "both";

/** A single way. */
export type Way = Exclude<FaultDirection, "both">;

/** What a fault does to the bytes, or to the connections. */
export type FaultKind = "refuse" | "stall" | "delay" | "throttle" | "corrupt" | "cutAfter";

/** A fault that a {@linkcode FaultProxy} was told to make: how to end it, and whether it happened. */
export interface Fault extends Disposable {
  /** What it does. */
  readonly kind: FaultKind;
  /** Which way the bytes go that it concerns. */
  readonly direction: FaultDirection;
  /** Whether it goes on: neither removed nor healed, nor over because it has no turns left. */
  readonly active: boolean;
  /**
   * How often it happened: connections that were refused or cut, bytes that were changed, and chunks
   * of bytes that were held, delayed or throttled.
   */
  readonly hits: number;
  /** Bytes that came by while it was there. */
  readonly bytes: number;
  /**
   * Waits until the fault has happened.
   *
   * @param hits How often. Default: 1.
   * @param options For how long.
   * @returns Resolves when `hits` is at least that; rejects with a `BrokerError` (`WAIT_TIMEOUT`) when
   * the time is over, or (`NOT_RUNNING`) when the proxy is closed.
   */
  whenHit(hits?: number, options?: WaitOptions): Promise<void>;
  /** Ends the fault; what it held back flows on. Does nothing when it has ended. */
  remove(): void;
}

/** A fault, as the proxy's own parts see it. */
export class MadeFault<Settings> implements Fault {
  readonly kind: FaultKind;
  readonly direction: FaultDirection;
  /** What it was told beyond the direction. */
  readonly settings: Settings;
  active = true;
  hits = 0;
  bytes = 0;
  readonly #watcher: Watcher;
  readonly #onRemove: () => void;

  /**
   * Makes a fault.
   *
   * @param kind What it does.
   * @param direction Which way.
   * @param settings What else it was told.
   * @param watcher Wakes those who wait.
   * @param onRemove Called once, when it is no longer active.
   */
  constructor(
    kind: FaultKind,
    direction: FaultDirection,
    settings: Settings,
    watcher: Watcher,
    onRemove: () => void,
  ) {
    this.kind = kind;
    this.direction = direction;
    this.settings = settings;
    this.#watcher = watcher;
    this.#onRemove = onRemove;
  }

  /** Whether it concerns bytes that go this way, now. */
  concerns(way: Way): boolean {
    return this.active && (this.direction === "both" || this.direction === way);
  }

  /** Counts. */
  count(hits: number, bytes: number): void {
    this.hits += hits;
    this.bytes += bytes;
    if (hits > 0) this.#watcher.changed();
  }

  async whenHit(hits = 1, options: WaitOptions = {}): Promise<void> {
    await this.#watcher.when(
      () => this.hits >= hits ? true : undefined,
      () => `the fault "${this.kind}" to happen ${hits} times; it happened ${this.hits} times`,
      options,
    );
  }

  remove(): void {
    if (!this.active) return;
    this.active = false;
    this.#onRemove();
  }

  [Symbol.dispose](): void {
    this.remove();
  }
}
