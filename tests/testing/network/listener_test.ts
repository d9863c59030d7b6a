import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, before, describe, it } from "#std/testing/bdd";
import { ConnectionError } from "../../../src/errors.ts";
import { BrokerError } from "../../../src/testing/errors.ts";
import type { Connection } from "../../../src/testing/network/connection.ts";
import { Listener, type ListenerOptions } from "../../../src/testing/network/listener.ts";
import { type Certificates, makeCertificates } from "../../support/kafka/certificates.ts";
import { dial, dialTls, framed, type RawClient } from "./client.ts";

type Session = { name: string };

const opened: Listener<Session>[] = [];
const refusals: string[] = [];
const errors: unknown[] = [];

function echo(connection: Connection<Session>, frame: Buffer): Promise<void> {
  return connection.write([framed(frame)]);
}

async function open(
  options: Partial<ListenerOptions<Session>> = {},
): Promise<Listener<Session>> {
  const listener = await Listener.open<Session>({
    onFrame: echo,
    onRefused: (_, reason) => refusals.push(reason),
    onError: (error) => errors.push(error),
    ...options,
  });
  opened.push(listener);
  return listener;
}

async function exchange(client: RawClient, body: string | Buffer): Promise<Buffer> {
  client.socket.write(framed(body));
  return (await client.read(Buffer.byteLength(body) + 4)).subarray(4);
}

/** Gives the runtime as much to do as takes it a while, so that what may happen has happened. */
async function muchTraffic(): Promise<void> {
  const listener = await open();
  const client = await dial(listener.port);
  for (let turn = 0; turn < 8; turn++) await exchange(client, Buffer.alloc(8_000_000));
  await listener.close();
}

