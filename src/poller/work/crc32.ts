/** CRC-32 as zlib, gzip and PNG have it: polynomial 0xEDB88320, reflected, inverted at both ends. */

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

/**
 * The checksum of some bytes, or of bytes that follow others.
 *
 * @param bytes What to check.
 * @param before Checksum of what comes in front of them; default 0: nothing does.
 * @returns An unsigned number of 32 bits.
 */
export function crc32(bytes: Uint8Array, before = 0): number {
  let rest = ~before;
  for (let index = 0; index < bytes.length; index++) {
    rest = TABLE[(rest ^ bytes[index]!) & 0xff]! ^ (rest >>> 8);
  }
  return ~rest >>> 0;
}
