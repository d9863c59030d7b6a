/** A number for a key, so that lanes are found without making text of every key. */

/**
 * Hashes bytes (FNV-1a, 32 bits, with a final mix). Keys that share a number share a lane: they wait for
 * each other, and nothing else comes of it.
 */
export function hashKey(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let position = from; position < to; position++) {
    hash = Math.imul(hash ^ bytes[position]!, 0x01000193);
  }
  // FNV's high bits depend on little of a short key; a map of numbers looks at all of them.
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x7feb352d);
  return hash ^ (hash >>> 15);
}
