/** One end of an ordered, two-way link between two threads, whatever carries it. */

/** Sends `Out`, receives `In`. */
export interface Channel<In, Out> {
  /** Posts a message; `transfer` moves buffers and ports instead of copying them. */
  post(message: Out, transfer?: (ArrayBuffer | MessagePort)[]): void;
  /** Called with each message that arrives. Set it before anything can arrive. */
  onMessage: ((message: In) => void) | null;
}

/**
 * Makes both ends of a channel within one thread, for a poller that runs inline.
 *
 * A message arrives in a later turn of the event loop, never within `post`, so that code behaves as it
 * does with a thread between; turns are shared, so that a run of messages costs one.
 */
export function channelPair<A, B>(
  schedule: (task: () => void) => void,
): [Channel<A, B>, Channel<B, A>] {
  const first = end<A, B>();
  const second = end<B, A>();
  first.post = postTo(second, schedule);
  second.post = postTo(first, schedule);
  return [first, second];
}

function end<In, Out>(): Channel<In, Out> {
  return { post: () => {}, onMessage: null };
}

function postTo<T>(
  to: Pick<Channel<T, never>, "onMessage">,
  schedule: (task: () => void) => void,
): (message: T) => void {
  let waiting: T[] = [];
  const deliver = () => {
    const messages = waiting;
    waiting = [];
    for (const message of messages) to.onMessage?.(message);
  };
  return (message) => {
    if (waiting.push(message) === 1) schedule(deliver);
  };
}
