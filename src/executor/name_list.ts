/** Names of messages, gathered until they are posted. */

import type { MessageNames } from "../threads/work.ts";

/** A growing list of names; see {@linkcode MessageNames}. */
export class NameList {
  #names: MessageNames = new Int32Array(64);
  #length = 0;

  /** How many messages are named. */
  get count(): number {
    return this.#length / 2;
  }

  /** Adds a message. */
  add(batch: number, index: number): void {
    if (this.#length === this.#names.length) {
      const longer = new Int32Array(this.#length * 2);
      longer.set(this.#names);
      this.#names = longer;
    }
    this.#names[this.#length++] = batch;
    this.#names[this.#length++] = index;
  }

  /** Empties the list into one that can be posted; null if there is nothing in it. */
  take(): MessageNames | null {
    if (this.#length === 0) return null;
    const taken = this.#names.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }
}
