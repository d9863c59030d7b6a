import assert from "node:assert/strict";
import { describe } from "#std/testing/bdd";
import { FaultProxy } from "../../src/testing/mod.ts";
import { type Child, type Ended, runChild } from "../support/child.ts";
import {
  committedOffsets,
  createTopic,
  kafkaStartable,
  produce,
  sharedKafka,
  startKafka,
  uniqueName,
} from "../support/kafka/mod.ts";
import { sideBySide } from "../support/side_by_side.ts";
import type { ServiceConsumer, ServiceOptions } from "./fixtures/service.ts";

const startable = await kafkaStartable();
const options = startable.ok ? {} : { skip: startable.reason };
/** What a check of handlers adds to `handlerTimeoutMs` (docs/server.md). */
const OVERTIME_MS = 10_000;

describe("a service's life", options, () => {
  const scenario = sideBySide(3);

  scenario(
    "goes from probes before it joins, through an outage, to SIGTERM under load",
    async (scope) => {
      const kafka = scope.use(await startKafka());
      const topic = uniqueName("life");
      await createTopic(kafka.bootstrapServers, topic, { partitions: 3 });
      // The way to the broker is open only when the test says so.
      const proxy = scope.use(await new FaultProxy(kafka.bootstrapServers).listen());
      const way = proxy.stall();
      const groupId = `shop.${uniqueName("life")}`;
      const service = serviceOf(scope, {
        waits: true,
        consumers: [{
          name: "one",
          bootstrapServers: proxy.address,
          groupId,
          topic,
          handler: "works",
        }],
      });
      const url = await service.line("listening ");

      assert.deepEqual(await probe(url), { live: 200, ready: 503, started: 503 });
      service.send("go on");
      await way.whenHit();
      assert.equal((await status(url)).state, "starting");
      assert.deepEqual(await probe(url), { live: 200, ready: 503, started: 503 });
      proxy.heal();
      await service.line("log info Kafka consumer started");
      await untilReady(url, 200);
      assert.deepEqual(await probe(url), { live: 200, ready: 200, started: 200 });

      await produce(kafka.bootstrapServers, topic, numbered(0, 60));
      await service.line("ended one ");
      await kafka.brokers[0]!.kill();
      await untilReady(url, 503);
      await kafka.brokers[0]!.start();
      await untilReady(url, 200);
      assert.deepEqual(await probe(url), { live: 200, ready: 200, started: 200 });

      // 25 a second and more in each of 8 places: this is for several seconds.
      await produce(kafka.bootstrapServers, topic, numbered(60, 2_000));
      await service.line("begun one 1 100");
      const since = performance.now();
      service.kill("SIGTERM");
      const { code, signal, stdout, stderr } = await service.ended;
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: "" });
      assert(performance.now() - since < 8_000, "it took longer than stopTimeoutMs");
      const begun = journal(stdout, "begun one");
      assert.deepEqual(journal(stdout, "ended one"), begun);
      // Each partition's are those before what is committed, without a gap.
      const committed = await committedOffsets(kafka.bootstrapServers, groupId, topic);
      assert.deepEqual(begun, committed.flatMap((end, partition) => upTo(partition, end)));
      assert(begun.length < 2_000, "it had been through before it was stopped");
      assert.match(stdout, /log info Stopping, as SIGTERM was received/);
      assert.doesNotMatch(stdout, /not reached/);
    },
  );

  scenario(
    "is not live any more where a handler hangs, and ends at once at a second signal",
    async (scope) => {
      const hangs = await consumerOn("hangs");
      await produce(hangs.bootstrapServers, hangs.topic, numbered(0, 6));
      const service = serviceOf(scope, { consumers: [hangs] });
      const url = await service.line("listening ");
      await service.line("begun hangs 0 3");
      const since = performance.now();
      await service.line("log info Kafka consumer started");
      await until(async () => (await probe(url)).live === 503);
      const ms = performance.now() - since;
      assert(ms > OVERTIME_MS - 1_000 && ms < OVERTIME_MS + 6_000, `it took ${ms} ms`);
      service.kill("SIGTERM");
      await service.line("log info Stopping, as SIGTERM was received");
      const signalled = performance.now();
      service.kill("SIGINT");
      const { code, signal } = await service.ended;
      assert.deepEqual({ code, signal }, { code: 130, signal: null });
      assert(performance.now() - signalled < 5_000, "it did not end at once");
    },
  );

  scenario("ends with 1 although a thread computes for ever", async (scope) => {
    const spins = { ...await consumerOn("spins"), stopTimeoutMs: 500 };
    await produce(spins.bootstrapServers, spins.topic, numbered(0, 1));
    const service = serviceOf(scope, { consumers: [spins] });
    await service.line("log info spins");
    service.kill("SIGTERM");
    const { code, signal, stdout } = await service.ended;
    assert.deepEqual({ code, signal }, { code: 1, signal: null });
    assert.match(stdout, /has failed: Cannot stop cleanly/);
  });

  scenario("ends with 1 where one handler fails, and stops the other consumers", async (scope) => {
    const well = await consumerOn("works");
    const fails = { ...await consumerOn("fails"), ordered: true };
    const told = { hostname: "::1", consumers: [well, fails] };
    const service = serviceOf(scope, told);
    const url = await service.line("listening ");
    assert.match(url, /^http:\/\/\[::1\]:\d+\/$/);
    await produce(well.bootstrapServers, well.topic, numbered(0, 8));
    await service.line("ended works 0 7");
    await untilReady(url, 200);

    // Meanwhile nobody else can have its port.
    const port = Number(new URL(url).port);
    const other = await serviceOf(scope, { ...told, port }).ended;
    assert.equal(other.code, 1, other.stderr);
    assert.match(
      other.stdout,
      /^log error Cannot serve: Cannot listen on "\[::1\]:\d+": the port is taken/m,
    );
    assert.doesNotMatch(other.stdout, /begun|listening/);

    await produce(fails.bootstrapServers, fails.topic, numbered(0, 6));
    const { code, stdout, stderr }: Ended = await service.ended;
    assert.deepEqual({ code, stderr }, { code: 1, stderr: "" });
    const name = `kafka_consumer.${fails.groupId.slice("shop.".length)}`;
    const line = stdout.split("\n").find((line) =>
      line.startsWith(`log error "${name}" has failed`)
    );
    assert.match(line!, /There is no third one/);
    const fields = { consumer: name, topic: fails.topic, partition: 0, offset: 3 };
    assert(line!.endsWith(JSON.stringify(fields)), line);
    const { bootstrapServers } = well;
    assert.deepEqual(await committedOffsets(bootstrapServers, well.groupId, well.topic), [8]);
    assert.deepEqual(await committedOffsets(bootstrapServers, fails.groupId, fails.topic), [3]);
  });
});

