import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import type { CreateDriver, DriverBatch } from "../../src/driver.ts";
import {
  AuthenticationError,
  CommitError,
  ConnectionError,
  DriverError,
  LostPartitionError,
  RetryBudgetError,
  StartTimeoutError,
} from "../../src/errors.ts";
import { nextTurn } from "../../src/threads/turns.ts";
import { decodeError, encodeError } from "../../src/threads/error_wire.ts";
import { unpackRecords } from "../../src/threads/records.ts";
import { batch, FakeDriver, PollerRig, range } from "./poller_rig.ts";

const turn = () => new Promise<void>((resolve) => nextTurn(resolve));

/** The error a poller ended with. */
function failureOf({ ending }: Awaited<ReturnType<PollerRig["ended"]>>): Error & { code?: string } {
  assert.equal(ending.reason, "failed");
  return decodeError((ending as Extract<typeof ending, { reason: "failed" }>).error);
}

describe("Poller, beginning", () => {
  it("says that it has started when the first poll has succeeded, which does not wait", async () => {
    const rig = new PollerRig();
    const driver = await rig.driver;
    const first = await driver.polls.next();
    assert.equal(first.timeoutMs, 0);
    assert.equal(rig.all("started").length, 0);
    driver.context.hooks.assigned([{ topic: "t", partition: 0, position: 5, committed: 5 }]);
    first.answer();
    const { snapshot } = await rig.next("started");
    assert.equal(snapshot.partitions[0]!.position, 5);
    assert.equal((await driver.polls.next()).timeoutMs, 1_000);
    await rig.end();
  });

  it("tells the driver what the options say", async () => {
    const rig = new PollerRig({ maxInFlight: { messages: 1, bytes: 4_321 }, topics: ["a", "b"] });
    const { context } = await rig.driver;
    assert.deepEqual([context.topics, context.groupId], [["a", "b"], "group"]);
    assert.equal(context.maxBytes, 4_321);
    assert.equal(context.signal.aborted, false);
    await rig.end();
    assert.equal(context.signal.aborted, true);
  });

  it("goes on after errors, and fails when it has not started in time, with the last of them", async () => {
    const rig = new PollerRig({ startTimeoutMs: 30 });
    const driver = await rig.driver;
    const goOn = async () => {
      for (;;) (await driver.polls.next()).fail(new ConnectionError("no way"));
    };
    void goOn();
    const error = failureOf(await rig.ended());
    assert.ok(StartTimeoutError.is(error));
    assert.equal(error.message, "Cannot start polling within 30 ms: no way");
    assert.ok(ConnectionError.is(error.cause));
    assert.equal(driver.closed, true);
  });

  it("fails at once with what trying again does not mend", async () => {
    const rig = new PollerRig();
    const driver = await rig.driver;
    (await driver.polls.next()).fail(new AuthenticationError("who are you"));
    const error = failureOf(await rig.ended());
    assert.ok(AuthenticationError.is(error));
    assert.equal(driver.polls.all.length, 1);
    assert.equal(driver.closed, true);
  });

  it("fails if there is no driver", async () => {
    const cases: [CreateDriver, string, RegExp][] = [
      [
        () => {
          throw new TypeError("bad brokers");
        },
        "DRIVER_FAILED",
        /^Cannot make the driver ".*given_driver.ts": bad brokers$/,
      ],
      [() => Promise.reject(new Error("later")), "DRIVER_FAILED", /: later$/],
      [
        () => ({ poll() {}, close() {} }) as never,
        "DRIVER_INVALID",
        /has no commit\(\), pause\(\), resume\(\)$/,
      ],
      [() => null as never, "DRIVER_INVALID", /has no poll\(\), commit\(\), /],
    ];
    for (const [create, code, message] of cases) {
      const rig = new PollerRig({}, create);
      const error = failureOf(await rig.ended());
      assert.ok(DriverError.is(error));
      assert.equal(error.code, code);
      assert.match(error.message, message);
    }
  });

  it("fails if the driver's module is not there, or is none", async () => {
    const missing = new PollerRig({ driver: new URL("./missing.ts", import.meta.url).href });
    assert.equal(failureOf(await missing.ended()).code, "DRIVER_LOAD_FAILED");
    const other = new PollerRig({ driver: new URL("./poller_rig.ts", import.meta.url).href });
    const error = failureOf(await other.ended());
    assert.equal(error.code, "DRIVER_INVALID");
    assert.match(error.message, /its default export must be a function .* it is missing$/);
  });

  it("pins the place where a group begins at the latest offset", async () => {
    const rig = new PollerRig({ startFrom: "latest" });
    const driver = await rig.driver;
    (await driver.polls.next()).answer();
    driver.context.hooks.assigned([
      { topic: "t", partition: 0, position: 70 },
      { topic: "t", partition: 1, position: 30, committed: 30 },
      { topic: "t", partition: 2 },
    ]);
    const { offsets } = await driver.commits.next();
    assert.deepEqual(offsets, [{ topic: "t", partition: 0, offset: 70 }]);
    await rig.end();
    assert.equal(driver.commits.all.length, 1);
  });

  it("asks the program for tokens", async () => {
    const rig = new PollerRig({ sasl: { mechanism: "oauthbearer" } });
    const { context: { sasl } } = await rig.driver;
    assert.ok(sasl?.mechanism === "oauthbearer");
    const [first, second] = [sasl.token(), sasl.token()];
    const [one, two] = [await rig.next("token-wanted"), await rig.next("token-wanted")];
    rig.post({ type: "token", id: two.id, token: "second" });
    rig.post({ type: "token-failed", id: one.id, error: encodeError(new RangeError("spent")) });
    assert.equal(await second, "second");
    await assert.rejects(first, { name: "RangeError", message: "spent" });
    await rig.end();
  });
});

