import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { PartitionLedger } from "../../src/poller/partition_ledger.ts";
import {
  packRecords,
  recordBytes,
  type RecordTable,
  tableOfRecords,
  unpackRecords,
} from "../../src/threads/records.ts";

/** Bytes of memory a record takes beside its body, as the ledger counts them. */
const PER_RECORD = 36;

/** A table of values of these sizes, at these offsets, in the middle of some larger memory. */
function table(records: readonly { offset: number; size: number }[]): RecordTable {
  const before = { offset: -1, value: "in front of them" };
  const all = [before, ...records.map(({ offset, size }) => ({ offset, value: "x".repeat(size) }))];
  return unpackRecords(packRecords(tableOfRecords(all, 0), 1, all.length));
}

const ledgerAt = (position?: number, committed: number | null = null) =>
  new PartitionLedger({ topic: "t", partition: 0 }, 1, { position, committed });

// --- The model: every message by itself, everything derived anew each time --------------------------

interface ModelMessage {
  offset: number;
  bytes: number;
  state: "queued" | "under way" | "finished" | "dropped";
}

type Step =
  | { do: "add"; gaps: { gap: number; size: number }[]; beyond: number | null }
  | { do: "take"; messages: number; bytes: number }
  | { do: "finish"; batch: number; share: number }
  | { do: "commit" }
  | { do: "discard" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("add" as const),
      gaps: fc.array(fc.record({ gap: fc.nat(3), size: fc.nat(60) }), { maxLength: 8 }),
      beyond: fc.option(fc.nat(5)),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("take" as const),
      messages: fc.integer({ min: 1, max: 6 }),
      bytes: fc.oneof(fc.nat(400), fc.constant(1e9)),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("finish" as const),
      // Mostly the first batch under way, as it should be; sometimes another.
      batch: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, {
        weight: 1,
        arbitrary: fc.nat(5),
      }),
      share: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ do: "commit" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "discard" as const }) },
);

function run(start: number | undefined, committed: number | null, steps: readonly Step[]): void {
  const ledger = ledgerAt(start, committed);
  const messages: ModelMessage[] = [];
  const batches: { id: number; messages: ModelMessage[]; finished: number }[] = [];
  let position: number | null = start ?? null;
  let closed = false;
  let nextId = 0;
  let taken = 0;
  let stood = ledger.finishedTo ?? -1;

  const of = (state: ModelMessage["state"]) => messages.filter((each) => each.state === state);
  const apply = (step: Step): void => {
    switch (step.do) {
      case "add": {
        let next = position ?? 1_000;
        const records = step.gaps.map(({ gap, size }) => ({ offset: (next += gap + 1) - 1, size }));
        const added = table(records);
        const last = records.at(-1);
        const nextOffset = step.beyond === null ? undefined : next + step.beyond;
        ledger.add(added, nextOffset, next + 10);
        assert.equal(ledger.endOffset, next + 10);
        if (closed) return;
        records.forEach(({ offset }, index) =>
          messages.push({
            offset,
            bytes: recordBytes(added, index, index + 1) + PER_RECORD,
            state: "queued",
          })
        );
        if (last !== undefined) position = last.offset + 1;
        position = nextOffset ?? position;
        return;
      }
      case "take": {
        const queued = of("queued");
        const run = ledger.take(nextId, step.messages, step.bytes);
        if (queued.length === 0) return assert.equal(run, null);
        assert.ok(run !== null);
        const count = run.to - run.from;
        const got = messages.slice(taken, taken += count);
        // Every message once, in order.
        assert.deepEqual(
          [...run.table.offsets.subarray(run.from, run.to)],
          got.map((m) => m.offset),
        );
        assert.ok(got.every(({ state }) => state === "queued"));
        const bytes = got.reduce((sum, each) => sum + each.bytes, 0);
        assert.equal(run.bytes, bytes);
        assert.ok(count >= 1 && count <= step.messages);
        assert.ok(bytes <= step.bytes || count === 1);
        // As much as there is room for, in one table.
        const following = messages[taken];
        assert.ok(
          count === step.messages || run.to === run.table.count ||
            bytes + following!.bytes > step.bytes,
        );
        for (const each of got) each.state = "under way";
        batches.push({ id: nextId++, messages: got, finished: 0 });
        return;
      }
      case "finish": {
        const index = step.batch % Math.max(1, batches.length);
        const batch = batches[index];
        if (batch === undefined) return assert.equal(ledger.finish(nextId + 7, 1, 0), false);
        const left = batch.messages.length - batch.finished;
        const count = batch.finished + Math.max(1, Math.round(left * step.share));
        const whole = ledger.finish(batch.id, count, batch.messages[count - 1]!.offset);
        assert.equal(whole, count === batch.messages.length);
        for (const each of batch.messages.slice(0, count)) each.state = "finished";
        batch.finished = count;
        if (whole) {
          batches.splice(index, 1);
          // Told twice, it counts once.
          assert.equal(ledger.finish(batch.id, count, 0), false);
        }
        return;
      }
      case "commit":
        ledger.committed = ledger.commitable() ?? ledger.committed;
        return;
      case "discard":
        ledger.discard();
        closed = true;
        for (const each of of("queued")) each.state = "dropped";
        return;
    }
  };

  for (const each of steps) {
    const before = ledger.committed ?? -1;
    apply(each);
    // Counters are what the state says.
    const queued = of("queued");
    assert.equal(ledger.queuedMessages, queued.length);
    assert.equal(ledger.queuedBytes, queued.reduce((sum, { bytes }) => sum + bytes, 0));
    assert.equal(ledger.inFlight, of("under way").length);
    assert.equal(ledger.position, position);
    // Nothing is committed beyond the lowest message that is not finished, and nothing goes back.
    const unfinished = messages.find(({ state }) => state !== "finished");
    const commitable = ledger.commitable();
    if (commitable !== null) {
      assert.ok(commitable > before);
      assert.ok(unfinished === undefined || commitable <= unfinished.offset);
    }
    assert.ok((ledger.committed ?? -1) >= before);
    // Where all is finished, gaps and markers behind the last message are done with as well.
    if (unfinished === undefined) {
      assert.equal(
        commitable,
        position !== null && position > (ledger.committed ?? -1) ? position : null,
      );
      assert.equal(ledger.finishedTo, position);
    }
    const stands = ledger.finishedTo ?? -1;
    assert.ok(unfinished === undefined || stands <= unfinished.offset);
    assert.ok(stands >= stood, `it stood at ${stood} and stands at ${stands}`);
    stood = stands;
  }
}

