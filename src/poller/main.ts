/** Joins a poller to its channel: what the worker runs, and what runs inline where there is none. */

import { encodeError } from "../threads/error_wire.ts";
import type { Channel } from "../threads/channel.ts";
import type { FromPoller, ToPoller } from "../threads/messages.ts";
import { Poller } from "./poller.ts";

/** Listens on the channel, says so, and runs a poller when it is told to start. */
export function servePoller(channel: Channel<ToPoller, FromPoller>): void {
  let poller: Poller | null = null;
  channel.onMessage = (message) => {
    if (message.type !== "start" || poller !== null) return poller?.receive(message);
    poller = new Poller(channel, message.options, { now: Date.now, random: Math.random });
    // run() reports every failure in its last message; what gets here is a defect of the poller.
    poller.run().catch((error) => {
      channel.post({
        type: "log",
        level: "error",
        message: "The poller has failed",
        fields: { error: encodeError(error) },
      });
      throw error;
    });
  };
  channel.post({ type: "ready" });
}
