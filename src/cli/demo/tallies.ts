import type { Message } from "../../message.ts";
import type { InvoiceMade } from "./invoices.ts";

/** A number that can be waited for. */
class Count {
  value = 0;
  #waiting: { count: number; resolve: () => void }[] = [];

  add(): void {
    this.value++;
    this.#look();
  }

  /** Resolves when it is so high. */
  reaches(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ count, resolve });
    this.#look();
    return promise;
  }

  #look(): void {
    for (const { count, resolve } of this.#waiting) if (this.value >= count) resolve();
  }
}

/** What has been handled in the order of partitions. */
export class PartitionTally {
  readonly count: Count = new Count();
  /** The sum of what they were worth. */
  revenue = 0;
  /** Messages that were not the one behind the last of their partition. */
  misplaced = 0;
  readonly #next = new Map<number, number>();

  /** Notes a message as handled. */
  add({ partition, offset }: Message): void {
    if (offset !== (this.#next.get(partition) ?? 0)) this.misplaced++;
    this.#next.set(partition, offset + 1);
    this.count.add();
  }
}

/** What has been handled in the order of keys, on several threads at once. */
export class InvoiceTally {
  /** Orders that are done with: those that have an invoice, and those that never will. */
  readonly count: Count = new Count();
  retries = 0;
  deadLetters = 0;
  readonly #made: InvoiceMade[] = [];

  /** Notes an invoice. */
  add(invoice: InvoiceMade): void {
    this.#made.push(invoice);
    this.count.add();
  }

  /** Notes an order without one. */
  addDeadLetter(): void {
    this.deadLetters++;
    this.count.add();
  }

  /** How many invoices were made. */
  get made(): number {
    return this.#made.length;
  }

  /** How many orders have more than one. */
  get twice(): number {
    return this.#made.length - new Set(this.#made.map(({ id }) => id)).size;
  }

  /** How many were begun out of their customer's order, or before that one's last was done. */
  get misplaced(): number {
    let count = 0;
    for (const mine of Map.groupBy(this.#made, ({ customer }) => customer).values()) {
      // Lines of different threads may arrive in another order than that of what they tell of.
      mine.sort((one, other) => one.id - other.id);
      count += mine.filter(({ began }, index) => began < (mine[index - 1]?.done ?? 0)).length;
    }
    return count;
  }

  /** How many were begun and done within this time, by the wall clock. */
  madeWithin(from: number, to: number): number {
    return this.#made.filter(({ began, done }) => began >= from && done <= to).length;
  }
}
