// How long messages of a manager have taken. The clock is the thread's own, so that limits are wide.
import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { deliver, MessageIterator } from "../../src/program/deliver.ts";
import { Inbox } from "../../src/program/inbox.ts";
import type { HandlingTimes } from "../../src/threads/handling_times.ts";
import { yieldToLoop } from "../../src/threads/turns.ts";
import { batchMessage } from "./batches.ts";

/** Blocks the thread. */
function compute(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** The times of what was handled, or what has failed. */
function timesOf(inbox: Inbox, success = true): Pick<HandlingTimes, "count" | "sumMs"> {
  return inbox.times.list().find((times) => times.success === success) ?? { count: 0, sumMs: 0 };
}

describe("The times of deliver()", () => {
  it("are known when it waits for more, and have nothing of the wait", async () => {
    const inbox = new Inbox(() => {});
    // So many that it does not look at the clock for each of them any more.
    inbox.push(batchMessage(0, { count: 305 }));
    let [handled, first] = [0, Promise.withResolvers<void>()];
    const delivering = deliver(inbox, () => {
      if (++handled === 305) first.resolve();
      if (handled === 306) inbox.stop();
    });
    await first.promise;
    await yieldToLoop();
    assert.equal(timesOf(inbox).count, 305);
    compute(300);
    inbox.push(batchMessage(1, { count: 1, from: 1_000 }));
    await delivering;
    const { count, sumMs } = timesOf(inbox);
    assert.equal(count, 306);
    assert.ok(sumMs < 200, `${sumMs}`);
  });

  it("of an asynchronous callback begin where it begins; those before it are known meanwhile", async () => {
    const inbox = new Inbox(() => {});
    inbox.push(batchMessage(0, { count: 302 }));
    const [called, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const delivering = deliver(inbox, ({ offset }) => {
      if (offset < 600) return;
      if (offset === 602) throw new Error("it failed");
      compute(50);
      called.resolve();
      return gate.promise;
    });
    await called.promise;
    await yieldToLoop();
    assert.equal(timesOf(inbox).count, 300);
    compute(20);
    gate.resolve();
    await assert.rejects(delivering);
    const { count, sumMs } = timesOf(inbox);
    assert.equal(count, 301);
    assert.ok(sumMs >= 70, `${sumMs}`);
    assert.equal(timesOf(inbox, false).count, 1);
  });

  it("of an iteration are those of the loop's body", async () => {
    const inbox = new Inbox(() => {});
    inbox.push(batchMessage(0, { count: 3 }));
    const messages = new MessageIterator(inbox);
    await messages.next();
    compute(30);
    await messages.next();
    await messages.next();
    const { count, sumMs } = timesOf(inbox);
    assert.equal(count, 2);
    assert.ok(sumMs >= 30, `${sumMs}`);
    await messages.return();
    assert.deepEqual([timesOf(inbox).count, timesOf(inbox, false).count], [2, 0], "it was left");
  });
});
