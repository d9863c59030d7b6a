// Threads and drivers that break in every way thought of: the manager says so by a typed error in
// bounded time, and leaves nothing behind. One program goes through all of them side by side, because
// the last proof is that it ends by itself.
import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { type Ended, runChild } from "../support/child.ts";
import type { Outcome } from "./fixtures/broken/program.ts";

/** What is expected: where it fails, with which error and code, and how it reads. */
type Expected = ["start" | "closed", name: string, code: string, text: RegExp];

/** Bun gives a test 5 s if it says nothing else. */
const TIMEOUT = { timeout: 120_000 };

/** A stop ends in time, and well. */
const STOPPED = "stopped";

const DIED = ["closed", "ThreadError", "THREAD_DIED"] as const;
const NO_START = ["start", "ThreadError", "THREAD_START_FAILED"] as const;
const NO_LOAD = ["start", "DriverError", "DRIVER_LOAD_FAILED"] as const;
const INVALID = ["start", "DriverError", "DRIVER_INVALID"] as const;
const FAILED = ["start", "DriverError", "DRIVER_FAILED"] as const;
const LATE = ["start", "StartTimeoutError", "START_TIMEOUT", /within 2000 ms$/] as const;
const LOST = ["closed", "CommitError", "COMMIT_FAILED"] as const;
const SPENT = ["start", "RetryBudgetError", "RETRY_BUDGET_EXHAUSTED"] as const;

const threads: Record<string, Expected | typeof STOPPED> = {
  "worker: does not exist": [...NO_START, /no_such_worker/],
  "worker: throws": [...NO_START, /the worker does not load/],
  "worker: says nothing": [...NO_START, /no answer within 2000 ms/],
  "worker: never answers again": ["closed", "ThreadError", "THREAD_UNRESPONSIVE", /10 seconds/],
  "worker: cannot be made": [...NO_START, /no worker$/],
  "worker: is none": [...NO_START, /undefined/],
  "worker: made by a function": STOPPED,
  "worker: another module": STOPPED,
  "driver throws out of turn": [...DIED, /out of turn/],
  "driver exits": "Deno" in globalThis
    ? ["closed", "ThreadError", "THREAD_UNRESPONSIVE", /10 seconds/]
    : [...DIED, /it exited with code 0/],
};

const drivers: Record<string, Expected | typeof STOPPED> = {
  "module does not exist": [...NO_LOAD, /no_such_driver/],
  "module throws": [...NO_LOAD, /the module does not load/],
  "module has no default": [...INVALID, /its default export must be a function .* missing$/],
  "module's default is text": [...INVALID, /its default export must be .* "string"$/],
  "throws": [...FAILED, /no driver today/],
  "rejects": [...FAILED, /no driver today/],
  "throws text": [...FAILED, /no driver today/],
  "nothing": [...INVALID, /has no poll\(\), commit\(\), pause\(\), resume\(\), close\(\)$/],
  "a number": [...INVALID, /has no poll\(\), commit\(\), pause\(\), resume\(\), close\(\)$/],
  "half": [...INVALID, /has no commit\(\), pause\(\), resume\(\), close\(\)$/],
  "never": [...LATE],
  "poll never ends": [...LATE],
  "poll throws": [...SPENT, /no poll$/],
  "poll rejects": [...SPENT, /no poll$/],
  "poll rejects with text": [...SPENT, /no poll$/],
  "poll rejects for good": [...FAILED, /no poll$/],
  "poll gives null": [...INVALID, /Cannot take in what the driver has polled/],
  "poll gives a number": [...INVALID, /Cannot take in what the driver has polled/],
  "poll gives wrong batches": [...INVALID, /Cannot take in what the driver has polled/],
  "poll gives what is not assigned": [...INVALID, /"any" partition 5/],
  "a later poll rejects": ["closed", "RetryBudgetError", "RETRY_BUDGET_EXHAUSTED", /no more$/],
  "a later poll rejects for good": ["closed", "DriverError", "DRIVER_FAILED", /no more$/],
  "a later poll never ends": STOPPED,
  "pause throws": ["closed", "DriverError", "DRIVER_FAILED", /pause\(\): no pause$/],
  "resume throws": ["closed", "DriverError", "DRIVER_FAILED", /resume\(\): no resume$/],
  "status throws": ["closed", "DriverError", "DRIVER_FAILED", /status\(\): no status$/],
  "commit throws for too long": [...LOST, /no success within 200 ms, .* no commit$/],
  "commit throws": [...LOST, /handled again: no commit$/],
  "commit never ends": [...LOST, /handled again: no answer/],
  "close throws": STOPPED,
  "close rejects": STOPPED,
  "close never ends": STOPPED,
};

