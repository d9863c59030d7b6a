import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { ThreadError } from "../../src/errors.ts";
import { executorOptions } from "../executor/work.ts";
import { Rig } from "../handler_thread/rig.ts";

describe("HandlerThreads", () => {
  it("shares out the concurrency, and has no thread without any", () => {
    const counts = [[4, 10], [4, 3], [1, 1]].map(([count, concurrency]) =>
      new Rig("counts.ts", {
        count: count!,
        executor: executorOptions({ concurrency: concurrency! }),
      }).threads.count
    );
    assert.deepEqual(counts, [4, 3, 1]);
  });

  it("gives up when threads die too often", async () => {
    await using rig = new Rig("counts.ts", { restarts: { max: 1, withinMs: 60_000 } });
    await rig.threads.start();
    const { seen } = await rig.until("up");
    rig.work(seen, [{ do: "throw later" }]);
    const next = await rig.until("up", (up) => up.seen !== seen);
    rig.work(next.seen, [{ do: "throw later" }]);
    const { error } = await rig.until("giveUp");
    assert(ThreadError.is(error));
    assert.equal(error.code, "THREAD_DIED");
    assert.match(error.message, /and 1 replaced within 60000 ms are enough$/);
    assert.deepEqual(rig.happenings.map(({ what }) => what).filter((what) => what !== "report"), [
      "up",
      "down",
      "up",
      "down",
      "giveUp",
    ]);
    assert.deepEqual(rig.threads.stats(), [
      { thread: 0, state: "stopped", restarts: 1, abandoned: 0 },
    ]);
  });

  it("replaces none where none may be", async () => {
    await using rig = new Rig("counts.ts", { restarts: { max: 0, withinMs: 60_000 } });
    await rig.threads.start();
    const { seen } = await rig.until("up");
    rig.work(seen, [{ do: "reject" }]);
    const { error } = await rig.until("giveUp");
    assert.match(error.message, /, and threads are not replaced$/);
  });

  it("goes on with the others while one is replaced", async () => {
    await using rig = new Rig("counts.ts", { count: 2 });
    await rig.threads.start();
    const [first, second] = rig.seen;
    rig.work(first!, [{ do: "exit" }]);
    await rig.until("down", ({ thread }) => thread === first!.thread);
    const batch = rig.work(second!, [{}]);
    await rig.untilTold(second!, "finished", `${batch}:0`);
    const { seen } = await rig.until("up", ({ seen }) => seen !== first && seen !== second);
    assert.equal(seen.thread, first!.thread);
  });

  it("may be stopped while a thread is to be replaced, and before it starts", async () => {
    const rig = new Rig("counts.ts");
    await rig.threads.start();
    const { seen } = await rig.until("up");
    rig.work(seen, [{ do: "exit" }]);
    await rig.until("down");
    await rig.threads.stop(1_000);
    seen.channel.close();
    assert.equal(rig.seen.length, 1);
    await new Rig("counts.ts").threads.stop(1_000);
  });

  it("starts a worker that the program makes, or says that it does not answer", async () => {
    const worker = new URL("../../workers/handler.ts", import.meta.url);
    await using rig = new Rig("counts.ts", { worker });
    await rig.threads.start();
    const silent = new URL("../handler_thread/fixtures/no_default.ts", import.meta.url);
    await using mute = new Rig("counts.ts", { worker: silent, startTimeoutMs: 300 });
    await assert.rejects(mute.threads.start(), {
      code: "THREAD_START_FAILED",
      // Where nothing is listened for, Node and Bun end the worker.
      message:
        /^Cannot start the thread "orders\.handler\.0": (no answer within 300 ms|it exited with code 0)$/,
    });
  });
});
