/**
 * Which messages beyond the committed offset have finished, as text for the commit's metadata.
 *
 * The format is described in docs/offset_map.md: `kt1:` and, in base64, the encoding, the ranges in
 * it, and a checksum over all of that and the offset that the commit carries.
 */

import { crc32 } from "./crc32.ts";
import { BitmapWriter, readBitmap } from "./offset_bitmap.ts";
import type { OffsetRange, RangeWriter } from "./offset_range.ts";
import { readRuns, RunsWriter } from "./offset_runs.ts";

export type { OffsetRange } from "./offset_range.ts";

/** What every map of this version begins with. */
const PREFIX = "kt1:";

/** Kafka's default of `offset.metadata.max.bytes`. */
const BROKER_BYTES = 4_096;

/** Longest string of Kafka's protocol: no map is longer, whatever the broker allows. */
const MOST_BYTES = 32_767;

/** Bytes of the encoding, in front of the ranges, and of the checksum, behind them. */
const ENCODING_BYTES = 1;
const CHECKSUM_BYTES = 4;

/** Encodings, as the first byte names them. */
const RUNS = 1;
const BITMAP = 2;

/** What a commit's metadata turned out to be; all but "map" mean: nothing is known to have finished. */
export type DecodedOffsetMap =
  | { kind: "map"; ranges: OffsetRange[] }
  | { kind: "none" }
  | { kind: "foreign" | "damaged" | "beyond-the-log"; reason: string };

/**
 * Writes down which offsets have finished.
 *
 * Takes the encoding that is shorter or, where not all fits, that which gets farther; what does not
 * fit is left out from the highest range down. Ranges beyond that are not even looked at.
 *
 * @param base Offset that the commit carries: the lowest unfinished one.
 * @param finished Ranges of finished offsets: rising, beyond the base, not touching each other or the
 * base, each to at most 2**53 - 1. Offsets that the log does not have may be inside.
 * @param maxBytes Most bytes of the text; default 4,096, what brokers accept unless configured
 * otherwise; more than 32,767 counts as that.
 * @returns The text, ASCII, "" if there is no range or none that fits, and whether it has all ranges.
 * @throws {RangeError} If the base or the ranges are not as described: such a map would lose messages.
 */
export function encodeOffsetMap(
  base: number,
  finished: Iterable<OffsetRange>,
  maxBytes: number = BROKER_BYTES,
): { metadata: string; complete: boolean } {
  if (!isOffset(base)) throw new RangeError(`Cannot write an offset map for the offset "${base}"`);
  const room = roomFor(maxBytes);
  const runs = new RunsWriter(base, room);
  const bitmap = new BitmapWriter(base, room);
  let complete = true;
  let end = base;
  for (const [from, to] of finished) {
    if (!isOffset(from) || !isOffset(to) || from <= end || to <= from) {
      throw new RangeError(
        `Cannot write the range from "${from}" to "${to}" into an offset map behind "${end}"`,
      );
    }
    end = to;
    // Both, always: which of them ends up ahead is known at the end only.
    const fitsRuns = runs.add(from, to);
    const fitsBitmap = bitmap.add(from, to);
    complete = fitsRuns || fitsBitmap;
    if (!complete) break;
  }
  const best = isBetter(bitmap, runs) ? bitmap : runs;
  if (best.taken === 0) return { metadata: "", complete };
  return { metadata: seal(base, best === bitmap ? BITMAP : RUNS, best.bytes), complete };
}

/**
 * Reads the metadata of a commit.
 *
 * Never throws, and never takes more memory than a few times the text: a range is two numbers,
 * whatever its length.
 *
 * @param metadata As the broker gave it; the protocol allows null.
 * @param base Offset that was committed with it.
 * @param logEnd Offset of the partition's next message, or null if not known: a map that goes beyond
 * it is not believed.
 * @returns The finished ranges, at least one; or "none" for no text, "foreign" for what other
 * software or another version wrote, "damaged" for a map whose checksum or content is wrong (that
 * includes one that was written beside another offset), "beyond-the-log" for a map past the log's end.
 */
