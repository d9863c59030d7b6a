import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { after, afterEach, before, describe, it } from "#std/testing/bdd";
import { isKafkaThreadsError, OptionsError } from "../../src/errors.ts";
import { FaultProxy, type FaultProxyOptions } from "../../src/testing/fault_proxy.ts";
import { dial, RawClient } from "./network/client.ts";

/** What dials through the proxy, and what it reaches there. */
interface Pair {
  readonly client: RawClient;
  readonly broker: RawClient;
}

describe("FaultProxy", () => {
  let server: Server;
  let target: string;
  const accepted: Socket[] = [];
  const arrived: Socket[] = [];
  const waiting: ((socket: Socket) => void)[] = [];
  const proxies: FaultProxy[] = [];

  before(async () => {
    server = createServer({ allowHalfOpen: true }, (socket) => {
      accepted.push(socket);
      socket.on("error", () => {});
      const next = waiting.shift();
      if (next === undefined) arrived.push(socket);
      else next(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
    for (const socket of accepted.splice(0)) socket.destroy();
    arrived.length = 0;
  });

  after(() => new Promise((resolve) => server.close(resolve)));

  async function start(options?: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, options);
    proxies.push(proxy);
    return await proxy.listen();
  }

  async function pair(port: number): Promise<Pair> {
    const client = await dial(port, true);
    const socket = arrived.shift() ??
      await new Promise<Socket>((resolve) => waiting.push(resolve));
    return { client, broker: new RawClient(socket) };
  }

  /** Dials, and waits until that is over. */
  async function dialInVain(port: number): Promise<void> {
    // A client may learn of the reset before it learns that it was connected.
    const client = await dial(port).catch(() => undefined);
    await client?.closed;
  }

  async function exchange({ client, broker }: Pair, text: string): Promise<void> {
    client.socket.write(text);
    assert.equal(`${await broker.read(text.length)}`, text);
    broker.socket.write(text);
    assert.equal(`${await client.read(text.length)}`, text);
  }

  /** Gives the runtime as much to do as takes it a while, so that what may happen has happened. */
  async function muchTraffic(): Promise<void> {
    const { client, broker } = await pair(Number(target.split(":")[1]));
    for (let turn = 0; turn < 8; turn++) {
      client.socket.write(Buffer.alloc(4_000_000));
      await broker.read(4_000_000);
    }
    client.socket.destroy();
    broker.socket.destroy();
  }

  it("passes everything on, both ways, and counts it", async () => {
    const proxy = await start();
    const { client, broker } = await pair(proxy.port);
    const there = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index % 251));
    const back = Buffer.from(Array.from({ length: 2_000_000 }, (_, index) => index % 241));
    client.socket.write(there);
    broker.socket.write(back);
    assert.ok((await broker.read(there.length)).equals(there));
    assert.ok((await client.read(back.length)).equals(back));
    assert.equal(proxy.address, `127.0.0.1:${proxy.port}`);
    assert.equal(proxy.connections, 1);
    assert.deepEqual(proxy.stats(), {
      connections: 1,
      accepted: 1,
      refused: 0,
      unreachable: 0,
      bytesToBroker: there.length,
      bytesToClient: back.length,
    });
  });

  it("has its address before its target is there", async () => {
    const place: { found?: string } = {};
    const proxy = new FaultProxy(() => place.found ?? Promise.reject(new Error("not yet")));
    proxies.push(proxy);
    await proxy.listen();
    await dialInVain(proxy.port);
    assert.equal(proxy.stats().unreachable, 1);
    place.found = target;
    await exchange(await pair(proxy.port), "now it is there");
  });

  it("leads where it is told to, connection by connection", async () => {
    // A port that nothing listens on: one that was just given back.
    const gone = await start();
    const { address } = gone;
    await gone.close();
    const proxy = await start();
    const old = await pair(proxy.port);
    proxy.setTarget(address);
    await dialInVain(proxy.port);
    assert.equal(proxy.stats().unreachable, 1);
    await exchange(old, "still on the old way");
    proxy.setTarget(async () => await Promise.resolve(target));
    await exchange(await pair(proxy.port), "back again");
  });

  it("passes the end of one side on, while the other may go on sending", async () => {
    const proxy = await start();
    for (const first of ["client", "broker"] as const) {
      const both = await pair(proxy.port);
      const [one, other] = first === "client"
        ? [both.client, both.broker]
        : [both.broker, both.client];
      one.socket.end("the last words");
      assert.equal(`${await other.read(14)}`, "the last words");
      await other.ended;
      other.socket.end("and the answer");
      assert.equal(`${await one.read(14)}`, "and the answer");
      assert.deepEqual(await Promise.all([one.closed, other.closed]), [undefined, undefined]);
    }
    await proxy.whenDisconnected();
    assert.equal(proxy.connections, 0);
  });

  it("ends the other side of a connection that breaks", async () => {
    const proxy = await start();
    for (const first of ["client", "broker"] as const) {
      const both = await pair(proxy.port);
      await exchange(both, "hello");
      const other = both[first === "client" ? "broker" : "client"];
      both[first].socket.resetAndDestroy();
      await other.ended;
      other.socket.destroy();
    }
    await proxy.whenDisconnected();
  });

  it("does not take more than it can pass on", async () => {
    const proxy = await start();
    const { client, broker } = await pair(proxy.port);
    broker.socket.pause();
    // Enough not to fit into the system's buffers, and little enough to be through by then.
    client.socket.write(Buffer.alloc(20_000_000));
    await muchTraffic();
    assert.ok(client.socket.writableLength > 0);
    broker.socket.resume();
    await broker.read(20_000_000);
    assert.equal(proxy.stats().bytesToBroker, 20_000_000);
  });

  describe("cut()", () => {
    it("breaks all connections at once, on both sides, and lets new ones in", async () => {
      const proxy = await start();
      const pairs = [await pair(proxy.port), await pair(proxy.port), await pair(proxy.port)];
      for (const one of pairs) await exchange(one, "hello");
      assert.equal(proxy.cut(), 3);
      assert.equal(proxy.connections, 0);
      for (const { client, broker } of pairs) {
        assert.equal((await client.closed as { code?: string }).code, "ECONNRESET");
        assert.equal((await broker.closed as { code?: string }).code, "ECONNRESET");
      }
      assert.equal(proxy.cut(), 0);
      await exchange(await pair(proxy.port), "hello again");
    });

    it("breaks those off that have not reached the target yet", async () => {
      const asked = Promise.withResolvers<void>();
      const proxy = new FaultProxy(() => {
        asked.resolve();
        return new Promise<string>(() => {});
      });
      proxies.push(proxy);
      const { port } = await proxy.listen();
      const client = await dial(port);
      await asked.promise;
      assert.equal(proxy.cut(), 0);
      await client.closed;
    });
  });

  describe("refuse()", () => {
    it("turns new connections away until it is removed, and leaves the others", async () => {
      const proxy = await start();
      const old = await pair(proxy.port);
      const fault = proxy.refuse();
      for (let turn = 1; turn <= 3; turn++) {
        await dialInVain(proxy.port);
        await fault.whenHit(turn);
        assert.equal(fault.hits, turn);
      }
      assert.equal(proxy.stats().refused, 3);
      await exchange(old, "still connected");
      fault.remove();
      await exchange(await pair(proxy.port), "let in again");
      assert.equal(fault.hits, 3);
      assert.equal(arrived.length, 0);
    });
  });

  describe("stall()", () => {
    it("holds bytes and ends back, and then passes them on in order", async () => {
      const proxy = await start();
      const { client, broker } = await pair(proxy.port);
      await exchange({ client, broker }, "hello");
      const fault = proxy.stall();
      client.socket.write("one ");
      broker.socket.write("uno ");
      await fault.whenHit(2);
      client.socket.end("two ");
      await fault.whenHit(3);
      let ended = false;
      void broker.ended.then(() => (ended = true));
      await muchTraffic();
      assert.deepEqual([client.received, broker.received], [5, 5]);
      assert.equal(proxy.connections, 1);
      assert.equal(fault.bytes, 12);
      assert.equal(ended, false);
      fault.remove();
      assert.equal(`${await broker.read(8)}`, "one two ");
      await broker.ended;
      assert.equal(`${await client.read(4)}`, "uno ");
    });

    it("does not tell the broker that the client is gone", async () => {
      const proxy = await start();
      const { client, broker } = await pair(proxy.port);
      await exchange({ client, broker }, "hello");
      const fault = proxy.stall();
      let over = false;
      void broker.ended.then(() => (over = true));
      client.socket.resetAndDestroy();
      await client.closed;
      await muchTraffic();
      assert.equal(over, false);
      fault.remove();
      await broker.ended;
    });

    it("goes one way, where it is told to", async () => {
      const proxy = await start();
      const { client, broker } = await pair(proxy.port);
      const fault = proxy.stall({ direction: "toClient" });
      client.socket.write("there");
      assert.equal(`${await broker.read(5)}`, "there");
      broker.socket.write("back");
      await fault.whenHit();
      await muchTraffic();
      assert.equal(client.received, 0);
      assert.equal(fault.bytes, 4);
      fault.remove();
      assert.equal(`${await client.read(4)}`, "back");
    });
  });

  describe("delay()", () => {
    it("makes everything later, one way or both, and adds up", async () => {
      const proxy = await start();
      const both = await pair(proxy.port);
      const one = proxy.delay(60);
      const other = proxy.delay(50, { direction: "toBroker" });
      const start_ = performance.now();
      both.client.socket.write("there");
      await both.broker.read(5);
      assert.ok(performance.now() - start_ >= 110);
      const back = performance.now();
      both.broker.socket.write("back");
      await both.client.read(4);
      assert.ok(performance.now() - back >= 60);
      assert.deepEqual([one.hits, one.bytes], [2, 9]);
      assert.deepEqual([other.hits, other.bytes], [1, 5]);
    });

    it("keeps the order, and passes what is late when it is removed", async () => {
      const proxy = await start();
      const { client, broker } = await pair(proxy.port);
      const fault = proxy.delay(3_600_000);
      client.socket.write("one ");
      await fault.whenHit();
      await muchTraffic();
      assert.equal(broker.received, 0);
      fault.remove();
      client.socket.end("two ");
      assert.equal(`${await broker.read(8)}`, "one two ");
    });
  });

  describe("throttle()", () => {
    it("keeps to the rate, and the strictest one counts", async () => {
      const proxy = await start();
      const { client, broker } = await pair(proxy.port);
      const loose = proxy.throttle(100_000_000);
      const strict = proxy.throttle(200_000, { direction: "toBroker" });
      const body = Buffer.from(Array.from({ length: 30_000 }, (_, index) => index % 251));
      const begun = performance.now();
      client.socket.write(body);
      assert.ok((await broker.read(body.length)).equals(body));
      // But for the burst of 10 ms.
      assert.ok(performance.now() - begun >= 28_000 / 200_000 * 1_000 - 1);
      assert.deepEqual([loose.bytes, strict.bytes], [30_000, 30_000]);
      strict.remove();
      client.socket.write(Buffer.alloc(5_000_000));
      await broker.read(5_000_000); // 25 s, had it not been removed.
    });
  });

  describe("corrupt()", () => {
    const zeros = Buffer.alloc(10_000);
    const changed = (bytes: Buffer) => [...bytes.keys()].filter((index) => bytes[index] !== 0);

    it("changes one bit in so many bytes, the same ones in each run", async () => {
      const runs: number[][] = [];
      for (let run = 0; run < 2; run++) {
        const proxy = await start();
        const { client, broker } = await pair(proxy.port);
        const fault = proxy.corrupt({ every: 1_000, seed: 7, direction: "toBroker" });
        client.socket.write(zeros);
        runs.push(changed(await broker.read(zeros.length)));
        assert.deepEqual([fault.hits, fault.bytes], [10, 10_000]);
        broker.socket.write(zeros);
        assert.deepEqual(changed(await client.read(zeros.length)), []);
        fault.remove();
        client.socket.write(zeros);
        assert.deepEqual(changed(await broker.read(zeros.length)), []);
      }
      assert.equal(runs[0]!.length, 10);
      assert.deepEqual(runs[0], runs[1]);
    });

    it("changes one byte of each connection and way, at the place it is told", async () => {
      const proxy = await start();
      const fault = proxy.corrupt({ after: 123 });
      for (let turn = 1; turn <= 2; turn++) {
        const { client, broker } = await pair(proxy.port);
        client.socket.write(zeros);
        assert.deepEqual(changed(await broker.read(zeros.length)), [123]);
        broker.socket.write(zeros);
        assert.deepEqual(changed(await client.read(zeros.length)), [123]);
        assert.equal(fault.hits, 2 * turn);
      }
    });
  });

  describe("cutAfter()", () => {
    it("lets exactly so many bytes pass, in each connection", async () => {
      const proxy = await start();
      const old = await pair(proxy.port);
      await exchange(old, "hello");
      const fault = proxy.cutAfter(1_234, { direction: "toBroker" });
      for (const { client, broker } of [old, await pair(proxy.port)]) {
        broker.socket.write(Buffer.alloc(5_000)); // The other way does not count.
        await client.read(5_000);
        const before = broker.received;
        client.socket.write(Buffer.alloc(1_000));
        await broker.read(1_000);
        client.socket.write(Buffer.alloc(1_000));
        await Promise.all([broker.ended, client.ended]);
        assert.equal(broker.received - before, 1_234);
        broker.socket.destroy();
        client.socket.destroy();
      }
      assert.deepEqual([fault.hits, fault.bytes], [2, 2 * 1_234]);
      await proxy.whenDisconnected();
    });

    it("cuts an answer, so many times", async () => {
      const proxy = await start();
      const fault = proxy.cutAfter(10, { direction: "toClient", times: 1 });
      const { client, broker } = await pair(proxy.port);
      broker.socket.write("0123456789abcdef");
      assert.equal(`${await client.read(10)}`, "0123456789");
      await client.ended;
      assert.equal(client.received, 10);
      client.socket.destroy();
      assert.equal(fault.active, false);
      await exchange(await pair(proxy.port), "a longer text, and nothing happens");
      assert.equal(fault.hits, 1);
    });

    it("lets nothing pass, where it is told so", async () => {
      const proxy = await start();
      const fault = proxy.cutAfter(0);
      const { client, broker } = await pair(proxy.port);
      client.socket.write("anything");
      await Promise.all([client.ended, broker.ended]);
      assert.equal(broker.received, 0);
      assert.deepEqual([fault.hits, fault.bytes], [1, 0]);
      client.socket.destroy();
      broker.socket.destroy();
    });
  });

  it("heals of everything at once", async () => {
    const proxy = await start();
    const both = await pair(proxy.port);
    const faults = [
      ...[proxy.refuse(), proxy.stall(), proxy.delay(3_600_000), proxy.throttle(1)],
      ...[proxy.corrupt({ every: 1 }), proxy.cutAfter(1_000_000)],
    ];
    assert.ok(faults.every(({ active }) => active));
    proxy.heal();
    assert.ok(faults.every(({ active }) => !active));
    await exchange(both, "as if nothing had been");
    await exchange(await pair(proxy.port), "as if nothing had been");
    for (const fault of faults) {
      fault.remove(); // Does nothing.
      assert.equal(fault.hits, 0);
    }
  });

  it("ends a fault with the scope that it was made in", async () => {
    const proxy = await start();
    const both = await pair(proxy.port);
    {
      using fault = proxy.stall();
      both.client.socket.write("held");
      await fault.whenHit();
    }
    assert.equal(`${await both.broker.read(4)}`, "held");
  });

  it("tells when clients are connected", async () => {
    const proxy = await start();
    const connected = proxy.whenConnected(2);
    await pair(proxy.port);
    await pair(proxy.port);
    await connected;
    await proxy.whenConnected();
    await assert.rejects(
      proxy.whenConnected(3, { timeoutMs: 20 }),
      (error) =>
        isKafkaThreadsError(error) && error.code === "WAIT_TIMEOUT" &&
        error.message === "Cannot wait longer than 20 ms for 3 connections; 2 are open",
    );
    const fault = proxy.stall();
    await assert.rejects(
      fault.whenHit(1, { timeoutMs: 20 }),
      (error) => isKafkaThreadsError(error) && /"stall" to happen/.test(error.message),
    );
  });

  it("closes with everything that is open, held or waited for", async () => {
    const proxy = await start();
    const { port } = proxy;
    const pairs = [await pair(port), await pair(port)];
    const fault = proxy.stall();
    proxy.delay(3_600_000);
    for (const { client } of pairs) client.socket.write("held");
    await fault.whenHit(2);
    const waits = [proxy.whenConnected(9), fault.whenHit(9), proxy.whenDisconnected()];
    const notRunning = (error: unknown) =>
      isKafkaThreadsError(error) && error.code === "NOT_RUNNING";
    const rejected = waits.map((wait) => assert.rejects(wait, notRunning));
    await proxy.close();
    await Promise.all(rejected);
    for (const { client, broker } of pairs) {
      await Promise.all([client.ended, broker.ended]);
      client.socket.destroy();
      broker.socket.destroy();
    }
    assert.equal(proxy.connections, 0);
    await assert.rejects(dial(port), { code: "ECONNREFUSED" });
    await assert.rejects(proxy.listen(), notRunning);
    await assert.rejects(proxy.whenConnected(), notRunning);
    await proxy.close(); // Again, which does nothing.
    const again = await start({ port });
    await exchange(await pair(again.port), "on the same port");
  });

  it("says what is wrong with what it is told", async () => {
    const proxy = new FaultProxy(target);
    proxies.push(proxy);
    assert.throws(() => proxy.address, /Cannot tell the port of a proxy before listen\(\)/);
    const wrong: [() => unknown, RegExp][] = [
      [() => new FaultProxy("kafka"), /"target" is "kafka", expected host:port/],
      [() => new FaultProxy("a:1,b:2"), /expected one address, not a list/],
      [() => new FaultProxy(9092 as never), /expected an address "host:port", or a function/],
      [() => new FaultProxy(target, { port: 70_000 }), /"port" is 70000/],
      [() => new FaultProxy(target, { host: "::1" } as never), /did you mean "hostname"/],
      [() => proxy.setTarget("kafka:0"), /"target" is "kafka:0"/],
      [() => proxy.delay(-1), /"ms" is -1/],
      [() => proxy.delay(1, { direction: "up" as never }), /"direction" is "up"/],
      [() => proxy.throttle(0), /"bytesPerSecond" is 0/],
      [() => proxy.corrupt({ every: 0 }), /"every" is 0/],
      [() => proxy.corrupt({ random: 1 } as never), /"random" is 1/],
      [() => proxy.cutAfter(1.5), /"bytes" is 1.5/],
      [() => proxy.stall({ way: "both" } as never), /"way" is "both"/],
    ];
    for (const [act, message] of wrong) {
      assert.throws(act, (error) => OptionsError.is(error) && message.test(error.message));
    }
    const taken = await start();
    await assert.rejects(
      start({ port: taken.port }),
      (error) => isKafkaThreadsError(error) && error.code === "PORT_TAKEN",
    );
  });
});
