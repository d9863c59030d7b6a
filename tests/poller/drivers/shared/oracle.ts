// kafkajs's own encoders and decoders, to compare with.

import { Buffer } from "node:buffer";
import DecoderModule from "kafkajs/src/protocol/decoder.js";
import recordBatchModule from "kafkajs/src/protocol/recordBatch/v0/index.js";
import recordModule from "kafkajs/src/protocol/recordBatch/record/v0/index.js";
import decodeMessagesModule from "kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js";
import filterAbortedModule from "kafkajs/src/consumer/filterAbortedMessages.js";
import requestsModule from "kafkajs/src/protocol/requests/fetch/index.js";

type HeaderValue = Uint8Array | null;

/** A message as kafkajs decodes it. */
export interface OracleMessage {
  offset: string;
  timestamp: string;
  key: Uint8Array | null;
  value: Uint8Array | null;
  /** Repeated names have a list of values. */
  headers: Record<string, HeaderValue | HeaderValue[]>;
  isControlRecord: boolean;
}

/** A fetch response as kafkajs decodes it. */
export interface OracleResponse {
  throttleTime: number;
  clientSideThrottleTime?: number;
  errorCode?: number;
  responses: {
    topicName: string;
    partitions: {
      partition: number;
      errorCode: number;
      highWatermark: string;
      lastStableOffset: string;
      abortedTransactions: { producerId: string; firstOffset: string }[];
      preferredReadReplica?: number;
      messages: OracleMessage[];
    }[];
  }[];
}

const Decoder = DecoderModule as unknown as new (bytes: Uint8Array) => unknown;
const decodeMessages = decodeMessagesModule as unknown as (
  decoder: unknown,
) => Promise<OracleMessage[]>;
const filterAborted = filterAbortedModule as unknown as (
  input: {
    messages: OracleMessage[];
    abortedTransactions: { producerId: string; firstOffset: string }[];
  },
) => OracleMessage[];
const versions = requestsModule as unknown as {
  versions: number[];
  protocol(options: { version: number }): (request: unknown) => {
    response: { decode(payload: Uint8Array): Promise<OracleResponse> };
  };
};
const { RecordBatch } = recordBatchModule as unknown as {
  RecordBatch(batch: Record<string, unknown>): Promise<{ buffer: Uint8Array }>;
};
const Record_ = recordModule as unknown as (record: Record<string, unknown>) => unknown;

/** Decodes record batches as kafkajs does. */
export function oracleMessages(bytes: Uint8Array): Promise<OracleMessage[]> {
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  return decodeMessages(new Decoder(Buffer.concat([size, bytes])));
}

/** Drops control records, and what was aborted, as kafkajs does. */
export function oracleCommitted(
  messages: OracleMessage[],
  aborted: readonly { producerId: number; firstOffset: number }[],
): OracleMessage[] {
  const abortedTransactions = aborted.map(({ producerId, firstOffset }) => ({
    producerId: String(producerId),
    firstOffset: String(firstOffset),
  }));
  return filterAborted({ messages, abortedTransactions })
    .filter(({ isControlRecord }) => !isControlRecord);
}

/** Decodes a fetch response as kafkajs does. */
export function oracleFetchResponse(bytes: Uint8Array, version: number): Promise<OracleResponse> {
  const { response } = versions.protocol({ version })({ topics: [] });
  return response.decode(Buffer.from(bytes));
}

/** The versions of fetch that kafkajs knows. */
export const oracleFetchVersions: readonly number[] = versions.versions.map(Number);

/** Encodes a batch as kafkajs does. */
export async function oracleBatch(
  batch: { firstOffset: number; firstTimestamp: number; compression?: number },
  records: readonly {
    offset: number;
    timestamp: number;
    key: Uint8Array | null;
    value: Uint8Array | null;
    headers?: Record<string, Uint8Array | Uint8Array[]>;
  }[],
): Promise<Uint8Array> {
  const { buffer } = await RecordBatch({
    ...batch,
    maxTimestamp: Math.max(...records.map(({ timestamp }) => timestamp)),
    lastOffsetDelta: records.at(-1)!.offset - batch.firstOffset,
    records: records.map(({ offset, timestamp, ...record }) =>
      Record_({
        ...record,
        offsetDelta: offset - batch.firstOffset,
        timestampDelta: timestamp - batch.firstTimestamp,
      })
    ),
  });
  return buffer;
}
