import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import type { DriverRecord } from "../../src/driver.ts";
import {
  headersAt,
  isRecordTable,
  keyAt,
  packRecords,
  recordBytes,
  type RecordTable,
  tableOfRecords,
  textAt,
  unpackRecords,
  valueAt,
} from "../../src/threads/records.ts";
import { bytesOf, records } from "./arbitrary_records.ts";

const NOW = 1_234_567;

/** Compares every field of every record. */
function assertHolds(table: RecordTable, expected: readonly DriverRecord[]): void {
  assert.equal(table.count, expected.length);
  expected.forEach((record, index) => {
    assert.equal(table.offsets[index], record.offset);
    assert.equal(table.timestamps[index], record.timestamp ?? NOW);
    assertBytes(keyAt(table, index), record.key);
    assertBytes(valueAt(table, index), record.value);
    const headers = headersAt(table, index);
    assert.deepEqual(headers.map(({ key }) => key), (record.headers ?? []).map(({ key }) => key));
    headers.forEach(({ value }, header) => assertBytes(value, record.headers![header]!.value));
  });
}

function assertBytes(
  actual: Uint8Array | null,
  expected: Uint8Array | string | null | undefined,
): void {
  const bytes = bytesOf(expected);
  if (actual === null || bytes === null) return assert.equal(actual, bytes);
  assert.deepEqual([...actual], [...bytes]);
}

/** The same table in the middle of a larger buffer, its positions counted from elsewhere. */
function moved(table: RecordTable, before: number, base: number): RecordTable {
  const buffer = new Uint8Array(before + table.bytes.length + 7).fill(0xaa);
  buffer.set(table.bytes, before);
  const bounds = table.bounds.map((bound, index) =>
    index % 5 === 1 || index % 5 === 3 ? bound : bound + base
  );
  const bytes = buffer.subarray(before, before + table.bytes.length + 3);
  return { ...table, bounds, bytes, base, end: table.end + base };
}

describe("tableOfRecords()", () => {
  it("keeps every field of every record", () => {
    fc.assert(fc.property(records(), (list) => assertHolds(tableOfRecords(list, NOW), list)));
  });

  it("tells an empty key or value from none, in whatever form they are given", () => {
    const list: DriverRecord[] = [
      { offset: 0, key: "", value: new Uint8Array(0) },
      { offset: 1, key: null, value: null },
      { offset: 2, value: "" },
    ];
    const table = tableOfRecords(list, NOW);
    assert.deepEqual([0, 1, 2].map((index) => keyAt(table, index)?.length), [
      0,
      undefined,
      undefined,
    ]);
    assert.deepEqual([0, 1, 2].map((index) => valueAt(table, index)?.length), [0, undefined, 0]);
  });

  it("counts exactly the bytes that it makes", () => {
    fc.assert(fc.property(records(), (list) => {
      const table = tableOfRecords(list, NOW);
      assert.equal(table.end, table.bytes.length);
      assert.equal(recordBytes(table, 0, table.count), table.bytes.length);
    }));
  });

  it("is told from a list", () => {
    assert.equal(isRecordTable(tableOfRecords([], NOW)), true);
    for (const other of [[], [{ offset: 0, value: "bounds" }], null, undefined, "bounds", 5]) {
      assert.equal(isRecordTable(other), false);
    }
  });
});

const listAndRuns = records({ maxLength: 12 }).chain((list) =>
  fc.record({
    list: fc.constant(list),
    before: fc.nat(9),
    base: fc.nat(2 ** 20),
    cuts: fc.uniqueArray(fc.nat(list.length), { maxLength: 4 })
      .map((cuts) => [...new Set([0, ...cuts, list.length])].sort((a, b) => a - b)),
  })
);

