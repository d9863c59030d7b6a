import { Buffer } from "node:buffer";
import { createConnection } from "node:net";

const PRODUCE = 0;
/** The oldest version that Kafka 4 takes. */
const VERSION = 3;
const ALL_REPLICAS = -1;
const TIMEOUT_MS = 30_000;

/** A connection that only produces, to the leader of a partition. */
export interface RawProducer {
  /**
   * Sends one record batch.
   *
   * @returns The offset of its first record, once all in-sync replicas have it.
   * @throws {Error} When the broker refuses it, with its error code, or the connection breaks.
   */
  send(topic: string, partition: number, batch: Buffer): Promise<number>;
  close(): void;
}

/**
 * Connects to a broker's PLAINTEXT listener.
 *
 * @param host Its host.
 * @param port Its port.
 * @returns The connection; one request at a time.
 */
export function connectRawProducer(host: string, port: number): RawProducer {
  const socket = createConnection({ host, port, noDelay: true });
  let waiting: { resolve(response: Buffer): void; reject(error: Error): void } | undefined;
  let received = Buffer.alloc(0);
  let broken: Error | undefined;

  const fail = (error: Error): void => {
    broken ??= error;
    waiting?.reject(broken);
  };
  socket.on("error", fail);
  socket.on("close", () => fail(new Error(`Connection to "${host}:${port}" was closed`)));
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return;
    waiting?.resolve(received.subarray(4));
    received = Buffer.alloc(0);
  });

  return {
    async send(topic, partition, batch) {
      if (broken) throw broken;
      const response = await new Promise<Buffer>((resolve, reject) => {
        waiting = { resolve, reject };
        const head = requestHead(topic, partition, batch.length);
        socket.write(head);
        socket.write(batch);
      });
      // Correlation id, number of topics, name, number of partitions, partition: one of each.
      const at = 4 + 4 + 2 + response.readInt16BE(8) + 4 + 4;
      const code = response.readInt16BE(at);
      if (code !== 0) {
        throw new Error(`Cannot produce to "${topic}" partition ${partition}: error code ${code}`);
      }
      return Number(response.readBigInt64BE(at + 2));
    },
    close() {
      socket.destroy();
    },
  };
}

function requestHead(topic: string, partition: number, batchBytes: number): Buffer {
  const name = Buffer.from(topic);
  // size, api key, version, correlation id, client id (null),
  // transactional id (null), acks, timeout, topics [ name, partitions [ index, records
  const head = Buffer.alloc(4 + 2 + 2 + 4 + 2 + 2 + 2 + 4 + 4 + 2 + name.length + 4 + 4 + 4);
  let at = 0;
  const int16 = (value: number) => at = head.writeInt16BE(value, at);
  const int32 = (value: number) => at = head.writeInt32BE(value, at);
  int32(head.length - 4 + batchBytes);
  int16(PRODUCE);
  int16(VERSION);
  int32(0);
  int16(-1);
  int16(-1);
  int16(ALL_REPLICAS);
  int32(TIMEOUT_MS);
  int32(1);
  int16(name.length);
  at += name.copy(head, at);
  int32(1);
  int32(partition);
  int32(batchBytes);
  return head;
}
