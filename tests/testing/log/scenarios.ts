/** What is sent to a log, and what both Apache Kafka and ours make of it. */

import { Buffer } from "node:buffer";
import type { ErrorName } from "../../../src/testing/protocol/error_codes.ts";
import type { PartitionLogOptions } from "../../../src/testing/log/partition_log.ts";
import { batchOf, forge } from "./batches.ts";

/** One produce request. */
export interface Send {
  records: Buffer | null;
  /** Default: "NONE". */
  error?: ErrorName;
  /** The places of the records that are wrong; default: none. */
  wrong?: number[];
  /** Default: 8. */
  version?: number;
}

/** Produce requests to one partition, one after the other. */
export interface Scenario {
  name: string;
  /** The configuration of its topic; default: Kafka's. */
  topic?: TopicKind;
  sends(now: number): Send[];
  /** What Apache Kafka answers to the last request, where our log differs on purpose. */
  apache?: string;
}

/** A configuration of a topic. */
export type TopicKind = "plain" | "compacted" | "logAppendTime" | "small";

/** The configurations, for ours and for Apache Kafka. */
export const TOPICS: Record<
  TopicKind,
  { options: PartitionLogOptions; config: Record<string, string> }
> = {
  plain: { options: {}, config: {} },
  compacted: { options: { compacted: true }, config: { "cleanup.policy": "compact" } },
  logAppendTime: {
    options: { logAppendTime: true },
    config: { "message.timestamp.type": "LogAppendTime" },
  },
  small: { options: { maxBatchBytes: 200 }, config: { "max.message.bytes": "200" } },
};

const HOUR_MS = 3_600_000;
const two = [{ key: "a", value: "1" }, { key: "b", value: "2" }];
const codecs = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

function producer(producerId: number, producerEpoch: number, baseSequence: number, count = 1) {
  return batchOf(Array(count).fill({ value: "x" }), { producerId, producerEpoch, baseSequence });
}

/** Batches of an idempotent producer, as [epoch, sequence, error, records]. */
function sequences(...sent: [number, number, ErrorName?, number?][]): Send[] {
  return sent.map(([epoch, sequence, error = "NONE", count]) => ({
    records: producer(77, epoch, sequence, count),
    error,
  }));
}

