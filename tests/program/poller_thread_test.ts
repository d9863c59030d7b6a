import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { PollerThread } from "../../src/program/poller_thread.ts";
import type { FromPoller, PollerSnapshot, ToPoller } from "../../src/threads/messages.ts";

/** A thread that answers what a test has it answer. */
class FakeWorker {
  readonly asked: number[] = [];
  #listener: (event: { data: FromPoller }) => void = () => {};

  addEventListener(type: string, listener: (event: { data: FromPoller }) => void): void {
    if (type === "message") {
      this.#listener = listener;
      queueMicrotask(() => this.say({ type: "ready" }));
    }
  }

  postMessage(message: ToPoller): void {
    if (message.type === "ping") this.asked.push(message.id);
  }

  terminate(): void {}

  answer(id: number): void {
    this.say({ type: "pong", id, snapshot: {} as PollerSnapshot });
  }

  say(data: FromPoller): void {
    this.#listener({ data });
  }
}

async function started(): Promise<{ thread: PollerThread; worker: FakeWorker; end(): void }> {
  const worker = new FakeWorker();
  const thread = new PollerThread({
    name: "fake",
    thread: "worker",
    worker: () => worker,
    daemon: false,
    handshakeTimeoutMs: 1_000,
  }, { message() {}, snapshot() {}, tick() {}, death() {} });
  await thread.start();
  return { thread, worker, end: () => thread.terminate() };
}

describe("ping() of a PollerThread", () => {
  it("asks once for all who ask meanwhile, and anew afterwards", async () => {
    const { thread, worker, end } = await started();
    const answers = [thread.ping(1_000), thread.ping(1_000), thread.ping(1_000)];
    assert.deepEqual(worker.asked, [1]);
    worker.answer(1);
    assert.deepEqual(await Promise.all(answers), [true, true, true]);
    const next = thread.ping(1_000);
    assert.deepEqual(worker.asked, [1, 2]);
    worker.answer(2);
    assert.equal(await next, true);
    end();
  });

  it("takes no answer to an earlier question for its own", async () => {
    const { thread, worker, end } = await started();
    assert.equal(await thread.ping(10), false);
    const asked = thread.ping(40);
    worker.answer(1);
    assert.equal(await asked, false);
    end();
  });

  it("does without a newer answer where the last one is fresh, for those in a hurry", async () => {
    const { thread, worker, end } = await started();
    // There is none yet.
    assert.equal(await thread.pingSoon(10), false);
    worker.answer(1);
    const begun = performance.now();
    assert.equal(await thread.pingSoon(60_000), true);
    assert(performance.now() - begun < 1_500, "it has waited for an answer that never came");
    assert.deepEqual(worker.asked, [1, 2]);
    end();
    assert.equal(await thread.pingSoon(60_000), false);
  });

  it("is answered at once when the thread is ended", async () => {
    const { thread, end } = await started();
    const asked = thread.ping(60_000);
    end();
    assert.equal(await asked, false);
    assert.equal(await thread.ping(60_000), false);
  });
});
