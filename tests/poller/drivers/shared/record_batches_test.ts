import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { compressionsAlgorithms } from "@platformatic/kafka";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { decompress } from "../../../../src/poller/drivers/kafkajs/compression.ts";
import {
  type DecodedRecords,
  decodeRecordBatches,
  magicOf,
} from "../../../../src/poller/drivers/shared/record_batches.ts";
import {
  headersAt,
  keyAt,
  packRecords,
  type RecordTable,
  unpackRecords,
  valueAt,
} from "../../../../src/threads/records.ts";
import {
  COUNT_AT,
  encodeBatch,
  encodeMarker,
  type PlainBatch,
  type PlainRecord,
  RECORDS_AT,
} from "./encode.ts";
import { oracleBatch, oracleCommitted, type OracleMessage, oracleMessages } from "./oracle.ts";

/** A message in a form that can be compared. */
type Plain = [
  offset: number,
  timestamp: number,
  key: string | null,
  value: string | null,
  headers: [string, (string | null)[]][],
];

const hex = (bytes: Uint8Array | null) =>
  bytes === null ? null : Buffer.from(bytes).toString("hex");

/** Names of headers with all of their values, as kafkajs knows them. */
function grouped(headers: readonly { key: string; value: Uint8Array | null }[]): Plain[4] {
  const names = [...new Set(headers.map(({ key }) => key))].sort();
  return names.map((name) => [
    name,
    headers.filter(({ key }) => key === name).map(({ value }) => hex(value)),
  ]);
}

/** The records of the tables, after a trip across threads. */
function decoded({ tables }: DecodedRecords): Plain[] {
  return tables.flatMap((table) => plain(unpackRecords(packRecords(table, 0, table.count))));
}

function plain(table: RecordTable): Plain[] {
  return Array.from({ length: table.count }, (_, index) => [
    table.offsets[index]!,
    table.timestamps[index]!,
    hex(keyAt(table, index)),
    hex(valueAt(table, index)),
    grouped(headersAt(table, index)),
  ]);
}

const written = (records: readonly PlainRecord[], appendTime?: number): Plain[] =>
  records.map(({ offset, timestamp, key, value, headers }) => [
    offset,
    appendTime ?? timestamp,
    hex(key),
    hex(value),
    grouped(headers),
  ]);

const byOracle = (messages: readonly OracleMessage[]): Plain[] =>
  messages.map(({ offset, timestamp, key, value, headers }) => [
    Number(offset),
    Number(timestamp),
    hex(key),
    hex(value),
    Object.entries(headers)
      .map(([name, values]) =>
        [name, (Array.isArray(values) ? values : [values]).map(hex)] as [string, (string | null)[]]
      )
      .sort(([a], [b]) => a < b ? -1 : 1),
  ]);

const decode = (
  bytes: Uint8Array,
  fetchOffset = 0,
  aborted: readonly { producerId: number; firstOffset: number }[] | null = null,
) =>
  decodeRecordBatches(
    bytes,
    fetchOffset,
    aborted?.map(({ producerId, firstOffset }) => ({
      producerId: BigInt(producerId),
      firstOffset,
    })) ?? null,
    decompress,
  );

/** The same bytes in the middle of others. */
function embedded(bytes: Uint8Array, before = 5): Uint8Array {
  const larger = new Uint8Array(before + bytes.length + 9).fill(0x55);
  larger.set(bytes, before);
  return larger.subarray(before, before + bytes.length);
}

const someBytes = fc.oneof(
  fc.uint8Array({ maxLength: 30 }),
  fc.constant(new Uint8Array(0)),
  // Lengths that take varints of two and three bytes.
  fc.constantFrom(64, 200, 9_000).map((length) => new Uint8Array(length).fill(7)),
  fc.constant(null),
);

const header = fc.record({
  key: fc.constantFrom("a", "b", "", "ключ", "n".repeat(80)),
  value: someBytes,
});

