import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { Timers } from "../../src/poller/timers.ts";

const never = new Promise<never>(() => {});

/** Puts clocks of the test's own in the place of the runtime's while a task runs. */
async function withFakeTimers(
  task: (fire: () => void, open: Map<number, number | undefined>) => void | Promise<void>,
): Promise<void> {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const open = new Map<number, number | undefined>();
  const tasks = new Map<number, () => void>();
  let next = 1;
  globalThis.setTimeout = ((run: () => void, ms?: number) => {
    open.set(next, ms);
    tasks.set(next, run);
    return next++;
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = ((timer: number) => void open.delete(timer)) as typeof clearTimeout;
  const fire = () => {
    const [timer] = open.keys();
    if (timer === undefined) return;
    open.delete(timer);
    tasks.get(timer)!();
  };
  try {
    await task(fire, open);
  } finally {
    globalThis.setTimeout = set;
    globalThis.clearTimeout = clear;
  }
}

describe("Timers", () => {
  it("run a task once, unless it is taken back", () =>
    withFakeTimers((fire, open) => {
      const timers = new Timers();
      const ran: string[] = [];
      timers.after(5, () => ran.push("first"));
      const second = timers.after(6, () => ran.push("second"));
      assert.deepEqual([...open.values()], [5, 6]);
      timers.cancel(second);
      fire();
      fire();
      assert.deepEqual([ran, open.size], [["first"], 0]);
    }));

  it("repeat a task, a while after it has settled, until it says that it is enough", () =>
    withFakeTimers(async (fire, open) => {
      const timers = new Timers();
      const runs: PromiseWithResolvers<boolean>[] = [];
      timers.every(7, () => {
        runs.push(Promise.withResolvers<boolean>());
        return runs.at(-1)!.promise;
      });
      const settle = async (goOn: boolean) => {
        runs.at(-1)!.resolve(goOn);
        for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      };
      fire();
      assert.deepEqual([runs.length, open.size], [1, 0]);
      await settle(true);
      assert.deepEqual([...open.values()], [7]);
      fire();
      await settle(false);
      assert.deepEqual([runs.length, open.size], [2, 0]);
    }));

  it("tell whether a promise settles in time, however it does, and leave nothing behind", () =>
    withFakeTimers(async (fire, open) => {
      const timers = new Timers();
      assert.equal(await timers.within(9, Promise.resolve()), true);
      assert.equal(await timers.within(9, Promise.reject(new Error("x"))), true);
      assert.equal(open.size, 0);
      const late = timers.within(9, never);
      assert.deepEqual([...open.values()], [9]);
      fire();
      assert.equal(await late, false);
      assert.equal(open.size, 0);
      assert.equal(await timers.within(null, Promise.resolve()), true);
      assert.equal(open.size, 0);
    }));

  it("end all together", () =>
    withFakeTimers((fire, open) => {
      const timers = new Timers();
      const refuse = () => assert.fail("it was ended");
      timers.after(1, refuse);
      timers.every(2, refuse);
      void timers.wait(3);
      void timers.within(4, never);
      assert.equal(open.size, 4);
      timers.clear();
      assert.equal(open.size, 0);
      fire();
    }));

  it("wait", () =>
    withFakeTimers(async (fire) => {
      const timers = new Timers();
      const waited = timers.wait(3);
      fire();
      await waited;
    }));
});
