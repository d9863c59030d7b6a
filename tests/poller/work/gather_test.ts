import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import type { DriverRecord } from "../../../src/driver.ts";
import { gatherRecords } from "../../../src/poller/work/gather.ts";
import {
  headersAt,
  keyAt,
  packRecords,
  type RecordTable,
  tableOfRecords,
  unpackRecords,
  valueAt,
} from "../../../src/threads/records.ts";

const bytes = fc.option(fc.uint8Array({ maxLength: 80, size: "max" }), { nil: null });
const records = fc.array(
  fc.record({
    key: bytes,
    value: bytes,
    timestamp: fc.nat(),
    headers: fc.array(fc.record({ key: fc.string(), value: bytes }), { maxLength: 3 }),
  }),
  { maxLength: 8 },
).map((list) => list.map((record, offset): DriverRecord => ({ ...record, offset: offset * 2 })));

const read = (table: RecordTable, index: number) => ({
  offset: table.offsets[index],
  timestamp: table.timestamps[index],
  key: keyAt(table, index),
  value: valueAt(table, index),
  headers: headersAt(table, index),
});

describe("gatherRecords", () => {
  it("puts records of any tables, in any order, into one buffer that is read in place", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(records, fc.nat(8)), { maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 20 }),
        (lists, chosen) => {
          // Some tables are a part of a larger one, so that their positions do not begin at 0.
          const tables = lists.map(([list, from]) => {
            const table = tableOfRecords(list, 0);
            return unpackRecords(packRecords(table, Math.min(from, table.count), table.count));
          }).filter(({ count }) => count > 0);
          const places = tables.length === 0 ? [] : chosen.map(([one, other]) => {
            const table = tables[one % tables.length]!;
            return { table, index: other % table.count };
          });
          const gathered = unpackRecords(gatherRecords(places));
          assert.equal(gathered.count, places.length);
          places.forEach(({ table, index }, place) => {
            assert.deepEqual(read(gathered, place), read(table, index));
          });
          // What was gathered can be gathered, and packed, again.
          const again = gatherRecords(places.map((_, index) => ({ table: gathered, index })));
          const packed = packRecords(gathered, 0, gathered.count);
          assert.deepEqual(new Uint8Array(again.buffer), new Uint8Array(packed.buffer));
        },
      ),
    );
  });
});