/** What is in a record, with the gap before it and its distance from the batch's time. */
const content = fc.record({
  gap: fc.oneof(fc.constant(0), fc.nat(300)),
  delta: fc.oneof(
    fc.integer({ min: -100, max: 100 }),
    fc.integer({ min: -1e12, max: 1e12 }),
    fc.constantFrom(2 ** 31, -(2 ** 31), 2 ** 33 - 1),
  ),
  key: someBytes,
  value: someBytes,
  headers: fc.array(header, { maxLength: 3 }),
});

const codecs = Object.values(compressionsAlgorithms)
  .filter(({ available, bitmask }) => available && bitmask > 0);

/** Batches one behind the other, with gaps in them, between them and behind them. */
const batches = fc.tuple(
  fc.oneof(fc.nat(1_000), fc.integer({ min: 2 ** 31, max: 2 ** 52 })),
  fc.integer({ min: 1e12, max: 4e12 }),
  fc.array(
    fc.record({
      before: fc.nat(3),
      behind: fc.nat(3),
      contents: fc.array(content, { maxLength: 6 }),
      appendTime: fc.option(fc.integer({ min: 1e12, max: 4e12 }), { nil: undefined }),
      codec: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, fc.constantFrom(...codecs)),
    }),
    { maxLength: 5 },
  ),
).map(([start, baseTimestamp, list]) => {
  let next = start;
  return list.map(({ before, behind, contents, appendTime, codec }): PlainBatch => {
    const baseOffset = next + before;
    next = baseOffset;
    const records = contents.map(({ gap, delta, ...rest }) => {
      const record = { ...rest, offset: next + gap, timestamp: baseTimestamp + delta };
      next += gap + 1;
      return record;
    });
    const lastOffset = next - 1 + behind + (contents.length === 0 ? 1 : 0);
    next = lastOffset + 1;
    return {
      records,
      baseOffset,
      lastOffset,
      baseTimestamp,
      ...appendTime === undefined ? {} : { appendTime },
      // Kafka writes empty batches without a codec.
      ...codec === undefined || records.length === 0 ? {} : {
        codec: codec.bitmask,
        compress: (bytes: Uint8Array) => codec.compressSync(Buffer.from(bytes)),
      },
    };
  });
});

