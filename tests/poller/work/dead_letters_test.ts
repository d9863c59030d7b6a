import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import type { ProducedRecord } from "../../../src/driver.ts";
import { DeadLetterError, HandlerError } from "../../../src/errors.ts";
import { type DeadLetter, DeadLetters } from "../../../src/poller/work/dead_letters.ts";
import type { Task } from "../../../src/poller/work/task.ts";
import { WorkPartition } from "../../../src/poller/work/work_partition.ts";
import { encodeError } from "../../../src/threads/error_wire.ts";
import { tableOfRecords } from "../../../src/threads/records.ts";
import type { Failure } from "../../../src/threads/work.ts";

/** Messages that have been handed over. */
function tasks(count: number): Task[] {
  const partition = new WorkPartition({ topic: "orders", partition: 3, position: 40 }, {
    epoch: 1,
    assignment: 0,
    order: "none",
    metadataBytes: 0,
    countsHanded: false,
    predecessor: null,
  });
  const records = Array.from({ length: count }, (_, index) => ({
    offset: 40 + index,
    key: index === 0 ? "key" : null,
    value: index === 0 ? "value" : null,
    timestamp: 1_234 + index,
    headers: [{ key: "trace", value: "abc" }, { key: "trace", value: null }],
  }));
  partition.add(tableOfRecords(records, 0), 0);
  return records.map(() => partition.take(partition.free));
}

const letter = (
  task: Task,
  error: Error = new Error("no luck"),
  kind: Failure["kind"] = "failed",
) => ({
  task,
  failure: { batch: 0, index: 0, count: 1, kind, retriable: true, error: encodeError(error) },
});

/** Dead letters, each request of which ends when and how the test says. */
function rig(topic = "{topic}.dead-letter") {
  const requests: { records: readonly ProducedRecord[]; end: PromiseWithResolvers<void> }[] = [];
  const stored: DeadLetter[] = [];
  const dropped: DeadLetter[] = [];
  const errors: DeadLetterError[] = [];
  let asked = Promise.withResolvers<void>();
  const letters = new DeadLetters({
    groupId: "shop.orders",
    topic,
    produce: (records) => {
      const end = Promise.withResolvers<void>();
      requests.push({ records, end });
      asked.resolve();
      return end.promise;
    },
    stored: (letters) => void stored.push(...letters),
    failed: (error) => void errors.push(error),
    dropped: (letters) => void dropped.push(...letters),
  });
  /** Resolves with the next request. */
  const next = async () => {
    while (requests.length === 0) {
      await asked.promise;
      asked = Promise.withResolvers();
    }
    return requests.shift()!;
  };
  return { letters, next, requests, stored, dropped, errors };
}

/** Everything that follows from promises that have settled. */
const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

const text = (bytes: unknown) =>
  bytes === null ? null : new TextDecoder().decode(bytes as Uint8Array);

describe("DeadLetters", () => {
  it("keep key, value and headers, and tell what has happened", async () => {
    const { letters, next } = rig();
    const [task] = tasks(1) as [Task];
    task.attempt = 3;
    const cause = new TypeError("x".repeat(2_000));
    letters.add(letter(task, new HandlerError("The handler has failed", { cause }), "timeout"));
    const { records: [record], end } = await next();
    end.resolve();
    assert.equal(record!.topic, "orders.dead-letter");
    assert.equal(text(record!.key), "key");
    assert.equal(text(record!.value), "value");
    // By its own time it might be too old to be kept.
    assert.equal(record!.timestamp, undefined);
    assert.deepEqual(
      record!.headers!.map(({ key, value }) => [key, text(value)]),
      [
        ["trace", "abc"],
        ["trace", null],
        ["dead-letter-topic", "orders"],
        ["dead-letter-partition", "3"],
        ["dead-letter-offset", "40"],
        ["dead-letter-timestamp", "1234"],
        ["dead-letter-group", "shop.orders"],
        ["dead-letter-attempts", "3"],
        ["dead-letter-reason", "timeout"],
        ["dead-letter-error-name", "TypeError"],
        ["dead-letter-error-message", "x".repeat(1_000)],
      ],
    );
  });

  it("are stored only when that is acknowledged; those that come meanwhile go together", async () => {
    const { letters, next, stored, requests } = rig("graveyard");
    const [one, two, three, four] = tasks(4).map((task) => letter(task)) as DeadLetter[];
    letters.add(one!);
    letters.add(two!);
    const first = await next();
    letters.add(three!);
    letters.add(four!);
    await settled();
    assert.equal(requests.length, 0, "two requests at once");
    assert.deepEqual(stored, []);
    first.end.resolve();
    const second = await next();
    assert.deepEqual(stored, [one, two]);
    assert.deepEqual([first, second].map(({ records }) => records.length), [2, 2]);
    assert.deepEqual(first.records.map(({ key }) => text(key!)), ["key", null]);
    second.end.resolve();
    await settled();
    assert.deepEqual(stored, [one, two, three, four]);
  });

  it("end it all when they cannot be stored: none of them, nor what comes later", async () => {
    const { letters, next, stored, dropped, errors, requests } = rig();
    const [one, two, three] = tasks(3).map((task) => letter(task)) as DeadLetter[];
    letters.add(one!);
    const { end } = await next();
    letters.add(two!);
    const cause = new Error("no such topic");
    end.reject(cause);
    await settled();
    letters.add(three!);
    await settled();
    assert.deepEqual(stored, []);
    assert.deepEqual(dropped, [one, two, three]);
    assert.equal(requests.length, 0);
    assert.equal(errors.length, 1);
    const [error] = errors as [DeadLetterError];
    assert.ok(DeadLetterError.is(error));
    assert.equal(error.cause, cause);
    assert.deepEqual([error.topic, error.partition, error.offset], ["orders", 3, 40]);
    assert.match(error.message, /"orders\.dead-letter": no such topic/);
  });

  it("go without the headers of a message that cannot be read", async () => {
    const { letters, next } = rig();
    const [task] = tasks(1) as [Task];
    const { bytes, bounds } = task.table!;
    // The count of its headers is far beyond its bytes.
    bytes.fill(0x7e, bounds[4]!);
    letters.add(letter(task, new RangeError("broken"), "invalid"));
    const { records: [record], end } = await next();
    end.resolve();
    assert.equal(record!.headers![0]!.key, "dead-letter-topic");
    assert.equal(text(record!.value), "value");
  });
});
