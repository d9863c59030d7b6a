/** What is to happen at which time, without a clock. */

interface Alarm<Item> {
  at: number;
  item: Item;
}

/** A heap of times: the earliest is on top. */
export class Alarms<Item> {
  readonly #heap: Alarm<Item>[] = [];

  /** The earliest time, or null. */
  get next(): number | null {
    return this.#heap[0]?.at ?? null;
  }

  /** Notes an item for a time. */
  set(at: number, item: Item): void {
    const heap = this.#heap;
    let place = heap.push({ at, item }) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (heap[parent]!.at <= heap[place]!.at) break;
      [heap[parent], heap[place]] = [heap[place]!, heap[parent]!];
      place = parent;
    }
  }

  /** Takes the items whose time has come, the earliest first. */
  *due(now: number): Generator<Item> {
    while (this.#heap.length > 0 && this.#heap[0]!.at <= now) yield this.#pop();
  }

  #pop(): Item {
    const heap = this.#heap;
    const { item } = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      this.#sink();
    }
    return item;
  }

  #sink(): void {
    const heap = this.#heap;
    let place = 0;
    while (true) {
      const left = place * 2 + 1;
      if (left >= heap.length) return;
      const right = left + 1;
      const child = right < heap.length && heap[right]!.at < heap[left]!.at ? right : left;
      if (heap[place]!.at <= heap[child]!.at) return;
      [heap[place], heap[child]] = [heap[child]!, heap[place]!];
      place = child;
    }
  }
}