describe("decodeRecordBatches()", () => {
  it("reads what was written, whatever it is", async () => {
    await fc.assert(fc.asyncProperty(batches, async (list) => {
      const bytes = embedded(Buffer.concat(list.map(encodeBatch)));
      const result = await decode(bytes);
      assert.deepEqual(
        decoded(result),
        list.flatMap(({ records, appendTime }) => written(records, appendTime)),
      );
      assert.equal(result.nextOffset, list.length === 0 ? null : list.at(-1)!.lastOffset! + 1);
    }));
  });

  it("reads what kafkajs reads", async () => {
    const readable = (list: PlainBatch[]) => list.every(({ codec = 0 }) => codec <= 1);
    await fc.assert(fc.asyncProperty(batches.filter(readable), async (list) => {
      const bytes = Buffer.concat(list.map(encodeBatch));
      assert.deepEqual(decoded(await decode(bytes)), byOracle(await oracleMessages(bytes)));
    }));
  });

  it("reads what kafkajs writes", async () => {
    await fc.assert(fc.asyncProperty(
      fc.array(content, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 0, max: 2 ** 40 }),
      fc.constantFrom(0, 1),
      async (contents, firstOffset, compression) => {
        let offset = firstOffset - 1;
        const records = contents.map(({ gap, delta, key, value }) => ({
          offset: offset += gap + 1,
          timestamp: 2e12 + delta,
          key,
          value,
          // kafkajs cannot write null there.
          headers: { h: [Uint8Array.of(1), new Uint8Array(0)], "ключ": Uint8Array.of(2) },
        }));
        const encoded = records.map(({ headers, key, value, ...rest }) => ({
          ...rest,
          key: key && Buffer.from(key),
          value: value && Buffer.from(value),
          headers: {
            h: headers.h.map((each) => Buffer.from(each)),
            "ключ": Buffer.from(headers["ключ"]),
          },
        }));
        const bytes = await oracleBatch(
          { firstOffset, firstTimestamp: 2e12, compression },
          encoded,
        );
        const result = await decode(bytes);
        assert.deepEqual(
          decoded(result),
          written(records.map((record) => ({
            ...record,
            headers: [
              ...record.headers.h.map((value) => ({ key: "h", value })),
              { key: "ключ", value: record.headers["ключ"] },
            ],
          }))),
        );
        assert.equal(result.nextOffset, offset + 1);
      },
    ));
  });

  it("leaves out what lies before the offset that was asked for", async () => {
    await fc.assert(fc.asyncProperty(batches, fc.nat(), async (list, place) => {
      const offsets = list.flatMap(({ baseOffset, lastOffset }) => [baseOffset!, lastOffset! + 1]);
      if (offsets.length === 0) return;
      const [first, last] = [Math.min(...offsets), Math.max(...offsets)];
      const fetchOffset = first + place % (last - first + 1);
      const result = await decode(Buffer.concat(list.map(encodeBatch)), fetchOffset);
      assert.deepEqual(
        decoded(result),
        list.flatMap(({ records, appendTime }) =>
          written(records.filter(({ offset }) => offset >= fetchOffset), appendTime)
        ),
      );
      assert.equal(result.nextOffset, last);
    }));
  });

  it("reads whole batches only, where the last one is cut off anywhere", async () => {
    await fc.assert(
      fc.asyncProperty(batches, fc.nat(), async (list, place) => {
        const encoded = list.map(encodeBatch);
        const bytes = Buffer.concat(encoded);
        const length = place % (bytes.length + 1);
        let end = 0;
        const whole = list.filter((_, index) => (end += encoded[index]!.length) <= length);
        const result = await decode(embedded(bytes.subarray(0, length)));
        assert.deepEqual(
          decoded(result),
          whole.flatMap(({ records, appendTime }) => written(records, appendTime)),
        );
        assert.equal(result.nextOffset, whole.length === 0 ? null : whole.at(-1)!.lastOffset! + 1);
      }),
      { numRuns: 300 },
    );
  });

  it("reads a compressed batch with each codec", async () => {
    const records = Array.from({ length: 50 }, (_, index) => ({
      offset: index,
      timestamp: 1e12 + index,
      key: Buffer.from(`key ${index}`),
      value: Buffer.from("value ".repeat(index)),
      headers: [],
    }));
    assert.deepEqual(codecs.map(({ bitmask }) => bitmask).slice(0, 3), [1, 2, 3]);
    for (const { bitmask, compressSync } of codecs) {
      const compress = (bytes: Uint8Array) => compressSync(Buffer.from(bytes));
      const bytes = encodeBatch({ records, codec: bitmask, compress });
      const other = encodeBatch({ records: records.slice(0, 1), codec: bitmask, compress });
      const result = await decode(bytes);
      // A codec that hands out memory which it uses again would be found here.
      await decode(other);
      assert.deepEqual(decoded(result), written(records));
    }
  });

  it("reads snappy in the frames of Java's clients", async () => {
    const { compressSync } = compressionsAlgorithms.snappy;
    const records = [{
      offset: 4,
      timestamp: 1e12,
      key: null,
      value: Buffer.from("x"),
      headers: [],
    }];
    const bytes = encodeBatch({
      records,
      codec: 2,
      compress: (plain) => {
        const chunk = compressSync(Buffer.from(plain));
        const head = Buffer.from([0x82, ...Buffer.from("SNAPPY"), 0, 0, 0, 0, 1, 0, 0, 0, 1]);
        const size = Buffer.alloc(4);
        size.writeUInt32BE(chunk.length);
        return Buffer.concat([head, size, chunk]);
      },
    });
    assert.deepEqual(decoded(await decode(bytes)), written(records));
  });

  it("refuses a codec that there is not", async () => {
    const bytes = encodeBatch({ records: [], codec: 5, compress: () => Buffer.from("?") });
    await assert.rejects(decode(bytes), {
      name: "RangeError",
      message: "Cannot decompress a record batch of the unknown codec 5",
    });
  });

  it("goes on behind an empty batch, which compaction leaves", async () => {
    const bytes = encodeBatch({ records: [], baseOffset: 10, lastOffset: 14 });
    assert.deepEqual(await decode(bytes, 10), { tables: [], nextOffset: 15 });
    assert.deepEqual(await decode(new Uint8Array(0), 10), { tables: [], nextOffset: null });
  });
});

