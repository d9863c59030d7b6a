/** First in, first out, without moving what is inside at each step. */

/** A queue. */
export class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  /** How many items are in it. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /** The next item, which stays; undefined if there is none. */
  get first(): T | undefined {
    return this.#items[this.#head];
  }

  /** Adds an item behind all others. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Takes the next item; undefined if there is none. */
  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head]!;
    this.#items[this.#head++] = undefined as T;
    if (this.#head === this.#items.length || this.#head >= 1_024) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  *[Symbol.iterator](): Generator<T> {
    for (let index = this.#head; index < this.#items.length; index++) yield this.#items[index]!;
  }

  /** Takes out every item that a test holds for. */
  remove(test: (item: T) => boolean): T[] {
    const items = this.#items.slice(this.#head);
    this.#head = 0;
    this.#items = items.filter((item) => !test(item));
    return items.filter(test);
  }
}
