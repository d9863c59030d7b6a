/** A channel over a MessagePort, on whatever runtime. */

import type { Channel } from "./channel.ts";

/** A channel that can be ended. */
export interface PortChannel<In, Out> extends Channel<In, Out> {
  /** Ends both ends; what was posted before still arrives. A closed port keeps nothing alive. */
  close(): void;
}

/**
 * Makes a channel of a port, which it owns from then on. The port begins to deliver when `onMessage` is
 * set for the first time.
 *
 * @param port One end of a MessageChannel; the other end is usually on another thread.
 * @returns The channel.
 */
export function portChannel<In, Out>(port: MessagePort): PortChannel<In, Out> {
  let listener: ((message: In) => void) | null = null;
  let closed = false;
  return {
    post(message, transfer = []) {
      if (!closed) port.postMessage(message, transfer);
    },
    get onMessage() {
      return listener;
    },
    set onMessage(next) {
      listener = next;
      // Setting it starts the port, on all of them.
      port.onmessage ??= ({ data }) => {
        if (!closed) listener?.(data as In);
      };
    },
    close() {
      closed = true;
      port.close();
    },
  };
}
