import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { HandlerTimeoutError, isKafkaThreadsError, LostPartitionError } from "../../src/errors.ts";
import type { HandlerContext } from "../../src/handler.ts";
import { decodeError } from "../../src/threads/error_wire.ts";
import { ExecutorRig } from "./rig.ts";
import { workBatch } from "./work.ts";

/** A handler that ends when the test says so, or when its signal aborts. */
function heldHandler({ obeys }: { obeys: boolean }) {
  const calls: {
    context: HandlerContext;
    resolve: () => void;
    reject: (error: unknown) => void;
  }[] = [];
  const handler = (context: HandlerContext) =>
    new Promise<void>((resolve, reject) => {
      calls.push({ context, resolve, reject });
      if (obeys) context.signal.addEventListener("abort", () => reject(context.signal.reason));
    });
  return { calls, handler };
}

describe("A call that takes too long", () => {
  it("has its signal abort, and has failed by its time if it then rejects", async () => {
    const { handler, calls } = heldHandler({ obeys: true });
    const rig = new ExecutorRig({ handler, options: { handlerTimeoutMs: 1_000 } });
    await rig.work(workBatch(0, [1, 2]));
    await rig.time.pass(999);
    assert.deepEqual(calls.map(({ context }) => context.signal.aborted), [false, false]);
    await rig.time.pass(1);
    assert.deepEqual(rig.failed, ["0:0 timeout", "0:1 timeout"]);
    const { retriable, error } = rig.failures[0]!;
    assert.equal(retriable, true);
    const timeout = decodeError(error);
    assert(HandlerTimeoutError.is(timeout));
    assert.equal(
      timeout.message,
      'The handler has taken longer than 1000 ms at "orders" partition 3 offset 0',
    );
    assert.equal(timeout.offset, 0);
    await rig.time.pass(100_000);
    assert.deepEqual(rig.overdue, []);
  });

  it("is told for how long it has been, until it ends, in time or not", async () => {
    const { handler, calls } = heldHandler({ obeys: false });
    const rig = new ExecutorRig({ handler, options: { handlerTimeoutMs: 1_000, concurrency: 1 } });
    const { executor } = rig;
    assert.equal(executor.oldestCallMs, null);
    await rig.work(workBatch(0, [1, 1]));
    for (const passed of [400, 1_000, 20_000]) {
      await rig.time.pass(passed - (executor.oldestCallMs ?? 0));
      assert.equal(executor.oldestCallMs, passed);
    }
    // The one behind it has waited as long, and begins now.
    calls[0]!.resolve();
    await rig.time.turns();
    assert.equal(calls.length, 2);
    assert.equal(executor.oldestCallMs, 0);
    calls[1]!.resolve();
    await rig.time.turns();
    assert.equal(executor.oldestCallMs, null);
  });

  it("keeps what it throws as the cause", async () => {
    const { handler, calls } = heldHandler({ obeys: false });
    const rig = new ExecutorRig({ handler, options: { handlerTimeoutMs: 1_000 } });
    await rig.work(workBatch(0, [1]));
    await rig.time.pass(1_000);
    calls[0]!.reject(new RangeError("too late"));
    await rig.time.turns();
    const error = decodeError(rig.failures[0]!.error);
    assert(HandlerTimeoutError.is(error));
    assert(error.cause instanceof RangeError);
  });

  it("is finished if it fulfils nevertheless", async () => {
    const { handler, calls } = heldHandler({ obeys: false });
    const rig = new ExecutorRig({ handler, options: { handlerTimeoutMs: 1_000 } });
    await rig.work(workBatch(0, [1]));
    await rig.time.pass(1_500);
    assert(calls[0]!.context.signal.aborted);
    calls[0]!.resolve();
    await rig.time.turns();
    assert.deepEqual(rig.finished, ["0:0"]);
  });

  it("is told as overdue once, and counts when it ends", async () => {
    for (const [handlerTimeoutMs, graceMs] of [[60_000, 5_000], [1_000, 1_000]] as const) {
      const { handler, calls } = heldHandler({ obeys: false });
      const rig = new ExecutorRig({ handler, options: { handlerTimeoutMs } });
      await rig.work(workBatch(0, [1]));
      await rig.time.pass(handlerTimeoutMs + graceMs - 1);
      assert.deepEqual(rig.overdue, []);
      await rig.time.pass(1);
      assert.deepEqual(rig.overdue, ["0:0"]);
      await rig.time.pass(1_000_000);
      assert.deepEqual(rig.overdue, ["0:0"]);
      calls[0]!.resolve();
      await rig.time.turns();
      assert.deepEqual(rig.finished, ["0:0"]);
      assert.equal(rig.time.timers.size, 0);
    }
  });

  it("is seen with one timer for all calls", async () => {
    const { handler, calls } = heldHandler({ obeys: true });
    const rig = new ExecutorRig({
      handler,
      options: { handlerTimeoutMs: 1_000, concurrency: 100 },
    });
    for (let batch = 0; batch < 10; batch++) {
      await rig.work(workBatch(batch, [1, 2, 3]));
      await rig.time.pass(10);
      assert.equal(rig.time.timers.size, 1);
    }
    for (const { resolve } of calls.slice(0, 27)) resolve();
    await rig.time.pass(989);
    assert.deepEqual(rig.failed, []);
    await rig.time.pass(1);
    assert.deepEqual(rig.failed, ["9:0 timeout", "9:1 timeout", "9:2 timeout"]);
    rig.executor.close();
    assert.equal(rig.time.timers.size, 0);
  });
});

