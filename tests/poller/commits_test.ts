import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import type { OffsetCommit } from "../../src/driver.ts";
import { CommitError, LostPartitionError } from "../../src/errors.ts";
import { Commits, type CommitsOptions } from "../../src/poller/commits.ts";
import { tableOfRecords } from "../../src/threads/records.ts";
import { PartitionLedger } from "../../src/poller/partition_ledger.ts";
import { Timers } from "../../src/poller/timers.ts";

/** Commits over a driver that the test answers for, on a clock that the test moves. */
function commitsWith(
  commit: (offsets: readonly OffsetCommit[]) => Promise<void>,
  options: Partial<CommitsOptions> = {},
) {
  const sent: (readonly OffsetCommit[])[] = [];
  const lines: string[] = [];
  const given: Error[] = [];
  const time = { now: 1_000, step: 0 };
  const log = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const commits = new Commits({
    commit: (offsets) => {
      sent.push(offsets);
      return commit(offsets);
    },
    automatic: true,
    budgetMs: null,
    now: () => time.now += time.step,
    giveUp: (error) => given.push(error),
    timers: new Timers(),
    logger: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    ...options,
  });
  return { commits, sent, lines, given, time };
}

/** A ledger where everything up to `position` is finished. */
/** A partition whose one message, if it has one, is finished. */
function finishedTo(position: number, partition = 0): PartitionLedger {
  const offset = Math.max(0, position - 1);
  const ledger = new PartitionLedger({ topic: "t", partition }, 1, { position: offset });
  if (position === 0) return ledger;
  ledger.add(tableOfRecords([{ offset, value: "x" }], 0));
  ledger.take(0, 1, 1_000);
  ledger.finish(0, 1, offset);
  return ledger;
}

const offsets = (sent: readonly (readonly OffsetCommit[])[]) =>
  sent.map((each) => each.map(({ partition, offset }) => `${partition}:${offset}`).join(" "));

const ok = () => Promise.resolve();
const lost = () => Promise.reject(new LostPartitionError("it is somebody else's"));

describe("Commits", () => {
  it("sends what is finished, once", async () => {
    const { commits, sent } = commitsWith(ok);
    const ledgers = [finishedTo(5), finishedTo(7, 1)];
    await commits.finished(ledgers);
    await commits.finished(ledgers);
    assert.deepEqual(offsets(sent), ["0:5 1:7"]);
    assert.equal(commits.count, 1);
  });

  it("counts failures, tells of the last one, and forgets it with the next success", async () => {
    let fails = true;
    const { commits, given, lines } = commitsWith(() =>
      fails ? Promise.reject(new CommitError("not now")) : ok()
    );
    const ledgers = [finishedTo(5), finishedTo(7, 1)];
    await commits.finished(ledgers);
    assert.equal(commits.failures, 1);
    assert.equal(commits.failure?.message, "not now");
    assert.deepEqual(lines, ["warn Cannot commit, trying again with the next one: not now"]);
    fails = false;
    await commits.finished(ledgers);
    assert.deepEqual([commits.failures, commits.failure, commits.count], [1, null, 1]);
    assert.equal(given.length, 0);
  });

  it("forgets a failure with the last partition that it was about", async () => {
    const { commits, given } = commitsWith(() => Promise.reject(new CommitError("not now")));
    const ledgers = [finishedTo(5), finishedTo(7, 1)];
    await commits.finished(ledgers);
    commits.drop(ledgers[0]!);
    assert.equal(commits.failure?.message, "not now");
    commits.drop(ledgers[1]!);
    assert.equal(commits.failure, null);
    assert.deepEqual([commits.failures, given.length], [1, 0]);
  });

  it("has no failure of a partition that went while it was being committed", async () => {
    const answer = Promise.withResolvers<void>();
    const sent = Promise.withResolvers<void>();
    const { commits } = commitsWith(() => {
      sent.resolve();
      return answer.promise;
    });
    const ledger = finishedTo(5);
    const finished = commits.finished([ledger]);
    await sent.promise;
    commits.drop(ledger);
    answer.reject(new CommitError("not now"));
    assert.equal((await finished)?.message, "not now");
    assert.deepEqual([commits.failures, commits.failure], [1, null]);
  });

  it("gives up when there was no success for as long as the budget, counted from the first failure", async () => {
    let fails = true;
    const { commits, given, time } = commitsWith(
      () => fails ? Promise.reject(new CommitError("not now")) : ok(),
      { budgetMs: 100 },
    );
    const ledger = finishedTo(5);
    for (const now of [0, 99]) {
      time.now = now;
      await commits.finished([ledger]);
    }
    fails = false;
    await commits.finished([ledger]);
    fails = true;
    ledger.position = 6;
    for (const now of [500, 599]) {
      time.now = now;
      await commits.finished([ledger]);
    }
    assert.equal(given.length, 0);
    time.now = 600;
    await commits.finished([ledger]);
    const [error] = given;
    assert.ok(CommitError.is(error));
    assert.equal(error.retriable, false);
    assert.equal(
      error.message,
      "Cannot commit: no success within 100 ms, the last error was: not now",
    );
  });

  it("gives up at once where trying again does not help", async () => {
    const cause = new CommitError("forbidden", { retriable: false });
    const { commits, given } = commitsWith(() => Promise.reject(cause));
    await commits.finished([finishedTo(5)]);
    assert.equal(given[0]!.message, "Cannot commit: forbidden");
    assert.equal(given[0]!.cause, cause);
  });

  it("takes a partition that is somebody else's for nothing wrong", async () => {
    const { commits, given } = commitsWith(lost, { budgetMs: 1 });
    await commits.finished([finishedTo(5)]);
    assert.deepEqual([commits.failures, commits.failure, given.length], [0, null, 0]);
  });

  it("pins a place only where there is one, and no commit", async () => {
    const { commits, sent } = commitsWith(ok);
    commits.pin(new PartitionLedger({ topic: "t", partition: 0 }, 1));
    commits.pin(
      new PartitionLedger({ topic: "t", partition: 1 }, 1, { position: 5, committed: 5 }),
    );
    commits.pin(finishedTo(9, 2));
    await commits.last([]);
    await commits.finished([finishedTo(1, 3)]);
    assert.deepEqual(offsets(sent), ["2:9", "3:1"]);
    const refused = commitsWith(() => Promise.reject(new Error("no")));
    refused.commits.pin(finishedTo(9));
    await refused.commits.finished([finishedTo(9, 1)]);
    assert.ok(refused.lines.includes("debug Cannot commit where the group begins: no"));
  });

  it("commits on request, and counts what fails of it", async () => {
    const { commits, sent } = commitsWith(ok);
    await commits.upTo(finishedTo(0), 41);
    assert.deepEqual(offsets(sent), ["0:42"]);
    const failing = commitsWith(() => Promise.reject(new CommitError("no")));
    await assert.rejects(failing.commits.upTo(finishedTo(0), 41), CommitError);
    assert.equal(failing.commits.failures, 1);
    const gone = commitsWith(lost);
    await assert.rejects(gone.commits.upTo(finishedTo(0), 41), LostPartitionError);
    assert.equal(gone.commits.failures, 0);
  });
});

