import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { FrameSplitter } from "../../../src/testing/network/frames.ts";
import { framed } from "./client.ts";

function take(splitter: FrameSplitter): Buffer[] {
  const frames: Buffer[] = [];
  for (let frame = splitter.next(); frame !== undefined; frame = splitter.next()) {
    frames.push(frame);
  }
  return frames;
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let start = 0, turn = 0; start < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    chunks.push(bytes.subarray(start, start + size));
    start += size;
  }
  return chunks;
}

function refusalOf(bytes: Buffer | string, maxFrameBytes?: number): string | undefined {
  const splitter = new FrameSplitter(maxFrameBytes === undefined ? {} : { maxFrameBytes });
  splitter.push(Buffer.from(bytes as string));
  assert.deepEqual(take(splitter), []);
  return splitter.refusal;
}

function length(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value, 0);
  return bytes;
}

describe("FrameSplitter", () => {
  it("gives the same frames however they are cut into chunks", () => {
    fc.assert(fc.property(
      fc.array(fc.uint8Array({ minLength: 8, maxLength: 60 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
      (bodies, sizes) => {
        const splitter = new FrameSplitter();
        const frames: Buffer[] = [];
        const all = Buffer.concat(bodies.map((body) => framed(Buffer.from(body))));
        for (const chunk of cut(all, sizes)) {
          splitter.push(chunk);
          frames.push(...take(splitter));
        }
        assert.deepEqual(frames.map((frame) => [...frame]), bodies.map((body) => [...body]));
        assert.equal(splitter.bufferedBytes, 0);
        assert.equal(splitter.truncation, undefined);
        assert.equal(splitter.refusal, undefined);
      },
    ));
  });

  it("gives the same frames where all chunks come before any is taken", () => {
    fc.assert(fc.property(
      fc.array(fc.uint8Array({ minLength: 8, maxLength: 60 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
      (bodies, sizes) => {
        const splitter = new FrameSplitter();
        const all = Buffer.concat(bodies.map((body) => framed(Buffer.from(body))));
        for (const chunk of cut(all, sizes)) splitter.push(chunk);
        assert.equal(splitter.bufferedBytes, all.length);
        assert.deepEqual(
          take(splitter).map((frame) => [...frame]),
          bodies.map((body) => [...body]),
        );
      },
    ));
  });

  it("does not copy a frame within one chunk", () => {
    const splitter = new FrameSplitter();
    const chunk = Buffer.concat([framed("12345678"), framed("abcdefgh")]);
    splitter.push(chunk);
    for (const frame of take(splitter)) assert.equal(frame.buffer, chunk.buffer);
  });

  it("takes a frame of a million chunks in no more than linear time", () => {
    // Were it quadratic, this would be 10^12 steps, and nobody would see the end of it.
    const splitter = new FrameSplitter();
    splitter.push(length(1_000_000));
    for (let index = 0; index < 1_000_000; index++) {
      splitter.push(Buffer.of(index & 0xff));
      const frame = splitter.next();
      assert.equal(frame === undefined, index < 999_999);
      if (frame !== undefined) assert.ok(frame.every((byte, at) => byte === (at & 0xff)));
    }
  });

  it("says what is missing, wherever the stream ends", () => {
    const frame = framed("0123456789");
    for (let size = 1; size < frame.length; size++) {
      const splitter = new FrameSplitter();
      splitter.push(frame.subarray(0, size));
      assert.deepEqual(take(splitter), []);
      const missing = size < 4
        ? `it ended within the length of a frame, after ${size} of 4 bytes`
        : `it ended within a frame, after ${size - 4} of 10 bytes`;
      assert.equal(splitter.truncation, missing);
    }
  });

  it("refuses lengths that cannot be, and nothing else", () => {
    assert.equal(refusalOf(length(-1)), "the length of a frame is negative: -1");
    assert.match(refusalOf(length(-2_147_483_648))!, /negative/);
    for (const size of [0, 1, 7]) {
      assert.match(refusalOf(length(size))!, /too short for the header of a request$/);
    }
    assert.equal(refusalOf(length(8)), undefined);
    assert.equal(refusalOf(length(104_857_600)), undefined);
    assert.equal(
      refusalOf(length(104_857_601)),
      "a frame of 104857601 bytes is larger than the limit of 104857600 bytes",
    );
    assert.match(refusalOf(length(1_001), 1_000)!, /larger than the limit of 1000 bytes/);
    assert.equal(refusalOf(length(1_000), 1_000), undefined);
  });

  it("recognises HTTP and TLS", () => {
    for (const method of ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "CONNECT"]) {
      assert.match(refusalOf(`${method} / HTTP/1.1\r\n\r\n`)!, /HTTP/);
    }
    assert.match(refusalOf("PRI * HTTP/2.0\r\n\r\n")!, /HTTP/);
    assert.match(refusalOf(Buffer.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01))!, /TLS/);
    assert.match(refusalOf(Buffer.of(0x16, 0x03, 0x03, 0x02, 0x00, 0x01))!, /TLS/);
  });

  it("gives the frames before one that is refused, and none behind it", () => {
    const splitter = new FrameSplitter();
    splitter.push(Buffer.concat([framed("12345678"), length(-7), framed("abcdefgh")]));
    assert.deepEqual(take(splitter).map(String), ["12345678"]);
    assert.match(splitter.refusal!, /-7/);
    splitter.push(framed("abcdefgh"));
    assert.equal(splitter.next(), undefined);
    assert.equal(splitter.bufferedBytes, 0);
  });
});
