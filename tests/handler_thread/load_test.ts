import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { isKafkaThreadsError, OptionsError, ThreadError } from "../../src/errors.ts";
import { Rig } from "./rig.ts";

/** What start() rejects with. */
async function failure(rig: Rig): Promise<Error> {
  try {
    await rig.threads.start();
  } catch (error) {
    return error as Error;
  }
  throw new Error("It has started");
}

describe("a handler module", () => {
  it("that is not there is named", async () => {
    await using rig = new Rig("not_there.ts");
    const error = await failure(rig);
    assert(isKafkaThreadsError(error));
    assert.equal(error.code, "HANDLER_LOAD_FAILED");
    assert.match(error.message, /^Cannot load the handler module "file:.*not_there\.ts": /);
    assert(error.cause instanceof Error);
  });

  it("that throws while it loads says what", async () => {
    await using rig = new Rig("throws.ts");
    const error = await failure(rig);
    assert(isKafkaThreadsError(error));
    assert.equal(error.code, "HANDLER_LOAD_FAILED");
    assert.match(error.message, /throws\.ts": thrown while it loads$/);
    assert(error.cause instanceof RangeError);
  });

  it("without a default export is refused", async () => {
    await using rig = new Rig("no_default.ts");
    const error = await failure(rig);
    assert(OptionsError.is(error));
    assert.equal(error.issues.length, 1);
    assert.equal(error.issues[0]!.option, "handler");
    assert.match(error.issues[0]!.value, /no_default\.ts" whose default export is missing$/);
    assert.equal(error.issues[0]!.expected, "a function (context, data, message) => …");
  });

  it("is told all exports that are wrong", async () => {
    await using rig = new Rig("wrong_exports.ts");
    const error = await failure(rig);
    assert(OptionsError.is(error));
    assert.deepEqual(error.issues.map(({ value }) => value.replace(/^.* whose /, "")), [
      'export "decode" is of type number',
      'export "schema" is of type object',
      'export "middleware" is a list',
      'export "retryIf" is null',
      'export "setup" is of type object',
    ]);
  });

  it("whose setup fails is not used", async () => {
    await using rig = new Rig("setup_fails.ts", { count: 2 });
    const error = await failure(rig);
    assert(isKafkaThreadsError(error));
    assert.equal(error.code, "HANDLER_SETUP_FAILED");
    assert.match(error.message, /setup_fails\.ts" has failed: no database$/);
    assert(error.cause instanceof RangeError);
    assert.deepEqual(rig.threads.stats().map(({ state }) => state), ["stopped", "stopped"]);
  });

  it("whose setup does not end is given up", async () => {
    await using rig = new Rig("setup_hangs.ts", { startTimeoutMs: 2_000 });
    const error = await failure(rig);
    assert(ThreadError.is(error));
    assert.equal(error.code, "THREAD_START_FAILED");
    assert.match(error.message, /setup_hangs\.ts" was not loaded and set up within 2000 ms$/);
  });

  it("sets up in each thread, and tears down in each", async () => {
    const rig = new Rig("counts.ts", { count: 2 });
    await rig.threads.start();
    assert.deepEqual(rig.seen.map(({ thread }) => thread).toSorted(), [0, 1]);
    await rig.threads.stop(10_000);
    for (const { channel } of rig.seen) channel.close();
    const lines = rig.logger.lines.toSorted((a, b) =>
      Number(a.fields?.thread) - Number(b.fields?.thread)
    );
    assert.deepEqual(lines.map(({ level, message, fields }) => ({ level, message, ...fields })), [
      { level: "info", message: "setup", thread: 0, consumer: "orders", aborted: false },
      { level: "info", message: "teardown", thread: 0, aborted: true },
      { level: "info", message: "setup", thread: 1, consumer: "orders", aborted: false },
      { level: "info", message: "teardown", thread: 1, aborted: true },
    ]);
  });

  it("whose teardown fails is logged", async () => {
    const rig = new Rig("teardown_fails.ts");
    await rig.threads.start();
    await rig[Symbol.asyncDispose]();
    assert.deepEqual(rig.logger.lines.map(({ level, message }) => ({ level, message })), [
      { level: "error", message: "The handler's teardown has failed: the database is gone" },
    ]);
    assert(rig.logger.lines[0]!.fields!.error instanceof RangeError);
  });

  it("whose teardown does not end is ended", async () => {
    const rig = new Rig("teardown_hangs.ts");
    await rig.threads.start();
    await rig.threads.stop(50);
    assert.deepEqual(rig.logger.lines.map(({ message }) => message), [
      'The thread "orders.handler.0" has not torn down within 50 ms',
    ]);
    for (const { channel } of rig.seen) channel.close();
  });

  it("logs with the message's position and its errors", async () => {
    await using rig = new Rig("counts.ts");
    await rig.threads.start();
    const { seen } = await rig.until("up");
    const batch = rig.work(seen, [{ do: "log" }]);
    await rig.untilTold(seen, "finished", `${batch}:0`);
    const { fields } = await rig.untilLogged("handled");
    const { error, ...position } = fields!;
    assert.deepEqual(position, { thread: "handler 0", topic: "orders", partition: 3, offset: 0 });
    assert(error instanceof RangeError);
    assert.equal(error.message, "of the log");
  });
});
