import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { DriverError } from "../../../src/errors.ts";
import { encodeOffsetMap } from "../../../src/poller/work/offset_map.ts";
import type { RetryPolicy } from "../../../src/poller/work/retry_policy.ts";
import { addExecutor, assigned, dispatcherWith, Names, polled } from "./work_rig.ts";

const POLICY: RetryPolicy = {
  retries: 0,
  backoff: { initialMs: 100, maxMs: 1_000, factor: 2 },
  then: "stop",
  onInvalid: "skip",
};

describe("WorkDispatcher: order", () => {
  it("starts what follows a failed message of its run behind it", () => {
    const dispatcher = dispatcherWith({ order: "partition" });
    const names = new Names();
    dispatcher.assign([assigned(0)]);
    addExecutor(dispatcher, 1, 10);
    dispatcher.takeIn([polled(0, { 0: "a", 1: "a", 2: "a" })], 0);
    assert.deepEqual(names.take(dispatcher.dispatch(0)), [[0, 1, 2]]);
    dispatcher.finished(names.of(0), 1);
    dispatcher.failed([names.failure(1)], 1);
    dispatcher.released(names.of(2), 1);
    assert.deepEqual(names.take(dispatcher.dispatch(1)), []);
    assert.equal(dispatcher.nextWake, 101);
    assert.deepEqual(names.take(dispatcher.dispatch(101)), [[1, 2]]);
  });

  it("waits for a message of its key under any assignment before", () => {
    const dispatcher = dispatcherWith();
    const names = new Names();
    addExecutor(dispatcher, 1, 10);
    const [first] = dispatcher.assign([assigned(0)]);
    dispatcher.takeIn([polled(0, { 0: "stuck" })], 0);
    names.take(dispatcher.dispatch(0));
    const stuck = names.of(0);
    dispatcher.forget([first!]);

    const [second] = dispatcher.assign([assigned(0)]);
    dispatcher.takeIn([polled(0, { 0: "stuck", 1: "other" })], 0);
    assert.deepEqual(names.take(dispatcher.dispatch(0)), [[1]]);
    dispatcher.forget([second!]);
    dispatcher.finished(names.of(1), 0);

    dispatcher.assign([assigned(0)]);
    dispatcher.takeIn([polled(0, { 0: "stuck", 1: "other" })], 0);
    assert.deepEqual(names.take(dispatcher.dispatch(0)), [[1]]);
    dispatcher.finished(stuck, 0);
    assert.deepEqual(names.take(dispatcher.dispatch(0)), [[0]]);
  });

  it("goes on with the other keys and partitions while one is stuck, up to the bound", () => {
    const dispatcher = dispatcherWith({ maxInFlight: { messages: 40, bytes: 1e6 }, batchSize: 7 });
    const names = new Names();
    dispatcher.assign([assigned(0), assigned(1)]);
    addExecutor(dispatcher, 1, 1e6);
    const positions = [0, 0];
    const paused = new Set<number>();
    const handled = [0, 0];
    for (let round = 0; round < 200; round++) {
      for (const partition of [0, 1]) {
        if (paused.has(partition)) continue;
        const first = positions[partition]!;
        positions[partition] = first + 5;
        // Every fifth message of partition 0 is of the key that is stuck.
        const keys = Array.from({ length: 5 }, (_, index) => [
          first + index,
          partition === 0 && index === 0 ? "stuck" : `${index}`,
        ]);
        dispatcher.takeIn([polled(partition, Object.fromEntries(keys), 1e6)], 0);
      }
      for (let more = true; more;) {
        const handouts = dispatcher.dispatch(0);
        more = handouts.length > 0;
        for (const { batches } of handouts) {
          for (const batch of batches) {
            names.take([{ executor: 1, batches: [batch] }]);
            for (let index = 0; index < batch.records.count; index++) {
              const { offset } = dispatcher.taskAt(batch.batch, index)!;
              if (batch.partition === 0 && offset === 0) continue;
              assert.ok(batch.partition === 1 || offset % 5 > 0, `${offset} is of the stuck key`);
              dispatcher.finished(Int32Array.of(batch.batch, index), 0);
              handled[batch.partition]!++;
            }
          }
        }
      }
      const { pause, resume } = dispatcher.balance();
      for (const { partition } of pause) paused.add(partition);
      for (const { partition } of resume) paused.delete(partition);
    }
    assert.ok(paused.has(0), "the stuck key fills the part of its partition");
    assert.equal(dispatcher.partitions[0]!.held.messages, 20);
    assert.deepEqual(handled, [80, 1_000]);
  });

  it("has a retry wait alone where nothing waits for it", () => {
    const dispatcher = dispatcherWith({ order: "none" });
    const names = new Names();
    dispatcher.assign([assigned(0)]);
    addExecutor(dispatcher, 1, 2);
    dispatcher.takeIn([polled(0, { 0: "a", 1: "a", 2: "a" })], 0);
    assert.deepEqual(names.take(dispatcher.dispatch(0)), [[0], [1]]);
    const [outcome] = dispatcher.failed([names.failure(0)], 0);
    assert.deepEqual(outcome!.verdict, { do: "retry", delayMs: 100 });
    dispatcher.heard(1, { credit: 2, begun: null, busyMs: 0 }, 0);
    assert.deepEqual(names.take(dispatcher.dispatch(99)), [[2]]);
    assert.deepEqual(names.take(dispatcher.dispatch(100)), [[0]]);
  });
});