describe("packRecords() and unpackRecords()", () => {
  it("carry any run of any table, also packed again, also across a clone", () => {
    fc.assert(fc.property(listAndRuns, ({ list, before, base, cuts }) => {
      const table = moved(tableOfRecords(list, NOW), before, base);
      for (let index = 1; index < cuts.length; index++) {
        const [from, to] = [cuts[index - 1]!, cuts[index]!];
        const run = unpackRecords(structuredClone(packRecords(table, from, to)));
        assertHolds(run, list.slice(from, to));
        assert.equal(recordBytes(run, 0, run.count), recordBytes(table, from, to));
        // A run of a run, whose positions begin at neither 0 nor the run's own start.
        for (let start = 0; start <= run.count; start++) {
          const again = unpackRecords(packRecords(run, start, run.count));
          assertHolds(again, list.slice(from + start, to));
        }
      }
    }));
  });

  it("share the bytes out without a rest", () => {
    fc.assert(fc.property(listAndRuns, ({ list, cuts }) => {
      const table = tableOfRecords(list, NOW);
      const sum = cuts.slice(1).reduce(
        (total, to, index) => total + recordBytes(table, cuts[index]!, to),
        0,
      );
      assert.equal(sum, table.bytes.length);
    }));
  });

  it("leave the table as it was: a run may be packed as often as one likes", () => {
    fc.assert(fc.property(records({ minLength: 1 }), (list) => {
      const table = tableOfRecords(list, NOW);
      const first = packRecords(table, 0, list.length);
      const second = packRecords(table, 0, list.length);
      new Uint8Array(first.buffer).fill(0xff);
      assertHolds(unpackRecords(second), list);
      assertHolds(table, list);
    }));
  });

  it("move the buffer when it is transferred", () => {
    const list = [{ offset: 2 ** 40, key: "k", value: "v", headers: [{ key: "h", value: null }] }];
    const packed = packRecords(tableOfRecords(list, NOW), 0, 1);
    const size = packed.buffer.byteLength;
    const received = structuredClone(packed, { transfer: [packed.buffer] });
    assert.equal(packed.buffer.byteLength, 0);
    assert.equal(received.buffer.byteLength, size);
    assertHolds(unpackRecords(received), list);
  });

  it("carry no records at all", () => {
    const packed = packRecords(tableOfRecords([{ offset: 1, value: "x" }], NOW), 1, 1);
    assert.equal(packed.buffer.byteLength, 0);
    assert.equal(unpackRecords(packed).count, 0);
  });

  it("read in place, without a copy", () => {
    const { buffer, ...rest } = packRecords(tableOfRecords([{ offset: 1, value: "x" }], NOW), 0, 1);
    const table = unpackRecords({ ...rest, buffer });
    assert.equal(table.offsets.buffer, buffer);
    assert.equal(valueAt(table, 0)!.buffer, buffer);
  });
});

describe("textAt()", () => {
  it("reads any bytes as a UTF-8 decoder does, a byte order mark kept", () => {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const values = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 12 }),
        fc.string({ unit: "binary", maxLength: 8 }).map((text) => bytesOf(text)!),
        fc.constant(bytesOf("\ufeffmark")!),
        fc.constant(null),
      ),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(fc.property(values, (list) => {
      const records = list.map((value, offset) => ({ offset, key: "é", value }));
      const table = unpackRecords(packRecords(tableOfRecords(records, NOW), 0, list.length));
      list.forEach((value, index) =>
        assert.equal(textAt(table, index), value === null ? null : decoder.decode(value))
      );
    }));
  });
});

describe("headersAt()", () => {
  it("ends, and holds no more than there is, where the bytes are damaged", () => {
    fc.assert(fc.property(
      records({ minLength: 1, maxLength: 3 }),
      fc.uint8Array({ minLength: 1, maxLength: 10 }),
      fc.nat(),
      (list, damage, where) => {
        const table = tableOfRecords(list, NOW);
        damage.forEach((byte, index) => table.bytes[(where + index) % table.bytes.length] = byte);
        for (let index = 0; index < table.count; index++) {
          try {
            assert.ok(headersAt(table, index).length <= table.bytes.length);
          } catch (error) {
            assert.ok(error instanceof RangeError, String(error));
          }
        }
      },
    ));
  });

  it("does not believe a count that the bytes cannot hold", () => {
    const table = tableOfRecords([{ offset: 0, value: "x" }], NOW);
    // A varint of 2^31 - 1 in place of the count 0.
    const bytes = Uint8Array.of(...table.bytes.subarray(0, -1), 0xfe, 0xff, 0xff, 0xff, 0x0f);
    assert.throws(() => headersAt({ ...table, bytes, end: bytes.length }, 0), RangeError);
  });
});
