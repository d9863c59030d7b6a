import { createTopic, produce, uniqueName } from "../../support/kafka/mod.ts";
import { seededRandom } from "../../thread_manager/fault/random.ts";
import type { Place } from "./history.ts";

/** Most messages that are produced in one go. */
const PORTION = 10_000;

/** What a {@linkcode ChaosTopic} holds. */
export interface ChaosTopicOptions {
  messages: number;
  partitions: number;
  /** How many different keys, each in one partition; 0: none, lanes are partitions. */
  keys: number;
  /** Which part of the messages has no key, where there are keys; default 0. */
  keyless?: number;
  seed: number;
}

interface Planned {
  partition: number;
  key: string | null;
  value: string;
}

/** A topic whose messages are known before they are produced, with their offsets. */
export class ChaosTopic {
  readonly name: string;
  /** How many messages each partition gets. */
  readonly ends: number[];
  /** All messages, as `partition/offset`, in the order in which they are produced. */
  readonly messages: string[] = [];
  readonly #bootstrapServers: string;
  readonly #planned: Planned[] = [];
  readonly #places = new Map<string, Place>();
  #produced = 0;

  private constructor(bootstrapServers: string, options: ChaosTopicOptions) {
    const { messages, partitions, keys, keyless = 0, seed } = options;
    this.#bootstrapServers = bootstrapServers;
    this.name = uniqueName("chaos");
    this.ends = Array.from({ length: partitions }, () => 0);
    const random = seededRandom(seed);
    const turns = new Map<string, number>();
    for (let n = 0; n < messages; n++) {
      const hasKey = keys > 0 && random() >= keyless;
      const number = Math.floor(random() * (hasKey ? keys : partitions));
      const partition = number % partitions;
      const message = `${partition}/${this.ends[partition]!++}`;
      const lane = hasKey ? `key ${number}` : keys > 0 ? message : `partition ${partition}`;
      const turn = turns.get(lane) ?? 0;
      turns.set(lane, turn + 1);
      this.messages.push(message);
      this.#places.set(message, { lane, turn });
      this.#planned.push({ partition, key: hasKey ? `key ${number}` : null, value: `${n}` });
    }
  }

  /** Creates the topic; it is empty. */
  static async create(bootstrapServers: string, options: ChaosTopicOptions): Promise<ChaosTopic> {
    const topic = new ChaosTopic(bootstrapServers, options);
    await createTopic(bootstrapServers, topic.name, { partitions: options.partitions });
    return topic;
  }

  /** How many messages have been produced. */
  get produced(): number {
    return this.#produced;
  }

  /** Where a message stands. */
  readonly placeOf = (message: string): Place => {
    const place = this.#places.get(message);
    if (place === undefined) throw new Error(`The message ${message} was never produced`);
    return place;
  };

  /** Produces the next so many messages; by default all that are left. */
  async produce(count = this.#planned.length): Promise<void> {
    const end = Math.min(this.#planned.length, this.#produced + count);
    while (this.#produced < end) {
      const portion = this.#planned.slice(this.#produced, Math.min(end, this.#produced + PORTION));
      await produce(this.#bootstrapServers, this.name, portion);
      this.#produced += portion.length;
    }
  }

  /** So many messages, chosen at random, none of them twice. */
  choose(count: number, random: () => number): string[] {
    const chosen = new Set<string>();
    while (chosen.size < Math.min(count, this.messages.length)) {
      chosen.add(this.messages[Math.floor(random() * this.messages.length)]!);
    }
    return [...chosen];
  }
}
