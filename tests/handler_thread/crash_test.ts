import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { ThreadError } from "../../src/errors.ts";
import { Rig } from "./rig.ts";

/** What a message can make a thread do, and what is said about it. */
const CRASHES = [
  { does: "throw later", says: /thrown in a timer/ },
  { does: "reject", says: /rejected by nobody/ },
  { does: "exit", says: /exited with code 7/ },
  // Only there does a thread have it, and only there does nobody hear of it.
  ...("Deno" in globalThis ? [{ does: "close", says: /closed itself/ }] : []),
];

describe("a handler thread that dies", () => {
  for (const { does, says } of CRASHES) {
    it(`after "${does}" has told what it had finished, and is replaced`, async () => {
      await using rig = new Rig("counts.ts");
      await rig.threads.start();
      const { seen } = await rig.until("up");
      const first = rig.work(seen, [{}, {}]);
      await rig.untilTold(seen, "finished", `${first}:1`);
      const second = rig.work(seen, [{}, { do: does }], [2]);
      const { error } = await rig.until("down");
      assert(ThreadError.is(error));
      assert.equal(error.code, "THREAD_DIED");
      assert.match(error.message, /^The thread "orders\.handler\.0" has died: /);
      assert.match(error.message, says);
      await rig.untilTold(seen, "finished", `${second}:0`);
      assert(seen.begun.includes(`${second}:1`));
      assert(!seen.finished.includes(`${second}:1`));
      const next = await rig.until("up", (up) => up.seen !== seen);
      const third = rig.work(next.seen, [{}]);
      await rig.untilTold(next.seen, "finished", `${third}:0`);
      assert.deepEqual(rig.threads.stats(), [
        { thread: 0, state: "running", restarts: 1, abandoned: 0 },
      ]);
    });
  }
});
