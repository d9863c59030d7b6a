/** Runs a callback over the inbox, one message after the other. */

import { HandlerError } from "../errors.ts";
import { Message } from "../message.ts";
import { errorText } from "../threads/error_text.ts";
import { isThenable } from "../threads/thenable.ts";
import { yieldToLoop } from "../threads/turns.ts";
import type { Inbox, InboxBatch } from "./inbox.ts";
import { Laps } from "../threads/laps.ts";
import { TimeSlice } from "../threads/time_slice.ts";

/** What a message is given to. */
export type OnMessage = (message: Message) => unknown;

/**
 * Calls the callback with each message until the inbox is closed. A promise that it returns is
 * awaited; between messages the event loop gets its turns.
 *
 * @param inbox Where the messages are.
 * @param onMessage The callback.
 * @param chosen Says what to call in its place, for each batch.
 * @throws {HandlerError} With what the callback threw as its cause. The message counts as unfinished.
 */
export async function deliver(
  inbox: Inbox,
  onMessage: OnMessage,
  chosen: () => OnMessage = () => onMessage,
): Promise<void> {
  const laps = new Laps(() => performance.now());
  const slice = new TimeSlice(laps.lookedAt);
  while (!inbox.closed) {
    const batch = inbox.head();
    // The slice goes on while it waits: batches that arrive one after the other within a turn of the
    // event loop are one run to everybody else who waits for a turn.
    if (batch === null) {
      await inbox.arrival();
      laps.begin();
    } else {
      await deliverBatch(inbox, batch, chosen(), laps, slice);
      // Who looks while it waits for the next batch sees all of this one.
      laps.settle();
    }
  }
}

async function deliverBatch(
  inbox: Inbox,
  batch: InboxBatch,
  onMessage: OnMessage,
  laps: Laps,
  slice: TimeSlice,
): Promise<void> {
  const { records: { count }, times } = batch;
  while (batch.finished < count && !batch.revoked && !inbox.closed) {
    const message = new Message(batch, batch.finished);
    inbox.begin();
    let earlierMs = 0;
    try {
      const result = onMessage(message);
      // Awaiting what is not a promise would cost every synchronous callback a turn.
      if (!isThenable(result)) laps.handled(times);
      else {
        // What has been handled before is counted now, and not when this one has been.
        earlierMs = laps.lap();
        await result;
        times.add(true, earlierMs + laps.lap());
      }
    } catch (cause) {
      times.add(false, earlierMs + laps.lap());
      inbox.abandon();
      const { topic, partition, offset } = message;
      throw new HandlerError(
        `The callback failed at "${topic}" partition ${partition} offset ${offset}: ${
          errorText(cause)
        }`,
        { cause, topic, partition, offset },
      );
    }
    inbox.finish(batch);
    if (slice.over(laps.lookedAt)) {
      inbox.settle();
      await yieldToLoop();
      slice.begin(laps.begin());
    }
  }
  if (inbox.head() === batch) inbox.settle();
}

/** Hands messages out to `for await`, one at a time: asking for the next one finishes the last. */
export class MessageIterator implements AsyncIterator<Message> {
  readonly #inbox: Inbox;
  readonly #slice = new TimeSlice(performance.now());
  #beganAt = 0;
  #current: InboxBatch | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(inbox: Inbox) {
    this.#inbox = inbox;
  }

  /** The next message; done when the inbox is closed. Calls queue up behind each other. */
  next(): Promise<IteratorResult<Message, undefined>> {
    const turn = this.#turn.then(() => this.#next());
    this.#turn = turn;
    return turn;
  }

  /** Gives up the message that was handed out last: it counts as unfinished. */
  return(): Promise<IteratorResult<Message, undefined>> {
    this.#current = null;
    this.#inbox.abandon();
    return Promise.resolve({ done: true, value: undefined });
  }

  async #next(): Promise<IteratorResult<Message, undefined>> {
    const inbox = this.#inbox;
    const current = this.#current;
    if (current !== null) {
      this.#current = null;
      inbox.finish(current);
      const endedAt = performance.now();
      current.times.add(true, endedAt - this.#beganAt);
      const over = this.#slice.over(endedAt);
      if (over || current.finished === current.records.count || current.revoked || inbox.closed) {
        inbox.settle();
      }
      if (over) {
        await yieldToLoop();
        this.#slice.begin(performance.now());
      }
    }
    while (!inbox.closed) {
      const batch = inbox.head();
      if (batch !== null) {
        this.#current = batch;
        inbox.begin();
        this.#beganAt = performance.now();
        return { done: false, value: new Message(batch, batch.finished) };
      }
      await inbox.arrival();
    }
    return { done: true, value: undefined };
  }
}
