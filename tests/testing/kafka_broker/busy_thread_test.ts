import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { describe, it } from "#std/testing/bdd";
import { GroupTimer } from "../../../src/testing/group_timer.ts";
import { runChild } from "../../support/child.ts";
import { rig } from "./support.ts";

/** Keeps this thread, where the broker is too, from doing anything else. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe("KafkaBroker on a thread that is kept busy", () => {
  it("does not lose a member that sent its heartbeats meanwhile", async () => {
    await using test = await rig({ topics: { t: 1 }, minSessionTimeoutMs: 1 });
    const { broker } = test;
    const program = new URL("./fixtures/member.ts", import.meta.url);
    const [, port] = broker.bootstrapServers.split(":");
    await using member = runChild(program, [port!, "1000", "20"]);
    await member.line("joined");
    const before = await broker.whenGroup("group");
    const control = broker.control("Heartbeat", () => ({ delayMs: 0 }));
    for (let turn = 0; turn < 3; turn++) {
      await control.whenHit(control.hits + 1);
      block(1_100);
    }
    await control.whenHit(control.hits + 3);
    const after = await broker.whenGroup("group");
    assert.equal(after!.generationId, before!.generationId);
    assert.deepEqual(after!.members, before!.members);
    member.send("end");
    const { stdout, code } = await member.ended;
    assert.equal(code, 0);
    assert.ok(!stdout.includes("error"), stdout);
  });

  // A deadline in the middle of the busy time, just at its end, and such that the timer is not late.
  for (const [deadlineMs, blockMs] of [[20, 200], [40, 45], [40, 40]] as const) {
    it(`reads what has come before a deadline counts: ${deadlineMs} of ${blockMs} ms`, async () => {
      const now = () => performance.now();
      const start = now();
      const expired = Promise.withResolvers<number>();
      let deadline: number | null = start + deadlineMs;
      const timer = new GroupTimer(
        {
          nextDeadline: () => deadline,
          expire: (at) => {
            deadline = null;
            expired.resolve(at);
          },
        },
        now,
        () => timer.set(),
      );
      timer.set();
      // From within a turn of the loop, so that timers that are due ring before sockets are read.
      setImmediate(() => {
        block(start + blockMs - now());
        setImmediate(() => {
          deadline = start + 300;
          timer.set();
        });
      });
      const at = await expired.promise;
      timer.clear();
      assert.ok(at >= start + 300, `It counted ${at - start} ms after the start`);
      assert.ok(at < start + 5_000);
    });
  }

  it("gives grace again if the thread is busy in the time of grace", async () => {
    const now = () => performance.now();
    const start = now();
    const expired = Promise.withResolvers<number>();
    let deadline: number | null = start + 10;
    const timer = new GroupTimer(
      {
        nextDeadline: () => deadline,
        expire: (at) => {
          deadline = null;
          expired.resolve(at);
        },
      },
      now,
      () => timer.set(),
    );
    timer.set();
    block(60);
    setTimeout(() => {
      block(150);
      setImmediate(() =>
        setImmediate(() => {
          deadline = start + 400;
          timer.set();
        })
      );
    }, 50);
    assert.ok(await expired.promise >= start + 400);
    timer.clear();
  });

  it("gives grace to each of several deadlines that passed", async () => {
    const now = () => performance.now();
    const start = now();
    const deadlines = [start + 10, start + 35];
    const expired: number[] = [];
    const done = Promise.withResolvers<void>();
    const timer = new GroupTimer(
      {
        nextDeadline: () => Math.min(...deadlines) === Infinity ? null : Math.min(...deadlines),
        expire: (at) => {
          deadlines.forEach((deadline, index) => {
            if (deadline > at) return;
            expired.push(index);
            deadlines[index] = Infinity;
          });
          if (deadlines.every((deadline) => deadline === Infinity)) done.resolve();
        },
      },
      now,
      () => timer.set(),
    );
    timer.set();
    block(40);
    setImmediate(() => {
      // One has been heard of; the other one's heartbeat is still to be read.
      deadlines[0] = start + 120;
      timer.set();
      setImmediate(() => {
        deadlines[1] = start + 130;
        timer.set();
      });
    });
    await done.promise;
    timer.clear();
    assert.ok(now() - start >= 130);
    assert.deepEqual(expired.toSorted(), [0, 1]);
  });
});
