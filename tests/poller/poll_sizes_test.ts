import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import type { DriverBatch } from "../../src/driver.ts";
import { PollSizes } from "../../src/poller/poll_sizes.ts";
import { POLL_SIZE_BOUNDS } from "../../src/threads/messages.ts";
import { tableOfRecords } from "../../src/threads/records.ts";

/** A batch of so many messages, as a list or as a table. */
function batch(count: number, asTable: boolean): DriverBatch {
  const records = Array.from({ length: count }, (_, offset) => ({ offset, value: null }));
  return { topic: "t", partition: 0, records: asTable ? tableOfRecords(records, 0) : records };
}

/** A batch of which nothing but the number of its messages is looked at. */
const counted = (count: number) => ({ records: { count } }) as unknown as DriverBatch;

describe("PollSizes", () => {
  it("counts the messages of all batches of a poll together, of lists and of tables", () => {
    const sizes = new PollSizes();
    sizes.add([batch(3, false), batch(4, true), batch(0, false)]);
    const { polls, messages, sizes: [upToOne, upToTen] } = sizes.counts();
    assert.deepEqual([polls, messages, upToOne, upToTen], [1, 7, 0, 1]);
  });

  it("leaves polls out that bring nothing", () => {
    const sizes = new PollSizes();
    sizes.add([]);
    sizes.add([batch(0, true)]);
    assert.deepEqual(sizes.counts(), {
      polls: 0,
      messages: 0,
      sizes: POLL_SIZE_BOUNDS.map(() => 0).concat(0),
    });
  });

  it("counts each poll in one bucket: that of the lowest bound it does not exceed", () => {
    const polls = fc.array(fc.oneof(
      fc.constantFrom(...POLL_SIZE_BOUNDS.flatMap((bound) => [bound, bound + 1])),
      fc.integer({ min: 1, max: 20_000 }),
    ));
    fc.assert(fc.property(polls, (polls) => {
      const sizes = new PollSizes();
      for (const count of polls) sizes.add([counted(count)]);
      const bounds = [0, ...POLL_SIZE_BOUNDS, Infinity];
      assert.deepEqual(sizes.counts(), {
        polls: polls.length,
        messages: polls.reduce((sum, count) => sum + count, 0),
        sizes: bounds.slice(1).map((bound, index) =>
          polls.filter((count) => count > bounds[index]! && count <= bound).length
        ),
      });
    }));
  });

  it("gives out copies", () => {
    const sizes = new PollSizes();
    const before = sizes.counts();
    sizes.add([counted(5)]);
    assert.equal(before.sizes[1], 0);
  });
});