// --- Transactions -----------------------------------------------------------------------------------

const deed = fc.record({
  producer: fc.integer({ min: 1, max: 3 }),
  deed: fc.constantFrom(
    "write",
    "write in a transaction",
    "write in a transaction",
    "commit",
    "abort",
  ),
  records: fc.integer({ min: 1, max: 3 }),
  compressed: fc.boolean(),
});

/** What producers do: write on their own or in a transaction, commit, abort; mostly to an end. */
const deeds = fc.tuple(
  fc.array(deed, { maxLength: 30, size: "max" }),
  fc.constantFrom("commit", "abort", null),
)
  .map(([list, end]) => {
    const ends = end === null
      ? []
      : [1, 2, 3].map((producer) => ({ producer, deed: end, records: 0, compressed: false }));
    return [...list, ...ends];
  });

interface LogEntry {
  bytes: Buffer;
  records: PlainRecord[];
  transaction: { aborted: boolean } | null;
}

/** The log that comes of it, up to the last stable offset, and the transactions that were aborted. */
function logOf(list: (typeof deeds) extends fc.Arbitrary<infer T> ? T : never) {
  const log: LogEntry[] = [];
  const aborted: { producerId: number; firstOffset: number; lastOffset: number }[] = [];
  const open = new Map<number, { aborted: boolean; first: number; at: number }>();
  let next = 0;
  for (const { producer, deed, records: count, compressed } of list) {
    // Producers beyond 32 bits are told from each other too.
    const producerId = producer * 2 ** 33 + 1;
    if (deed === "write" || deed === "write in a transaction") {
      const transactional = deed !== "write";
      const records = Array.from({ length: count }, () => ({
        offset: next++,
        timestamp: 1e12,
        key: null,
        value: Buffer.from(`${next}`),
        headers: [],
      }));
      if (transactional && !open.has(producer)) {
        open.set(producer, { aborted: false, first: records[0]!.offset, at: log.length });
      }
      const bytes = encodeBatch({
        records,
        producerId: transactional ? producerId : -1,
        transactional,
        ...compressed ? { codec: 1, compress: (plain: Uint8Array) => gzipSync(plain) } : {},
      });
      log.push({ bytes, records, transaction: transactional ? open.get(producer)! : null });
    } else {
      const transaction = open.get(producer);
      if (transaction === undefined) continue;
      open.delete(producer);
      const offset = next++;
      const commit = deed === "commit";
      transaction.aborted = !commit;
      if (!commit) aborted.push({ producerId, firstOffset: transaction.first, lastOffset: offset });
      log.push({
        bytes: encodeMarker({ offset, producerId, commit }),
        records: [],
        transaction: null,
      });
    }
  }
  // A broker sends nothing from the first open transaction on.
  const stable = Math.min(...[...open.values()].map(({ at }) => at), log.length);
  return { log: log.slice(0, stable), aborted };
}

