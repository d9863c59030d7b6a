// Writes a million records to a broker and reads them as a group of one, with a client that is not ours.
// A process of its own, as a user's program is one: the broker does not share its thread. It takes the
// same commands as confluent.py.
import { Buffer } from "node:buffer";
import process from "node:process";
import { createInterface } from "node:readline";
import { Consumer, MessagesStreamModes, Producer } from "@platformatic/kafka";
import { kafkajs } from "./conformance/clients/kafkajs.ts";
import { platformaticOptions } from "./conformance/clients/platformatic.ts";
import { errorName } from "./conformance/errors.ts";

/** What came out of it. */
export interface MillionFigures {
  /** Records that came. */
  messages: number;
  /** Of these, those that had come before. */
  repeated: number;
  /** Of these, those that came after a later one of their partition. */
  disorder: number;
  /** Numbers that did not come. */
  missing: number;
}

/** What a program is told. */
export interface MillionTask {
  bootstrapServers: string;
  topic: string;
  groupId: string;
  count: number;
  partitions: number;
  /** Of each value. */
  bytes: number;
}

/** A client, for this. */
interface MillionClient {
  write(): Promise<void>;
  /** Tells of each record; resolves when this says that all have come and that is committed. */
  read(take: (partition: number, value: Buffer) => boolean): Promise<void>;
}

const BATCH = 10_000;
const DIGITS = 8;
const ZERO = 0x30;

const clients = { kafkajs: kafkajsClient, platformatic: platformaticClient };
const client = clients[process.argv[2] as keyof typeof clients];

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { id, do: what, access, ...rest } = JSON.parse(line);
    const task: MillionTask = { ...access, ...rest };
    try {
      let answer: MillionFigures | undefined;
      if (what === "produceMillion") await client(task).write();
      else answer = await read(task);
      emit({ id, answer });
    } catch (error) {
      emit({ id, error: { name: errorName(error), code: 0, message: `${error}` } });
    }
  })
  .on("close", () => process.exit());

function emit(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function read(task: MillionTask): Promise<MillionFigures> {
  const { count, partitions } = task;
  const seen = new Uint8Array(count);
  const last = new Int32Array(partitions).fill(-1);
  const figures = { messages: 0, repeated: 0, disorder: 0, missing: 0 };
  await client(task).read((partition, value) => {
    let n = 0;
    for (let at = 0; at < DIGITS; at++) n = n * 10 + value[at]! - ZERO;
    figures.messages++;
    figures.repeated += seen[n]!;
    seen[n] = 1;
    if (last[partition]! >= n) figures.disorder++;
    last[partition] = n;
    return figures.messages >= count;
  });
  for (const times of seen) figures.missing += 1 - times;
  return figures;
}

/** The values of a batch: their number, and then as many bytes as it takes. */
function* batches(
  { count, partitions, bytes }: MillionTask,
): Generator<{ partition: number; value: Buffer }[]> {
  for (let from = 0; from < count; from += BATCH) {
    yield Array.from({ length: Math.min(BATCH, count - from) }, (_, index) => ({
      partition: (from + index) % partitions,
      value: Buffer.from(`${from + index}`.padStart(DIGITS, "0").padEnd(bytes, "x")),
    }));
  }
}

function kafkajsClient(task: MillionTask): MillionClient {
  const { topic, groupId } = task;
  const kafka = kafkajs(task);
  return {
    async write() {
      const producer = kafka.producer();
      await producer.connect();
      for (const messages of batches(task)) await producer.send({ topic, messages });
      await producer.disconnect();
    },
    async read(take) {
      const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 });
      const complete = Promise.withResolvers<void>();
      consumer.on("consumer.crash", ({ payload }) => complete.reject(payload.error));
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        // It commits a batch after it.
        // deno-lint-ignore require-await
        eachBatch: async ({ batch }) => {
          for (const { value } of batch.messages) {
            if (take(batch.partition, value!)) complete.resolve();
          }
        },
      });
      await complete.promise;
      await consumer.disconnect();
    },
  };
}

function platformaticClient(task: MillionTask): MillionClient {
  const { topic, groupId } = task;
  return {
    async write() {
      const producer = new Producer(platformaticOptions(task));
      for (const messages of batches(task)) {
        await producer.send({ messages: messages.map((message) => ({ topic, ...message })) });
      }
      await producer.close();
    },
    async read(take) {
      const consumer = new Consumer({ ...platformaticOptions(task), groupId });
      const stream = await consumer.consume({
        topics: [topic],
        autocommit: false,
        mode: MessagesStreamModes.COMMITTED,
        fallbackMode: "earliest",
        maxWaitTime: 100,
      });
      const offsets = new Map<number, bigint>();
      const complete = Promise.withResolvers<void>();
      stream.on("error", complete.reject);
      stream.on("data", ({ partition, offset, value }) => {
        offsets.set(partition, offset + 1n);
        if (take(partition, value)) complete.resolve();
      });
      await complete.promise;
      await consumer.commit({
        offsets: [...offsets].map(([partition, offset]) => ({
          topic,
          partition,
          offset,
          leaderEpoch: -1,
        })),
      });
      await consumer.close(true);
    },
  };
}
