import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { Questions } from "../../src/poller/questions.ts";

describe("Questions", () => {
  it("match answers in any order, failures too", async () => {
    const questions = new Questions<string>();
    const ids: number[] = [];
    const asked = ["a", "b", "c"].map(() => questions.ask((id) => ids.push(id)));
    assert.equal(new Set(ids).size, 3);
    questions.answer(ids[2]!, "third");
    questions.fail(ids[1]!, new RangeError("no"));
    questions.answer(ids[0]!, "first");
    assert.equal(await asked[0], "first");
    await assert.rejects(asked[1]!, { name: "RangeError", message: "no" });
    assert.equal(await asked[2], "third");
  });

  it("bear answers that nobody waits for", async () => {
    const questions = new Questions<number>();
    questions.answer(7, 1);
    questions.fail(7, new Error("x"));
    const asked = questions.ask((id) => {
      // Answered before it is waited for.
      questions.answer(id, 5);
      questions.answer(id, 6);
      questions.fail(id, new Error("too late"));
    });
    assert.equal(await asked, 5);
  });
});