export function decodeOffsetMap(
  metadata: string | null,
  base: number,
  logEnd: number | null,
): DecodedOffsetMap {
  if (metadata === null || metadata === "") return { kind: "none" };
  if (!metadata.startsWith(PREFIX)) return { kind: "foreign", reason: whyForeign(metadata) };
  if (metadata.length > MOST_BYTES) return { kind: "damaged", reason: "it is too long" };
  const bytes = fromBase64(metadata.slice(PREFIX.length));
  if (bytes === null) return { kind: "damaged", reason: "it is not base64" };
  const end = bytes.length - CHECKSUM_BYTES;
  if (end <= ENCODING_BYTES) return { kind: "damaged", reason: "it is cut short" };
  const checked = bytes.subarray(0, end);
  const checksum = new DataView(bytes.buffer).getUint32(end, true);
  if (!isOffset(base) || checksum !== checksumOf(base, checked)) {
    const reason = `its checksum is wrong: it is damaged, or not of the committed offset ${base}`;
    return { kind: "damaged", reason };
  }
  const ranges = readRanges(checked[0]!, checked.subarray(ENCODING_BYTES), base);
  if (ranges === null) return { kind: "damaged", reason: "its ranges are not well-formed" };
  const last = ranges.at(-1)![1] - 1;
  if (logEnd !== null && !(last < logEnd)) {
    const reason = `it goes to offset ${last}, and the log ends at ${logEnd}`;
    return { kind: "beyond-the-log", reason };
  }
  return { kind: "map", ranges };
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** How many bytes of ranges fit into a text of this size. */
function roomFor(maxBytes: number): number {
  const characters = Math.min(maxBytes, MOST_BYTES) - PREFIX.length;
  const room = Math.floor(characters * 3 / 4) - ENCODING_BYTES - CHECKSUM_BYTES;
  return Math.max(0, room);
}

function isBetter(one: RangeWriter, other: RangeWriter): boolean {
  return one.taken > other.taken ||
    one.taken === other.taken && one.bytes.length < other.bytes.length;
}

/** The text of a map: what is checked, and the checksum. */
function seal(base: number, encoding: number, ranges: Uint8Array): string {
  const end = ENCODING_BYTES + ranges.length;
  const bytes = new Uint8Array(end + CHECKSUM_BYTES);
  bytes[0] = encoding;
  bytes.set(ranges, ENCODING_BYTES);
  const checksum = checksumOf(base, bytes.subarray(0, end));
  // Little-endian makes it the remainder of one polynomial with what is in front of it, which is what
  // CRC's promise for neighbouring bits rests on.
  new DataView(bytes.buffer).setUint32(end, checksum, true);
  return PREFIX + toBase64(bytes);
}

/** Checksum over the version, the base as 64 bits, and these bytes. */
function checksumOf(base: number, bytes: Uint8Array): number {
  const head = new Uint8Array(PREFIX.length + 8);
  for (let index = 0; index < PREFIX.length; index++) head[index] = PREFIX.charCodeAt(index);
  new DataView(head.buffer).setBigUint64(PREFIX.length, BigInt(base));
  return crc32(bytes, crc32(head));
}

function readRanges(encoding: number, bytes: Uint8Array, base: number): OffsetRange[] | null {
  switch (encoding) {
    case RUNS:
      return readRuns(bytes, base);
    case BITMAP:
      return readBitmap(bytes, base);
    default:
      return null;
  }
}

function whyForeign(metadata: string): string {
  const version = /^kt([0-9]{1,9}):/.exec(metadata)?.[1];
  return version === undefined
    ? "other software wrote it"
    : `it has version ${version}, of which this one knows nothing`;
}

/** Base64 without padding, so that a text of other length has other content. */
function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let index = 0; index < bytes.length; index++) bytes[index] = binary.charCodeAt(index);
    // atob() overlooks white space, padding and bits behind the last byte.
    return toBase64(bytes) === text ? bytes : null;
  } catch {
    return null;
  }
}
