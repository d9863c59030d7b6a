import { Buffer } from "node:buffer";
import { withAdmin } from "./client.ts";
import { connectRawProducer } from "./raw_produce.ts";
import { encodeRecordBatch, type PlainRecord } from "./record_batch.ts";
import { byPartition, createTopic, endOffsets } from "./topics.ts";

/** Under the broker's limit for one batch, 1 MiB. */
const BATCH_BYTES = 700_000;
/** What a record costs beside its value, roughly. */
const RECORD_OVERHEAD = 24;

/** What {@linkcode fillTopic} takes. */
export interface FillOptions {
  /** How many, over all partitions: spread evenly, the first partitions get what is left over. */
  messages: number;
  /** The size of each value. */
  bytes: number;
  /** Default 1. */
  partitions?: number;
  /** How many different keys (`k0`, `k1`, … in turn); default none, the messages have no key. */
  keys?: number;
}

/**
 * Sees to it that a topic holds exactly these messages, producing only what is missing. The values
 * are {@linkcode fillValue}s whose number is the message's offset.
 *
 * @param bootstrapServers `host:port,…`.
 * @param topic The name; it should tell the options, since a topic filled with others is taken as it is.
 * @param options How many messages of which size.
 * @throws {Error} When the topic exists with another number of partitions, or with more messages.
 */
export async function fillTopic(
  bootstrapServers: string,
  topic: string,
  options: FillOptions,
): Promise<void> {
  const partitions = options.partitions ?? 1;
  const wanted = Array.from(
    { length: partitions },
    (_, partition) =>
      Math.floor(options.messages / partitions) +
      (partition < options.messages % partitions ? 1 : 0),
  );
  // Fails early when the largest number does not fit.
  fillValue(Math.max(0, wanted[0]! - 1), options.bytes);

  const names = await withAdmin(bootstrapServers, (admin) => admin.listTopics());
  if (!names.includes(topic)) await createTopic(bootstrapServers, topic, { partitions });
  const present = await endOffsets(bootstrapServers, topic);
  if (present.length !== partitions || present.some((end, index) => end > wanted[index]!)) {
    throw new Error(
      `Cannot fill topic "${topic}" up to ${wanted}: its partitions end at ${present}`,
    );
  }
  if (present.every((end, index) => end === wanted[index])) return;

  const leaders = await findLeaders(bootstrapServers, topic);
  await Promise.all(
    wanted.map((end, partition) =>
      fillPartition(
        leaders[partition]!,
        { topic, partition, start: present[partition]!, end },
        options,
      )
    ),
  );
}

/**
 * Makes a value of {@linkcode fillTopic}: JSON such as `{"n":123,"p":"xxxx"}`.
 *
 * @param n The number in it.
 * @param bytes Its exact size.
 * @returns The value.
 * @throws {RangeError} When it does not fit into so few bytes.
 */
export function fillValue(n: number, bytes: number): Buffer {
  const head = `{"n":${n},"p":"`;
  if (head.length + 2 > bytes) {
    throw new RangeError(`Cannot write message ${n} in "${bytes}" bytes: it takes more`);
  }
  const value = Buffer.alloc(bytes, "x");
  value.write(head, 0, "latin1");
  value.write(`"}`, bytes - 2, "latin1");
  return value;
}

interface Address {
  host: string;
  port: number;
}

async function findLeaders(bootstrapServers: string, topic: string): Promise<Address[]> {
  return await withAdmin(bootstrapServers, async (admin) => {
    const { brokers } = await admin.describeCluster();
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const partitions = topics[0]?.partitions ?? [];
    return byPartition(
      partitions.map(({ partitionId, leader }) => ({ partition: partitionId, leader })),
      ({ partition, leader }) => {
        const address = brokers.find(({ nodeId }) => nodeId === leader);
        if (!address) {
          throw new Error(`Cannot fill "${topic}": partition ${partition} has no leader`);
        }
        return address;
      },
    );
  });
}

/** What is missing in a partition: the offsets from `start` to before `end`. */
interface Gap {
  topic: string;
  partition: number;
  start: number;
  end: number;
}

async function fillPartition(leader: Address, gap: Gap, options: FillOptions): Promise<void> {
  const { topic, partition, start, end } = gap;
  if (start === end) return;
  const size = Math.max(1, Math.floor(BATCH_BYTES / (options.bytes + RECORD_OVERHEAD)));
  const producer = connectRawProducer(leader.host, leader.port);
  try {
    let batch = makeBatch(start, Math.min(end, start + size), options);
    for (let first = start; first < end; first += size) {
      // One batch under way keeps the numbers in order; the next is made meanwhile.
      const sent = producer.send(topic, partition, batch);
      const next = first + size;
      if (next < end) batch = makeBatch(next, Math.min(end, next + size), options);
      const offset = await sent;
      if (offset !== first) {
        throw new Error(
          `Cannot fill "${topic}" partition ${partition}: somebody else writes to it`,
        );
      }
    }
  } finally {
    producer.close();
  }
}

function makeBatch(first: number, end: number, { bytes, keys }: FillOptions): Buffer {
  const records: PlainRecord[] = [];
  for (let n = first; n < end; n++) {
    const key = keys === undefined ? null : Buffer.from(`k${n % keys}`);
    records.push({ key, value: fillValue(n, bytes) });
  }
  return encodeRecordBatch(records);
}
