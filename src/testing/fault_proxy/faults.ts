import type { Pace } from "../network/pacer.ts";
import type { Watcher } from "../watcher.ts";
import { type FaultDirection, type FaultKind, MadeFault, type Way } from "./fault.ts";

/** What each kind of fault is told. */
export interface FaultSettings {
  refuse: undefined;
  stall: undefined;
  delay: { readonly ms: number };
  throttle: { readonly bytesPerSecond: number };
  corrupt: { readonly every: number | undefined; readonly after: number; readonly seed: number };
  cutAfter: { readonly bytes: number; readonly times: number };
}

type Lists = { [Kind in FaultKind]: MadeFault<FaultSettings[Kind]>[] };

/** All faults of a proxy that are active. */
export class Faults {
  readonly #watcher: Watcher;
  readonly #onChange: () => void;
  readonly #lists: Lists = {
    refuse: [],
    stall: [],
    delay: [],
    throttle: [],
    corrupt: [],
    cutAfter: [],
  };

  /**
   * Makes a list without faults.
   *
   * @param watcher Wakes those who wait for faults to happen.
   * @param onChange Called when a fault is added or removed.
   */
  constructor(watcher: Watcher, onChange: () => void) {
    this.#watcher = watcher;
    this.#onChange = onChange;
  }

  /** Adds a fault. */
  add<Kind extends FaultKind>(
    kind: Kind,
    direction: FaultDirection,
    settings: FaultSettings[Kind],
  ): MadeFault<FaultSettings[Kind]> {
    const list = this.#lists[kind] as MadeFault<FaultSettings[Kind]>[];
    const fault = new MadeFault(kind, direction, settings, this.#watcher, () => {
      list.splice(list.indexOf(fault), 1);
      this.#onChange();
    });
    list.push(fault);
    this.#onChange();
    return fault;
  }

  /** Those of one kind that concern bytes going one way. */
  of<Kind extends FaultKind>(kind: Kind, way: Way): MadeFault<FaultSettings[Kind]>[] {
    const list = this.#lists[kind] as MadeFault<FaultSettings[Kind]>[];
    // Asked for each chunk, and mostly there is none.
    return list.length === 0 ? list : list.filter((fault) => fault.concerns(way));
  }

  /** All that refuse connections. */
  get refusals(): readonly MadeFault<undefined>[] {
    return this.#lists.refuse;
  }

  /** How slow one way is: delays add up, and the strictest throttle counts. */
  pace(way: Way): Pace | null {
    const delays = this.of("delay", way);
    const throttles = this.of("throttle", way);
    if (delays.length === 0 && throttles.length === 0) return null;
    return {
      latencyMs: delays.reduce((sum, { settings }) => sum + settings.ms, 0),
      bytesPerSecond: Math.min(...throttles.map(({ settings }) => settings.bytesPerSecond)),
    };
  }

  /** Ends all. */
  clear(): void {
    for (const list of Object.values(this.#lists)) {
      for (const fault of [...list]) fault.remove();
    }
  }
}