/** Starts the program; it is killed when the scope ends. */
function serviceOf(scope: AsyncDisposableStack, told: ServiceOptions): Child {
  const program = new URL("./fixtures/service.ts", import.meta.url);
  return scope.use(runChild(program, [JSON.stringify(told)]));
}

/** What a consumer is told that has a topic of its own in the shared Kafka. */
async function consumerOn(handler: ServiceConsumer["handler"]): Promise<ServiceConsumer> {
  const { bootstrapServers } = await sharedKafka();
  const topic = uniqueName(handler);
  await createTopic(bootstrapServers, topic);
  return { name: handler, bootstrapServers, groupId: `shop.${topic}`, topic, handler };
}

function numbered(from: number, to: number): { value: string }[] {
  return Array.from({ length: to - from }, (_, index) => ({ value: `${from + index}` }));
}

/** Which messages the program has printed with these words: each once, sorted. */
function journal(stdout: string, words: string): string[] {
  const lines = stdout.split("\n").filter((line) => line.startsWith(`${words} `));
  return [...new Set(lines.map((line) => line.slice(words.length + 1)))].sort(byPlace);
}

function upTo(partition: number, end: number): string[] {
  return Array.from({ length: Math.max(0, end) }, (_, offset) => `${partition} ${offset}`);
}

function byPlace(one: string, other: string): number {
  const [partition, offset] = one.split(" ").map(Number) as [number, number];
  const [otherPartition, otherOffset] = other.split(" ").map(Number) as [number, number];
  return partition - otherPartition || offset - otherOffset;
}

/** What each probe says. */
async function probe(url: string): Promise<Record<"live" | "ready" | "started", number>> {
  const [live, ready, started] = await Promise.all(
    ["live", "ready", "started"].map(async (name) => {
      const response = await fetch(`${url}health/${name}`);
      await response.body?.cancel();
      return response.status;
    }),
  );
  return { live: live!, ready: ready!, started: started! };
}

/** What the only consumer is at. */
async function status(url: string): Promise<{ state: string }> {
  const { consumers } = await (await fetch(`${url}status`)).json();
  return consumers[0];
}

/** Waits until it is ready, or is not; it has to be live all the time. */
async function untilReady(url: string, wanted: 200 | 503): Promise<void> {
  await until(async () => {
    const { live, ready } = await probe(url);
    assert.equal(live, 200);
    return ready === wanted;
  });
}

/** Asks as a prober does: again and again. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!await holds()) {
    assert(performance.now() < deadline, "it has not come to that");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
