import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { runChild } from "../support/child.ts";

const PROGRAM = new URL("./fixtures/hang_program.ts", import.meta.url);

// In a process of its own, which ends by itself: on Deno nothing else stops the loop.
describe("a handler thread that hangs", () => {
  for (const does of ["loop", "hang"]) {
    it(`in "${does}" has announced what it hangs in, and is replaced`, async () => {
      await using child = runChild(PROGRAM, [does]);
      const { code, stdout, stderr } = await child.ended;
      assert.equal(code, 0, `${stdout}\n${stderr}`);
      const beyondReach = does === "loop" && "Deno" in globalThis;
      assert.deepEqual(stdout.trimEnd().split("\n"), [
        "begun",
        'down THREAD_UNRESPONSIVE The thread "orders.handler.0" is ended: it hangs',
        "finished by another one",
        `abandoned ${beyondReach ? 1 : 0}`,
        "stopped",
      ]);
    });
  }
});
