/**
 * Which partition a key belongs to, as Kafka's Java client decides it.
 *
 * Source: `murmur2` and `toPositive` of org.apache.kafka.common.utils.Utils in Apache Kafka.
 */

const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const R = 24;

/** The hash of Kafka's producers: 32-bit MurmurHash2. */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  let hash = SEED ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let k = bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
    k = Math.imul(k, M);
    k = Math.imul(k ^ k >>> R, M);
    hash = Math.imul(hash, M) ^ k;
  }
  if (at < length) {
    for (let shift = 0; at < length; at++, shift += 8) hash ^= bytes[at]! << shift;
    hash = Math.imul(hash, M);
  }
  hash = Math.imul(hash ^ hash >>> 13, M);
  return hash ^ hash >>> 15;
}

/** The partition of a key among so many. */
export function partitionOfKey(key: Uint8Array, count: number): number {
  return (murmur2(key) & 0x7fffffff) % count;
}
