/** A channel over a `MessagePort`, which may lead to any other thread. */

import type { Channel } from "./channel.ts";

/** A channel that can be closed. */
export interface PortChannel<In, Out> extends Channel<In, Out> {
  /** Ends it on both sides; it no longer keeps the thread alive. What is posted later is dropped. */
  close(): void;
}

/** Opens a port: what has been posted to it arrives from the next turn of the event loop on. */
export function portChannel<In, Out>(port: MessagePort): PortChannel<In, Out> {
  let closed = false;
  const channel: PortChannel<In, Out> = {
    onMessage: null,
    post: (message, transfer = []) => {
      if (!closed) port.postMessage(message, transfer);
    },
    close: () => {
      closed = true;
      channel.onMessage = null;
      port.close();
    },
  };
  // Setting it starts the port, on all runtimes.
  port.onmessage = ({ data }) => channel.onMessage?.(data as In);
  return channel;
}