describe("Listener", () => {
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((listener) => listener.close()));
    refusals.length = 0;
    errors.length = 0;
  });

  it("gives a connection its frames one at a time and in order", async () => {
    const seen: string[] = [];
    const settle: (() => void)[] = [];
    const third = Promise.withResolvers<void>();
    const listener = await open({
      onFrame: (_, frame) => {
        seen.push(`${frame}`);
        if (seen.length === 3) third.resolve();
        return new Promise((resolve) => settle.push(resolve));
      },
    });
    const client = await dial(listener.port);
    client.socket.write(Buffer.concat(["first___", "second__", "third___"].map(framed)));
    // Another connection is served meanwhile.
    const other = await dial(listener.port);
    other.socket.write(framed("of other"));
    while (seen.length < 2) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([...seen].sort(), ["first___", "of other"]);
    for (const done of settle.splice(0)) done();
    while (settle.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(seen.length, 3);
    assert.equal(seen.at(-1), "second__");
    settle.pop()!();
    while (settle.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(seen.at(-1), "third___");
    settle.pop()!();
  });

  it("carries frames of any size, both ways", async () => {
    const listener = await open();
    const client = await dial(listener.port);
    for (const size of [8, 100, 65_535, 65_536, 300_000, 20_000_000]) {
      const body = Buffer.alloc(size, `${size} `);
      assert.ok((await exchange(client, body)).equals(body), `${size} bytes`);
    }
  });

  it("writes pieces in order, without joining them first", async () => {
    const pieces = Array.from({ length: 500 }, (_, index) => Buffer.alloc(1 + index * 7, index));
    const listener = await open({ onFrame: (connection) => connection.write(pieces) });
    const client = await dial(listener.port);
    client.socket.write(framed("any frame"));
    const all = Buffer.concat(pieces);
    assert.ok((await client.read(all.length)).equals(all));
  });

  it("lets an answer wait while the client does not read", async () => {
    let written = false;
    const done = Promise.withResolvers<void>();
    const listener = await open({
      onFrame: async (connection) => {
        await connection.write(Array.from({ length: 64 }, () => Buffer.alloc(1_000_000)));
        written = true;
        done.resolve();
      },
    });
    const client = await dial(listener.port);
    client.socket.pause();
    client.socket.write(framed("any frame"));
    await muchTraffic();
    assert.equal(written, false);
    client.socket.resume();
    await client.read(64_000_000);
    await done.promise;
  });

  it("lets a client wait while its request is handled", async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const { promise: go, resolve: answer } = Promise.withResolvers<void>();
    let frames = 0;
    const listener = await open({
      onFrame: async (connection, frame) => {
        frames++;
        ask();
        await go;
        await echo(connection, frame.subarray(0, 8));
      },
    });
    const client = await dial(listener.port);
    const frame = framed(Buffer.alloc(1_000_000));
    for (let index = 0; index < 64; index++) client.socket.write(frame);
    await asked;
    await muchTraffic();
    // What was read ahead and what the system's buffers hold is a small part of it.
    assert.equal(frames, 1);
    assert.ok(client.socket.writableLength > 30_000_000, `${client.socket.writableLength} wait`);
    answer();
    await client.read(64 * 12);
    assert.equal(frames, 64);
  });

  it("ends a long poll when the client leaves, in order or not", async () => {
    for (const how of ["end", "destroy", "resetAndDestroy"] as const) {
      const begun = Promise.withResolvers<Connection<Session>>();
      const gone = Promise.withResolvers<void>();
      const listener = await open({
        onFrame: (connection) => {
          begun.resolve(connection);
          return new Promise((resolve) => {
            connection.signal.addEventListener("abort", () => {
              gone.resolve();
              resolve();
            });
          });
        },
      });
      const client = await dial(listener.port);
      client.socket.write(framed("long poll"));
      const connection = await begun.promise;
      assert.equal(connection.signal.aborted, false);
      client.socket[how]();
      await gone.promise;
      await connection.closed;
      assert.equal(listener.connections.size, 0);
    }
    assert.deepEqual(errors, []);
    assert.deepEqual(refusals, []);
  });

  it("handles what a client sent before it left", async () => {
    const seen: string[] = [];
    const all = Promise.withResolvers<void>();
    const listener = await open({
      onFrame: async (_, frame) => {
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(`${frame}`);
        if (seen.length === 3) all.resolve();
      },
    });
    const client = await dial(listener.port);
    client.socket.end(Buffer.concat(["no acks 1", "no acks 2", "no acks 3"].map(framed)));
    await all.promise;
    assert.deepEqual(seen, ["no acks 1", "no acks 2", "no acks 3"]);
  });

  it("answers a client that closed only its side", async () => {
    const listener = await open();
    const client = await dial(listener.port, true);
    client.socket.end(framed("half open"));
    assert.equal(`${(await client.read(13)).subarray(4)}`, "half open");
    await client.closed;
  });

  it("ends a connection when its answer is sent, and handles nothing more", async () => {
    for (const pace of [null, { latencyMs: 20 }]) {
      let frames = 0;
      const listener = await open({
        onFrame: async (connection, frame) => {
          frames++;
          await echo(connection, frame);
          connection.end();
        },
      });
      listener.setNetwork(pace);
      const client = await dial(listener.port, true);
      const [connection] = [...listener.connections];
      client.socket.write(Buffer.concat([framed("the first"), framed("the second")]));
      assert.equal(`${(await client.read(13)).subarray(4)}`, "the first");
      await client.ended;
      await connection?.closed; // Although the client has not closed its side.
      client.socket.destroy();
      assert.deepEqual([frames, client.received], [1, 13]);
    }
  });

  it("remembers what it is told of a connection", async () => {
    const names: (string | undefined)[] = [];
    const ids = new Set<number>();
    const listener = await open({
      onFrame: (connection, frame) => {
        names.push(connection.session?.name);
        ids.add(connection.id);
        assert.equal(connection.remoteAddress, "127.0.0.1");
        assert.equal(connection.name, `127.0.0.1:${connection.remotePort}`);
        connection.session = { name: `${frame}` };
        return echo(connection, frame);
      },
    });
    const one = await dial(listener.port);
    const other = await dial(listener.port);
    for (const client of [one, one, other]) await exchange(client, `of ${client.socket.localPort}`);
    assert.deepEqual(names, [undefined, `of ${one.socket.localPort}`, undefined]);
    assert.equal(ids.size, 2);
    assert.equal(listener.connections.size, 2);
  });

  it("turns away what is not Kafka's protocol, with a reason, and serves the others", async () => {
    const listener = await open({ maxFrameBytes: 1_000 });
    const other = await dial(listener.port);
    const cases: [Buffer | string, RegExp][] = [
      ["GET / HTTP/1.1\r\nhost: kafka\r\n\r\n", /HTTP/],
      [Buffer.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc), /TLS/],
      [framed(Buffer.alloc(1_001)), /larger than the limit of 1000 bytes/],
      [Buffer.alloc(16, 0xff), /negative/],
      [Buffer.alloc(16), /too short/],
    ];
    for (const [bytes, reason] of cases) {
      const client = await dial(listener.port);
      client.socket.write(bytes);
      await client.closed;
      assert.equal(client.received, 0);
      assert.match(refusals.at(-1)!, reason);
      assert.equal(`${await exchange(other, "still here")}`, "still here");
    }
    assert.equal(refusals.length, cases.length);
    assert.deepEqual(errors, []);
  });

  it("closes a connection that ends within a frame, at whichever byte, with a reason", async () => {
    const listener = await open();
    const frame = framed("0123456789");
    for (let size = 1; size < frame.length; size++) {
      const client = await dial(listener.port);
      client.socket.end(frame.subarray(0, size));
      await client.closed;
      assert.match(refusals.at(-1)!, /^it ended within /);
      assert.equal(refusals.length, size);
    }
  });

  it("does not mind a client that connects and leaves", async () => {
    const listener = await open();
    const client = await dial(listener.port);
    client.socket.end();
    await client.closed;
    assert.deepEqual(refusals, []);
  });

  it("closes a connection whose handler throws, and says so", async () => {
    for (const how of ["throws", "rejects"] as const) {
      const failure = new Error("a broken handler");
      const listener = await open({
        onFrame: () => {
          if (how === "throws") throw failure;
          return Promise.reject(failure);
        },
      });
      const client = await dial(listener.port);
      client.socket.write(framed("any frame"));
      await client.closed;
      assert.equal(errors.at(-1), failure);
    }
    assert.equal(errors.length, 2);
  });

  it("disconnects all and lets them in again", async () => {
    const listener = await open();
    const clients = await Promise.all([1, 2, 3].map(() => dial(listener.port)));
    for (const client of clients) await exchange(client, "hello there");
    listener.disconnectAll();
    await Promise.all(clients.map(({ closed }) => closed));
    assert.equal(`${await exchange(await dial(listener.port), "back again")}`, "back again");
  });

  it("closes with everything, and opens on the same port at once", async () => {
    let listener = await open();
    const { port } = listener;
    for (let turn = 0; turn < 5; turn++) {
      const client = await dial(port);
      await exchange(client, "hello there");
      const [connection] = listener.connections;
      const idle = await dial(port);
      await listener.close();
      await Promise.all([client.closed, idle.closed, connection!.closed]);
      assert.equal(listener.connections.size, 0);
      assert.ok(connection!.signal.aborted);
      await assert.rejects(dial(port), { code: "ECONNREFUSED" });
      listener = await open({ port });
      assert.equal(listener.port, port);
    }
  });

  it("names the port that is taken", async () => {
    const { port } = await open();
    await assert.rejects(open({ port }), (error) => {
      assert.ok(error instanceof BrokerError);
      assert.equal(error.code, "PORT_TAKEN");
      assert.equal(
        error.message,
        `Cannot listen on "127.0.0.1:${port}": the port is taken by another program or listener`,
      );
      return true;
    });
  });

  it("names the address that this machine does not have", async () => {
    // 192.0.2.0/24 is for documentation, and nobody's (RFC 5737).
    await assert.rejects(open({ host: "192.0.2.1" }), (error) => {
      assert.ok(ConnectionError.is(error));
      assert.equal(error.code, "LISTEN_FAILED");
      assert.equal(
        error.message,
        'Cannot listen on "192.0.2.1:0": this machine has no such name or address',
      );
      return true;
    });
  });

  describe("setNetwork()", () => {
    it("adds the latency both ways, also to connections to come", async () => {
      const listener = await open();
      const before = await dial(listener.port);
      await exchange(before, "hello there");
      listener.setNetwork({ latencyMs: 60 });
      for (const client of [before, await dial(listener.port)]) {
        const start = performance.now();
        await exchange(client, "slow hello");
        assert.ok(performance.now() - start >= 120);
      }
    });

    it("keeps to the rate, and to the order", async () => {
      const listener = await open();
      listener.setNetwork({ bytesPerSecond: 200_000 });
      const client = await dial(listener.port);
      const body = Buffer.from(Array.from({ length: 20_000 }, (_, index) => index % 251));
      const start = performance.now();
      assert.ok((await exchange(client, body)).equals(body));
      // In by 20,004 bytes and out by as many, each but for one burst of 2,000.
      assert.ok(performance.now() - start >= 2 * 18_004 / 200_000 * 1_000 - 1);
    });

    it("lets all that is held back pass when it ends", async () => {
      const listener = await open();
      const client = await dial(listener.port);
      await exchange(client, "hello there");
      listener.setNetwork({ latencyMs: 3_600_000 });
      client.socket.write(framed("in an hour"));
      await muchTraffic();
      assert.equal(client.received, 15);
      listener.setNetwork(null);
      assert.equal(`${(await client.read(14)).subarray(4)}`, "in an hour");
    });

    it("closes although something is held back", async () => {
      const listener = await open();
      const client = await dial(listener.port);
      await exchange(client, "hello there");
      listener.setNetwork({ latencyMs: 3_600_000 });
      client.socket.write(framed("in an hour"));
      await listener.close();
      await client.closed;
    });
  });

  describe("with TLS", () => {
    let certificates: Certificates;
    let strangers: Certificates;
    before(async () => {
      const folder = await mkdtemp(join(tmpdir(), "kafka-threads-listener-"));
      certificates = await makeCertificates(folder);
      strangers = await makeCertificates(folder);
      await rm(folder, { recursive: true });
    });
    const tls = () => ({ cert: certificates.serverCert, key: certificates.serverKey });

    it("carries frames of any size", async () => {
      const listener = await open({ tls: tls() });
      const client = await dialTls(listener.port, { ca: certificates.ca });
      for (const size of [8, 65_536, 5_000_000]) {
        const body = Buffer.alloc(size, `${size} `);
        assert.ok((await exchange(client, body)).equals(body), `${size} bytes`);
      }
      await listener.close();
      await client.closed;
    });

    it("turns plain text away, with a reason", async () => {
      const listener = await open({ tls: tls() });
      for (const bytes of [framed("a plain request"), "GET / HTTP/1.1\r\n\r\n"]) {
        const client = await dial(listener.port);
        client.socket.write(bytes);
        await client.closed;
        assert.equal(
          refusals.at(-1),
          "it speaks plain text, and this listener speaks TLS (SSL or SASL_SSL)",
        );
      }
      const client = await dialTls(listener.port, { ca: certificates.ca });
      assert.equal(`${await exchange(client, "still here")}`, "still here");
    });

    it("turns a client of TLS away from a listener without it", async () => {
      const listener = await open();
      await assert.rejects(dialTls(listener.port, { ca: certificates.ca }));
      assert.match(refusals.at(-1)!, /hello of TLS/);
    });

    it("lets only those in who have a certificate, where it asks for one", async () => {
      const listener = await open({ tls: { ...tls(), ca: certificates.ca, requestCert: true } });
      const { ca, clientCert, clientKey } = certificates;
      const known = await dialTls(listener.port, { ca, cert: clientCert, key: clientKey });
      assert.equal(`${await exchange(known, "hello there")}`, "hello there");
      // In TLS 1.3 the client believes that it is connected until the server says no.
      const unknown = await dialTls(listener.port, { ca });
      unknown.socket.write(framed("any frame"));
      await unknown.closed;
      assert.equal(unknown.received, 0);
      assert.match(refusals.at(-1)!, /^the handshake of TLS failed: .*certificate/i);
    });

    it("lets those in who have no certificate, and nobody with a foreign one", async () => {
      const listener = await open({ tls: { ...tls(), ca: certificates.ca } });
      const { ca, clientCert, clientKey } = certificates;
      for (const own of [{}, { cert: clientCert, key: clientKey }]) {
        const client = await dialTls(listener.port, { ca, ...own });
        assert.equal(`${await exchange(client, "hello there")}`, "hello there");
      }
      const foreign = { cert: strangers.clientCert, key: strangers.clientKey };
      const client = await dialTls(listener.port, { ca, ...foreign });
      client.socket.write(framed("any frame"));
      await client.closed;
      assert.equal(client.received, 0);
      assert.match(refusals.at(-1)!, /^its certificate is not to be trusted: .*LEAF_SIGNATURE/);
    });

    it("closes in the middle of a handshake", async () => {
      const listener = await open({ tls: tls() });
      const client = await dial(listener.port);
      const known = await dialTls(listener.port, { ca: certificates.ca });
      await exchange(known, "hello there");
      await listener.close();
      await client.closed;
      assert.deepEqual(refusals, []);
    });
  });
});
