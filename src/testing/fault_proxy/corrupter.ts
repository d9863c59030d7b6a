/**
 * Changes bits in a stream of bytes, the same ones each time. Pure.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Which bytes are changed. */
export interface CorrupterOptions {
  /** How many bytes are left alone first. */
  readonly after: number;
  /** One byte of each so many is changed; `undefined`: only one byte, the first that may be. */
  readonly every: number | undefined;
  /** What the choice of bytes and bits depends on. */
  readonly seed: number;
}

/** Changes one stream; what it changes does not depend on how the stream is cut into chunks. */
export class Corrupter {
  readonly #every: number | undefined;
  #state: number;
  /** Position in the stream where the current block begins. */
  #block: number;
  /** Position of the next byte to be changed. */
  #next: number;
  #position = 0;

  /**
   * Makes a corrupter that stands before the first byte.
   *
   * @param options Which bytes are changed.
   */
  constructor(options: CorrupterOptions) {
    this.#every = options.every;
    this.#state = options.seed | 0;
    this.#block = options.after;
    this.#next = options.every === undefined ? options.after : this.#choose(options.every);
  }

  /**
   * Takes the next bytes of the stream.
   *
   * @param chunk The bytes; they are copied where they change.
   * @returns The bytes to pass on, and how many of them were changed.
   */
  pass(chunk: Buffer): { chunk: Buffer; changed: number } {
    const start = this.#position;
    this.#position += chunk.length;
    if (this.#next >= this.#position) return { chunk, changed: 0 };
    const copy = Buffer.from(chunk);
    let changed = 0;
    for (; this.#next < this.#position; changed++) {
      const index = this.#next - start;
      copy[index] = copy[index]! ^ (1 << this.#random(8));
      if (this.#every === undefined) this.#next = Number.POSITIVE_INFINITY;
      else {
        this.#block += this.#every;
        this.#next = this.#choose(this.#every);
      }
    }
    return { chunk: copy, changed };
  }

  #choose(every: number): number {
    return this.#block + this.#random(every);
  }

  // Mulberry32, by Tommy Ettinger: 32 bits of state are plenty for choosing bytes.
  #random(below: number): number {
    this.#state = this.#state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(this.#state ^ this.#state >>> 15, this.#state | 1);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61) ^ mixed;
    return Math.floor(((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32 * below);
  }
}
