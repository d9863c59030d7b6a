/**
 * What a partition knows of its idempotent producers (KIP-98, KIP-360).
 *
 * @module
 */
import { ERROR } from "../protocol/error_codes.ts";
import { type BatchHeader, NO_PRODUCER_ID } from "./record_batch.ts";

/** How many batches of a producer are remembered: a client may have as many under way. */
const REMEMBERED_BATCHES = 5;
const MAX_SEQUENCE = 2 ** 31 - 1;

interface SentBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  readonly timestamp: number;
}

interface Producer {
  epoch: number;
  /** The newest last; all of this epoch. */
  batches: SentBatch[];
}

/** A batch that was appended before: its acknowledgement got lost. */
export interface Duplicate {
  /** Where it was appended. */
  readonly baseOffset: number;
  /** The time of its newest record. */
  readonly timestamp: number;
}

/** Why a batch is refused. */
export interface Refusal {
  readonly errorCode: number;
  readonly errorMessage: string;
}

/** The idempotent producers of one partition. */
export class ProducerStates {
  #producers = new Map<number, Producer>();

  /**
   * Looks whether a batch is what its producer has to send now.
   *
   * @returns The earlier append of the same batch; a refusal; or undefined: append it.
   */
  check(header: BatchHeader): Duplicate | Refusal | undefined {
    const { producerId, producerEpoch, baseSequence } = header;
    if (producerId <= NO_PRODUCER_ID) return undefined;
    const producer = this.#producers.get(producerId);
    // Nothing is known, as after a restart or the deletion of all its records: any sequence is
    // taken, as the producer cannot know what was lost (KIP-360).
    if (producer === undefined) return undefined;
    const lastSequence = lastSequenceOf(header);
    if (producerEpoch === producer.epoch) {
      const duplicate = producer.batches.find((batch) =>
        batch.firstSequence === baseSequence && batch.lastSequence === lastSequence
      );
      if (duplicate !== undefined) return duplicate;
    }
    if (producerEpoch < producer.epoch) {
      return {
        errorCode: ERROR.INVALID_PRODUCER_EPOCH,
        errorMessage:
          `Producer ${producerId} has epoch ${producer.epoch} by now, not ${producerEpoch}`,
      };
    }
    const expected = producerEpoch > producer.epoch ? 0 : nextSequence(producer);
    if (baseSequence === expected) return undefined;
    return {
      errorCode: ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER,
      errorMessage: `The next sequence of producer ${producerId} in epoch ${producerEpoch} is ` +
        `${expected}, not ${baseSequence}`,
    };
  }

  /** Remembers a batch that was appended. */
  record(header: BatchHeader): void {
    const { producerId, producerEpoch, baseSequence, baseOffset, maxTimestamp } = header;
    if (producerId <= NO_PRODUCER_ID) return;
    let producer = this.#producers.get(producerId);
    if (producer?.epoch !== producerEpoch) {
      this.#producers.set(producerId, producer = { epoch: producerEpoch, batches: [] });
    }
    producer.batches.push({
      firstSequence: baseSequence,
      lastSequence: lastSequenceOf(header),
      baseOffset,
      timestamp: maxTimestamp,
    });
    if (producer.batches.length > REMEMBERED_BATCHES) producer.batches.shift();
  }

  /** The base offsets of each producer's last batch: compaction keeps what they are in. */
  lastBatches(): Set<number> {
    return new Set([...this.#producers.values()].map(({ batches }) => batches.at(-1)!.baseOffset));
  }

  /** Forgets all producers. */
  clear(): void {
    this.#producers.clear();
  }
}

function nextSequence({ batches }: Producer): number {
  return sequenceAfter(batches.at(-1)!.lastSequence, 1);
}

function lastSequenceOf({ baseSequence, lastOffsetDelta }: BatchHeader): number {
  return sequenceAfter(baseSequence, lastOffsetDelta);
}

/** After the last sequence there is comes 0. */
function sequenceAfter(sequence: number, increment: number): number {
  const sum = sequence + increment;
  return sum > MAX_SEQUENCE ? sum - MAX_SEQUENCE - 1 : sum;
}
