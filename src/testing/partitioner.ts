import { Buffer } from "node:buffer";
import { murmur2 } from "@platformatic/kafka";

/** Chooses partitions as Kafka's own producer does: by the key's hash, or else in turns. */
export class Partitioner {
  #next = 0;

  /**
   * Chooses.
   *
   * @param key The message's key, if it has one.
   * @param partitions How many partitions there are.
   * @returns One of them.
   */
  choose(key: string | Uint8Array | null | undefined, partitions: number): number {
    if (key === null || key === undefined) return this.#next++ % partitions;
    const bytes = typeof key === "string" ? Buffer.from(key) : Buffer.from(key);
    return (murmur2(bytes) & 0x7fffffff) % partitions;
  }
}
