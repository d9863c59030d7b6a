/** Delivery to a callback on the program's thread: batches of a partition, handled in order. */

import type { AssignedPartition, DriverBatch, TopicPartition } from "../driver.ts";
import type { ToPoller } from "../threads/messages.ts";
import { packRecords } from "../threads/records.ts";
import type { Delivery, DeliveryContext } from "./delivery.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Ledger } from "./ledger.ts";
import type { PartitionLedger } from "./partition_ledger.ts";
import { Questions } from "./questions.ts";
import type { Room } from "./window.ts";

/** Hands batches over within the room that is granted. */
export class BatchDelivery implements Delivery {
  readonly #context: DeliveryContext;
  readonly #dispatcher: Dispatcher;
  readonly #drains = new Questions<void>();

  constructor(context: DeliveryContext, maxInFlight: Room, epoch: number | undefined) {
    this.#context = context;
    this.#dispatcher = new Dispatcher(maxInFlight, epoch);
  }

  get ledgers(): readonly Ledger[] {
    return this.#dispatcher.ledgers;
  }

  check(): void {}

  assign(partitions: readonly AssignedPartition[]): readonly Ledger[] {
    return this.#dispatcher.assign(partitions);
  }

  find(partition: TopicPartition): Ledger | undefined {
    return this.#dispatcher.find(partition);
  }

  takeIn(batches: readonly DriverBatch[], now: number): void {
    this.#dispatcher.takeIn(batches, now);
  }

  handOver(): void {
    while (true) {
      const next = this.#dispatcher.next();
      if (next === null) return;
      const { id, run, ledger: { topic, partition, epoch } } = next;
      const records = packRecords(run.table, run.from, run.to);
      this.#context.channel.post(
        { type: "batch", batch: id, epoch, topic, partition, records },
        [records.buffer],
      );
    }
  }

  balance(): { pause: TopicPartition[]; resume: TopicPartition[] } {
    return this.#dispatcher.balance();
  }

  async drain(ledgers: readonly Ledger[] | null, timeoutMs: number | null): Promise<boolean> {
    if (ledgers?.length === 0) return true;
    const drained = this.#drains.ask((id) =>
      this.#context.channel.post({
        type: "drain",
        id,
        partitions: ledgers?.map(({ topic, partition, epoch }) => ({ topic, partition, epoch })) ??
          null,
      })
    );
    return await this.#context.timers.within(timeoutMs, drained);
  }

  forget(ledgers: readonly Ledger[]): void {
    this.#dispatcher.forget(ledgers as readonly PartitionLedger[]);
  }

  receive(message: ToPoller): void {
    if (message.type === "drained") this.#drains.answer(message.id, undefined);
    else if (message.type === "finished") {
      const { batch, count, offset } = message;
      if (this.#dispatcher.finish(batch, count, offset)) this.#context.changed();
    }
  }

  snapshot(): null {
    return null;
  }

  close(): void {}
}
