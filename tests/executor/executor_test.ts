import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import type { HandlerContext, Middleware, MiddlewareContext } from "../../src/handler.ts";
import type { Message } from "../../src/message.ts";
import { decodeError } from "../../src/threads/error_wire.ts";
import { yieldToLoop } from "../../src/threads/turns.ts";
import { ExecutorRig } from "./rig.ts";
import { namesOf, workBatch } from "./work.ts";

describe("A handler's context", () => {
  it("says who, and how often", async () => {
    const seen: unknown[] = [];
    const rig = new ExecutorRig({
      handler: (context: HandlerContext, data: unknown, message: Message) => {
        seen.push([context.consumer, context.attempt, data, message.offset]);
        assert.equal(context.signal.aborted, false);
        context.logger.warn("look", { also: 1 });
        context.logger.info("there");
      },
    });
    await rig.work(workBatch(1, [{ a: 1 }], { attempts: [5] }));
    assert.deepEqual(seen, [[{ name: "orders", groupId: "shop.orders" }, 5, { a: 1 }, 100]]);
    const position = { topic: "orders", partition: 3, offset: 100 };
    assert.deepEqual(rig.logger.lines, [
      { level: "warn", message: "look", fields: { ...position, also: 1 } },
      { level: "info", message: "there", fields: position },
    ]);
  });
});

describe("Middleware", () => {
  it("is around the handler, outermost first, and sees the messages", async () => {
    const steps: unknown[] = [];
    const named = (name: string): Middleware => async (context: MiddlewareContext, next) => {
      steps.push(`${name} before ${context.message.offset} of ${context.messages.length}`);
      await next();
      steps.push(`${name} after`);
    };
    const rig = new ExecutorRig({
      middleware: [named("a"), named("b")],
      handler: () => steps.push("handler"),
    });
    await rig.work(workBatch(0, [1]));
    assert.deepEqual(steps, [
      "a before 0 of 1",
      "b before 0 of 1",
      "handler",
      "b after",
      "a after",
    ]);
    assert.deepEqual(rig.finished, ["0:0"]);
  });

  it("may leave the handler out, or catch what it throws", async () => {
    const rig = new ExecutorRig({
      middleware: [
        () => {},
        () => assert.fail(),
      ],
      handler: () => assert.fail(),
    });
    await rig.work(workBatch(0, [1]));
    assert.deepEqual(rig.finished, ["0:0"]);
    const catching = new ExecutorRig({
      middleware: [(_context, next) => next().catch(() => {})],
      handler: () => {
        throw new Error("caught");
      },
    });
    await catching.work(workBatch(0, [1]));
    assert.deepEqual(catching.finished, ["0:0"]);
  });

  it("has not ended before the handler has, and does not hide what it throws", async () => {
    const held = Promise.withResolvers<void>();
    const rig = new ExecutorRig({
      middleware: [
        (_context, next) => Promise.resolve(void next()),
        (_context, next) => void next(),
      ],
      handler: () => held.promise,
    });
    await rig.work(workBatch(0, [1]));
    assert.deepEqual(rig.finished, []);
    held.reject(new Error("at last"));
    await yieldToLoop();
    await rig.time.turns();
    assert.deepEqual(rig.failed, ["0:0 failed"]);
  });

  it("must not call next() twice", async () => {
    let calls = 0;
    const rig = new ExecutorRig({
      middleware: [async (_context, next) => {
        await next();
        await next();
      }],
      handler: () => void calls++,
    });
    await rig.work(workBatch(0, [1]));
    assert.equal(calls, 1);
    assert.match(decodeError(rig.failures[0]!.error).message, /has called next\(\) twice$/);
  });
});