/** What a broken driver says while it is put up with. */
const warnings: Record<string, RegExp> = {
  "poll throws": /^Cannot poll, trying again: no poll$/,
  "a later poll rejects": /^Cannot poll, trying again: no more$/,
  "commit throws": /^Cannot commit, trying again/,
  "close throws": /^Cannot close the driver cleanly: no close$/,
  "close rejects": /^Cannot close the driver cleanly: no close$/,
  "close never ends": /^The driver has not closed within 5000 ms$/,
};

describe("a ThreadManager whose", () => {
  let run: Promise<{ ended: Ended; outcomes: Map<string, Outcome> }> | undefined;
  // Not in a hook: Bun gives those 5 s.
  const theRun = () =>
    run ??= (async () => {
      await using child = runChild(new URL("./fixtures/broken/program.ts", import.meta.url));
      const ended = await child.ended;
      const lines = ended.stdout.split("\n").filter((line) => line.startsWith("{"));
      const outcomes = lines.map((line) => JSON.parse(line) as Outcome);
      return { ended, outcomes: new Map(outcomes.map((outcome) => [outcome.scenario, outcome])) };
    })();

  const check = async (scenario: string, name: string, expected: Expected | typeof STOPPED) => {
    const { ended, outcomes } = await theRun();
    const outcome = outcomes.get(scenario);
    assert(outcome !== undefined, `it has not ended: ${ended.stdout.slice(-500)}${ended.stderr}`);
    const { start, closed, state, tookMs, errors, health } = outcome;
    assert(tookMs < 20_000, `it took ${tookMs} ms`);
    assert.equal(health, "DOWN");
    if (expected === STOPPED) {
      assert.deepEqual({ start, closed, state }, { start: null, closed: "stopped", state });
      assert.equal(state, "stopped");
    } else {
      const [where, type, code, text] = expected;
      assert(typeof closed === "object", `closed is ${closed}`);
      assert.deepEqual([closed.name, closed.code], [type, code]);
      assert.match(closed.message, text);
      // A thread that dies at once may do so before or after it has said that it polls.
      if (where === "start") assert.deepEqual(start, closed);
      else if (code !== "THREAD_DIED") assert.equal(start, null);
      assert.equal(state, "failed");
      const [line, ...others] = errors.toReversed();
      assert(line?.endsWith(closed.message), line);
      assert.match(line!, start === null ? /has failed: / : /cannot start: /);
      const lost = name === "commit throws for too long" ? [/handled again: no commit$/] : [];
      assert.equal(others.length, lost.length);
      lost.forEach((text, index) => assert.match(others[index]!, text));
    }
    const warning = warnings[name];
    if (warning !== undefined) {
      assert(outcome.warnings.some((line) => warning.test(line)), `${outcome.warnings}`);
    }
  };

  for (const [name, expected] of Object.entries(threads)) {
    it(name, TIMEOUT, () => check(name, name, expected));
  }
  for (const thread of ["", "inline "]) {
    for (const [name, expected] of Object.entries(drivers)) {
      it(
        `${thread}driver: ${name}`,
        TIMEOUT,
        () => check(`${thread}driver: ${name}`, name, expected),
      );
    }
  }

  it("breaks still ends, and prints nothing of its own", TIMEOUT, async () => {
    const { ended, outcomes } = await theRun();
    assert.equal(ended.stdout.trimEnd().split("\n").at(-1), "done");
    assert.deepEqual([ended.code, ended.signal], [0, null]);
    assert.equal(outcomes.size, Object.keys(threads).length + 2 * Object.keys(drivers).length);
    // Deno itself prints what a worker does not catch.
    const stderr = "Deno" in globalThis
      ? ended.stderr.replaceAll(/^(error: Uncaught \(in worker .*|throw .*|\s+.*)\n/gm, "")
      : ended.stderr;
    assert.equal(stderr, "");
  });
});