describe("PartitionLedger", () => {
  it("holds what the model holds, whatever happens", () => {
    const start = fc.oneof(fc.constant(undefined), fc.constantFrom(0, 5, 2 ** 40));
    fc.assert(
      fc.property(
        start,
        fc.boolean(),
        fc.array(step, { maxLength: 60, size: "max" }),
        (at, wasCommitted, steps) => run(at, wasCommitted ? at ?? null : null, steps),
      ),
      { numRuns: 500 },
    );
  });

  it("commits beyond gaps only when everything before them is finished", () => {
    const ledger = ledgerAt(0);
    ledger.add(table([{ offset: 3, size: 1 }, { offset: 7, size: 1 }]), 20);
    assert.equal(ledger.take(0, 10, 1e6)!.to, 2);
    ledger.finish(0, 1, 3);
    assert.equal(ledger.commitable(), 4);
    ledger.finish(0, 2, 7);
    assert.equal(ledger.commitable(), 20);
    ledger.committed = 20;
    assert.equal(ledger.commitable(), null);
  });

  it("commits the end of a partition that held nothing but markers", () => {
    const ledger = ledgerAt(0, 0);
    ledger.add(table([]), 9);
    assert.equal(ledger.commitable(), 9);
  });

  it("knows nothing to commit before the first batch of a source that names no position", () => {
    const ledger = ledgerAt();
    assert.deepEqual([ledger.commitable(), ledger.finishedTo, ledger.position], [null, null, null]);
    ledger.add(table([]));
    assert.equal(ledger.commitable(), null);
    ledger.add(table([{ offset: 50, size: 1 }]));
    assert.deepEqual([ledger.commitable(), ledger.position], [null, 51]);
  });

  it("commits nothing while its first message is under way, and stands where it began", () => {
    const ledger = ledgerAt(5);
    ledger.add(table([{ offset: 5, size: 1 }]));
    ledger.take(0, 1, 1e6);
    assert.deepEqual([ledger.commitable(), ledger.finishedTo], [null, 5]);
  });

  it("keeps to what it has passed when more arrives", () => {
    const ledger = ledgerAt(5);
    ledger.add(table([]), 100);
    ledger.add(table([{ offset: 100, size: 1 }]));
    assert.deepEqual([ledger.commitable(), ledger.finishedTo], [100, 100]);
  });

  it("does not commit beyond what was discarded, even when all the rest is finished", () => {
    const ledger = ledgerAt(0, 0);
    ledger.add(table([{ offset: 0, size: 1 }, { offset: 1, size: 1 }, { offset: 2, size: 1 }]));
    ledger.take(0, 2, 1e6);
    ledger.discard();
    ledger.finish(0, 2, 1);
    assert.equal(ledger.commitable(), 2);
    assert.equal(ledger.take(1, 9, 1e6), null);
    ledger.add(table([{ offset: 2, size: 1 }]), 3);
    assert.deepEqual([ledger.queuedMessages, ledger.commitable()], [0, 2]);
  });

  it("does not take a later batch's end for its own while an earlier one is under way", () => {
    const ledger = ledgerAt(0, 0);
    ledger.add(table([{ offset: 0, size: 1 }, { offset: 1, size: 1 }, { offset: 2, size: 1 }]));
    ledger.take(0, 1, 1e6);
    ledger.take(1, 1, 1e6);
    assert.equal(ledger.finish(1, 1, 1), true);
    assert.equal(ledger.commitable(), null);
    assert.equal(ledger.finish(0, 1, 0), true);
    assert.equal(ledger.commitable(), 1);
  });

  it("takes what fits to the byte", () => {
    const fill = () => {
      const ledger = ledgerAt(0);
      ledger.add(table([0, 1, 2].map((offset) => ({ offset, size: 10 }))));
      return ledger;
    };
    const { bytes } = fill().take(0, 2, 1e6)!;
    assert.equal(fill().take(0, 9, bytes)!.to, 2);
    assert.equal(fill().take(0, 9, bytes - 1)!.to, 1);
  });

  it("takes a message that is larger than all the room alone", () => {
    const ledger = ledgerAt(0);
    ledger.add(table([{ offset: 0, size: 10_000 }, { offset: 1, size: 1 }]));
    const { from, to, bytes } = ledger.take(0, 100, 1)!;
    assert.deepEqual([from, to], [0, 1]);
    assert.ok(bytes > 10_000);
  });
});
