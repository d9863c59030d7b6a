import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { connect as connectTls } from "node:tls";
import * as fc from "fast-check";
import { after, before, describe, it } from "#std/testing/bdd";
import type { AnyApi } from "../../../src/testing/protocol/api.ts";
import { APIS } from "../../../src/testing/protocol/registry.ts";
import { makeCertificates } from "../../support/kafka/certificates.ts";
import { messageOf } from "../protocol/arbitrary.ts";
import { ALL, everyVersion, requestBody, requestFrame } from "../protocol/frames.ts";
import { REQUESTS } from "../protocol/samples.ts";
import { framed } from "./raw_client.ts";
import { type Rig, rig } from "./support.ts";

const SEED = 4;
/** As many connections are open at a time. */
const AT_ONCE = 50;

/** The newest version of a request of each API, with its length. */
const SAMPLES: { api: AnyApi; frame: Buffer }[] = Object.entries(APIS).map(([name, api]) => {
  const body = requestBody(api, api.maxVersion, REQUESTS[name as keyof typeof APIS]);
  return { api, frame: framed(requestFrame(api, api.maxVersion, body)) };
});

/** What a client of the broker does while others send nonsense; resolves with how often it did it. */
async function goOn({ kafkajs, broker }: Rig): Promise<() => Promise<number>> {
  const producer = kafkajs.producer();
  const consumer = kafkajs.consumer({ groupId: "witness", maxWaitTimeInMs: 50 });
  await Promise.all([producer.connect(), consumer.connect()]);
  await consumer.subscribe({ topic: "witness", fromBeginning: true });
  const errors: unknown[] = [];
  const got: string[] = [];
  consumer.on("consumer.crash", ({ payload }) => errors.push(payload.error));
  consumer.on("consumer.disconnect", () => errors.push("disconnected"));
  await consumer.run({
    autoCommitThreshold: 1,
    eachMessage: ({ message }) => Promise.resolve(void got.push(`${message.value}`)),
  });
  await broker.whenGroup("witness");
  let sent = 0;
  let over = false;
  const sending = (async () => {
    while (!over) {
      await producer.send({ topic: "witness", messages: [{ value: `${sent++}` }] });
      await broker.whenCommitted("witness", "witness", { offset: sent });
    }
  })();
  return async () => {
    over = true;
    await sending;
    const group = await broker.whenGroup("witness");
    assert.deepEqual(errors, []);
    assert.equal(group!.generationId, 1, "it was never put out");
    assert.deepEqual(got, Array.from({ length: sent }, (_, index) => `${index}`));
    await consumer.disconnect();
    await producer.disconnect();
    return sent;
  };
}

