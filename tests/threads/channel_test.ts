import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { channelPair } from "../../src/threads/channel.ts";

/** A loop whose turns the test takes. */
function loop() {
  let tasks: (() => void)[] = [];
  return {
    schedule: (task: () => void) => void tasks.push(task),
    /** Takes one turn; says whether there was anything to do. */
    turn(): boolean {
      const due = tasks;
      tasks = [];
      for (const task of due) task();
      return due.length > 0;
    },
  };
}

describe("channelPair()", () => {
  it("delivers in a later turn, never within post()", () => {
    const { schedule, turn } = loop();
    const [first, second] = channelPair<string, number>(schedule);
    const got: unknown[] = [];
    first.onMessage = (message) => got.push(message);
    second.onMessage = (message) => got.push(message);
    first.post(1);
    second.post("a");
    assert.deepEqual(got, []);
    turn();
    assert.deepEqual(got, [1, "a"]);
  });

  it("keeps the order of each direction, answers included, and loses nothing", () => {
    const steps = fc.array(
      fc.oneof(
        fc.constant("turn" as const),
        fc.record({ to: fc.constantFrom(0, 1), answers: fc.nat(2) }),
      ),
      { maxLength: 40, size: "max" },
    );
    fc.assert(fc.property(steps, (script) => {
      const { schedule, turn } = loop();
      type Note = { id: number; answers: number };
      const ends = channelPair<Note, Note>(schedule);
      const sent: number[][] = [[], []];
      const got: number[][] = [[], []];
      let next = 0;
      const post = (from: number, answers: number) => {
        sent[from]!.push(next);
        ends[from]!.post({ id: next++, answers });
      };
      ends.forEach((end, index) => {
        end.onMessage = ({ id, answers }) => {
          got[1 - index]!.push(id);
          for (let answer = 0; answer < answers; answer++) post(index, 0);
        };
      });
      for (const step of script) {
        if (step === "turn") turn();
        else post(1 - step.to, step.answers);
      }
      while (turn());
      assert.deepEqual(got, sent);
    }));
  });

  it("takes one turn for a run of messages", () => {
    const { schedule, turn } = loop();
    let scheduled = 0;
    const [first, second] = channelPair<number, number>((task) => {
      scheduled++;
      schedule(task);
    });
    let got = 0;
    second.onMessage = () => void got++;
    for (let message = 0; message < 100; message++) first.post(message);
    assert.equal(scheduled, 1);
    turn();
    assert.equal(got, 100);
    first.post(100);
    assert.equal(scheduled, 2);
  });

  it("drops what arrives where nobody listens", () => {
    const { schedule, turn } = loop();
    const [first, second] = channelPair<number, number>(schedule);
    const got: number[] = [];
    first.post(1);
    turn();
    second.onMessage = (message) => got.push(message);
    first.post(2);
    turn();
    assert.deepEqual(got, [2]);
  });
});
