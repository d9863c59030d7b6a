import assert from "node:assert/strict";
import RequestQueueModule from "kafkajs/src/network/requestQueue/index.js";
import { describe, it } from "#std/testing/bdd";
import {
  createKafkajsLogger,
  hostAndPort,
  letRest,
} from "../../../../src/poller/drivers/kafkajs/connections.ts";
import type { RequestQueue } from "../../../../src/poller/drivers/kafkajs/internals.ts";
import { driverContext } from "./context.ts";

interface Queue extends RequestQueue {
  push(request: {
    entry: Record<string, unknown>;
    expectResponse: boolean;
    sendRequest(): void;
  }): void;
  maybeThrottle(ms: number): void;
  fulfillRequest(answer: { correlationId: number; payload: unknown; size: number }): void;
}

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

function createQueue(maxInFlightRequests: number | null = null): Queue {
  const Queue = RequestQueueModule as unknown as new (options: Record<string, unknown>) => Queue;
  return new Queue({
    maxInFlightRequests,
    requestTimeout: 30_000,
    enforceRequestTimeout: false,
    clientId: "test",
    broker: "nowhere:1",
    logger: quiet,
  });
}

/** Pushes a request; resolves when it is sent. */
function push(queue: Queue, correlationId: number): Promise<void> {
  return new Promise((sent) =>
    queue.push({
      entry: { correlationId, apiName: "Test", resolve() {}, reject() {} },
      expectResponse: true,
      sendRequest: sent,
    })
  );
}

const answer = (queue: Queue, correlationId: number) =>
  queue.fulfillRequest({ correlationId, payload: null, size: 0 });

/** Counts the timers that are set while a task runs, and runs each at once, as if its time had come. */
async function timersOf(
  task: () => void | Promise<void>,
  most = 50,
): Promise<(number | undefined)[]> {
  const { setTimeout: real } = globalThis;
  const delays: (number | undefined)[] = [];
  const due: (() => void)[] = [];
  globalThis.setTimeout = ((run: () => void, ms?: number) => {
    delays.push(ms);
    due.push(run);
    return delays.length;
  }) as unknown as typeof setTimeout;
  try {
    await task();
    while (due.length > 0 && delays.length < most) due.shift()!();
  } finally {
    globalThis.setTimeout = real;
  }
  return delays;
}

describe("letRest()", () => {
  it("mends what kafkajs does: an idle queue sets timers for ever", async () => {
    const untouched = createQueue();
    const restless = await timersOf(() => untouched.checkPendingRequests());
    assert.equal(restless.length, 50);
    assert.ok(restless.every((ms) => ms! < 0));
    const queue = createQueue();
    letRest(queue);
    assert.deepEqual(await timersOf(() => queue.checkPendingRequests()), []);
  });

  it("sets no timer while requests are sent and answered as they come", async () => {
    const queue = createQueue();
    letRest(queue);
    const timers = await timersOf(async () => {
      for (let id = 0; id < 20; id++) {
        await push(queue, id);
        answer(queue, id);
      }
    });
    assert.deepEqual(timers, []);
  });

  it("has requests wait for room on the connection, and sends them when there is", async () => {
    const queue = createQueue(1);
    letRest(queue);
    await push(queue, 1);
    const second = push(queue, 2);
    const third = push(queue, 3);
    assert.equal(queue.pending.length, 2);
    answer(queue, 1);
    await second;
    assert.equal(queue.pending.length, 1);
    answer(queue, 2);
    await third;
    answer(queue, 3);
    queue.destroy();
  });

  it("looks after requests that wait again and again, with one timer at a time", async () => {
    const queue = createQueue(1);
    letRest(queue);
    await push(queue, 1);
    const delays = await timersOf(() => {
      void push(queue, 2);
      void push(queue, 3);
    }, 5);
    assert.deepEqual(delays, [10, 10, 10, 10, 10]);
    queue.rejectAll(new Error("over"));
    queue.destroy();
  });

  it("sends what the broker has throttled when the time is over, by itself", async () => {
    const queue = createQueue();
    letRest(queue);
    const before = Date.now();
    queue.maybeThrottle(30);
    await push(queue, 1);
    assert.ok(Date.now() - before >= 29);
    assert.equal(queue.throttleCheckTimeoutId, null);
    answer(queue, 1);
  });

  it("waits as long as the throttle says, and then not any more", async () => {
    const queue = createQueue();
    letRest(queue);
    queue.throttledUntil = Date.now() + 60_000;
    const [delay] = await timersOf(() => void push(queue, 1), 1);
    assert.ok(delay! > 59_000 && delay! <= 60_000);
    queue.rejectAll(new Error("over"));
    queue.destroy();
    assert.equal(queue.throttleCheckTimeoutId, null);
    assert.deepEqual(await timersOf(() => queue.checkPendingRequests()), []);
  });
});

describe("hostAndPort()", () => {
  it("splits addresses at their last colon, IPv6 included", () => {
    assert.deepEqual(hostAndPort("localhost:9092"), { host: "localhost", port: 9092 });
    assert.deepEqual(hostAndPort("[::1]:9093"), { host: "::1", port: 9093 });
    assert.deepEqual(hostAndPort("[fe80::1%eth0]:1"), { host: "fe80::1%eth0", port: 1 });
    assert.deepEqual(hostAndPort("::1:9092"), { host: "::1", port: 9092 });
  });
});

describe("createKafkajsLogger()", () => {
  it("makes everything that kafkajs logs a line for debugging", () => {
    const lines: unknown[] = [];
    const refuse = () => assert.fail("only debug() is to be called");
    const context = driverContext({
      logger: {
        debug: (message, fields) => lines.push([message, fields]),
        info: refuse,
        warn: refuse,
        error: refuse,
      },
    });
    const logger = createKafkajsLogger(context).namespace("Cluster") as unknown as {
      error(message: string, fields: unknown): void;
      debug(message: string): void;
    };
    logger.error("Failed to connect", { broker: "a:1" });
    logger.debug("something");
    assert.deepEqual(lines, [
      ["kafkajs ERROR Cluster: Failed to connect", { broker: "a:1" }],
      ["kafkajs DEBUG Cluster: something", {}],
    ]);
  });
});