describe("KafkaBroker and bytes that are not Kafka's", () => {
  let test: Rig;
  let port: number;
  let tlsPort: number;
  let ca: string;
  let stopWitness: () => Promise<number>;
  let cases = 0;
  /** Lines that were there before a test. */
  let logged = 0;

  before(async () => {
    const folder = await mkdtemp(join(tmpdir(), "kafka-threads-garbage-"));
    const certificates = await makeCertificates(folder)
      .finally(() => rm(folder, { recursive: true }));
    ca = certificates.ca;
    const { serverCert: cert, serverKey: key } = certificates;
    test = await rig({
      topics: { witness: 1, orders: 3 },
      listeners: { tls: { tls: { cert, key } } },
      logLevel: "warn",
    });
    port = Number(test.broker.bootstrapServers.split(":")[1]);
    tlsPort = Number(test.broker.bootstrapServersOf("tls").split(":")[1]);
    stopWitness = await goOn(test);
  });

  after(async () => {
    const witnessed = await stopWitness();
    await test[Symbol.asyncDispose]();
    assert.ok(witnessed > 10);
    assert.ok(cases >= 10_000, `${cases} cases`);
    assert.deepEqual(test.log.messages("error"), []);
  });

  /** Sends bytes on a connection of their own, and ends it; resolves when the broker has closed it. */
  async function send(bytes: Buffer | string, end = true): Promise<void> {
    cases++;
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("error", () => {}); // The broker may be quicker to close than this is to send.
    socket.resume();
    if (end) socket.end(bytes);
    else socket.write(bytes);
    await new Promise((resolve) => socket.once("close", resolve));
  }

  async function sendAll(all: readonly (Buffer | string)[], end = true): Promise<void> {
    const rest = all.values();
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (const bytes of rest) await send(bytes, end);
    }));
  }

  /** Why connections were closed since this was asked last. */
  function reasons(): string[] {
    const lines = test.log.messages("warn").slice(logged);
    logged += lines.length;
    return lines.map((line) =>
      /^Kafka broker closes the connection of [^ ]+: (.+)$/.exec(line)![1]!
    );
  }

  it("closes connections of random bytes, each with a reason", async () => {
    const all = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 300 }), {
      seed: SEED,
      numRuns: 2_500,
    });
    await sendAll(all.map((bytes) => Buffer.from(bytes)));
    const found = reasons();
    assert.equal(found.length, all.length);
    assert.ok(new Set(found.map((reason) => reason.replace(/\d+/g, "N"))).size > 3);
  });

  it("closes connections that end at any position of a request", async () => {
    const cut = SAMPLES.flatMap(({ frame }) =>
      Array.from({ length: frame.length - 1 }, (_, index) => frame.subarray(0, index + 1))
    );
    await sendAll(cut);
    const found = reasons();
    assert.equal(found.length, cut.length);
    for (const reason of found) {
      assert.match(reason, /^it ended within (a frame, after \d+ of \d+|the length of a frame)/);
    }
  });

  it("closes connections of requests that lack their end", async () => {
    // The frame is as long as it says; what is in it is not all there.
    const cut = SAMPLES.flatMap(({ frame }) =>
      Array.from({ length: frame.length - 5 }, (_, index) => {
        const bytes = Buffer.from(frame.subarray(0, 5 + index));
        bytes.writeInt32BE(bytes.length - 4);
        return bytes;
      })
    );
    await sendAll(cut, false);
    assert.equal(reasons().length, cut.length);
  });

  it("closes connections whose bytes were changed on the way, or answers them", async () => {
    const changed = fc.sample(
      fc.tuple(
        fc.constantFrom(...SAMPLES),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      ),
      { seed: SEED, numRuns: 2_000 },
    ).map(([{ frame }, changes]) => {
      const bytes = Buffer.from(frame);
      for (const [at, value] of changes) bytes[4 + at % (bytes.length - 4)] = value;
      return bytes;
    });
    await sendAll(changed);
    assert.ok(reasons().length > changed.length / 10);
  });

  it("answers requests whose bytes are right, whatever they say", async () => {
    const each = everyVersion();
    const frames = fc.sample(
      fc.constantFrom(...each).chain(({ api, version }) =>
        messageOf(api.request.shape, version).map((message) =>
          framed(requestFrame(api, version, requestBody(api, version, message)))
        )
      ),
      { seed: SEED, numRuns: 2_500 },
    );
    await sendAll(frames);
    // Such as an acknowledgement that is not wanted, of something that went wrong.
    for (const reason of reasons()) assert.match(reason, /^Produce without acknowledgement failed/);
  });

  it("closes connections of unknown requests", async () => {
    const header = (key: number, version: number) => {
      const frame = Buffer.alloc(10);
      frame.writeInt16BE(key, 0);
      frame.writeInt16BE(version, 2);
      return framed(frame);
    };
    const [first] = ALL;
    await sendAll([header(999, 0), header(-1, 0), header(first!.key, 99), header(3, -1)], false);
    assert.deepEqual(reasons().toSorted(), [
      "API -1, version 0, is not spoken here",
      "API 999, version 0, is not spoken here",
      "Metadata, version -1, is not spoken here, 0 to 13 are",
      "Produce, version 99, is not spoken here, 3 to 13 are",
    ]);
  });

  it("closes connections of lengths that cannot be", async () => {
    for (
      const [length, reason] of [
        [-1, /^the length of a frame is negative: -1/],
        [0, /^a frame of 0 bytes is too short/],
        [7, /^a frame of 7 bytes is too short/],
        [104_857_601, /^a frame of 104857601 bytes is larger than the limit of 104857600/],
        [0x7fffffff, /larger than the limit/],
      ] as const
    ) {
      const bytes = Buffer.alloc(100);
      bytes.writeInt32BE(length);
      await send(bytes, false);
      const [found] = reasons();
      assert.match(found!, reason);
    }
  });

  it("needs no memory for what a length claims", async () => {
    const claim = Buffer.alloc(12);
    claim.writeInt32BE(100_000_000);
    const before = process.memoryUsage().rss;
    const sockets: Socket[] = [];
    for (let count = 0; count < 100; count++) {
      const socket = connect({ port, host: "127.0.0.1" });
      await once(socket, "connect");
      socket.write(claim);
      sockets.push(socket);
    }
    // Whoever came later has been served by now, and so have they.
    await (await test.raw()).ask(APIS.listGroups, {});
    assert.ok(test.broker.connections.length > 100);
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 500_000_000, `10 GB are claimed, ${grown} bytes were taken`);
    await Promise.all(sockets.map((socket) => {
      const closed = once(socket, "close");
      socket.on("error", () => {}).end();
      return closed;
    }));
    assert.equal(reasons().length, 100);
  });

  it("tells HTTP, TLS and plain text where the other belongs", async () => {
    await send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", false);
    await send("POST / HTTP/1.1\r\n\r\n", false);
    await send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false);
    const http = "it is an HTTP request, and Kafka's protocol is spoken here";
    assert.deepEqual(reasons(), [http, http, http]);

    const hello = connectTls({ port, host: "127.0.0.1", ca, servername: "localhost" });
    await new Promise((resolve) => hello.once("error", resolve));
    hello.destroy();
    assert.match(reasons()[0]!, /^it is the hello of TLS, and this listener speaks plain text/);

    const { frame } = SAMPLES.find(({ api }) => api.name === "ApiVersions")!;
    const plain = connect({ port: tlsPort, host: "127.0.0.1" });
    plain.on("error", () => {});
    plain.resume();
    plain.write(frame);
    await new Promise((resolve) => plain.once("close", resolve));
    assert.match(reasons()[0]!, /^it speaks plain text, and this listener speaks TLS/);
    cases += 2;
  });

  it("has no connection left of all these", async () => {
    // The witness has some; and each of the others was seen to be closed.
    await (await test.raw()).ask(APIS.listGroups, {});
    const names = test.broker.connections.map(({ clientId }) => clientId);
    assert.ok(names.every((name) => name === "eager" || name === "raw"), names.join());
  });
});
