// What tests of the dispatcher make it and its messages with.

import {
  type Handout,
  WorkDispatcher,
  type WorkDispatcherOptions,
} from "../../../src/poller/work/work_dispatcher.ts";
import { encodeError } from "../../../src/threads/error_wire.ts";
import { unpackRecords } from "../../../src/threads/records.ts";
import type { Failure, MessageNames, WorkBatch } from "../../../src/threads/work.ts";

/** A dispatcher by key, with room for everything. */
export function dispatcherWith(options: Partial<WorkDispatcherOptions> = {}): WorkDispatcher {
  return new WorkDispatcher({
    order: "key",
    each: false,
    maxInFlight: { messages: 1_000, bytes: 1e6 },
    batchSize: 100,
    handlerBatch: null,
    policy: {
      retries: 1,
      backoff: { initialMs: 100, maxMs: 1_000, factor: 2 },
      then: "stop",
      onInvalid: "skip",
    },
    metadataBytes: 4_096,
    countsHanded: false,
    epoch: 0,
    random: () => 1,
    ...options,
  });
}

/** What a driver has polled of a partition: keys by offset; "": none. */
export function polled(partition: number, keys: Record<number, string>, endOffset = 1_000) {
  const records = Object.entries(keys).map(([offset, key]) => ({
    offset: Number(offset),
    key: key === "" ? null : key,
    value: `v${offset}`,
  }));
  return { topic: "t", partition, records, endOffset };
}

/** A partition that is assigned. */
export function assigned(partition: number, committed: number | null = null, metadata?: string) {
  return {
    topic: "t",
    partition,
    position: committed ?? 0,
    committed,
    ...(metadata === undefined ? {} : { metadata }),
  };
}

/** Adds an executor that asks for so many messages. */
export function addExecutor(dispatcher: WorkDispatcher, id: number, credit: number): void {
  dispatcher.addExecutor(id);
  dispatcher.heard(id, { credit, begun: null, busyMs: 0 }, 0);
}

/** The names of messages that are handed over, by their offsets. */
export class Names {
  readonly #names = new Map<number, [number, number]>();

  /** Offsets of what is handed over now, run by run. */
  take(handouts: readonly Handout[]): number[][] {
    return handouts.flatMap(({ batches }) => batches.flatMap((batch) => this.#runsOf(batch)));
  }

  #runsOf({ batch, records, runs }: WorkBatch): number[][] {
    const { offsets } = unpackRecords(records);
    let index = 0;
    return Array.from(runs, (length) => {
      const run: number[] = [];
      for (const end = index + length; index < end; index++) {
        run.push(offsets[index]!);
        this.#names.set(offsets[index]!, [batch, index]);
      }
      return run;
    });
  }

  /** The names of these offsets, as reports have them. */
  of(...offsets: number[]): MessageNames {
    return Int32Array.from(offsets.flatMap((offset) => this.#names.get(offset)!));
  }

  /** The failure of one. */
  failure(offset: number, options: Partial<Failure> = {}): Failure {
    const [batch, index] = this.#names.get(offset)!;
    return {
      batch,
      index,
      count: 1,
      kind: "failed",
      retriable: true,
      error: encodeError(new Error("no luck")),
      ...options,
    };
  }
}