describe("decodeRecordBatches() of transactions", () => {
  it("leaves out what was aborted, and every marker", async () => {
    await fc.assert(
      fc.asyncProperty(deeds, fc.nat(), async (list, place) => {
        const { log, aborted } = logOf(list);
        // From the beginning, or from any batch on: then of transactions that began before it, too.
        const from = place % Math.max(1, log.length);
        const read = log.slice(from);
        const fetchOffset = read.flatMap(({ records }) => records).at(0)?.offset ?? 0;
        const bytes = Buffer.concat(read.map(({ bytes }) => bytes));
        const overlapping = aborted.filter(({ lastOffset }) => lastOffset >= fetchOffset);
        const expected = written(
          read.flatMap(({ records, transaction }) => transaction?.aborted ? [] : records),
        );
        for (const order of [overlapping, [...overlapping].reverse()]) {
          assert.deepEqual(decoded(await decode(bytes, fetchOffset, order)), expected);
        }
        // kafkajs wants them by first offset.
        const sorted = overlapping.toSorted((a, b) => a.firstOffset - b.firstOffset);
        const messages = await oracleMessages(bytes);
        // It drops one transaction per message, so it is asked only where that is the same.
        const starts = new Set(sorted.map(({ firstOffset }) => firstOffset));
        if (
          sorted.every(({ firstOffset }) => firstOffset >= fetchOffset) &&
          starts.size === sorted.length
        ) {
          assert.deepEqual(byOracle(oracleCommitted(messages, sorted)), expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("leaves out markers, and nothing else, where the isolation level is read uncommitted", async () => {
    await fc.assert(fc.asyncProperty(deeds, async (list) => {
      const { log } = logOf(list);
      assert.deepEqual(
        decoded(await decode(Buffer.concat(log.map(({ bytes }) => bytes)))),
        written(log.flatMap(({ records }) => records)),
      );
    }));
  });

  it("shows what a producer commits after it has aborted", async () => {
    const write = (offset: number) => {
      const records = [{ offset, timestamp: 0, key: null, value: null, headers: [] }];
      return encodeBatch({ records, producerId: 7, transactional: true });
    };
    const bytes = Buffer.concat([
      write(0),
      encodeMarker({ offset: 1, producerId: 7, commit: false }),
      write(2),
      encodeMarker({ offset: 3, producerId: 7, commit: true }),
    ]);
    const result = await decode(bytes, 0, [{ producerId: 7, firstOffset: 0 }]);
    assert.deepEqual(decoded(result).map(([offset]) => offset), [2]);
  });

  it("goes on behind a marker at the end", async () => {
    const bytes = encodeMarker({ offset: 41, producerId: 7, commit: true });
    assert.deepEqual(await decode(bytes, 41), { tables: [], nextOffset: 42 });
  });
});

// --- Damage -----------------------------------------------------------------------------------------

const damagedRecords: PlainRecord[] = Array.from({ length: 4 }, (_, index) => ({
  offset: 100 + index * 3,
  timestamp: 1e12 - index,
  key: index % 2 === 0 ? null : Buffer.from("key"),
  value: Buffer.from("some value"),
  headers: [{ key: "h", value: Buffer.from("x") }],
}));

const sound = Buffer.concat([
  encodeBatch({ records: damagedRecords.slice(0, 2) }),
  encodeBatch({ records: damagedRecords.slice(2), transactional: true, producerId: 5 }),
  encodeMarker({ offset: 120, producerId: 5, commit: false }),
]);

/** Decodes; what is thrown must be a RangeError. Then decodes what is sound, which must still work. */
async function decodeDamaged(bytes: Uint8Array): Promise<void> {
  try {
    // The codecs have errors of their own.
    const noCodec = () => Promise.reject(new RangeError("There is no codec here"));
    const { tables } = await decodeRecordBatches(bytes, 100, [], noCodec);
    // What was let through must be readable as far as it goes, or say that it is not.
    for (const table of tables) plain(unpackRecords(packRecords(table, 0, table.count)));
  } catch (error) {
    assert.ok(error instanceof RangeError, `${(error as Error).stack}`);
  }
  assert.deepEqual(decoded(await decode(sound)), written(damagedRecords));
}

describe("decodeRecordBatches() of damaged bytes", () => {
  it("ends, whatever single byte is changed", async () => {
    for (let at = 0; at < sound.length; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff, sound[at]! ^ 0x10]) {
        const bytes = Buffer.from(sound);
        bytes[at] = value;
        await decodeDamaged(bytes);
      }
    }
  });

  it("ends, whatever many bytes are changed", async () => {
    const changes = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(changes, async (list) => {
        const bytes = Buffer.from(sound);
        for (const [at, value] of list) bytes[at] = value;
        try {
          const { tables } = await decode(bytes, 100, []);
          for (const table of tables) assert.ok(table.count * 7 <= bytes.length);
        } catch (error) {
          assert.ok(error instanceof Error);
        }
        assert.deepEqual(decoded(await decode(sound)), written(damagedRecords));
      }),
      { numRuns: 1_000 },
    );
  });

  it("ends on bytes that were never a batch", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300, size: "max" }), async (bytes) => {
        await decodeDamaged(bytes);
      }),
    );
  });

  it("rejects what a codec cannot undo", async () => {
    for (const { bitmask, compressSync } of codecs) {
      const compress = (plain: Uint8Array) => compressSync(Buffer.from(plain));
      const bytes = encodeBatch({ records: damagedRecords, codec: bitmask, compress });
      for (let at = RECORDS_AT; at < bytes.length; at += 3) {
        const damaged = Buffer.from(bytes);
        damaged[at] = damaged[at]! ^ 0x5a;
        const outcome = await decode(damaged).then(() => "decoded", (error) => error);
        assert.ok(outcome === "decoded" || outcome instanceof Error, String(outcome));
      }
      assert.deepEqual(decoded(await decode(bytes)), written(damagedRecords));
    }
  });

  it("does not believe a count that is not the number of the records", async () => {
    for (const count of [2 ** 31 - 1, 5, 3, 1, 0, -1, -(2 ** 31)]) {
      const bytes = encodeBatch({ records: damagedRecords, count });
      await assert.rejects(decode(bytes), {
        name: "RangeError",
        message:
          `Cannot decode the batch at offset 100: the number of its records is not the ${count} that it says`,
      });
    }
  });

  it("reserves no more memory than the bytes can need", async () => {
    const real = globalThis.Float64Array;
    let largest = 0;
    class Watched extends real {
      constructor(...sizes: [number]) {
        if (typeof sizes[0] === "number") largest = Math.max(largest, sizes[0]);
        super(...sizes);
      }
    }
    const bytes = encodeBatch({ records: damagedRecords });
    bytes.writeInt32BE(2 ** 31 - 1, COUNT_AT);
    globalThis.Float64Array = Watched as unknown as typeof Float64Array;
    try {
      await assert.rejects(decode(bytes), RangeError);
    } finally {
      globalThis.Float64Array = real;
    }
    assert.ok(largest > 0 && largest <= bytes.length / 7, `room for ${largest} records`);
  });

  it("does not take a batch for cut off that says it is shorter than its header", async () => {
    for (const length of [48, 0, -13, -(2 ** 31)]) {
      const bytes = encodeBatch({ records: damagedRecords });
      bytes.writeInt32BE(length, 8);
      await assert.rejects(decode(bytes), {
        name: "RangeError",
        message: `Cannot decode a batch of ${length + 12} bytes: its header alone has 61`,
      });
    }
  });

  it("does not read a record twice whose length leads back to it", async () => {
    const bytes = encodeBatch({
      records: damagedRecords.slice(0, 1),
      lastOffset: 110,
      count: 2 ** 31 - 1,
    });
    bytes[RECORDS_AT] = 0x01; // a length of -1
    await assert.rejects(decode(bytes, 105), {
      name: "RangeError",
      message: "Cannot decode a record of -1 bytes at offset 100 + 0: its batch ends before",
    });
  });

  it("does not take the bytes of the next record for those of a value", async () => {
    const records = [0, 1].map((offset) => (
      { offset, timestamp: 0, key: null, value: Buffer.from("abc"), headers: [] }
    ));
    const bytes = encodeBatch({ records });
    const valueLength = RECORDS_AT + 5;
    assert.equal(bytes[valueLength], 6); // 3, zigzag
    bytes[valueLength] = 20;
    await assert.rejects(decode(bytes), {
      name: "RangeError",
      message: "Cannot decode the record at offset 0: its key and value end beyond it",
    });
  });

  it("says which record ends beyond its batch", async () => {
    const bytes = encodeBatch({ records: damagedRecords.slice(0, 1) });
    bytes[RECORDS_AT] = 0x7e; // a length of 63
    await assert.rejects(decode(bytes), {
      name: "RangeError",
      message: "Cannot decode a record of 63 bytes at offset 100 + 0: its batch ends before",
    });
  });
});

describe("magicOf()", () => {
  it("finds the format's number, which all formats have in the same place", () => {
    assert.equal(magicOf(sound), 2);
    assert.equal(magicOf(new Uint8Array(16)), null);
    assert.equal(magicOf(new Uint8Array(17)), 0);
  });
});
