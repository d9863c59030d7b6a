/** Record batches as clients read them: decoders that are not ours. */

import type { Buffer } from "node:buffer";
import { Reader, readRecordsBatches } from "@platformatic/kafka";
import DecoderModule from "kafkajs/src/protocol/decoder.js";
import readBatch from "kafkajs/src/protocol/recordBatch/v0/decoder.js";

/** A record, by its bytes as text: equal if the bytes are. */
export interface Decoded {
  offset: number;
  timestamp: number;
  key: string | null;
  value: string | null;
  headers: [string, string | null][];
}

function text(bytes: Uint8Array | null | undefined): string | null {
  return bytes == null ? null : (bytes as Buffer).toString("latin1");
}

/** Decodes by `@platformatic/kafka`. */
export function decodeByPlatformatic(batches: Buffer): Decoded[] {
  return readRecordsBatches(Reader.from(batches)).flatMap((batch) =>
    batch.records.map((record) => ({
      offset: Number(batch.firstOffset) + record.offsetDelta,
      timestamp: Number(batch.firstTimestamp + record.timestampDelta),
      key: text(record.key),
      value: text(record.value),
      headers: [...record.headers].map(([name, value]): [string, string | null] => [
        String(name),
        text(value as Uint8Array | null),
      ]),
    }))
  );
}

interface KafkajsRecord {
  offset: string;
  timestamp: string;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: Record<string, Uint8Array | null>;
}

/** Decodes one batch by kafkajs, which has no codec but gzip. */
export async function decodeByKafkajs(batch: Buffer): Promise<Decoded[]> {
  const { records } = await readBatch(new DecoderModule(batch)) as { records: KafkajsRecord[] };
  return records.map(({ offset, timestamp, key, value, headers }) => ({
    offset: Number(offset),
    timestamp: Number(timestamp),
    key: text(key),
    value: text(value),
    headers: Object.entries(headers).map(([name, value]) => [name, text(value)]),
  }));
}