describe("An abort", () => {
  for (const reason of ["revoked", "stopped"] as const) {
    it(`because it was ${reason} reaches what is under way of these assignments`, async () => {
      const { handler, calls } = heldHandler({ obeys: true });
      const rig = new ExecutorRig({ handler });
      await rig.work(
        workBatch(0, [1], { assignment: 1 }),
        workBatch(1, [1], { assignment: 2 }),
      );
      rig.send({ type: "abort", assignments: [2], reason });
      await rig.time.turns();
      assert.deepEqual(rig.failed, ["1:0 aborted"]);
      assert.equal(calls[0]!.context.signal.aborted, false);
      const { reason: error } = calls[1]!.context.signal;
      assert(isKafkaThreadsError(error));
      assert.equal(LostPartitionError.is(error), reason === "revoked");
      assert.equal(error.code, reason === "revoked" ? "PARTITION_LOST" : "STOPPED");
      assert.equal(error.offset, 100);
      rig.send({ type: "abort", assignments: null, reason });
      await rig.time.turns();
      assert.deepEqual(rig.failed, ["1:0 aborted", "0:0 aborted"]);
    });
  }

  it("is also seen by who asks for the signal afterwards", async () => {
    const { handler, calls } = heldHandler({ obeys: false });
    const rig = new ExecutorRig({ handler });
    await rig.work(workBatch(0, [1]));
    rig.send({ type: "abort", assignments: null, reason: "stopped" });
    const { signal } = calls[0]!.context;
    assert(signal.aborted);
    assert.equal(signal, calls[0]!.context.signal);
  });
});

describe("A release", () => {
  it("gives back what has not begun of these assignments, at once", async () => {
    const { handler, calls } = heldHandler({ obeys: false });
    const rig = new ExecutorRig({ handler, options: { concurrency: 1 } });
    await rig.work(
      workBatch(0, [1, 2, 3], { assignment: 1, runs: [2, 1] }),
      workBatch(1, [1], { assignment: 2 }),
    );
    rig.send({ type: "release", assignments: [1] });
    assert.deepEqual(rig.released.toSorted(), ["0:1", "0:2"]);
    calls[0]!.resolve();
    await rig.time.turns();
    calls[1]!.resolve();
    await rig.time.turns();
    assert.deepEqual(rig.finished, ["0:0", "1:0"]);
    assert.equal(calls.length, 2);
  });

  it("of everything ends the asking, and gives back what was on its way", async () => {
    const rig = new ExecutorRig({});
    rig.send({ type: "release", assignments: null });
    const { credit } = rig;
    await rig.work(workBatch(0, [1, 2, 3]));
    assert.deepEqual(rig.released, ["0:0", "0:1", "0:2"]);
    assert.equal(rig.credit, credit);
  });
});
