import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { HandlerError } from "../../src/errors.ts";
import type { Message } from "../../src/message.ts";
import { deliver, MessageIterator } from "../../src/program/deliver.ts";
import { Inbox } from "../../src/program/inbox.ts";
import type { ToPoller } from "../../src/threads/messages.ts";
import { yieldToLoop } from "../../src/threads/turns.ts";
import { batchMessage } from "./batches.ts";

function inboxWithPosts(): { inbox: Inbox; posts: ToPoller[] } {
  const posts: ToPoller[] = [];
  return { inbox: new Inbox((message) => posts.push(message)), posts };
}

const everything = { type: "drain" as const, id: 9, partitions: null };
const partition0 = {
  type: "drain" as const,
  id: 9,
  partitions: [{ topic: "t", partition: 0, epoch: 1 }],
};
const told = (posts: readonly ToPoller[]) =>
  posts.map((post) => post.type === "finished" ? `${post.batch}:${post.count}` : post.type);

/** Blocks the thread, as a callback that computes does. */
function compute(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe("deliver()", () => {
  it("calls with every message in order, one at a time, and awaits what is returned", async () => {
    const { inbox, posts } = inboxWithPosts();
    for (let batch = 0; batch < 3; batch++) {
      inbox.push(batchMessage(batch, { count: 4, from: batch * 8, partition: batch % 2 }));
    }
    const got: number[] = [];
    let busy = 0;
    await deliver(inbox, async ({ offset }) => {
      assert.equal(++busy, 1);
      await yieldToLoop();
      busy--;
      if (got.push(offset) === 12) inbox.stop();
    });
    assert.deepEqual(got, Array.from({ length: 12 }, (_, index) => index * 2));
    assert.deepEqual(told(posts).at(-1), "2:4");
    assert.equal(inbox.messages, 12);
  });

  it("waits for what arrives later", async () => {
    const { inbox } = inboxWithPosts();
    const got: string[] = [];
    const done = deliver(inbox, (message) => {
      got.push(message.text()!);
      if (got.length === 2) inbox.stop();
    });
    await yieldToLoop();
    inbox.push(batchMessage(0, { count: 1 }));
    await yieldToLoop();
    inbox.push(batchMessage(1, { count: 1, from: 50 }));
    await done;
    assert.deepEqual(got, ["value 0", "value 50"]);
  });

  it("gives the event loop its turns between messages, and tells of them meanwhile", async () => {
    const { inbox, posts } = inboxWithPosts();
    inbox.push(batchMessage(0, { count: 8 }));
    let turns = 0;
    let delivering = true;
    const count = async () => {
      for (; delivering; turns++) await yieldToLoop();
    };
    const counting = count();
    let handled = 0;
    await deliver(inbox, () => {
      compute(6);
      if (++handled === 8) inbox.stop();
    });
    delivering = false;
    await counting;
    assert.ok(turns >= 7, `${turns} turns`);
    assert.deepEqual(told(posts), Array.from({ length: 8 }, (_, index) => `0:${index + 1}`));
  });

  it("does not take a turn for each short message", async () => {
    const { inbox, posts } = inboxWithPosts();
    inbox.push(batchMessage(0, { count: 500 }));
    let handled = 0;
    await deliver(inbox, () => {
      if (++handled === 500) inbox.stop();
    });
    assert.ok(posts.length < 50, `${posts.length} posts`);
    assert.equal(inbox.messages, 500);
  });

  it("begins no message of a revoked batch, and goes on with the next", async () => {
    const { inbox, posts } = inboxWithPosts();
    inbox.push(batchMessage(0, { count: 5 }));
    inbox.push(batchMessage(1, { count: 2, partition: 1, from: 100 }));
    const got: number[] = [];
    await deliver(inbox, async ({ offset }) => {
      got.push(offset);
      if (offset === 2) {
        await yieldToLoop();
        inbox.drain(partition0);
        assert.deepEqual(told(posts), ["0:1"]);
      }
      if (offset === 102) inbox.stop();
    });
    assert.deepEqual(got, [0, 2, 100, 102]);
    // A slow machine takes a turn between messages, and tells of the first one on its own.
    const heard = told(posts).filter((text) => text !== "1:1");
    assert.deepEqual(heard, ["0:1", "0:2", "drained", "1:2"]);
  });

  it("finishes the message under way when everything is to end, and no other", async () => {
    const { inbox, posts } = inboxWithPosts();
    inbox.push(batchMessage(0, { count: 5 }));
    const got: number[] = [];
    await deliver(inbox, ({ offset }) => {
      got.push(offset);
      inbox.drain(everything);
    });
    assert.deepEqual(got, [0]);
    assert.deepEqual(told(posts), ["0:1", "drained"]);
  });

  it("ends with what the callback throws, and counts that message as unfinished", async () => {
    const thrown = [new RangeError("bad"), "text", undefined, null, { toString: null }];
    for (const cause of thrown) {
      for (const later of [false, true]) {
        const { inbox, posts } = inboxWithPosts();
        inbox.push(batchMessage(0, { count: 5, partition: 3 }));
        const delivering = deliver(inbox, ({ offset }) => {
          if (offset < 4) return;
          if (later) return Promise.reject(cause);
          throw cause;
        });
        await assert.rejects(delivering, (error) => {
          assert.ok(HandlerError.is(error));
          assert.equal(error.cause, cause);
          assert.deepEqual([error.topic, error.partition, error.offset], ["t", 3, 4]);
          assert.match(error.message, /^The callback failed at "t" partition 3 offset 4: /);
          return true;
        });
        assert.equal(inbox.closed, true);
        inbox.drain(everything);
        assert.deepEqual(told(posts), ["0:2", "drained"]);
      }
    }
  });

  it("awaits whatever has a then()", async () => {
    const { inbox } = inboxWithPosts();
    inbox.push(batchMessage(0, { count: 2 }));
    const order: string[] = [];
    await deliver(inbox, ({ offset }) => {
      order.push(`begin ${offset}`);
      return {
        then(resolve: () => void) {
          order.push(`end ${offset}`);
          if (offset === 2) inbox.stop();
          resolve();
        },
      };
    });
    assert.deepEqual(order, ["begin 0", "end 0", "begin 2", "end 2"]);
  });
});

describe("MessageIterator", () => {
  it("finishes a message when the next one is asked for", async () => {
    const { inbox, posts } = inboxWithPosts();
    inbox.push(batchMessage(0, { count: 2 }));
    const messages = new MessageIterator(inbox);
    assert.equal((await messages.next()).value!.offset, 0);
    inbox.report();
    assert.deepEqual(posts, []);
    assert.equal((await messages.next()).value!.offset, 2);
    inbox.report();
    assert.deepEqual(told(posts), ["0:1"]);
    const last = messages.next();
    inbox.stop();
    assert.deepEqual(await last, { done: true, value: undefined });
    assert.deepEqual(told(posts), ["0:1", "0:2"]);
    assert.deepEqual(await messages.next(), { done: true, value: undefined });
  });

  it("counts the message that the loop was left at as unfinished", async () => {
    const { inbox, posts } = inboxWithPosts();
    inbox.push(batchMessage(0, { count: 3 }));
    const messages = new MessageIterator(inbox);
    for await (const { offset } of { [Symbol.asyncIterator]: () => messages }) {
      if (offset === 2) break;
    }
    assert.equal(inbox.closed, true);
    inbox.drain(everything);
    assert.deepEqual(told(posts), ["0:1", "drained"]);
    assert.deepEqual(await messages.next(), { done: true, value: undefined });
  });

  it("hands out each message once to calls that do not wait for each other", async () => {
    await fc.assert(fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 6 }),
      async (counts, abreast) => {
        const { inbox } = inboxWithPosts();
        let from = 0;
        counts.forEach((count, batch) => {
          inbox.push(batchMessage(batch, { count, from }));
          from += count * 2;
        });
        const messages = new MessageIterator(inbox);
        const got: Message[] = [];
        const total = from / 2;
        while (got.length < total) {
          const asked = Math.min(abreast, total - got.length);
          const results = await Promise.all(Array.from({ length: asked }, () => messages.next()));
          got.push(...results.map(({ value }) => value!));
        }
        assert.deepEqual(got.map(({ offset }) => offset), got.map((_, index) => index * 2));
      },
    ));
  });

  it("gives each of two that wait its own message", async () => {
    const { inbox } = inboxWithPosts();
    const messages = new MessageIterator(inbox);
    const waiting = [messages.next(), messages.next()];
    await yieldToLoop();
    inbox.push(batchMessage(0, { count: 2 }));
    assert.deepEqual((await Promise.all(waiting)).map(({ value }) => value!.offset), [0, 2]);
  });

  it("answers a drain when the loop moves on, and skips what was revoked", async () => {
    const { inbox, posts } = inboxWithPosts();
    inbox.push(batchMessage(0, { count: 3 }));
    inbox.push(batchMessage(1, { count: 1, partition: 1, from: 100 }));
    const messages = new MessageIterator(inbox);
    await messages.next();
    inbox.drain(partition0);
    assert.deepEqual(posts, []);
    assert.equal((await messages.next()).value!.offset, 100);
    assert.deepEqual(told(posts), ["0:1", "drained"]);
    inbox.stop();
  });
});
