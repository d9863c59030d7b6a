import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { DriverError } from "../../src/errors.ts";
import { Dispatcher } from "../../src/poller/dispatcher.ts";
import { batch, range } from "./poller_rig.ts";

const NOW = 5;
const places = (...partitions: number[]) =>
  partitions.map((partition) => ({ topic: "t", partition, position: 0 }));
const place = (partition: number) => ({ topic: "t", partition });

/** Takes all that there is room for. */
function takeAll(dispatcher: Dispatcher) {
  const all: { id: number; partition: number; epoch: number; offsets: number[] }[] = [];
  for (let next = dispatcher.next(); next !== null; next = dispatcher.next()) {
    const { id, ledger: { partition, epoch }, run: { table, from, to } } = next;
    all.push({ id, partition, epoch, offsets: [...table.offsets.subarray(from, to)] });
  }
  return all;
}

describe("Dispatcher", () => {
  it("gives each assignment an epoch, from where the last run ended", () => {
    const dispatcher = new Dispatcher({ messages: 10, bytes: 1e6 }, 41);
    assert.deepEqual(dispatcher.assign(places(0, 1)).map(({ epoch }) => epoch), [42, 42]);
    assert.deepEqual(dispatcher.assign(places(2)).map(({ epoch }) => epoch), [43]);
    assert.equal(dispatcher.find(place(0))!.epoch, 42);
    assert.equal(dispatcher.find({ topic: "other", partition: 0 }), undefined);
    assert.deepEqual(dispatcher.known([place(2), place(7)]).map(({ partition }) => partition), [2]);
  });

  it("takes a batch of each partition in turn", () => {
    const dispatcher = new Dispatcher({ messages: 5_000, bytes: 1e9 });
    dispatcher.assign(places(0, 1, 2));
    dispatcher.takeIn([
      batch(0, range(0, 2_500)),
      batch(1, range(0, 1_200)),
      batch(2, range(0, 3)),
    ], NOW);
    const order = takeAll(dispatcher).map(({ partition, offsets }) =>
      `${partition}:${offsets.length}`
    );
    assert.deepEqual([...order.slice(0, 3)].sort(), ["0:1000", "1:1000", "2:3"]);
    assert.deepEqual([...order.slice(3, 5)].sort(), ["0:1000", "1:200"]);
    assert.deepEqual(order.slice(5), ["0:500"]);
  });

  it("starves no partition, however large the others are", () => {
    fc.assert(fc.property(
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 5 }),
      (backlogs, room) => {
        const dispatcher = new Dispatcher({ messages: room, bytes: 1e9 });
        dispatcher.assign(places(...backlogs.keys()));
        dispatcher.takeIn(backlogs.map((count, index) => batch(index, range(0, count))), NOW);
        const left = [...backlogs];
        // Dispatches of others since each partition had its last turn.
        const waited = backlogs.map(() => 0);
        while (left.some((count) => count > 0)) {
          const next = dispatcher.next()!;
          const { id, ledger: { partition }, run: { table, from, to } } = next;
          waited.forEach((_, index) => {
            waited[index] = index === partition || left[index] === 0 ? 0 : waited[index]! + 1;
            assert.ok(waited[index]! < backlogs.length, `partition ${index} waits`);
          });
          left[partition] = left[partition]! - (to - from);
          assert.equal(dispatcher.finish(id, to - from, table.offsets[to - 1]!), true);
        }
        assert.equal(dispatcher.next(), null);
      },
    ));
  });

  it("drops what a driver returns of partitions that went, and refuses what it never assigned", () => {
    const dispatcher = new Dispatcher({ messages: 10, bytes: 1e6 });
    dispatcher.forget(dispatcher.assign(places(0)));
    dispatcher.takeIn([batch(0, [0])], NOW);
    assert.deepEqual(takeAll(dispatcher), []);
    assert.throws(() => dispatcher.takeIn([batch(1, [0])], NOW), (error) => {
      assert.ok(DriverError.is(error));
      assert.deepEqual([error.code, error.topic, error.partition], ["DRIVER_INVALID", "t", 1]);
      return true;
    });
  });

  it("gives the room of what went back, and counts nothing that comes late", () => {
    const dispatcher = new Dispatcher({ messages: 2, bytes: 1e6 });
    const first = dispatcher.assign(places(0));
    dispatcher.takeIn([batch(0, [0, 1, 2])], NOW);
    const [old] = takeAll(dispatcher);
    dispatcher.forget(first);
    const [again] = dispatcher.assign(places(0));
    dispatcher.takeIn([batch(0, [0, 1, 2])], NOW);
    const [fresh] = takeAll(dispatcher);
    assert.deepEqual([fresh!.offsets, fresh!.epoch], [[0, 1], 2]);
    assert.notEqual(fresh!.id, old!.id);
    assert.equal(dispatcher.finish(old!.id, 2, 1), false);
    assert.equal(again!.commitable(), null);
    assert.equal(dispatcher.next(), null);
  });

  it("forgets an assignment that has been replaced, and not the one in its place", () => {
    const dispatcher = new Dispatcher({ messages: 2, bytes: 1e6 });
    const first = dispatcher.assign(places(0));
    const [second] = dispatcher.assign(places(0));
    dispatcher.forget(first);
    assert.equal(dispatcher.find(place(0)), second);
  });

  it("makes room only when a whole batch is finished", () => {
    const dispatcher = new Dispatcher({ messages: 2, bytes: 1e6 });
    dispatcher.assign(places(0));
    dispatcher.takeIn([batch(0, [0, 1, 2])], NOW);
    const [first] = takeAll(dispatcher);
    assert.equal(dispatcher.finish(first!.id, 1, 0), false);
    assert.equal(dispatcher.next(), null);
    assert.equal(dispatcher.finish(first!.id, 2, 1), true);
    assert.equal(dispatcher.finish(first!.id, 2, 1), false);
    assert.deepEqual(takeAll(dispatcher).map(({ offsets }) => offsets), [[2]]);
  });

  it("has partitions paused and resumed at different levels, each change told once", () => {
    const dispatcher = new Dispatcher({ messages: 1_000, bytes: 20_000 });
    dispatcher.assign(places(0, 1));
    // Half of the room is shared by two: 5,000 bytes each, and 2,500 to resume at.
    const levels: [add: number, take: boolean][] = [[4_900, false], [200, false], [0, true]];
    const told = levels.map(([size, take]) => {
      if (size > 0) {
        dispatcher.takeIn([batch(0, [dispatcher.find(place(0))!.position!], { size })], NOW);
      }
      if (take) takeAll(dispatcher);
      const { pause, resume } = dispatcher.balance();
      assert.deepEqual(dispatcher.balance(), { pause: [], resume: [] });
      return [pause, resume];
    });
    assert.deepEqual(told, [[[], []], [[place(0)], []], [[], [place(0)]]]);
  });
});
