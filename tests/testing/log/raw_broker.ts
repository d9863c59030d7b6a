import { Buffer } from "node:buffer";
import { once } from "node:events";
import { createConnection } from "node:net";

const PRODUCE = 0;
const PRODUCE_VERSION = 8;
const FETCH = 1;
const FETCH_VERSION = 4;
const ALL_REPLICAS = -1;
const TIMEOUT_MS = 30_000;
const FETCH_BYTES = 50_000_000;

/** What a broker says of the records sent for one partition. */
export interface Produced {
  errorCode: number;
  baseOffset: number;
  logAppendTimeMs: number;
  logStartOffset: number;
  /** The places of the records that are wrong. */
  wrong: number[];
}

/** A connection that sends any bytes as records, and gets records as bytes. */
export interface RawBroker {
  produce(
    topic: string,
    partition: number,
    records: Buffer | null,
    version?: number,
  ): Promise<Produced>;
  /** All that a partition has from an offset on. */
  fetch(topic: string, partition: number, offset: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** Connects to a broker that leads all partitions asked for. */
export async function connectRawBroker(bootstrapServers: string): Promise<RawBroker> {
  const [host, port] = bootstrapServers.split(",")[0]!.split(":");
  const socket = createConnection({ host: host!, port: Number(port), noDelay: true });
  await once(socket, "connect");
  let waiting: PromiseWithResolvers<Buffer> | undefined;
  let received = Buffer.alloc(0);
  socket.on("error", (error) => waiting?.reject(error));
  socket.on("close", () => waiting?.reject(new Error("The broker closed the connection")));
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return;
    waiting?.resolve(received.subarray(8));
    received = Buffer.alloc(0);
  });

  function send(apiKey: number, version: number, ...body: Buffer[]): Promise<Buffer> {
    waiting = Promise.withResolvers();
    // Correlation id 0, no client id.
    const whole = Buffer.concat([int16(apiKey), int16(version), int32(0), int16(-1), ...body]);
    socket.write(Buffer.concat([int32(whole.length), whole]));
    return waiting.promise;
  }

  return {
    async produce(topic, partition, records, version = PRODUCE_VERSION) {
      const response = await send(
        PRODUCE,
        version,
        int16(-1),
        int16(ALL_REPLICAS),
        int32(TIMEOUT_MS),
        int32(1),
        string(topic),
        int32(1),
        int32(partition),
        int32(records === null ? -1 : records.length),
        records ?? Buffer.alloc(0),
      );
      // The topics, the topic, its partitions, the partition: one of each.
      let at = 4 + 2 + response.readInt16BE(4) + 4 + 4;
      const produced: Produced = {
        errorCode: response.readInt16BE(at),
        baseOffset: Number(response.readBigInt64BE(at + 2)),
        logAppendTimeMs: Number(response.readBigInt64BE(at + 10)),
        logStartOffset: Number(response.readBigInt64BE(at + 18)),
        wrong: [],
      };
      if (version < PRODUCE_VERSION) return produced;
      at += 30;
      for (let left = response.readInt32BE(at - 4); left > 0; left--) {
        produced.wrong.push(response.readInt32BE(at));
        at += 6 + Math.max(0, response.readInt16BE(at + 4));
      }
      return produced;
    },
    async fetch(topic, partition, offset) {
      const response = await send(
        FETCH,
        FETCH_VERSION,
        int32(-1),
        int32(0),
        int32(0),
        int32(FETCH_BYTES),
        Buffer.from([0]),
        int32(1),
        string(topic),
        int32(1),
        int32(partition),
        int64(offset),
        int32(FETCH_BYTES),
      );
      // Throttle time, then as above; error code, high watermark, last stable offset, transactions.
      const at = 4 + 4 + 2 + response.readInt16BE(8) + 4 + 4 + 2 + 8 + 8;
      const aborted = Math.max(0, response.readInt32BE(at));
      const recordsAt = at + 4 + aborted * 16;
      const size = response.readInt32BE(recordsAt);
      return response.subarray(recordsAt + 4, recordsAt + 4 + size);
    },
    async close() {
      if (socket.destroyed) return;
      const closed = once(socket, "close");
      socket.destroy();
      await closed;
    },
  };
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

function string(value: string): Buffer {
  return Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);
}
