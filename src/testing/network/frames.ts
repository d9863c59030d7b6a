/**
 * The frames of Kafka's protocol: a length of 4 bytes, then that many bytes. Pure: no sockets.
 *
 * Source: https://kafka.apache.org/protocol#protocol_common
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Kafka's own default of `socket.request.max.bytes`, in bytes. */
export const MAX_FRAME_BYTES = 104_857_600;

const LENGTH_BYTES = 4;
/** API key, API version and correlation id: the shortest header a request can have. */
const HEADER_BYTES = 8;
const HTTP_STARTS: ReadonlySet<string> = new Set(
  ["GET ", "POST", "PUT ", "HEAD", "DELE", "OPTI", "PATC", "CONN", "TRAC", "PRI "],
);

/** How a {@link FrameSplitter} tells a frame from something else. */
export interface FrameSplitterOptions {
  /** Most bytes of a frame, without its length. Default: 104,857,600, as Kafka's. */
  readonly maxFrameBytes?: number;
}

/**
 * Cuts a stream of bytes into frames, in time that grows with the bytes alone: a frame that came in
 * many chunks is joined once, when it is complete, and a frame within one chunk is not copied. What
 * a length claims is never allocated before it is there.
 */
export class FrameSplitter {
  readonly #maxFrameBytes: number;
  // Chunks not consumed yet; those before #first are done with and are dropped now and then.
  #chunks: Buffer[] = [];
  #first = 0;
  /** Bytes of the first chunk that are consumed. */
  #offset = 0;
  #buffered = 0;
  /** Length of the frame that is being received, once its 4 bytes are there. */
  #length: number | undefined;
  #refusal: string | undefined;

  /**
   * Makes a splitter for one connection.
   *
   * @param options The limit.
   */
  constructor(options: FrameSplitterOptions = {}) {
    this.#maxFrameBytes = options.maxFrameBytes ?? MAX_FRAME_BYTES;
  }

  /** Bytes that were pushed and are not part of a frame that was taken. */
  get bufferedBytes(): number {
    return this.#buffered;
  }

  /** Why this is no Kafka client, once {@link next} came to the bytes that say so. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** What is missing, where the stream would end now; `undefined` between two frames. */
  get truncation(): string | undefined {
    if (this.#length !== undefined) {
      return `it ended within a frame, after ${this.#buffered} of ${this.#length} bytes`;
    }
    if (this.#buffered === 0) return undefined;
    return `it ended within the length of a frame, after ${this.#buffered} of 4 bytes`;
  }

  /**
   * Takes the bytes that arrived next.
   *
   * @param chunk The bytes; they must not change afterwards.
   */
  push(chunk: Buffer): void {
    if (chunk.length === 0 || this.#refusal !== undefined) return;
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
  }

  /**
   * Takes the next frame out.
   *
   * @returns The frame without its length, as a view of a chunk where it can be one; `undefined`
   * where none is complete, and for ever once {@link refusal} says why.
   */
  next(): Buffer | undefined {
    if (this.#refusal !== undefined) return undefined;
    if (this.#length === undefined) {
      if (this.#buffered < LENGTH_BYTES) return undefined;
      const start = this.#take(LENGTH_BYTES);
      const length = start.readInt32BE(0);
      this.#refusal = refuse(length, this.#maxFrameBytes, start);
      if (this.#refusal !== undefined) {
        this.#chunks = []; // Nothing behind it can be understood.
        this.#first = this.#offset = this.#buffered = 0;
        return undefined;
      }
      this.#length = length;
    }
    if (this.#buffered < this.#length) return undefined;
    const frame = this.#take(this.#length);
    this.#length = undefined;
    return frame;
  }

  #take(size: number): Buffer {
    this.#buffered -= size;
    const head = this.#chunks[this.#first]!;
    const end = this.#offset + size;
    if (end <= head.length) {
      const view = head.subarray(this.#offset, end);
      this.#consume(end, head.length);
      return view;
    }
    const joined = Buffer.allocUnsafeSlow(size);
    let filled = 0;
    while (filled < size) {
      const chunk = this.#chunks[this.#first]!;
      const stop = Math.min(chunk.length, this.#offset + size - filled);
      filled += chunk.copy(joined, filled, this.#offset, stop);
      this.#consume(stop, chunk.length);
    }
    return joined;
  }

  #consume(offset: number, length: number): void {
    this.#offset = offset;
    if (offset < length) return;
    this.#offset = 0;
    this.#first++;
    // Dropping as many as are kept, at least, makes the cost of dropping linear.
    if (this.#first * 2 < this.#chunks.length) {
      this.#chunks[this.#first - 1] = EMPTY; // Its memory is not to wait for that.
      return;
    }
    this.#chunks.splice(0, this.#first);
    this.#first = 0;
  }
}

const EMPTY = Buffer.alloc(0);

function refuse(length: number, max: number, start: Buffer): string | undefined {
  if (length >= HEADER_BYTES && length <= max) return undefined;
  const said = looksLike(start);
  if (said !== undefined) return said;
  if (length < 0) return `the length of a frame is negative: ${length}`;
  if (length > max) return `a frame of ${length} bytes is larger than the limit of ${max} bytes`;
  return `a frame of ${length} bytes is too short for the header of a request`;
}

// As lengths, all of these are beyond any sensible limit: from 0x14000000, 335 million.
function looksLike(start: Buffer): string | undefined {
  if (HTTP_STARTS.has(start.toString("latin1"))) {
    return "it is an HTTP request, and Kafka's protocol is spoken here";
  }
  if (start[0] === 0x16 && start[1] === 0x03) {
    return "it is the hello of TLS, and this listener speaks plain text (PLAINTEXT or SASL_PLAINTEXT)";
  }
  return undefined;
}
