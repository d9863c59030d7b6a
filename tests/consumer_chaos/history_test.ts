import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { History } from "./support/history.ts";
import type { RecordKind } from "./support/journal.ts";

/** Reads `begin a.1 0/0`: messages of a partition are a lane. */
function historyOf(...lines: string[]): History {
  const history = new History((message) => {
    const [partition, offset] = message.split("/");
    return { lane: partition!, turn: Number(offset) };
  });
  for (const line of lines) {
    const [kind, owner, message = ""] = line.split(" ");
    const [member, thread = "-"] = owner!.split(".");
    history.add({ kind: kind as RecordKind, member: member!, thread, message });
  }
  return history;
}

describe("What is made of what handlers have done", () => {
  it("finds nothing wrong with one after the other", () => {
    const history = historyOf(
      "begin a.1 0/0",
      "begin b.1 1/0",
      "fail a.1 0/0",
      "begin a.2 0/0",
      "end a.2 0/0",
      "begin b.1 0/1",
      "end b.1 0/1",
      "end b.1 1/0",
    );
    assert.deepEqual(history.wrong, []);
    assert.deepEqual([history.completed, history.failures], [3, 1]);
    assert.deepEqual(history.duplicates, []);
  });

  it("finds two of a lane at once", () => {
    const { wrong } = historyOf("begin a.1 0/0", "begin b.1 0/0");
    assert.deepEqual(wrong, ["0/0 began in b.1 beside 0/0 in a.1"]);
  });

  it("finds what begins before its turn, and so what is lost", () => {
    const { wrong } = historyOf("begin a.1 0/0", "end a.1 0/0", "begin a.1 0/2");
    assert.deepEqual(wrong, ["0/2 began in a.1 before its turn: 2, not 1"]);
  });

  it("finds what is handled twice, and what excuses it", () => {
    const twice = (...between: string[]) =>
      historyOf("begin a.1 0/0", "end a.1 0/0", ...between, "begin b.1 0/0", "end b.1 0/0");
    const unexcused = twice();
    assert.deepEqual(unexcused.duplicates, ["0/0"]);
    assert.deepEqual(unexcused.unexcused, ["0/0 by b.1 after a.1"]);
    const killed = twice("kill a");
    assert.deepEqual([killed.duplicates, killed.unexcused, killed.wrong], [["0/0"], [], []]);
    assert.deepEqual([...killed.repeats], [["a", ["0/0"]]]);
    // It had finished before the crash, and should have been reported.
    assert.equal(twice("crash a.1").unexcused.length, 1);
  });

  it("takes what was under way in a thread that crashed for undone", () => {
    const before = ["begin a.1 0/0", "crash a.1"];
    const retried = historyOf(...before, "begin a.2 0/0", "end a.2 0/0");
    assert.deepEqual([retried.wrong, retried.duplicates], [[], []]);
    const late = historyOf(...before, "end a.1 0/0", "begin a.2 0/0", "end a.2 0/0");
    assert.deepEqual([late.wrong, late.duplicates, late.unexcused], [[], ["0/0"], []]);
    const both = historyOf(...before, "begin a.2 0/0", "end a.1 0/0");
    assert.deepEqual(both.wrong, ["0/0 went on in a.1 while others of its lane began"]);
  });

  it("tells what was under way when a process was killed", () => {
    const { interrupted } = historyOf("begin a.1 0/0", "end a.1 0/0", "begin a.1 1/0", "kill a");
    assert.deepEqual([...interrupted], [["a", ["1/0"]]]);
  });

  it("finds what a dead process still does", () => {
    assert.deepEqual(historyOf("kill a", "begin a.1 0/0").wrong, [
      "0/0 began in a.1, which is dead",
    ]);
  });
});