describe("Poller, polling", () => {
  it("hands records over in order, with their partition and epoch", async () => {
    const rig = new PollerRig();
    const driver = await rig.begin(0, 1);
    (await driver.polls.next()).answer([batch(1, [3, 9]), batch(0, [1])]);
    const batches = [await rig.next("batch"), await rig.next("batch")];
    assert.deepEqual(
      batches.map(({ topic, partition, epoch, records }) => [
        topic,
        partition,
        epoch,
        ...unpackRecords(records).offsets,
      ]).sort(),
      [["t", 0, 1, 1], ["t", 1, 1, 3, 9]],
    );
    await rig.end();
  });

  it("keeps to the room it is given, and goes on when a batch is finished", async () => {
    const rig = new PollerRig({ maxInFlight: { messages: 3, bytes: 1e6 } });
    const driver = await rig.begin(0);
    (await driver.polls.next()).answer([batch(0, range(0, 8))]);
    const first = await rig.next("batch");
    assert.equal(first.records.count, 3);
    assert.equal((await rig.snapshot()).partitions[0]!.queuedMessages, 5);
    assert.equal(rig.all("batch").length, 1);
    // Two of the three: the room of a batch comes back as a whole.
    rig.post({ type: "finished", batch: first.batch, count: 2, offset: 1 });
    assert.equal((await rig.snapshot()).partitions[0]!.inFlight, 1);
    assert.equal(rig.all("batch").length, 1);
    rig.post({ type: "finished", batch: first.batch, count: 3, offset: 2 });
    const second = await rig.next("batch");
    assert.deepEqual([...unpackRecords(second.records).offsets], [3, 4, 5]);
    await rig.end();
  });

  it("shares the room between partitions, whatever their backlogs", async () => {
    const rig = new PollerRig({ maxInFlight: { messages: 1, bytes: 1e6 } });
    const driver = await rig.begin(0, 1, 2);
    (await driver.polls.next()).answer([
      batch(0, range(0, 50)),
      batch(1, range(0, 2)),
      batch(2, range(0, 2)),
    ]);
    const order: number[] = [];
    for (let next = 0; next < 9; next++) {
      const { partition, batch, records } = await rig.next("batch");
      order.push(partition);
      const offset = unpackRecords(records).offsets[0]!;
      rig.post({ type: "finished", batch, count: 1, offset });
    }
    assert.deepEqual([...order.slice(0, 6)].sort(), [0, 0, 1, 1, 2, 2]);
    assert.deepEqual(order.slice(6), [0, 0, 0]);
    await rig.end();
  });

  it("has a full partition paused, and resumed when there is room, once each", async () => {
    const rig = new PollerRig({ maxInFlight: { messages: 1, bytes: 10_000 } });
    const driver = await rig.begin(0, 1);
    // The limit of what may wait is half of the room, shared by two partitions: 2,500 bytes each.
    (await driver.polls.next()).answer([batch(0, range(0, 6), { size: 700 })]);
    assert.equal(await driver.calls.next(), "pause 0");
    let { batch: id } = await rig.next("batch");
    (await driver.polls.next()).answer([batch(1, range(0, 1))]);
    await driver.polls.next();
    assert.equal((await rig.snapshot()).partitions[0]!.paused, true);
    for (let offset = 0; offset < 5; offset++) {
      assert.equal(driver.calls.all.length, 1);
      rig.post({ type: "finished", batch: id, count: 1, offset });
      id = (await rig.next("batch")).batch;
      if ((await rig.snapshot()).partitions[0]!.queuedBytes <= 1_250) break;
    }
    assert.equal(await driver.calls.next(), "resume 0");
    assert.deepEqual(driver.calls.all, ["pause 0", "resume 0"]);
    await rig.end();
  });

  it("leaves the event loop its turns, however fast the driver is", async () => {
    let polls = 0;
    const rig = new PollerRig({}, (context) => {
      context.hooks.assigned([{ topic: "t", partition: 0, position: 0 }]);
      return Object.assign(new FakeDriver(context), {
        // A defect here would be an endless loop of microtasks, which no time limit of a test ends.
        poll: () => {
          if (++polls > 100_000) throw new DriverError("Polled without a turn");
          return Promise.resolve([]);
        },
      });
    });
    await rig.next("started");
    const { ending } = await rig.end();
    assert.equal(ending.reason, "stopped");
  });

  it("goes on after an error, tells of it, and forgets it", async () => {
    const rig = new PollerRig();
    const driver = await rig.begin(0);
    (await driver.polls.next()).fail(new ConnectionError("gone"));
    const log = await rig.posted.next((message) =>
      message.type === "log" && message.level === "warn"
    );
    assert.deepEqual(log, {
      type: "log",
      level: "warn",
      message: "Cannot poll, trying again: gone",
      fields: { attempt: 1, delayMs: 1, code: "CONNECTION_FAILED" },
    });
    const again = await driver.polls.next();
    const { error, pollErrors } = await rig.snapshot();
    assert.equal(decodeError(error!).message, "gone");
    assert.equal(pollErrors, 1);
    again.answer([batch(0, [0])]);
    await rig.next("batch");
    assert.equal((await rig.snapshot()).error, null);
    (await driver.polls.next()).fail(new ConnectionError("gone again"));
    const next = await rig.posted.next((message) =>
      message.type === "log" && message.level === "warn"
    );
    assert.deepEqual(next, {
      ...log,
      message: "Cannot poll, trying again: gone again",
    });
    await rig.end();
  });

  it("takes an error of any kind for one that may go away", async () => {
    const rig = new PollerRig();
    const driver = await rig.begin(0);
    for (const thrown of [undefined, null, "text", 5, {}, new TypeError("x")]) {
      (await driver.polls.next()).fail(thrown);
    }
    (await driver.polls.next()).answer();
    assert.equal((await rig.snapshot()).pollErrors, 6);
    await rig.end();
  });

  it("fails when the budget for errors is spent, with the last of them as the cause", async () => {
    const rig = new PollerRig({ retry: { initialMs: 1, maxMs: 4, budgetMs: 20 } });
    const driver = await rig.begin(0);
    const goOn = async () => {
      for (;;) (await driver.polls.next()).fail(new ConnectionError("gone"));
    };
    void goOn();
    const error = failureOf(await rig.ended());
    assert.ok(RetryBudgetError.is(error));
    assert.equal(
      error.message,
      "Cannot poll: no success within 20 ms, the last error was: gone",
    );
    assert.ok(ConnectionError.is(error.cause));
  });

  it("does not take in what the driver has not assigned", async () => {
    const rig = new PollerRig();
    const driver = await rig.begin(0);
    (await driver.polls.next()).answer([batch(5, [0])]);
    const error = failureOf(await rig.ended());
    assert.ok(DriverError.is(error));
    assert.deepEqual([error.code, error.topic, error.partition], ["DRIVER_INVALID", "t", 5]);
  });

  it("answers pings with where everything stands", async () => {
    const rig = new PollerRig();
    const driver = await rig.begin(0);
    (await driver.polls.next()).answer([batch(0, [4, 6], { nextOffset: 9, endOffset: 12 })]);
    const { batch: id } = await rig.next("batch");
    rig.post({ type: "finished", batch: id, count: 1, offset: 4 });
    const snapshot = await rig.snapshot();
    assert.deepEqual(snapshot.partitions, [{
      topic: "t",
      partition: 0,
      epoch: 1,
      position: 5,
      fetched: 9,
      committed: null,
      endOffset: 12,
      queuedMessages: 0,
      queuedBytes: 0,
      inFlight: 1,
      paused: false,
    }]);
    assert.deepEqual([snapshot.group, snapshot.heartbeatAt, snapshot.memberId], [
      "stable",
      77,
      "member",
    ]);
    await rig.end();
  });

  it("lets no log lines cross that are below the level", async () => {
    const rig = new PollerRig({ logLevel: "error" });
    const driver = await rig.begin(0);
    (await driver.polls.next()).fail(new ConnectionError("gone"));
    driver.context.logger.error("told", { a: 1 });
    const log = await rig.next("log");
    assert.deepEqual(log, { type: "log", level: "error", message: "told", fields: { a: 1 } });
    await rig.end();
    assert.equal(rig.all("log").length, 1);
  });
});

