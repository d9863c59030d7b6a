/** Decides what is handed over next, and which partitions are fetched. Without clocks and sockets. */

import type { AssignedPartition, DriverBatch, TopicPartition } from "../driver.ts";
import { DriverError } from "../errors.ts";
import { isRecordTable, tableOfRecords } from "../threads/records.ts";
import { PartitionLedger, type Run } from "./partition_ledger.ts";
import { type Room, Window } from "./window.ts";

/** Most messages handed over at once: large enough to hide the cost of a post, small to the eye. */
const BATCH_MESSAGES = 1_000;
/** Most bytes handed over at once. */
const BATCH_BYTES = 256 * 1024;

/** A run of records that is handed over now. */
export interface Dispatch {
  /** Names it when it is finished. */
  id: number;
  /** Its partition. */
  ledger: PartitionLedger;
  /** The records. */
  run: Run;
}

/** The assigned partitions, and the room that the receiver has granted. */
export class Dispatcher {
  readonly #limit: Room;
  readonly #window: Window;
  readonly #ledgers = new Map<string, PartitionLedger>();
  readonly #batches = new Map<number, PartitionLedger>();
  /** Keys of partitions that were assigned once. */
  readonly #formerly = new Set<string>();
  #epoch: number;
  #nextBatch = 0;
  #turn = 0;

  constructor(limit: Room, epoch = 0) {
    this.#limit = limit;
    this.#epoch = epoch;
    this.#window = new Window(limit);
  }

  /** The partitions that are assigned. */
  get ledgers(): PartitionLedger[] {
    return [...this.#ledgers.values()];
  }

  /** Begins an assignment: each one has an epoch of its own. */
  assign(partitions: readonly AssignedPartition[]): PartitionLedger[] {
    const epoch = ++this.#epoch;
    return partitions.map((partition) => {
      const ledger = new PartitionLedger(partition, epoch, partition);
      this.#ledgers.set(keyOf(partition), ledger);
      return ledger;
    });
  }

  /** The ledger of a partition, if it is assigned. */
  find(partition: TopicPartition): PartitionLedger | undefined {
    return this.#ledgers.get(keyOf(partition));
  }

  /** Those of these partitions that are assigned. */
  known(partitions: readonly TopicPartition[]): PartitionLedger[] {
    return partitions.flatMap((partition) => this.find(partition) ?? []);
  }

  /** Ends assignments: their batches give their room back, and late results count for nothing. */
  forget(ledgers: readonly PartitionLedger[]): void {
    const gone = new Set(ledgers);
    for (const ledger of gone) {
      const key = keyOf(ledger);
      if (this.#ledgers.get(key) === ledger) this.#ledgers.delete(key);
      this.#formerly.add(key);
    }
    for (const [id, ledger] of this.#batches) {
      if (!gone.has(ledger)) continue;
      this.#batches.delete(id);
      this.#window.remove(id);
    }
  }

  /**
   * Takes in what was polled.
   *
   * @param now Timestamp of records that carry none.
   * @throws {DriverError} If it is of a partition that was never assigned.
   */
  takeIn(batches: readonly DriverBatch[], now: number): void {
    for (const batch of batches) {
      const ledger = this.find(batch);
      if (ledger === undefined) {
        // A driver that fetches ahead may return what was fetched before the partition went.
        if (this.#formerly.has(keyOf(batch))) continue;
        const { topic, partition } = batch;
        throw new DriverError(
          `Cannot take in records of "${topic}" partition ${partition}: the driver has not assigned it`,
          { code: "DRIVER_INVALID", topic, partition },
        );
      }
      const { records, nextOffset, endOffset } = batch;
      const table = isRecordTable(records) ? records : tableOfRecords(records, now);
      ledger.add(table, nextOffset, endOffset);
    }
  }

  /**
   * Takes what is to be handed over next, if there is room: a batch of each partition in turn, so that
   * a partition with a backlog does not starve the others.
   */
  next(): Dispatch | null {
    if (!this.#window.open) return null;
    const { ledgers } = this;
    const { messages, bytes } = this.#window.left;
    const id = this.#nextBatch;
    for (let tries = 0; tries < ledgers.length; tries++) {
      this.#turn = (this.#turn + 1) % ledgers.length;
      const ledger = ledgers[this.#turn]!;
      const run = ledger.take(id, Math.min(BATCH_MESSAGES, messages), Math.min(BATCH_BYTES, bytes));
      if (run === null) continue;
      this.#nextBatch++;
      this.#batches.set(id, ledger);
      this.#window.add(id, { messages: run.to - run.from, bytes: run.bytes });
      return { id, ledger, run };
    }
    return null;
  }

  /**
   * Notes that the first `count` messages of a batch are finished.
   *
   * @returns Whether that has made room.
   */
  finish(batch: number, count: number, offset: number): boolean {
    const ledger = this.#batches.get(batch);
    if (ledger === undefined || !ledger.finish(batch, count, offset)) return false;
    this.#batches.delete(batch);
    this.#window.remove(batch);
    return true;
  }

  /**
   * Finds the partitions to pause, as enough of them waits here, and those to resume, and marks them so.
   * Half of the room in bytes may wait here as well as be under way, shared evenly by the partitions.
   */
  balance(): { pause: TopicPartition[]; resume: TopicPartition[] } {
    const high = this.#limit.bytes / 2 / Math.max(1, this.#ledgers.size);
    const pause: TopicPartition[] = [];
    const resume: TopicPartition[] = [];
    for (const ledger of this.#ledgers.values()) {
      const { topic, partition, paused, queuedBytes } = ledger;
      if (paused ? queuedBytes > high / 2 : queuedBytes < high) continue;
      ledger.paused = !paused;
      (paused ? resume : pause).push({ topic, partition });
    }
    return { pause, resume };
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
