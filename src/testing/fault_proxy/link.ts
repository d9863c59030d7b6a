import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Lane } from "../network/lane.ts";
import { Corrupter } from "./corrupter.ts";
import type { MadeFault, Way } from "./fault.ts";
import type { Faults } from "./faults.ts";

/** What a link tells its proxy. */
export interface LinkOptions {
  /** Number of the connection, from 1. */
  readonly id: number;
  readonly client: Socket;
  readonly broker: Socket;
  readonly faults: Faults;
  /** Bytes were passed on. */
  readonly onBytes: (way: Way, bytes: number) => void;
  /** A side is closed; when both are, the link is over. */
  readonly onClose: (link: Link) => void;
}

/** A client's connection and the one to the broker, and what happens in between. */
export class Link {
  readonly #options: LinkOptions;
  readonly #directions: readonly Direction[];
  #open = 2;
  #cut = false;

  /**
   * Joins two sockets that are both connected.
   *
   * @param options The sockets, and what may happen.
   */
  constructor(options: LinkOptions) {
    this.#options = options;
    const { client, broker } = options;
    const cut = () => this.#cutBy();
    this.#directions = [
      new Direction("toBroker", client, broker, options, cut),
      new Direction("toClient", broker, client, options, cut),
    ];
    for (const socket of [client, broker]) {
      socket.on("error", () => {}); // "close" follows, and says enough.
      socket.once("close", () => {
        this.#open--;
        options.onClose(this);
      });
    }
    this.apply();
  }

  /** Whether both sides are closed. */
  get over(): boolean {
    return this.#open === 0;
  }

  /** Whether both sides are open, and nobody has cut them. */
  get whole(): boolean {
    return this.#open === 2 && !this.#cut;
  }

  /** Looks at the faults again. */
  apply(): void {
    for (const direction of this.#directions) direction.apply();
  }

  /** Breaks both sides off at once. */
  cut(): void {
    this.#cut = true;
    for (const direction of this.#directions) direction.discard();
    reset(this.#options.client);
    reset(this.#options.broker);
  }

  // What has been passed on is still to arrive, so that exactly that many bytes do.
  #cutBy(): void {
    this.#cut = true;
    for (const direction of this.#directions) direction.discard();
    for (const socket of [this.#options.client, this.#options.broker]) {
      socket.end(() => socket.destroy());
    }
  }
}

/** One way through a link. */
class Direction {
  readonly #way: Way;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #faults: Faults;
  readonly #id: number;
  readonly #onBytes: (way: Way, bytes: number) => void;
  readonly #onCut: () => void;
  readonly #lane: Lane;
  readonly #corrupters = new WeakMap<object, Corrupter>();
  readonly #passed = new WeakMap<object, number>();
  #fromClosed = false;

  constructor(way: Way, from: Socket, to: Socket, options: LinkOptions, onCut: () => void) {
    this.#way = way;
    this.#from = from;
    this.#to = to;
    this.#faults = options.faults;
    this.#id = options.id;
    this.#onBytes = options.onBytes;
    this.#onCut = onCut;
    this.#lane = new Lane({
      deliver: (chunk) => this.#deliver(chunk),
      onEnd: () => this.#deliverEnd(),
      onRoom: () => from.resume(),
    });
    from.on("data", (chunk: Buffer) => {
      this.#lane.push(this.#receive(chunk));
      if (this.#lane.full) from.pause();
    });
    from.on("end", () => this.#lane.end());
    from.once("close", () => {
      this.#fromClosed = true;
      // In a link that is stalled, the other side is not to notice it yet.
      if (this.#lane.over) this.#deliverEnd();
      else this.#lane.end();
    });
    to.on("drain", () => this.#lane.unblock());
    to.once("close", () => this.#lane.discard());
  }

  apply(): void {
    this.#lane.setPace(this.#faults.pace(this.#way));
    this.#lane.hold(this.#faults.of("stall", this.#way).length > 0);
  }

  discard(): void {
    this.#lane.discard();
  }

  #receive(given: Buffer): Buffer {
    let chunk = given;
    for (const fault of this.#faults.of("corrupt", this.#way)) {
      const passed = this.#corrupterOf(fault).pass(chunk);
      chunk = passed.chunk;
      fault.count(passed.changed, chunk.length);
    }
    for (const kind of ["stall", "delay", "throttle"] as const) {
      for (const fault of this.#faults.of(kind, this.#way)) fault.count(1, chunk.length);
    }
    return chunk;
  }

  #deliver(chunk: Buffer): boolean {
    for (const fault of this.#faults.of("cutAfter", this.#way)) {
      const passed = this.#passed.get(fault) ?? 0;
      const left = fault.settings.bytes - passed;
      if (chunk.length < left) {
        this.#passed.set(fault, passed + chunk.length);
        fault.count(0, chunk.length);
        continue;
      }
      const last = chunk.subarray(0, left);
      if (last.length > 0) this.#write(last);
      fault.count(1, last.length);
      this.#onCut();
      if (fault.hits >= fault.settings.times) fault.remove();
      return true;
    }
    return this.#write(chunk);
  }

  #write(chunk: Buffer): boolean {
    this.#onBytes(this.#way, chunk.length);
    return this.#to.write(chunk);
  }

  #deliverEnd(): void {
    // Half-open, as TCP is: the other side may still be sending. But not to somebody who is gone.
    if (this.#fromClosed) this.#to.end(() => this.#to.destroy());
    else this.#to.end();
  }

  #corrupterOf(fault: MadeFault<{ every: number | undefined; after: number; seed: number }>) {
    let corrupter = this.#corrupters.get(fault);
    if (corrupter === undefined) {
      const { settings } = fault;
      // Not the same bytes in each connection and both ways, but the same ones in each run.
      const seed = settings.seed + this.#id * 2 + (this.#way === "toBroker" ? 0 : 1);
      corrupter = new Corrupter({ ...settings, seed });
      this.#corrupters.set(fault, corrupter);
    }
    return corrupter;
  }
}

/**
 * Ends a connection with a reset instead of an orderly end.
 *
 * @param socket The connection.
 */
export function reset(socket: Socket): void {
  if (!socket.destroyed) socket.resetAndDestroy();
}