describe("WorkDispatcher: one message in all, each committed", () => {
  it("starts nothing while a dead letter is stored, or before the commit", () => {
    const dispatcher = dispatcherWith({
      order: "partition",
      each: true,
      policy: { ...POLICY, then: "dead-letter" },
    });
    const names = new Names();
    dispatcher.assign([assigned(0), assigned(1)]);
    addExecutor(dispatcher, 1, 10);
    dispatcher.takeIn([polled(0, { 0: "a" }), polled(1, { 7: "a" })], 0);
    const [[first]] = names.take(dispatcher.dispatch(0)) as [[number]];
    const [letter] = dispatcher.failed([names.failure(first)], 0);
    assert.deepEqual(dispatcher.dispatch(0), []);
    dispatcher.finish(letter!.task, 0);
    dispatcher.awaitCommit(true);
    assert.deepEqual(dispatcher.dispatch(0), []);
    dispatcher.awaitCommit(false);
    assert.deepEqual(names.take(dispatcher.dispatch(0)), [[first === 0 ? 7 : 0]]);
  });
});

describe("WorkDispatcher: what the group knows as finished", () => {
  const { metadata } = encodeOffsetMap(5, [[8, 10]]);

  it("is left out, however the reading goes on", () => {
    const dispatcher = dispatcherWith();
    const names = new Names();
    addExecutor(dispatcher, 1, 10);
    const [partition] = dispatcher.assign([assigned(0, 5, metadata)]);
    // What was to come next is gone from the log, and there is nothing to read yet.
    const nothing = { ...polled(0, {}, 20), nextOffset: 7 };
    assert.deepEqual(dispatcher.takeIn([nothing], 0), []);
    const point = partition!.commitPoint(partition!.commitable()!);
    assert.deepEqual(point, { offset: 7, metadata: encodeOffsetMap(7, [[8, 10]]).metadata });
    partition!.wasCommitted(point);
    const rest = polled(0, { 7: "a", 8: "b", 9: "c", 10: "d" }, 20);
    assert.deepEqual(dispatcher.takeIn([rest], 0), []);
    assert.deepEqual(names.take(dispatcher.dispatch(0)), [[7], [10]]);
    assert.equal(dispatcher.counts.leftOut, 2);
  });

  for (
    const [what, text, end] of [
      ["foreign", "what others write", 20],
      ["damaged", `${metadata.slice(0, -2)}AA`, 20],
      ["of another offset", encodeOffsetMap(4, [[8, 10]]).metadata, 20],
      ["beyond the log", metadata, 9],
    ] as const
  ) {
    it(`is handled again, with a warning, where it is ${what}`, () => {
      const dispatcher = dispatcherWith();
      const names = new Names();
      addExecutor(dispatcher, 1, 10);
      dispatcher.assign([assigned(0, 5, text)]);
      const warnings = dispatcher.takeIn([polled(0, { 5: "a", 8: "b" }, end)], 0);
      assert.equal(warnings.length, 1);
      assert.deepEqual(names.take(dispatcher.dispatch(0)), [[5], [8]]);
      assert.deepEqual(dispatcher.takeIn([polled(0, { 9: "c" }, 20)], 0), []);
    });
  }
});