describe("Commits.last()", () => {
  it("does not make a failure of a start that it could not commit", async () => {
    const { commits } = commitsWith(() => Promise.reject(new CommitError("not now")));
    const begun = new PartitionLedger({ topic: "t", partition: 0 }, 1, { position: 5 });
    assert.equal(await commits.last([begun]), null);
  });

  it("sends nothing where nothing is open", async () => {
    const { commits, sent } = commitsWith(ok);
    const ledger = finishedTo(5);
    await commits.finished([ledger]);
    await commits.last([ledger]);
    assert.equal(sent.length, 1);
  });

  it("tries again until it is done", async () => {
    let calls = 0;
    const { commits, sent, lines } = commitsWith(() =>
      ++calls === 1 ? Promise.reject(new CommitError("not now")) : ok()
    );
    await commits.last([finishedTo(5)]);
    assert.deepEqual(offsets(sent), ["0:5", "0:5"]);
    assert.deepEqual(lines.filter((line) => line.startsWith("error")), []);
  });

  it("ends after its time, and says what comes of it", async () => {
    const { commits, lines, time } = commitsWith(() => Promise.reject(new CommitError("not now")));
    time.step = 1_000;
    const error = await commits.last([finishedTo(5)]);
    assert(CommitError.is(error));
    assert.equal(
      error.message,
      "Cannot commit what is finished, so that it will be handled again: not now",
    );
    assert(lines.length > 1);
  });

  it("does not try again what is somebody else's, or what can never succeed", async () => {
    const never = () => Promise.reject(new CommitError("never", { retriable: false }));
    for (const [refuse, told] of [[lost, false], [never, true]] as const) {
      const { commits, sent } = commitsWith(refuse);
      assert.equal(CommitError.is(await commits.last([finishedTo(5)])), told);
      assert.equal(sent.length, 1);
    }
  });

  it("waits for what was requested, and asks for nothing more, where commits are manual", async () => {
    const answer = Promise.withResolvers<void>();
    const { commits, sent } = commitsWith(() => answer.promise, { automatic: false });
    const ledger = finishedTo(5);
    const requested = commits.upTo(ledger, 1);
    let over = false;
    const last = commits.last([ledger]).then(() => over = true);
    await Promise.resolve();
    assert.equal(over, false);
    answer.resolve();
    await Promise.all([requested, last]);
    assert.deepEqual(offsets(sent), ["0:2"]);
  });
});
