import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import type { OffsetCommit } from "../../src/driver.ts";
import { LostPartitionError } from "../../src/errors.ts";
import { Committer } from "../../src/poller/committer.ts";
import { PartitionLedger } from "../../src/poller/partition_ledger.ts";

/** A commit function whose calls the test answers. */
function fakeCommit() {
  const calls: { offsets: readonly OffsetCommit[]; answer: PromiseWithResolvers<void> }[] = [];
  return {
    calls,
    commit(offsets: readonly OffsetCommit[]): Promise<void> {
      const answer = Promise.withResolvers<void>();
      calls.push({ offsets, answer });
      return answer.promise;
    },
  };
}

const ledgers = (count: number) =>
  Array.from(
    { length: count },
    (_, partition) => new PartitionLedger({ topic: "t", partition }, 1),
  );

/** All that follows from what has just been done: a handful of microtasks. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

describe("Committer", () => {
  it("sends what is asked for in one turn together, the newest of each partition", async () => {
    const { calls, commit } = fakeCommit();
    const committer = new Committer(commit);
    const [a, b] = ledgers(2) as [PartitionLedger, PartitionLedger];
    const asked = [committer.submit(a, 3), committer.submit(b, 9), committer.submit(a, 5)];
    await settle();
    assert.deepEqual(calls.map(({ offsets }) => offsets), [[
      { topic: "t", partition: 0, offset: 5 },
      { topic: "t", partition: 1, offset: 9 },
    ]]);
    calls[0]!.answer.resolve();
    await Promise.all(asked);
    assert.deepEqual([a.committed, b.committed], [5, 9]);
  });

  it("does not send what is committed already", async () => {
    const { calls, commit } = fakeCommit();
    const committer = new Committer(commit);
    const [ledger] = ledgers(1) as [PartitionLedger];
    ledger.committed = 7;
    await Promise.all([committer.submit(ledger, 7), committer.submit(ledger, 2)]);
    assert.equal(calls.length, 0);
  });

  it("does not take back what a commit under way has brought", async () => {
    const { calls, commit } = fakeCommit();
    const committer = new Committer(commit);
    const [ledger] = ledgers(1) as [PartitionLedger];
    const newer = committer.submit(ledger, 10);
    await settle();
    const older = committer.submit(ledger, 5);
    calls[0]!.answer.resolve();
    await settle();
    assert.equal(calls.length, 1);
    await Promise.all([newer, older]);
    assert.equal(ledger.committed, 10);
  });

  it("refuses what waits for a partition that goes, and tells of which", async () => {
    const { calls, commit } = fakeCommit();
    const committer = new Committer(commit);
    const [a, b] = ledgers(2) as [PartitionLedger, PartitionLedger];
    const underWay = committer.submit(a, 1);
    await settle();
    const waits = committer.submit(a, 2);
    const other = committer.submit(b, 3);
    committer.drop(a);
    committer.drop(a);
    await assert.rejects(waits, (error) => {
      assert.ok(LostPartitionError.is(error));
      assert.deepEqual([error.topic, error.partition], ["t", 0]);
      assert.equal(error.message, 'Cannot commit "t" partition 0: it is no longer assigned');
      return true;
    });
    calls[0]!.answer.resolve();
    await underWay;
    await settle();
    assert.deepEqual(calls[1]!.offsets, [{ topic: "t", partition: 1, offset: 3 }]);
    calls[1]!.answer.resolve();
    await other;
  });

  it("sends nothing where all that was asked for has gone before its turn", async () => {
    const { calls, commit } = fakeCommit();
    const committer = new Committer(commit);
    const [ledger] = ledgers(1) as [PartitionLedger];
    const asked = committer.submit(ledger, 1);
    committer.drop(ledger);
    await assert.rejects(asked, LostPartitionError);
    await settle();
    assert.equal(calls.length, 0);
    const again = committer.submit(ledger, 1);
    await settle();
    calls[0]!.answer.resolve();
    await again;
  });

  it("passes on what the driver throws, also at once, and goes on", async () => {
    let calls = 0;
    const committer = new Committer(() => {
      if (calls++ === 0) throw new RangeError("at once");
      return Promise.resolve();
    });
    const [ledger] = ledgers(1) as [PartitionLedger];
    await assert.rejects(committer.submit(ledger, 1), { name: "RangeError", message: "at once" });
    assert.equal(ledger.committed, null);
    await committer.submit(ledger, 1);
    assert.equal(ledger.committed, 1);
  });

  it("keeps its promises whatever the driver answers, and when", async () => {
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          do: fc.constant("submit" as const),
          ledger: fc.nat(2),
          offset: fc.nat(30),
        }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("resolve" as const) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("reject" as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("drop" as const), ledger: fc.nat(2) }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("turn" as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50, size: "max" }), async (steps) => {
        const { calls, commit } = fakeCommit();
        const committer = new Committer(commit);
        const parts = ledgers(3);
        const broker = new Map<number, number>();
        const outcomes: { ledger: PartitionLedger; offset: number; outcome?: unknown }[] = [];
        let answered = 0;

        const answer = async (ok: boolean) => {
          const call = calls[answered];
          if (call === undefined) return;
          answered++;
          if (ok) {
            for (const { partition, offset } of call.offsets) {
              // The broker believes the last commit that it gets: it must be the newest.
              assert.ok(offset > (broker.get(partition) ?? -1));
              broker.set(partition, offset);
            }
            call.answer.resolve();
          } else {
            call.answer.reject(new Error(`refused ${answered}`));
          }
          await settle();
        };

        for (const step of steps) {
          if (step.do === "submit") {
            const ledger = parts[step.ledger]!;
            const entry: (typeof outcomes)[number] = { ledger, offset: step.offset };
            outcomes.push(entry);
            committer.submit(ledger, step.offset).then(
              () => {
                // Resolved means: the broker has it, or something newer.
                assert.ok(broker.get(ledger.partition)! >= step.offset);
                entry.outcome = "ok";
              },
              (error) => entry.outcome = error,
            ).catch((error) => entry.outcome = `broken promise: ${error}`);
          } else if (step.do === "drop") {
            committer.drop(parts[step.ledger]!);
          } else if (step.do === "turn") {
            await settle();
          } else {
            await answer(step.do === "resolve");
          }
          // One at a time, each partition at most once.
          assert.ok(calls.length <= answered + 1);
          for (const { offsets } of calls) {
            assert.equal(new Set(offsets.map(({ partition }) => partition)).size, offsets.length);
          }
          for (const ledger of parts) {
            assert.equal(ledger.committed, broker.get(ledger.partition) ?? null);
          }
        }
        await settle();
        while (answered < calls.length) await answer(true);
        await settle();
        for (const { outcome } of outcomes) {
          assert.ok(
            outcome === "ok" || LostPartitionError.is(outcome) ||
              (outcome instanceof Error && outcome.message.startsWith("refused")),
            `a submit has ended with ${outcome}`,
          );
        }
      }),
    );
  });
});