describe("WorkDispatcher: a commit's metadata that is full", () => {
  it("keeps what lies behind from starting until there is room, and not the lowest", () => {
    // Room for two bytes of ranges.
    const dispatcher = dispatcherWith({ order: "none", metadataBytes: 14 });
    const names = new Names();
    const [partition] = dispatcher.assign([assigned(0)]);
    addExecutor(dispatcher, 1, 20);
    const keys = Object.fromEntries(Array.from({ length: 40 }, (_, offset) => [offset, "a"]));
    dispatcher.takeIn([polled(0, keys)], 0);
    names.take(dispatcher.dispatch(0));
    dispatcher.finished(names.of(1, 3, 5, 7, 9, 11, 13, 15, 17, 19), 0);
    partition!.wasCommitted(partition!.commitPoint(partition!.commitable()!));
    assert.ok(partition!.full);
    dispatcher.heard(1, { credit: 10, begun: null, busyMs: 0 }, 0);
    assert.deepEqual(dispatcher.dispatch(0), []);
    // Out of order, and the lowest among them.
    dispatcher.released(names.of(2), 0);
    dispatcher.released(names.of(4), 0);
    dispatcher.released(names.of(0), 0);
    assert.deepEqual(names.take(dispatcher.dispatch(0)), [[0]]);
    dispatcher.finished(names.of(0), 0);
    assert.deepEqual(names.take(dispatcher.dispatch(0)), [[2]]);
    dispatcher.finished(names.of(2, 6, 8, 10, 12, 14, 16, 18), 0);
    partition!.wasCommitted(partition!.commitPoint(partition!.commitable()!));
    assert.ok(!partition!.full);
    assert.equal(names.take(dispatcher.dispatch(0)).flat()[0], 4);
  });
});

