import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import type { Task } from "../../../src/poller/work/task.ts";
import { WorkPartition } from "../../../src/poller/work/work_partition.ts";
import { tableOfRecords, textAt, unpackRecords } from "../../../src/threads/records.ts";
import { gatherRecords } from "../../../src/poller/work/gather.ts";

function partitionWith(
  options: Partial<ConstructorParameters<typeof WorkPartition>[1]> = {},
  place: { position?: number; committed?: number | null } = { position: 0 },
): WorkPartition {
  return new WorkPartition({ topic: "t", partition: 0, ...place }, {
    epoch: 1,
    assignment: 0,
    order: "none",
    metadataBytes: 4_096,
    countsHanded: false,
    predecessor: null,
    ...options,
  });
}

/** Records that take much. */
const table = (from: number, to: number) =>
  tableOfRecords(
    Array.from({ length: to - from }, (_, index) => ({
      offset: from + index,
      key: "k",
      value: `${from + index}`.padEnd(1_000),
    })),
    0,
  );

const takeAll = (partition: WorkPartition): Task[] =>
  Array.from({ length: partition.queuedMessages }, () => partition.take(partition.free));

const textOf = (task: Task) => textAt(unpackRecords(gatherRecords([task])), 0)!.trim();

describe("WorkPartition: memory", () => {
  it("does not keep a whole fetch for a few slow messages of it", () => {
    const partition = partitionWith();
    partition.add(table(0, 100), 0);
    const tasks = takeAll(partition);
    const slow = tasks.filter(({ offset }) => offset % 25 === 7);
    const { buffer } = slow[0]!.table!.bytes;
    for (const task of tasks) if (!slow.includes(task)) partition.finish(task);
    for (const task of slow) {
      assert.notEqual(task.table!.bytes.buffer, buffer);
      assert.ok(task.table!.bytes.buffer.byteLength < buffer.byteLength / 3);
      assert.equal(textOf(task), `${task.offset}`);
    }
    assert.deepEqual(new Set(slow.map(({ table }) => table)).size, 1);
    // Once more, from the copy.
    for (const task of slow.slice(1)) partition.finish(task);
    assert.equal(textOf(slow[0]!), "7");
    assert.ok(slow[0]!.table!.bytes.buffer.byteLength < 2_000);
    partition.finish(slow[0]!);
    assert.ok(tasks.every(({ table }) => table === null));
    assert.deepEqual(partition.held, { messages: 0, bytes: 0 });
  });

  it("counts what is handed over as held, until it is done with", () => {
    const partition = partitionWith();
    partition.add(table(0, 3), 0);
    const { held, queuedBytes } = partition;
    assert.equal(held.messages, 3);
    assert.equal(held.bytes, queuedBytes);
    assert.ok(held.bytes > 3_000);
    const [first, second] = takeAll(partition) as [Task, Task];
    assert.deepEqual([partition.queuedMessages, partition.queuedBytes], [0, 0]);
    assert.deepEqual(partition.held, held);
    partition.giveBack(first);
    assert.deepEqual(partition.held, held);
    partition.finish(second);
    assert.equal(partition.held.messages, 2);
    partition.discard();
    assert.equal(partition.held.messages, 1);
    assert.equal(partition.inFlight, 1);
  });
});

describe("WorkPartition: commits", () => {
  it("go to the lowest unfinished message, and beyond the last one over the gap behind it", () => {
    const partition = partitionWith({}, { position: 10, committed: 10 });
    assert.equal(partition.finishedTo, 10);
    assert.equal(partition.commitable(), null);
    partition.add(table(12, 15), 0, 20);
    assert.equal(partition.commitable(), 12);
    assert.equal(partition.uncommitted, false);
    const [one, two, three] = takeAll(partition) as [Task, Task, Task];
    partition.finish(two);
    assert.equal(partition.commitable(), 12);
    assert.ok(partition.uncommitted);
    const point = partition.commitPoint(12);
    assert.ok(point.metadata !== undefined);
    // What finishes meanwhile is news still.
    partition.finish(three);
    partition.wasCommitted(point);
    assert.equal(partition.commitable(), 12);
    partition.wasCommitted(partition.commitPoint(12));
    assert.equal(partition.commitable(), null);
    partition.finish(one);
    assert.deepEqual(partition.commitPoint(partition.commitable()!), { offset: 20 });
  });

  it("do not count what is abandoned, or dropped", () => {
    const partition = partitionWith();
    partition.add(table(0, 4), 0);
    const first = partition.take(partition.free);
    const second = partition.take(partition.free);
    partition.discard();
    partition.abandon(first);
    partition.finish(second);
    assert.equal(partition.finishedTo, 0);
    assert.equal(partition.inFlight, 0);
    assert.ok(partition.uncommitted);
  });

  it("count what is handed over where that is asked for", () => {
    const partition = partitionWith({ countsHanded: true, metadataBytes: 0 });
    partition.add(table(0, 4), 0);
    assert.equal(partition.commitable(), 0);
    takeAll(partition);
    assert.equal(partition.commitable(), 4);
    assert.deepEqual(partition.commitPoint(4), { offset: 4 });
  });

  it("go where the program asks, if that is farther", () => {
    const partition = partitionWith();
    partition.add(table(0, 4), 0);
    assert.deepEqual(partition.commitPoint(3), { offset: 3 });
  });

  it("begin where the first message is, where the source does not say", () => {
    const partition = partitionWith({}, {});
    assert.equal(partition.finishedTo, null);
    assert.equal(partition.commitable(), null);
    partition.add(table(7, 9), 0);
    assert.equal(partition.finishedTo, 7);
  });
});

describe("WorkPartition: keys", () => {
  it("share a lane as long as there is something in it, and no longer", () => {
    const partition = partitionWith({ order: "key" });
    const { lanes } = partition.add(table(0, 2), 0);
    assert.equal(lanes.size, 1);
    const [first] = lanes;
    const task = partition.take(first!);
    assert.ok(!partition.mayStart(first!));
    assert.ok(partition.isUnderWay(first!));
    partition.finish(task);
    assert.ok(partition.mayStart(first!));
    partition.finish(partition.take(first!));
    assert.deepEqual([...partition.lanes()], []);
    assert.equal(partition.counterpart(first!), undefined);
    partition.add(table(2, 3), 0);
    assert.notEqual([...partition.lanes()][0], first);
  });
});
