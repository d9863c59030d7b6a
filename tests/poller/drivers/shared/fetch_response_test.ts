import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import {
  OLDEST_FETCH_VERSION,
  readableEnd,
  readFetchResponse,
} from "../../../../src/poller/drivers/shared/fetch_response.ts";
import { encodeBatch, encodeFetchResponse, type PlainResponse } from "./encode.ts";
import { oracleFetchResponse, oracleFetchVersions } from "./oracle.ts";

const versions = oracleFetchVersions.filter((version) => version >= OLDEST_FETCH_VERSION);

const offset = fc.oneof(fc.nat(), fc.integer({ min: -1, max: 2 ** 53 - 1 }));

const someRecords = fc.constantFrom(
  null,
  new Uint8Array(0),
  ...[1, 3].map((count) =>
    encodeBatch({
      records: Array.from({ length: count }, (_, index) => ({
        offset: index,
        timestamp: 1e12,
        key: null,
        value: Buffer.from("value"),
        headers: [],
      })),
    })
  ),
);

const response: fc.Arbitrary<PlainResponse> = fc.record({
  throttleTime: fc.nat(),
  errorCode: fc.integer({ min: -1, max: 120 }),
  topics: fc.array(
    fc.record({
      topic: fc.oneof(fc.constantFrom("t", "orders.v1", "тема"), fc.string({ unit: "grapheme" })),
      partitions: fc.array(
        fc.record({
          partition: fc.nat(2 ** 31 - 1),
          errorCode: fc.integer({ min: -1, max: 120 }),
          highWatermark: offset,
          aborted: fc.option(
            fc.array(
              fc.record({ producerId: fc.nat(), firstOffset: fc.nat() })
                .map(({ producerId, firstOffset }) => ({
                  producerId: producerId * 2 ** 20,
                  firstOffset,
                })),
              { maxLength: 3 },
            ),
          ),
          preferredReadReplica: fc.integer({ min: -1, max: 9 }),
          records: someRecords,
        }),
        { maxLength: 3 },
      ),
    }),
    { maxLength: 3 },
  ),
});

describe("readFetchResponse()", () => {
  it("knows all the versions that kafkajs may agree upon with a broker", () => {
    assert.deepEqual(versions, [4, 5, 6, 7, 8, 9, 10, 11]);
  });

  for (const version of versions) {
    it(`reads version ${version} as it was written, and as kafkajs does`, async () => {
      await fc.assert(fc.asyncProperty(response, async (plain) => {
        const bytes = encodeFetchResponse(plain, version);
        const payload = new Uint8Array(bytes.length + 8).fill(0xee);
        payload.set(bytes, 3);
        const read = readFetchResponse(payload.subarray(3, 3 + bytes.length), version);
        assert.equal(read.clientSideThrottleTime, version >= 8 ? plain.throttleTime : 0);
        assert.equal(read.errorCode, version >= 7 ? plain.errorCode : 0);
        assert.deepEqual(
          read.partitions.map(({ records, ...rest }) => ({ ...rest, records: [...records] })),
          plain.topics.flatMap(({ topic, partitions }) =>
            partitions.map((each) => ({
              topic,
              partition: each.partition,
              errorCode: each.errorCode,
              highWatermark: each.highWatermark,
              lastStableOffset: each.highWatermark - 1,
              aborted: (each.aborted ?? []).map(({ producerId, firstOffset }) => ({
                producerId: BigInt(producerId),
                firstOffset,
              })),
              preferredReadReplica: version >= 11 ? each.preferredReadReplica : -1,
              records: [...each.records ?? []],
            }))
          ),
        );

        const oracle = await oracleFetchResponse(bytes, version);
        assert.equal(read.clientSideThrottleTime, oracle.clientSideThrottleTime ?? 0);
        assert.equal(read.errorCode, oracle.errorCode ?? 0);
        assert.deepEqual(
          read.partitions.map(({ records: _, ...rest }) => rest),
          oracle.responses.flatMap(({ topicName, partitions }) =>
            partitions.map((each) => ({
              topic: topicName,
              partition: each.partition,
              errorCode: each.errorCode,
              highWatermark: Number(each.highWatermark),
              lastStableOffset: Number(each.lastStableOffset),
              aborted: each.abortedTransactions.map(({ producerId, firstOffset }) => ({
                producerId: BigInt(producerId),
                firstOffset: Number(firstOffset),
              })),
              preferredReadReplica: each.preferredReadReplica ?? -1,
            }))
          ),
        );
      }));
    });
  }

  it("tells where reading ends: before an open transaction, for who reads what is committed", () => {
    const fetched = { highWatermark: 9, lastStableOffset: 5 };
    assert.deepEqual([readableEnd(fetched, 1), readableEnd(fetched, 0)], [5, 9]);
    // A broker need not tell who reads everything.
    assert.equal(readableEnd({ highWatermark: 9, lastStableOffset: -1 }, 1), 9);
  });

  it("does not copy the records", () => {
    const records = encodeBatch({ records: [] });
    const bytes = encodeFetchResponse({
      throttleTime: 0,
      errorCode: 0,
      topics: [{
        topic: "t",
        partitions: [{
          partition: 0,
          errorCode: 0,
          highWatermark: 5,
          aborted: [],
          preferredReadReplica: -1,
          records,
        }],
      }],
    }, 11);
    const [partition] = readFetchResponse(bytes, 11).partitions;
    assert.equal(partition!.records.buffer, bytes.buffer);
    assert.equal(partition!.records.length, records.length);
  });

  it("throws a RangeError wherever it is cut off", () => {
    fc.assert(
      fc.property(response, fc.constantFrom(...versions), fc.nat(), (plain, version, at) => {
        const bytes = encodeFetchResponse(plain, version);
        assert.throws(
          () => readFetchResponse(bytes.subarray(0, at % bytes.length), version),
          RangeError,
        );
      }),
    );
  });

  it("ends, with a RangeError or with what can be read, whatever bytes are changed", () => {
    fc.assert(
      fc.property(
        response,
        fc.constantFrom(...versions),
        fc.array(fc.tuple(fc.nat(), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)), {
          minLength: 1,
          maxLength: 6,
        }),
        (plain, version, changes) => {
          const bytes = encodeFetchResponse(plain, version);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          try {
            const { partitions } = readFetchResponse(bytes, version);
            assert.ok(partitions.length * 30 <= bytes.length);
          } catch (error) {
            assert.ok(error instanceof RangeError, String(error));
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it("does not read a topic's name backwards", () => {
    // A topic whose name has -6 bytes ends where it began: two thousand million times.
    const bytes = Buffer.alloc(40);
    bytes.writeInt32BE(2 ** 31 - 1, 4);
    bytes.writeInt16BE(-6, 8);
    assert.throws(() => readFetchResponse(bytes, 4), RangeError);
  });
});