describe("WorkDispatcher: executors that are gone", () => {
  const prepare = (keys: Record<number, string>) => {
    const dispatcher = dispatcherWith();
    const names = new Names();
    dispatcher.assign([assigned(0)]);
    addExecutor(dispatcher, 1, 10);
    dispatcher.takeIn([polled(0, keys)], 0);
    names.take(dispatcher.dispatch(0));
    const lost = (hangs: boolean) =>
      dispatcher.lost(1, () => names.failure(0), { hangs, blame: null, now: 0 })
        .map(({ task: { offset, attempt } }) => [offset, attempt]);
    const begins = (...offsets: number[]) =>
      dispatcher.heard(1, { credit: 0, begun: names.of(...offsets), busyMs: 0 }, 0);
    return { dispatcher, names, lost, begins };
  };

  it("are known for what has begun, since when, until it is answered for", () => {
    const { dispatcher, names, lost } = prepare({ 0: "a", 1: "b", 2: "c" });
    const begins = (now: number, ...offsets: number[]) =>
      dispatcher.heard(1, { credit: 0, begun: names.of(...offsets), busyMs: 0 }, now);
    // Handed over is not begun.
    assert.deepEqual([dispatcher.oldestUnderWay, dispatcher.oldestBegun], [0, null]);
    begins(50, 1);
    begins(70, 0, 2);
    assert.equal(dispatcher.oldestBegun, 50);
    dispatcher.finished(names.of(1), 80);
    assert.equal(dispatcher.oldestBegun, 70);
    lost(false);
    assert.equal(dispatcher.oldestBegun, null);
  });

  it("leave the time that their handlers took in the total", () => {
    const { dispatcher, lost } = prepare({ 0: "a" });
    dispatcher.heard(1, { credit: 0, begun: null, busyMs: 30 }, 0);
    lost(false);
    assert.equal(dispatcher.counts.busyMs, 30);
  });

  it("sends several that may be to blame alone, without a lost attempt", () => {
    const { dispatcher, lost, begins } = prepare({ 0: "a", 1: "b", 2: "c" });
    begins(0, 1);
    assert.deepEqual(lost(true), []);
    addExecutor(dispatcher, 2, 10);
    const [handout] = dispatcher.dispatch(0);
    assert.deepEqual(
      handout!.batches.map(({ solo, records: { count }, attempts }) => [solo, count, attempts]),
      [[false, 1, null], [true, 1, null], [true, 1, null]],
    );
  });

  it("blames the only one that it announced, and of those before none where it hung", () => {
    const one = prepare({ 0: "a", 1: "b", 2: "c" });
    one.begins(0);
    one.begins(1);
    assert.deepEqual(one.lost(true), [[1, 2]]);
    const other = prepare({ 0: "a", 1: "b", 2: "c" });
    other.begins(0);
    other.begins(1);
    assert.deepEqual(other.lost(false).sort(), [[0, 2], [1, 2]]);
  });

  it("does not blame what came back and was handed over again", () => {
    const { dispatcher, names, lost, begins } = prepare({ 0: "a" });
    begins(0);
    dispatcher.released(names.of(0), 0);
    names.take(dispatcher.dispatch(0));
    assert.deepEqual(lost(true), []);
  });
});

describe("WorkDispatcher: several executors", () => {
  it("spreads what there is over them", () => {
    const dispatcher = dispatcherWith();
    dispatcher.assign([assigned(0)]);
    for (const id of [1, 2, 3]) addExecutor(dispatcher, id, 100);
    const keys = Object.fromEntries(
      Array.from({ length: 9 }, (_, offset) => [offset, `${offset}`]),
    );
    dispatcher.takeIn([polled(0, keys)], 0);
    const counts = dispatcher.dispatch(0).map(({ batches }) => batches[0]!.records.count);
    assert.deepEqual(counts, [3, 3, 3]);
  });
});

describe("WorkDispatcher: what a driver returns", () => {
  it("is dropped where the partition has gone, and an error where it never came", () => {
    const dispatcher = dispatcherWith();
    const partitions = dispatcher.assign([assigned(0)]);
    dispatcher.forget(partitions);
    assert.deepEqual(dispatcher.takeIn([polled(0, { 0: "a" })], 0), []);
    assert.equal(dispatcher.find({ topic: "t", partition: 0 }), undefined);
    assert.throws(() => dispatcher.takeIn([polled(1, { 0: "a" })], 0), DriverError);
  });
});

describe("WorkDispatcher: batches of a handler", () => {
  it("are given out when they are full, or have waited", () => {
    const dispatcher = dispatcherWith({ handlerBatch: { size: 3, waitMs: 50 } });
    const names = new Names();
    dispatcher.assign([assigned(0)]);
    addExecutor(dispatcher, 1, 1);
    dispatcher.takeIn([polled(0, { 0: "a", 1: "a", 2: "b", 3: "a", 4: "a" })], 0);
    // One run may be longer than what was asked for.
    assert.deepEqual(names.take(dispatcher.dispatch(0)), [[0, 1, 3]]);
    dispatcher.finished(names.of(0, 1, 3), 1);
    dispatcher.heard(1, { credit: 10, begun: null, busyMs: 0 }, 1);
    assert.deepEqual(names.take(dispatcher.dispatch(49)), []);
    assert.equal(dispatcher.nextWake, 50);
    assert.deepEqual(names.take(dispatcher.dispatch(50)).sort(), [[2], [4]]);
  });
});