describe("Poller, committing", () => {
  it("commits what is finished at intervals, and what lies behind it when all is", async () => {
    const rig = new PollerRig({ commitIntervalMs: 2 });
    const driver = await rig.begin(0, 1);
    (await driver.polls.next()).answer([batch(0, [0, 5], { nextOffset: 8 }), batch(1, [3])]);
    // Where they begin is nothing new, but partition 1 has nothing before its first message.
    const [a, b] = [await rig.next("batch"), await rig.next("batch")];
    const zero = a.partition === 0 ? a : b;
    rig.post({ type: "finished", batch: zero.batch, count: 1, offset: 0 });
    const find = (offset: number) =>
      driver.commits.next(({ offsets }) =>
        offsets.some((each) => each.partition === 0 && each.offset === offset)
      );
    await find(1);
    rig.post({ type: "finished", batch: zero.batch, count: 2, offset: 5 });
    await find(8);
    assert.ok(
      driver.commits.all.flatMap(({ offsets }) => offsets)
        .every(({ partition, offset }) => partition === 0 || offset <= 3),
    );
    await rig.end();
  });

  it("commits on request only where that is wanted", async () => {
    const rig = new PollerRig({ commitIntervalMs: null });
    const driver = await rig.begin(0);
    (await driver.polls.next()).answer([batch(0, [0, 1])]);
    const { batch: id, epoch } = await rig.next("batch");
    rig.post({ type: "finished", batch: id, count: 2, offset: 1 });
    const place = { topic: "t", partition: 0, epoch };
    rig.post({ type: "commit", id: 11, ...place, offset: 0 });
    assert.deepEqual((await driver.commits.next()).offsets, [{
      topic: "t",
      partition: 0,
      offset: 1,
    }]);
    assert.equal((await rig.next("committed")).id, 11);
    driver.commitsAtOnce = false;
    rig.post({ type: "commit", id: 12, ...place, offset: 1 });
    (await driver.commits.next()).fail(new CommitError("not now"));
    const failed = await rig.next("commit-failed");
    assert.equal(failed.id, 12);
    assert.ok(CommitError.is(decodeError(failed.error)));
    await rig.end();
    assert.equal(driver.commits.all.length, 2);
  });

  it("refuses a commit under an assignment that is over", async () => {
    const rig = new PollerRig({ commitIntervalMs: null });
    const driver = await rig.begin(0);
    driver.context.hooks.lost([{ topic: "t", partition: 0 }]);
    const commit = (id: number, partition: number, epoch: number) =>
      rig.post({ type: "commit", id, topic: "t", partition, epoch, offset: 4 });
    commit(1, 0, 1);
    const error = decodeError((await rig.next("commit-failed")).error);
    assert.ok(LostPartitionError.is(error));
    assert.deepEqual([error.topic, error.partition, error.offset], ["t", 0, 4]);
    driver.context.hooks.assigned([{ topic: "t", partition: 0, position: 0 }]);
    commit(2, 0, 1);
    assert.equal((await rig.next("commit-failed")).id, 2);
    commit(3, 0, 2);
    assert.equal((await rig.next("committed")).id, 3);
    commit(4, 9, 2);
    assert.equal((await rig.next("commit-failed")).id, 4);
    await rig.end();
    assert.equal(driver.commits.all.length, 1);
  });

  it("tries a commit again with the next one, and counts the failure", async () => {
    const rig = new PollerRig({ commitIntervalMs: 2 });
    const driver = await rig.begin(0);
    driver.commitsAtOnce = false;
    (await driver.polls.next()).answer([batch(0, [0])]);
    const { batch: id } = await rig.next("batch");
    rig.post({ type: "finished", batch: id, count: 1, offset: 0 });
    const isFirst = ({ offsets }: { offsets: readonly { offset: number }[] }) =>
      offsets[0]!.offset === 1;
    (await driver.commits.next(isFirst)).fail(new CommitError("not now"));
    const again = await driver.commits.next(isFirst);
    const snapshot = await rig.snapshot();
    assert.equal(snapshot.commitErrors, 1);
    assert.equal(decodeError(snapshot.commitError!).message, "not now");
    again.answer();
    await turn();
    const after = await rig.snapshot();
    assert.deepEqual([after.error, after.partitions[0]!.committed], [null, 1]);
    await rig.end();
  });

  it("fails when a commit can never succeed", async () => {
    const rig = new PollerRig({ commitIntervalMs: 2 });
    const driver = await rig.begin(0);
    driver.commitsAtOnce = false;
    const commit = await driver.commits.next();
    driver.commitsAtOnce = true;
    commit.fail(new AuthenticationError("not allowed"));
    const error = failureOf(await rig.ended());
    assert.ok(CommitError.is(error));
    assert.equal(error.message, "Cannot commit: not allowed");
    assert.ok(AuthenticationError.is(error.cause));
  });
});

