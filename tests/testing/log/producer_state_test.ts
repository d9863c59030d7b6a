import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { PartitionLog } from "../../../src/testing/log/partition_log.ts";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { batchOf, NOW } from "./batches.ts";

const MAX_IN_FLIGHT = 5;
const REQUEST_LOST = 0;
const ANSWER_LOST = 1;
const ARRIVES = 2;
const context = { leaderEpoch: 0, now: NOW };

describe("an idempotent producer", () => {
  it("gets every record in once and in order, whatever is lost on the way", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 25 });
    const fates = fc.array(fc.constantFrom(REQUEST_LOST, ANSWER_LOST, ARRIVES, ARRIVES), {
      maxLength: 100,
      size: "max",
    });
    const firstSequence = fc.constantFrom(0, 2 ** 31 - 9);
    fc.assert(
      fc.property(sizes, fates, firstSequence, (sizes, fates, sequence) => {
        const log = new PartitionLog();
        const batches = sizes.map((size, index) => {
          const baseSequence = sequence;
          sequence = (sequence + size) % 2 ** 31;
          return batchOf(Array(size).fill({ value: String(index) }), {
            producerId: 3,
            producerEpoch: 1,
            baseSequence,
          });
        });
        const offsets = sizes.map((_, index) => sizes.slice(0, index).reduce((a, b) => a + b, 0));
        // Of an unknown producer any batch is taken: the first has to be the first.
        log.append(batches[0]!, context);
        let appended = 1;
        let acknowledged = 0;
        while (acknowledged < batches.length) {
          // All that is under way is sent, and in the next turn again what was not acknowledged.
          const end = Math.min(batches.length, acknowledged + MAX_IN_FLIGHT);
          for (let index = acknowledged; index < end; index++) {
            const fate = fates.shift() ?? ARRIVES;
            if (fate === REQUEST_LOST) continue;
            const result = log.append(batches[index]!, context);
            if (index > appended) {
              assert.equal(result.errorCode, ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER);
              continue;
            }
            assert.equal(result.errorCode, ERROR.NONE);
            assert.equal(result.baseOffset, offsets[index]);
            assert.equal(result.appended, index === appended);
            if (index === appended) appended++;
            if (index === acknowledged && fate !== ANSWER_LOST) acknowledged++;
          }
        }
        assert.deepEqual(
          [...log.records()].map(({ value }) => Number(value)),
          sizes.flatMap((size, index) => Array(size).fill(index)),
        );
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  it("shares nothing with others", () => {
    const log = new PartitionLog();
    const of = (producerId: number, baseSequence: number) =>
      log.append(
        batchOf([{ value: "x" }], { producerId, producerEpoch: 0, baseSequence }),
        context,
      );
    assert.deepEqual([of(1, 0), of(2, 0), of(1, 1), of(2, 1)].map((result) => result.baseOffset), [
      0,
      1,
      2,
      3,
    ]);
    assert.deepEqual([of(2, 0), of(1, 0)].map((result) => result.baseOffset), [1, 0]);
    assert.equal(of(2, 3).errorCode, ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert.equal(log.endOffset, 4);
  });

  it("is known by what a truncated log has of it", () => {
    const log = new PartitionLog();
    const of = (baseSequence: number) =>
      log.append(
        batchOf([{ value: "x" }], { producerId: 1, producerEpoch: 0, baseSequence }),
        context,
      );
    for (const sequence of [0, 1, 2]) of(sequence);
    log.truncate(2);
    assert.equal(of(3).errorCode, ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert.equal(of(1).appended, false);
    assert.equal(of(2).appended, true);
    log.truncate(0);
    assert.equal(of(2).baseOffset, 0, "nothing is known of it, anything goes");
  });
});
