// Record batches, by @platformatic/kafka.
import { Buffer } from "node:buffer";
import {
  createRecordsBatch,
  Reader,
  readRecordsBatches,
  type RecordsBatch,
} from "@platformatic/kafka";

/** Two messages. */
export const MESSAGES = [
  { topic: "orders", key: Buffer.from("key"), value: Buffer.from("value"), timestamp: 1n },
  { topic: "orders", key: Buffer.from("another"), value: Buffer.from("more"), timestamp: 2n },
];

/** A batch of them. */
export const BATCH: Buffer = createRecordsBatch(MESSAGES).buffer;

/** The messages in batches. */
export function texts(batches: Buffer): string[] {
  return readRecordsBatches(Reader.from(batches)).flatMap(textsOf);
}

/** A produce request's message, with the messages in place of the records. */
// deno-lint-ignore no-explicit-any
export function withTexts(request: any): unknown {
  return {
    ...request,
    // deno-lint-ignore no-explicit-any
    topicData: request.topicData.map((topic: any) => ({
      ...topic,
      // deno-lint-ignore no-explicit-any
      partitionData: topic.partitionData.map(({ index, records }: any) => ({
        index,
        records: texts(records),
      })),
    })),
  };
}

/** The messages in a batch that the client has read. */
export function textsOf({ records }: RecordsBatch): string[] {
  return records.map(({ key, value }) => `${key}=${value}`);
}