describe("Poller, losing partitions", () => {
  it("holds a revocation until what is under way is finished and committed", async () => {
    const rig = new PollerRig();
    const driver = await rig.begin(0, 1);
    driver.commitsAtOnce = false;
    (await driver.polls.next()).answer([batch(0, [0, 1, 2], { nextOffset: 7 })]);
    const { batch: id, epoch } = await rig.next("batch");
    let gone = false;
    const revoked = driver.context.hooks.revoked([{ topic: "t", partition: 0 }])
      .then(() => gone = true);
    const drain = await rig.next("drain");
    assert.deepEqual(drain.partitions, [{ topic: "t", partition: 0, epoch }]);
    rig.post({ type: "finished", batch: id, count: 2, offset: 1 });
    await rig.snapshot();
    assert.deepEqual([gone, driver.commits.all.length], [false, 0]);
    rig.post({ type: "drained", id: drain.id });
    const commit = await driver.commits.next();
    assert.deepEqual(commit.offsets, [{ topic: "t", partition: 0, offset: 2 }]);
    await turn();
    assert.equal(gone, false);
    commit.answer();
    await revoked;
    const { partitions, rebalances } = await rig.snapshot();
    assert.deepEqual(partitions.map(({ partition }) => partition), [1]);
    assert.equal(rebalances, 1);
    driver.commitsAtOnce = true;
    await rig.end();
  });

  it("takes nothing more of a partition that is being revoked, and goes on with the others", async () => {
    const rig = new PollerRig();
    const driver = await rig.begin(0, 1);
    const revoked = driver.context.hooks.revoked([{ topic: "t", partition: 0 }]);
    const drain = await rig.next("drain");
    (await driver.polls.next()).answer([batch(0, [0]), batch(1, [0])]);
    assert.equal((await rig.next("batch")).partition, 1);
    rig.post({ type: "drained", id: drain.id });
    await revoked;
    // A driver that fetches ahead may still return what belongs to it.
    (await driver.polls.next()).answer([batch(0, [0]), batch(1, [1])]);
    assert.equal((await rig.next("batch")).partition, 1);
    await rig.end();
  });

  it("lets go when its time is over, and commits what is finished", async () => {
    const rig = new PollerRig({ revokeTimeoutMs: 5 });
    const driver = await rig.begin(0);
    (await driver.polls.next()).answer([batch(0, [0, 1])]);
    const { batch: id, epoch } = await rig.next("batch");
    rig.post({ type: "finished", batch: id, count: 1, offset: 0 });
    await driver.context.hooks.revoked([{ topic: "t", partition: 0 }]);
    assert.deepEqual(driver.commits.all.map(({ offsets }) => offsets), [
      [{ topic: "t", partition: 0, offset: 1 }],
    ]);
    // What comes late counts for nothing, under the next assignment as well.
    driver.context.hooks.assigned([{ topic: "t", partition: 0, position: 1, committed: 1 }]);
    rig.post({ type: "finished", batch: id, count: 2, offset: 1 });
    const [next] = (await rig.snapshot()).partitions;
    assert.deepEqual([next!.epoch, next!.position], [epoch + 1, 1]);
    await rig.end();
    assert.equal(driver.commits.all.length, 1);
  });

  it("commits nothing of lost partitions, and has the program drop them", async () => {
    const rig = new PollerRig({ commitIntervalMs: 2 });
    const driver = await rig.begin(0);
    (await driver.polls.next()).answer([batch(0, [0, 1])]);
    const { batch: id, epoch } = await rig.next("batch");
    driver.context.hooks.lost([{ topic: "t", partition: 0 }]);
    const before = driver.commits.all.length;
    assert.deepEqual((await rig.next("drain")).partitions, [{ topic: "t", partition: 0, epoch }]);
    rig.post({ type: "finished", batch: id, count: 2, offset: 1 });
    driver.context.hooks.assigned([{ topic: "t", partition: 0, position: 0, committed: 0 }]);
    (await driver.polls.next()).answer([batch(0, [0, 1])]);
    const again = await rig.next("batch");
    assert.ok(again.batch !== id && again.epoch > epoch);
    rig.post({ type: "finished", batch: id, count: 2, offset: 1 });
    rig.post({ type: "finished", batch: again.batch, count: 1, offset: 0 });
    const commit = await driver.commits.next(({ offsets }) => offsets[0]!.offset > 0);
    assert.deepEqual(commit.offsets, [{ topic: "t", partition: 0, offset: 1 }]);
    assert.ok(driver.commits.all.slice(before).every(({ offsets }) => offsets[0]!.offset <= 1));
    await rig.end();
  });

  it("gives the room of lost batches back", async () => {
    const rig = new PollerRig({ maxInFlight: { messages: 2, bytes: 1e6 } });
    const driver = await rig.begin(0, 1);
    (await driver.polls.next()).answer([batch(0, [0, 1])]);
    await rig.next("batch");
    driver.context.hooks.lost([{ topic: "t", partition: 0 }]);
    (await driver.polls.next()).answer([batch(1, [0, 1])]);
    assert.equal((await rig.next("batch")).records.count, 2);
    await rig.end();
  });

  it("has no partition to wait for where none is known", async () => {
    const rig = new PollerRig();
    const driver = await rig.begin(0);
    await driver.context.hooks.revoked([{ topic: "t", partition: 3 }]);
    driver.context.hooks.lost([{ topic: "t", partition: 4 }]);
    assert.deepEqual((await rig.snapshot()).partitions.map(({ partition }) => partition), [0]);
    assert.equal(rig.all("drain").length, 0);
    await rig.end();
  });
});