describe("An executor", () => {
  it("asks for a few messages, and for more where it runs dry", async () => {
    const rig = new ExecutorRig({ options: { concurrency: 1_000 } });
    assert.equal(rig.credit, 4);
    let sent = 0;
    for (let batch = 0; batch < 20; batch++) {
      const count = Math.min(100, rig.credit - sent);
      sent += count;
      await rig.work(workBatch(batch, Array.from({ length: count }, () => 1)));
    }
    assert(rig.credit - sent > 100, `${rig.credit - sent}`);
  });

  it("does not ask for more because now and then a message comes", async () => {
    const rig = new ExecutorRig({});
    for (let batch = 0; batch < 50; batch++) await rig.work(workBatch(batch, [1]));
    assert(rig.credit - 50 <= 8, `${rig.credit}`);
  });

  it("asks for one at a time where each of them takes long", async () => {
    const rig: ExecutorRig = new ExecutorRig({
      options: { concurrency: 64 },
      handler: () => void (rig.time.time += 20),
    });
    let sent = 0;
    let most = 0;
    for (let batch = 0; batch < 40; batch++) {
      const count = rig.credit - sent;
      if (batch > 10) most = Math.max(most, count);
      sent += count;
      await rig.work(workBatch(batch, Array.from({ length: count }, () => 1)));
    }
    assert(most <= 2, `${most}`);
  });

  it("asks for a run at first where runs are handled in one call", () => {
    const rig = new ExecutorRig({ options: { batches: true, batchSize: 50 } });
    assert.equal(rig.credit, 50);
  });

  it("announces only what is about to begin", async () => {
    const held: (() => void)[] = [];
    const rig = new ExecutorRig({
      options: { concurrency: 3 },
      handler: () => new Promise<void>((resolve) => held.push(resolve)),
    });
    await rig.work(workBatch(0, Array.from({ length: 12 }, () => 1), { runs: [4, 4, 4] }));
    assert.deepEqual(rig.begun.toSorted(), ["0:0", "0:4", "0:8"]);
    // Nothing that waits for a timer, say, has the next one announced early.
    for (let round = 0; round < 3; round++) {
      rig.time.time += 10;
      held.splice(0).forEach((resolve) => resolve());
      await rig.time.turns();
      assert.equal(rig.begun.length, Math.min(12, 3 * (round + 2)));
    }
  });

  it("announces one at a time of what takes long", async () => {
    const suspects: number[] = [];
    const rig: ExecutorRig = new ExecutorRig({
      handler: () => {
        suspects.push(rig.begun.length - suspects.length);
        rig.time.time += 20;
      },
    });
    await rig.work(workBatch(0, Array.from({ length: 30 }, () => 1)));
    assert.equal(rig.finished.length, 30);
    assert(suspects.every((count) => count === 1), `${suspects}`);
  });

  it("begins what must begin alone with nothing else", async () => {
    const rig = new ExecutorRig({ options: { concurrency: 10 } });
    const many = Array.from({ length: 20 }, () => 1);
    await rig.work(workBatch(0, many), workBatch(1, [1, 2, 3], { solo: true }), workBatch(2, many));
    const ofOne = rig.reports.filter(({ begun }) =>
      namesOf(begun).some((name) => name.startsWith("1:"))
    );
    assert.deepEqual(ofOne.map(({ begun }) => namesOf(begun)), [["1:0"], ["1:1"], ["1:2"]]);
    assert.equal(rig.finished.length, 43);
  });

  it("begins what must begin alone although others wait for slots", async () => {
    const held: (() => void)[] = [];
    const rig = new ExecutorRig({
      options: { concurrency: 2 },
      handler: () => new Promise<void>((resolve) => held.push(resolve)),
    });
    await rig.work(
      workBatch(0, [1, 2, 3, 4], { runs: [2, 2], solo: true }),
      workBatch(1, [1, 2, 3, 4]),
    );
    for (let round = 0; round < 10; round++) {
      held.splice(0).forEach((resolve) => resolve());
      await rig.time.turns();
    }
    assert.equal(rig.finished.length, 8);
  });

  it("reports what ends together in one report", async () => {
    const held: (() => void)[] = [];
    const rig = new ExecutorRig({
      options: { concurrency: 100 },
      handler: () => new Promise<void>((resolve) => held.push(resolve)),
    });
    await rig.work(workBatch(0, Array.from({ length: 100 }, () => 1)));
    const before = rig.posts.length;
    for (const resolve of held) resolve();
    await rig.time.turns();
    assert.equal(rig.finished.length, 100);
    assert(rig.posts.length - before <= 2);
  });

  it("tells how long calls have taken", async () => {
    const rig: ExecutorRig = new ExecutorRig({
      handler: (_context: unknown, data: unknown) => {
        rig.time.time += 3;
        return data === 1 ? undefined : new Promise<void>((resolve) => {
          rig.time.setTimer(resolve, 40);
        });
      },
    });
    await rig.work(workBatch(0, [1, 2]));
    await rig.time.pass(100);
    assert.equal(rig.reports.reduce((sum, { busyMs }) => sum + busyMs, 0), 46);
  });

  it("that is closed posts nothing more", async () => {
    const held = Promise.withResolvers<void>();
    const rig = new ExecutorRig({ handler: () => held.promise });
    await rig.work(workBatch(0, [1]));
    const before = rig.posts.length;
    rig.executor.close();
    held.resolve();
    await rig.time.turns();
    rig.executor.flush();
    assert.equal(rig.posts.length, before);
  });
});