export const SCENARIOS: Scenario[] = [
  ...codecs.map((compression): Scenario => ({
    name: `a batch of ${compression}`,
    sends: (timestamp) => [
      { records: batchOf(two, { timestamp, compression }) },
      { records: batchOf(two, { timestamp: timestamp - 5, compression }) },
    ],
  })),
  {
    name: "no bytes",
    sends: () => [{ records: Buffer.alloc(0), error: "INVALID_RECORD" }],
  },
  {
    name: "fewer bytes than say what they are",
    sends: () => [{ records: batchOf(two).subarray(0, 16), error: "INVALID_RECORD" }],
  },
  {
    name: "half a batch",
    sends: () => [{ records: batchOf(two).subarray(0, 70), error: "INVALID_RECORD" }],
  },
  {
    name: "a batch and a few bytes",
    sends: () => [{ records: Buffer.concat([batchOf(two), Buffer.alloc(10)]) }],
  },
  {
    name: "a batch and half of another",
    sends: () => [{ records: Buffer.concat([batchOf(two), batchOf(two).subarray(0, 70)]) }],
  },
  {
    name: "two batches",
    sends:
      () => [{ records: Buffer.concat([batchOf(two), batchOf(two)]), error: "INVALID_RECORD" }],
  },
  ...[0, 1].map((magic): Scenario => ({
    name: `magic ${magic}`,
    sends: () => [{
      records: forge(batchOf(two), (batch) => batch.writeInt8(magic, 16)),
      error: "INVALID_RECORD",
    }],
  })),
  ...[3, -1].map((magic): Scenario => ({
    name: `magic ${magic}`,
    sends: () => [{
      records: forge(batchOf(two), (batch) => batch.writeInt8(magic, 16)),
      error: "CORRUPT_MESSAGE",
    }],
  })),
  ...[-1, 0, 1, 30].map((length): Scenario => ({
    name: `length ${length}`,
    sends: () => [{
      records: forge(batchOf(two), (batch) => batch.writeInt32BE(length, 8)),
      error: "CORRUPT_MESSAGE",
    }],
  })),
  {
    name: "a base offset",
    sends: () => [{
      records: forge(batchOf(two), (batch) => batch.writeInt32BE(7, 4)),
      error: "INVALID_RECORD",
    }],
  },
  {
    name: "a wrong checksum",
    sends: () => {
      const records = batchOf(two);
      records[17]! ^= 1;
      return [{ records, error: "CORRUPT_MESSAGE" }];
    },
  },
  {
    name: "batches at the limit and beyond",
    topic: "small",
    sends: (timestamp) => {
      const room = 200 - batchOf([{ value: Buffer.alloc(100) }], { timestamp }).length;
      return [
        { records: batchOf([{ value: Buffer.alloc(100 + room) }], { timestamp }) },
        {
          records: batchOf([{ value: Buffer.alloc(101 + room) }], { timestamp }),
          error: "MESSAGE_TOO_LARGE",
        },
      ];
    },
  },
  ...[5, 6, 7].map((codec): Scenario => ({
    name: `codec ${codec}`,
    sends: () => [{
      records: forge(batchOf(two), (batch) => batch.writeInt16BE(codec, 21)),
      error: "UNKNOWN_SERVER_ERROR",
    }],
  })),
  {
    name: "zstd where it was not known",
    sends: () => [
      {
        records: batchOf(two, { compression: "zstd" }),
        error: "UNSUPPORTED_COMPRESSION_TYPE",
        version: 6,
      },
      { records: batchOf(two, { compression: "zstd" }), version: 7 },
    ],
  },
  ...([[1, 1], [1, 3], [0, 0], [-1, 0], [1, -1]] as const).map(([lastDelta, count]): Scenario => ({
    name: `last offset delta ${lastDelta} and ${count} records`,
    sends: () => [{
      records: forge(batchOf(two), (batch) => {
        batch.writeInt32BE(lastDelta, 23);
        batch.writeInt32BE(count, 57);
      }),
      error: "INVALID_RECORD",
    }],
  })),
  ...[1, 3].map((count): Scenario => ({
    name: `${count} announced, 2 there`,
    sends: () => [{
      records: forge(batchOf(two), (batch) => {
        batch.writeInt32BE(count - 1, 23);
        batch.writeInt32BE(count, 57);
      }),
      error: "INVALID_RECORD",
    }],
  })),
  {
    name: "a control batch",
    sends: () => [{
      records: forge(batchOf(two), (batch) => batch.writeInt16BE(0x20, 21)),
      error: "INVALID_RECORD",
    }],
  },
  {
    name: "a producer without a sequence",
    sends: () => [{ records: producer(77, 0, -1), error: "INVALID_RECORD" }],
  },
  {
    name: "a producer without an epoch",
    sends: () => [{ records: producer(77, -1, 0) }],
  },
  {
    name: "a record longer than the batch",
    sends: () => [{
      records: forge(batchOf(two), (batch) => batch[61] = 0x7e),
      error: "INVALID_RECORD",
    }],
  },
  {
    name: "a key longer than its record",
    sends: () => [{
      records: forge(batchOf(two), (batch) => batch[65] = 0x7e),
      error: "INVALID_RECORD",
    }],
  },
  {
    name: "a header too many",
    sends: () => [{
      records: forge(batchOf(two), (batch) => batch[batch.length - 1] = 2),
      error: "INVALID_RECORD",
    }],
  },
  {
    // Apache Kafka takes it; whoever reads it gets an offset twice.
    name: "offset deltas out of order",
    apache: "NONE",
    sends: () => [{
      records: forge(batchOf(two), (batch) => batch[64] = 2),
      error: "INVALID_RECORD",
      wrong: [0],
    }],
  },
  {
    // Ours does not look into what is compressed.
    name: "rubbish that says it is gzip",
    apache: "UNKNOWN_SERVER_ERROR",
    sends: () => [{
      records: forge(batchOf(two), (batch) => batch.writeInt16BE(1, 21)),
    }],
  },
  {
    name: "rubbish that says it is gzip, in a compacted topic",
    topic: "compacted",
    sends: () => [{
      records: forge(batchOf(two), (batch) => batch.writeInt16BE(1, 21)),
      error: "UNKNOWN_SERVER_ERROR",
    }],
  },
  ...codecs.map((compression): Scenario => ({
    name: `records without keys in a compacted topic, ${compression}`,
    topic: "compacted",
    sends: () => [
      { records: batchOf(two, { compression }) },
      {
        records: batchOf([...two, { value: "x" }, ...two, { value: "y" }], { compression }),
        error: "INVALID_RECORD",
        wrong: [2, 5],
      },
    ],
  })),
  ...codecs.map((compression): Scenario => ({
    name: `times ahead of the broker's, ${compression}`,
    sends: (now) => [
      { records: batchOf(two, { timestamp: now + HOUR_MS - 60_000, compression }) },
      {
        records: batchOf([{ value: "x" }, { value: "y", timestamp: now + 2 * HOUR_MS }], {
          timestamp: now,
          compression,
        }),
        error: "INVALID_TIMESTAMP",
        wrong: [1],
      },
    ],
  })),
  {
    name: "times of long ago, and none",
    sends: (timestamp) => [
      { records: batchOf([{ value: "x", timestamp: 1 }, { value: "y" }], { timestamp }) },
      { records: batchOf([{ value: "x", timestamp: -1 }]) },
    ],
  },
  {
    name: "a newest time that no record has",
    sends: (timestamp) => [{
      records: forge(batchOf(two, { timestamp }), (batch) => batch.writeInt32BE(0, 39)),
    }],
  },
  ...codecs.map((compression): Scenario => ({
    name: `log append time said by the client, ${compression}`,
    sends: (timestamp) =>
      ([[timestamp, "NONE", []], [timestamp + 2 * HOUR_MS, "INVALID_TIMESTAMP", [0, 1]]] as const)
        .map(([newest, error, wrong]) => ({
          records: forge(
            batchOf([{ value: "x", timestamp: 7 }, { value: "y" }], {
              timestamp: newest,
              compression,
            }),
            (batch) => batch.writeInt16BE(batch.readInt16BE(21) | 8, 21),
          ),
          error,
          wrong: [...wrong],
        })),
  })),
  {
    name: "log append time",
    topic: "logAppendTime",
    sends: (timestamp) => [
      { records: batchOf(two, { timestamp: timestamp + 9 * HOUR_MS }) },
      { records: batchOf(two, { timestamp: 5, compression: "gzip" }) },
    ],
  },
  {
    name: "sequences one after the other, and again",
    sends: () => sequences([0, 0], [0, 1, "NONE", 3], [0, 4], [0, 1, "NONE", 3], [0, 4], [0, 0]),
  },
  {
    name: "a batch sent again after five others",
    sends: () =>
      sequences(
        ...[0, 1, 2, 3, 4, 5].map((sequence): [number, number] => [0, sequence]),
        [0, 1],
        [0, 0, "OUT_OF_ORDER_SEQUENCE_NUMBER"],
      ),
  },
  {
    name: "half of a batch sent again",
    sends: () =>
      sequences([0, 0, "NONE", 4], [0, 0, "OUT_OF_ORDER_SEQUENCE_NUMBER", 2], [
        0,
        2,
        "OUT_OF_ORDER_SEQUENCE_NUMBER",
        2,
      ]),
  },
  {
    name: "a sequence left out",
    sends: () => sequences([0, 0], [0, 2, "OUT_OF_ORDER_SEQUENCE_NUMBER"], [0, 1], [0, 2]),
  },
  {
    name: "an unknown producer in the middle of its sequences",
    sends: () => sequences([4, 100], [4, 101]),
  },
  {
    name: "epochs",
    sends: () =>
      sequences(
        [1, 0],
        [0, 1, "INVALID_PRODUCER_EPOCH"],
        [0, 0, "INVALID_PRODUCER_EPOCH"],
        [3, 1, "OUT_OF_ORDER_SEQUENCE_NUMBER"],
        [3, 0],
        [1, 0, "INVALID_PRODUCER_EPOCH"],
        [3, 1],
      ),
  },
  {
    name: "the last sequence, then the first",
    sends: () => sequences([0, 2147483646], [0, 2147483647], [0, 0], [0, 2147483647], [0, 1]),
  },
  {
    name: "a batch across the last sequence",
    sends: () =>
      sequences([0, 2147483646, "NONE", 5], [0, 3], [0, 2147483646, "NONE", 5], [
        0,
        3,
        "NONE",
      ], [0, 5, "OUT_OF_ORDER_SEQUENCE_NUMBER"]),
  },
  {
    // Ours has no transactions at all.
    name: "a transactional batch",
    apache: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    sends: () => [{
      records: forge(producer(77, 0, 0), (batch) => batch.writeInt16BE(0x10, 21)),
      error: "INVALID_TXN_STATE",
    }],
  },
];
