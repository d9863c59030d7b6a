// How long messages have taken, as reports tell it: by a clock that stands still unless a handler moves it.
import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import type { HandlerContext } from "../../src/handler.ts";
import { TotalTimes } from "../../src/threads/handling_times.ts";
import { ExecutorRig, type RigOptions } from "./rig.ts";
import { workBatch } from "./work.ts";

/** What reports have told in all, by outcome: how many, and how long they took together. */
function told({ reports }: ExecutorRig): { handled: [number, number]; failed: [number, number] } {
  const total = new TotalTimes();
  for (const { times } of reports) total.add(times ?? []);
  const all = total.all();
  for (const { topic, count, buckets } of all) {
    assert.equal(topic, "orders");
    assert.equal(buckets.reduce((sum, some) => sum + some, 0), count);
  }
  const of = (success: boolean): [number, number] => {
    const times = all.find((one) => one.success === success);
    return [times?.count ?? 0, Math.round((times?.sumMs ?? 0) * 1e6) / 1e6];
  };
  return { handled: of(true), failed: of(false) };
}

/** An executor whose handler is told each message's value: what it does, and for how long. */
function rigOf(options: RigOptions = {}): ExecutorRig {
  const wait = (ms: number, context: HandlerContext) =>
    new Promise<void>((resolve, reject) => {
      rig.time.setTimer(resolve, ms);
      context.signal.addEventListener("abort", () => reject(context.signal.reason));
    });
  const handler = (context: HandlerContext, data: unknown) => {
    const { computes = 0, waits, fails = false, crashes = false } = [data].flat()[0] as {
      computes?: number;
      waits?: number;
      fails?: boolean;
      crashes?: boolean;
    };
    rig.time.time += computes;
    if (crashes) rig.executor.flushFinally();
    if (waits === undefined) {
      if (fails) throw new Error("it failed");
      return;
    }
    return wait(waits, context).then(() => {
      if (fails) throw new Error("it failed");
    });
  };
  const rig = new ExecutorRig({ handler, ...options });
  return rig;
}

describe("The times that an executor reports", () => {
  it("are those of handlers that compute, whatever comes of them", async () => {
    const rig = rigOf();
    await rig.work(workBatch(0, [{ computes: 3 }, { computes: 70, fails: true }, { computes: 5 }]));
    assert.deepEqual(told(rig), { handled: [2, 8], failed: [1, 70] });
  });

  it("begin where an asynchronous handler begins, and not where it waits", async () => {
    const rig = rigOf();
    await rig.work(workBatch(0, [{}, { computes: 20, waits: 100 }]));
    await rig.time.pass(200);
    assert.deepEqual(told(rig), { handled: [2, 120], failed: [0, 0] });
    // While it waited, the thread was free.
    assert.equal(rig.reports.reduce((sum, { busyMs }) => sum + busyMs, 0), 120);
  });

  for (const watched of [true, false]) {
    it(`are not those of the time between turns, ${watched ? "announced or" : "nor"} not`, async () => {
      const rig = rigOf({ options: { watched, concurrency: 2 } });
      const values = Array.from({ length: 60 }, (_, n) => n % 3 === 0 ? { waits: 1 } : {});
      await rig.work(workBatch(0, values));
      // Some begin as soon as others have ended, and are counted although no turn follows for long.
      for (let turn = 0; turn < 100 && rig.finished.length < 60; turn++) await rig.time.pass(1);
      await rig.time.pass(10_000);
      await rig.work(workBatch(1, [{ computes: 2 }]));
      assert.deepEqual(told(rig), { handled: [61, 22], failed: [0, 0] });
    });
  }

  it("are not those of the time until the next turn, behind what took the place of another", async () => {
    const rig = rigOf({ options: { watched: false, concurrency: 1 } });
    const others = Array.from({ length: 30 }, () => ({}));
    await rig.work(workBatch(0, [{ waits: 1 }, ...others]));
    // The thread is busy with something else.
    await rig.time.pass(10_000);
    assert.deepEqual(told(rig), { handled: [31, 1], failed: [0, 0] });
  });

  it("of a call over a batch are those of each message in it", async () => {
    const rig = rigOf({ options: { batches: true, batchSize: 3 } });
    await rig.work(workBatch(0, [{ computes: 9 }, {}, {}], { runs: [3] }));
    await rig.work(workBatch(1, [{ computes: 1, waits: 4 }, {}], { runs: [2] }));
    await rig.time.pass(10);
    await rig.work(workBatch(2, [{ computes: 7, fails: true }, {}], { runs: [2] }));
    assert.deepEqual(told(rig), { handled: [5, 27 + 10], failed: [2, 14] });
  });

  it("have what is invalid among what failed, decoding included", async () => {
    const rig = rigOf({
      decode: () => {
        rig.time.time += 2;
        throw new Error("it cannot be read");
      },
    });
    await rig.work(workBatch(0, [1, 2]));
    assert.deepEqual(told(rig), { handled: [0, 0], failed: [2, 4] });
  });

  it("have what timed out, and not what was told to give up", async () => {
    const late = rigOf({ options: { handlerTimeoutMs: 1_000 } });
    await late.work(workBatch(0, [{ waits: 50_000 }]));
    await late.time.pass(2_000);
    assert.deepEqual(told(late), { handled: [0, 0], failed: [1, 1_000] });
    const revoked = rigOf();
    await revoked.work(workBatch(0, [{ waits: 50_000 }]));
    revoked.send({ type: "abort", assignments: null, reason: "revoked" });
    await revoked.time.turns();
    assert.deepEqual(revoked.failed, ["0:0 aborted"]);
    assert.deepEqual(told(revoked), { handled: [0, 0], failed: [0, 0] });
  });

  it("have all that is finished when a handler ends its thread", async () => {
    const rig = rigOf();
    const values = Array.from({ length: 200 }, () => ({ computes: 0.001 }));
    await rig.work(workBatch(0, values));
    await rig.work(workBatch(1, [...values.slice(0, 6), { computes: 30, crashes: true }]));
    const { handled: [count, ms] } = told(rig);
    // What was begun with it is finished; it itself is none of these.
    assert.equal(count, rig.finished.length);
    assert.ok(count >= 200 && ms < 1, `${count} ${ms}`);
  });
});
