import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { Inbox, type InboxBatch } from "../../src/program/inbox.ts";
import type { ToPoller } from "../../src/threads/messages.ts";
import { recordBytes, unpackRecords } from "../../src/threads/records.ts";
import { batchMessage } from "./batches.ts";

function inboxWithPosts(): { inbox: Inbox; posts: ToPoller[] } {
  const posts: ToPoller[] = [];
  return { inbox: new Inbox((message) => posts.push(message)), posts };
}

const everything = (id: number) => ({ type: "drain" as const, id, partitions: null });
const drainOf = (id: number, partition: number, epoch = 1) => ({
  type: "drain" as const,
  id,
  partitions: [{ topic: "t", partition, epoch }],
});

describe("Inbox", () => {
  it("tells the poller of finished messages when it settles, once", () => {
    const { inbox, posts } = inboxWithPosts();
    inbox.push(batchMessage(7, { count: 3, from: 10 }));
    const head = inbox.head()!;
    for (let message = 0; message < 2; message++) {
      inbox.begin();
      inbox.finish(head);
    }
    assert.deepEqual(posts, []);
    inbox.settle();
    inbox.settle();
    assert.deepEqual(posts, [{ type: "finished", batch: 7, count: 2, offset: 12 }]);
    assert.equal(inbox.waiting, 1);
    inbox.begin();
    inbox.report();
    assert.equal(posts.length, 1);
    inbox.finish(head);
    inbox.settle();
    assert.deepEqual(posts.slice(1), [{ type: "finished", batch: 7, count: 3, offset: 14 }]);
    assert.equal(inbox.head(), null);
  });

  it("answers a drain at once where nothing is under way", () => {
    const { inbox, posts } = inboxWithPosts();
    inbox.push(batchMessage(1, { count: 2 }));
    inbox.push(batchMessage(2, { count: 2, partition: 1 }));
    inbox.drain(drainOf(5, 0));
    assert.deepEqual(posts, [{ type: "drained", id: 5 }]);
    assert.equal(inbox.head()!.id, 2);
  });

  it("answers a drain of other partitions at once, though a message is under way", () => {
    const { inbox, posts } = inboxWithPosts();
    inbox.push(batchMessage(1, { count: 2 }));
    inbox.push(batchMessage(2, { count: 2, partition: 1 }));
    inbox.begin();
    inbox.drain(drainOf(5, 1));
    assert.deepEqual(posts, [{ type: "drained", id: 5 }]);
    assert.equal(inbox.waiting, 2);
  });

  it("answers a drain of the message under way when that is finished and acknowledged", () => {
    const { inbox, posts } = inboxWithPosts();
    inbox.push(batchMessage(1, { count: 3 }));
    const head = inbox.head()!;
    inbox.begin();
    inbox.drain(drainOf(5, 0));
    assert.deepEqual([posts, head.revoked], [[], true]);
    inbox.finish(head);
    inbox.settle();
    assert.deepEqual(posts, [
      { type: "finished", batch: 1, count: 1, offset: 0 },
      { type: "drained", id: 5 },
    ]);
    assert.equal(inbox.head(), null);
  });

  it("keeps the batches of another epoch of the same partition", () => {
    const { inbox } = inboxWithPosts();
    inbox.push(batchMessage(1, { count: 1, epoch: 1 }));
    inbox.push(batchMessage(2, { count: 1, epoch: 2 }));
    inbox.drain(drainOf(5, 0, 1));
    assert.equal(inbox.head()!.id, 2);
    assert.equal(inbox.epoch, 2);
  });

  it("does not take a failed message for a finished one", () => {
    const { inbox, posts } = inboxWithPosts();
    inbox.push(batchMessage(1, { count: 3 }));
    const head = inbox.head()!;
    inbox.begin();
    inbox.finish(head);
    inbox.begin();
    inbox.abandon();
    assert.equal(inbox.closed, true);
    inbox.drain(everything(3));
    assert.deepEqual(posts, [
      { type: "finished", batch: 1, count: 1, offset: 0 },
      { type: "drained", id: 3 },
    ]);
  });

  it("wakes whoever waits when a batch arrives, when it stops and when it ends", async () => {
    for (
      const wake of [
        (inbox: Inbox) => inbox.push(batchMessage(1, { count: 1 })),
        (inbox: Inbox) => inbox.stop(),
        (inbox: Inbox) => inbox.end(),
        (inbox: Inbox) => inbox.abandon(),
        (inbox: Inbox) => inbox.drain(everything(1)),
      ]
    ) {
      const { inbox } = inboxWithPosts();
      const waits = [inbox.arrival(), inbox.arrival()];
      wake(inbox);
      await Promise.all(waits);
      await inbox.arrival();
    }
  });

  it("tells one message under way from the next", () => {
    const { inbox } = inboxWithPosts();
    inbox.push(batchMessage(1, { count: 2 }));
    assert.equal(inbox.underWay, null);
    inbox.begin();
    const first = inbox.underWay;
    assert.equal(inbox.underWay, first);
    inbox.finish(inbox.head()!);
    assert.equal(inbox.underWay, null);
    inbox.begin();
    assert.notEqual(inbox.underWay, first);
  });

  it("keeps the message under way, and nothing else, when the thread is gone", () => {
    const { inbox } = inboxWithPosts();
    inbox.push(batchMessage(1, { count: 2 }));
    inbox.push(batchMessage(2, { count: 2 }));
    inbox.begin();
    inbox.end();
    assert.deepEqual([inbox.closed, inbox.head()!.id, inbox.head()!.revoked], [true, 1, true]);
    inbox.finish(inbox.head()!);
    inbox.settle();
    assert.equal(inbox.head(), null);
  });

  it("answers every drain once, when nothing of it is under way, with all that is finished told", () => {
    const place = { partition: fc.nat(2), epoch: fc.integer({ min: 1, max: 2 }) };
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant("push" as const),
          count: fc.integer({ min: 1, max: 4 }),
          ...place,
        }),
      },
      { weight: 8, arbitrary: fc.record({ do: fc.constantFrom("begin" as const, "finish") }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("settle" as const, "report") }) },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant("drain" as const),
          places: fc.array(fc.record(place), { minLength: 1, maxLength: 3 }),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constantFrom("drain all" as const, "stop", "abandon") }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const { inbox, posts } = inboxWithPosts();
        // The model: batches in order, what is under way, what was asked.
        let queue: { id: number; partition: number; epoch: number; count: number; done: number }[] =
          [];
        const all = new Map<number, { offsets: number[]; done: number; told: number }>();
        const open = new Map<number, (batch: (typeof queue)[number]) => boolean>();
        const over: ((batch: (typeof queue)[number]) => boolean)[] = [];
        let current: { batch: InboxBatch; model: (typeof queue)[number] } | null = null;
        let closed = false;
        let next = 0;
        let read = 0;

        const readPosts = () => {
          for (; read < posts.length; read++) {
            const post = posts[read]!;
            if (post.type === "finished") {
              const batch = all.get(post.batch)!;
              assert.ok(post.count > batch.told, "told what was told before");
              assert.ok(post.count <= batch.done, "told more than is finished");
              assert.equal(post.offset, batch.offsets[post.count - 1]);
              batch.told = post.count;
            } else {
              assert.ok(post.type === "drained");
              const concerns = open.get(post.id);
              assert.ok(concerns !== undefined, "answered what was not asked, or twice");
              open.delete(post.id);
              over.push(concerns);
              assert.ok(current === null || !concerns(current.model), "it is still under way");
              for (const [id, { done, told }] of all) {
                if (touched.get(id)! && concerns(touched.get(id)!)) {
                  assert.equal(told, done, "finished and not told");
                }
              }
            }
          }
        };
        const touched = new Map<number, (typeof queue)[number]>();
        const drain = (
          partitions: { topic: string; partition: number; epoch: number }[] | null,
        ) => {
          const id = next++;
          const concerns = (batch: (typeof queue)[number]) =>
            partitions?.some((each) =>
              each.partition === batch.partition && each.epoch === batch.epoch
            ) ?? true;
          open.set(id, concerns);
          queue = queue.filter((batch) => batch === current?.model || !concerns(batch));
          if (partitions === null) closed = true;
          inbox.drain({ type: "drain", id, partitions });
          const waits = current !== null && concerns(current.model);
          readPosts();
          assert.equal(open.has(id), waits);
        };
        const finish = () => {
          const { batch, model } = current!;
          current = null;
          model.done++;
          all.get(model.id)!.done++;
          inbox.finish(batch);
          // As whoever handles messages must do.
          if (batch.finished === model.count || batch.revoked || closed) settle();
        };
        const settle = () => {
          inbox.settle();
          readPosts();
          queue = queue.filter((batch) =>
            batch === current?.model ||
            (batch.done < batch.count && !over.some((concerns) => concerns(batch)))
          );
        };

        for (const step of steps) {
          switch (step.do) {
            case "push": {
              const { partition, epoch, count } = step;
              const message = batchMessage(next, { partition, epoch, count, from: next * 100 });
              // The poller posts nothing more of what it has had drained.
              const model = { id: next, partition, epoch, count, done: 0 };
              if (over.some((concerns) => concerns(model))) break;
              if ([...open.values()].some((concerns) => concerns(model))) break;
              next++;
              const offsets = [...unpackRecords(message.records).offsets];
              if (!closed) {
                queue.push(model);
                touched.set(model.id, model);
                all.set(model.id, { offsets, done: 0, told: 0 });
              }
              inbox.push(message);
              break;
            }
            case "begin": {
              const batch = inbox.head();
              if (current !== null || closed || batch === null || batch.revoked) break;
              const model = queue[0]!;
              assert.equal(batch.id, model.id);
              assert.equal(batch.finished, model.done);
              assert.ok(!over.some((concerns) => concerns(model)), "begun after it was drained");
              inbox.begin();
              current = { batch, model };
              break;
            }
            case "finish":
              if (current !== null) finish();
              break;
            case "settle":
              settle();
              break;
            case "report":
              inbox.report();
              break;
            case "drain":
              drain(step.places.map((each) => ({ topic: "t", ...each })));
              break;
            case "drain all":
              drain(null);
              break;
            case "stop":
              closed = true;
              inbox.stop();
              break;
            case "abandon":
              current = null;
              closed = true;
              inbox.abandon();
              break;
          }
          readPosts();
          assert.equal(inbox.closed, closed);
          assert.equal(inbox.underWay === null, current === null);
          const told = [...all.values()].reduce((sum, each) => sum + each.told, 0);
          assert.equal(inbox.messages, told);
          if (!closed) {
            assert.equal(
              inbox.waiting,
              queue.reduce((sum, { count, done }) => sum + count - done, 0),
            );
          }
        }
        if (current !== null) finish();
        settle();
        assert.equal(open.size, 0, "a drain was not answered");
        // Whatever is finished, the poller knows at the latest with the answer to the last drain.
        drain(null);
        for (const { done, told } of all.values()) assert.equal(told, done);
      }),
      { numRuns: 500 },
    );
  });

  it("counts the bytes of what it has told", () => {
    const { inbox } = inboxWithPosts();
    const message = batchMessage(1, { count: 5 });
    inbox.push(message);
    for (let count = 0; count < 3; count++) {
      inbox.begin();
      inbox.finish(inbox.head()!);
    }
    inbox.settle();
    assert.equal(inbox.bytes, recordBytes(unpackRecords(message.records), 0, 3));
  });
});
