/** Where in a log each leader's time began (KIP-101, KIP-279). */

/** What a leader answers to OffsetForLeaderEpoch. */
export interface EpochEnd {
  /** The newest epoch up to the one asked for; -1 if nothing is known. */
  readonly leaderEpoch: number;
  /** Where the next epoch begins; -1 if nothing is known. */
  readonly endOffset: number;
}

interface Entry {
  readonly epoch: number;
  readonly startOffset: number;
}

const UNKNOWN: EpochEnd = { leaderEpoch: -1, endOffset: -1 };

/** The leader epochs of one partition. */
export class LeaderEpochs {
  /** Both ascend. */
  #entries: Entry[] = [];

  /** Notes that from an offset on, batches are of an epoch; older epochs are ignored. */
  begin(epoch: number, startOffset: number): void {
    const last = this.#entries.at(-1);
    if (last !== undefined && epoch <= last.epoch) return;
    // An epoch in which nothing was written never was.
    if (last?.startOffset === startOffset) this.#entries.pop();
    this.#entries.push({ epoch, startOffset });
  }

  /** Where an epoch ended, in a log that ends at `endOffset`. */
  endOf(epoch: number, endOffset: number): EpochEnd {
    const last = this.#entries.at(-1);
    if (epoch < 0 || last === undefined || epoch > last.epoch) return UNKNOWN;
    if (epoch === last.epoch) return { leaderEpoch: epoch, endOffset };
    const next = this.#entries.findIndex((entry) => entry.epoch > epoch);
    return {
      leaderEpoch: this.#entries[next - 1]?.epoch ?? epoch,
      endOffset: this.#entries[next]!.startOffset,
    };
  }

  /** Forgets what lies below an offset; the epoch at the offset begins there. */
  dropBelow(startOffset: number): void {
    const kept = this.#entries.findLastIndex((entry) => entry.startOffset <= startOffset);
    if (kept < 0) return;
    const { epoch } = this.#entries[kept]!;
    this.#entries.splice(0, kept + 1, { epoch, startOffset });
  }

  /** Forgets what begins at or above an offset. */
  dropFrom(endOffset: number): void {
    this.#entries = this.#entries.filter((entry) => entry.startOffset < endOffset);
  }
}
