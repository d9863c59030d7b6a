/** A queue with two ends. */

/** Items between a moving head and a growing tail; what is taken from the head is let go of. */
export class Deque<Item> {
  #items: (Item | undefined)[] = [];
  #head = 0;

  /** How many items there are. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /** The item at a place counted from the head. */
  at(index: number): Item | undefined {
    return this.#items[this.#head + index];
  }

  /** Adds an item behind the last. */
  push(item: Item): void {
    this.#items.push(item);
  }

  /** Adds an item before the first that it does not belong behind. */
  insert(item: Item, belongsBehind: (other: Item) => boolean): void {
    if (this.#head > 0) this.#head--;
    else this.#items.unshift(undefined);
    const items = this.#items;
    let place = this.#head;
    for (; place + 1 < items.length && belongsBehind(items[place + 1]!); place++) {
      items[place] = items[place + 1];
    }
    items[place] = item;
  }

  /** Takes the first item. */
  shift(): Item | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    // Half of it is empty: moving the rest costs less than what has been taken since the last move.
    if (this.#head >= 64 && this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes out every item that a test holds for. */
  remove(test: (item: Item) => boolean): Item[] {
    const items = [...this];
    this.#head = 0;
    this.#items = items.filter((item) => !test(item));
    return items.filter(test);
  }

  /** Takes all items out. */
  clear(): void {
    this.#items = [];
    this.#head = 0;
  }

  *[Symbol.iterator](): Generator<Item> {
    for (let index = this.#head; index < this.#items.length; index++) {
      yield this.#items[index] as Item;
    }
  }
}
