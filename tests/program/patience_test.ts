import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { OwnCheck } from "../../src/program/own_check.ts";
import { LATE, withPatience } from "../../src/program/patience.ts";

const forever = new Promise<never>(() => {});

/** Blocks this thread. */
function block(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until;);
}

describe("withPatience()", () => {
  it("resolves and rejects as what it waits for", async () => {
    assert.equal(await withPatience(Promise.resolve(3), 1_000), 3);
    await assert.rejects(withPatience(Promise.reject(new Error("no")), 1_000), /no/);
  });

  it("is late when the time is over, and not before", async () => {
    const began = performance.now();
    assert.equal(await withPatience(forever, 60), LATE);
    // Timers may ring a millisecond early, each of them.
    assert(performance.now() - began >= 55);
  });

  it("does not count the time for which the thread was blocked", async () => {
    const { port1, port2 } = new MessageChannel();
    const answer = new Promise((resolve) => port1.onmessage = ({ data }) => resolve(data));
    const waiting = withPatience(answer, 40);
    // It comes at once, and cannot be read for much longer than the wait.
    port2.postMessage("here");
    block(100);
    assert.equal(await waiting, "here");
    port1.close();
  });
});

describe("OwnCheck", () => {
  const fine = { healthy: true, error: null };

  it("takes nothing but true for an answer", async () => {
    assert.deepEqual(await new OwnCheck(() => true).ask(), fine);
    assert.deepEqual(await new OwnCheck(() => Promise.resolve(true)).ask(), fine);
    for (const answer of [false, Promise.resolve(false), "yes", 1, undefined]) {
      const result = await new OwnCheck(() => answer as boolean).ask();
      assert.deepEqual(result, { healthy: false, error: null });
    }
  });

  it("tells what was thrown, whatever it is, name, code and message apart", async () => {
    const error = Object.assign(new TypeError("secret"), { code: "E_NO" });
    for (
      const check of [() => Promise.reject(error), () => {
        throw error;
      }]
    ) {
      assert.deepEqual(await new OwnCheck(check).ask(), {
        healthy: false,
        error: { name: "TypeError", code: "E_NO", message: "secret" },
      });
    }
    const odd: unknown[] = [
      null,
      "secret",
      Object.assign(new Error("x"), { name: "a secret: 1", code: "user:secret@host" }),
      Object.assign(new Error("x"), { code: { secret: 1 } }),
      {
        get name(): string {
          throw new Error("secret");
        },
      },
    ];
    for (const thrown of odd) {
      const { healthy, error } = await new OwnCheck(() => Promise.reject(thrown)).ask();
      assert.equal(healthy, false);
      assert.deepEqual([error!.name, error!.code], ["Error", null]);
    }
  });

  it("is called once for all who ask meanwhile, and again by the next", async () => {
    let calls = 0;
    const gate = Promise.withResolvers<boolean>();
    const check = new OwnCheck(() => {
      calls++;
      return gate.promise;
    });
    const answers = [check.ask(), check.ask(), check.ask()];
    assert.equal(calls, 1);
    gate.resolve(true);
    assert.deepEqual(await Promise.all(answers), [fine, fine, fine]);
    await check.ask();
    assert.equal(calls, 2);
  });

  it("is DOWN where it hangs, and recovers", async () => {
    let hangs = true;
    const check = new OwnCheck(() => hangs ? forever : true);
    const { healthy, error } = await check.ask(20);
    assert.deepEqual([healthy, error?.name], [false, "TimeoutError"]);
    hangs = false;
    assert.deepEqual(await check.ask(20), fine);
  });
});