describe("Poller, ending", () => {
  const stop = (rig: PollerRig) => rig.post({ type: "stop" });

  it("ends while the driver is made, and closes it when it is there", async () => {
    const made = Promise.withResolvers<FakeDriver>();
    const asked = Promise.withResolvers<ConstructorParameters<typeof FakeDriver>[0]>();
    const rig = new PollerRig({}, (context) => {
      asked.resolve(context);
      return made.promise;
    });
    const context = await asked.promise;
    stop(rig);
    assert.deepEqual((await rig.ended()).ending, { reason: "stopped" });
    const driver = new FakeDriver(context);
    made.resolve(driver);
    await driver.calls.next((call) => call === "close");
    assert.equal(driver.polls.all.length, 0);
  });

  it("ends during the first poll, and during any other", async () => {
    for (const begin of [false, true]) {
      const rig = new PollerRig();
      const driver = begin ? await rig.begin(0) : await rig.driver;
      await driver.polls.next();
      stop(rig);
      assert.deepEqual((await rig.ended()).ending, { reason: "stopped" });
      assert.equal(driver.closed, true);
    }
  });

  it("ends during the pause after an error", async () => {
    const rig = new PollerRig({ retry: { initialMs: 3e6, maxMs: 3e6, budgetMs: null } });
    const driver = await rig.begin(0);
    (await driver.polls.next()).fail(new ConnectionError("gone"));
    await rig.posted.next((message) => message.type === "log" && message.level === "warn");
    stop(rig);
    assert.deepEqual((await rig.ended()).ending, { reason: "stopped" });
  });

  it("begins nothing more, waits for what is under way, commits it, closes, in this order", async () => {
    const rig = new PollerRig({ maxInFlight: { messages: 2, bytes: 1e6 } });
    const driver = await rig.begin(0);
    (await driver.polls.next()).answer([batch(0, range(0, 6))]);
    const { batch: id } = await rig.next("batch");
    stop(rig);
    assert.equal((await rig.next("stopping")).ending.reason, "stopped");
    const { id: drain, partitions } = await rig.next("drain");
    assert.equal(partitions, null);
    rig.post({ type: "finished", batch: id, count: 2, offset: 1 });
    await rig.snapshot();
    assert.deepEqual([driver.closed, driver.commits.all.length], [false, 0]);
    driver.commitsAtOnce = false;
    rig.post({ type: "drained", id: drain });
    const commit = await driver.commits.next();
    assert.deepEqual(commit.offsets, [{ topic: "t", partition: 0, offset: 2 }]);
    assert.equal(driver.closed, false);
    commit.answer();
    const { snapshot } = await rig.next("ended");
    assert.equal(driver.closed, true);
    assert.equal(snapshot.partitions[0]!.committed, 2);
    assert.equal(rig.all("batch").length, 1);
  });

  it("ends during a revocation", async () => {
    const rig = new PollerRig();
    const driver = await rig.begin(0);
    (await driver.polls.next()).answer([batch(0, [0, 1])]);
    const { batch: id } = await rig.next("batch");
    const revoked = driver.context.hooks.revoked([{ topic: "t", partition: 0 }]);
    const first = await rig.next("drain");
    stop(rig);
    const last = await rig.next("drain");
    rig.post({ type: "finished", batch: id, count: 1, offset: 0 });
    rig.post({ type: "drained", id: first.id });
    rig.post({ type: "drained", id: last.id });
    await revoked;
    await rig.next("ended");
    assert.deepEqual(driver.commits.all.map(({ offsets }) => offsets[0]!.offset), [1]);
  });

  it("ends by itself when its lifetime is over, but cuts nothing short", async () => {
    const rig = new PollerRig({ lifetimeMs: 5 });
    const driver = await rig.begin(0);
    (await driver.polls.next()).answer([batch(0, [0])]);
    const { batch: id } = await rig.next("batch");
    assert.equal((await rig.next("stopping")).ending.reason, "lifetime");
    const { id: drain } = await rig.next("drain");
    assert.equal(driver.closed, false);
    rig.post({ type: "finished", batch: id, count: 1, offset: 0 });
    rig.post({ type: "drained", id: drain });
    assert.deepEqual((await rig.next("ended")).ending, { reason: "lifetime" });
    assert.equal(driver.commits.all.length, 1);
  });

  it("counts the first reason only", async () => {
    const old = new PollerRig({ lifetimeMs: 1 });
    await old.begin(0);
    await old.next("stopping");
    assert.deepEqual((await old.end()).ending, { reason: "lifetime" });
    const rig = new PollerRig();
    const driver = await rig.begin(0);
    const poll = await driver.polls.next();
    stop(rig);
    stop(rig);
    await rig.next("stopping");
    poll.fail(new AuthenticationError("too late"));
    assert.deepEqual((await rig.ended()).ending, { reason: "stopped" });
    assert.equal(rig.all("ended").length, 1);
    assert.equal(rig.all("stopping").length, 1);
  });

  it("ends although the driver does not close cleanly", async () => {
    const closes: (() => Promise<void>)[] = [
      () => Promise.reject(new Error("stuck")),
      () => {
        throw new Error("stuck");
      },
    ];
    for (const close of closes) {
      const rig = new PollerRig();
      const driver = await rig.begin(0);
      driver.close = close;
      assert.deepEqual((await rig.end()).ending, { reason: "stopped" });
      assert.ok(
        rig.all("log").some(({ message }) => message === "Cannot close the driver cleanly: stuck"),
      );
    }
  });

  it("leaves no timer behind", async () => {
    const { setTimeout: real, clearTimeout: realClear } = globalThis;
    const open = new Set<unknown>();
    globalThis.setTimeout = ((task: () => void, ms?: number) => {
      const timer = real(() => {
        open.delete(timer);
        task();
      }, ms);
      open.add(timer);
      return timer;
    }) as typeof setTimeout;
    globalThis.clearTimeout = ((timer: never) => {
      open.delete(timer);
      realClear(timer);
    }) as typeof clearTimeout;
    try {
      const rig = new PollerRig({ lifetimeMs: 3_600_000, commitIntervalMs: 3_600_000 });
      const driver = await rig.begin(0);
      (await driver.polls.next()).answer([batch(0, [0])] as DriverBatch[]);
      await rig.next("batch");
      void driver.context.hooks.revoked([{ topic: "t", partition: 0 }]);
      await rig.next("drain");
      await rig.end();
      assert.equal(open.size, 0);
    } finally {
      globalThis.setTimeout = real;
      globalThis.clearTimeout = realClear;
    }
  });
});
