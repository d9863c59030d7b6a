/** Reads out of a message's headers which trace it belongs to. */

import { type Context, propagation, ROOT_CONTEXT, type TextMapGetter } from "@opentelemetry/api";
import type { Message } from "../message.ts";

const decoder = new TextDecoder();

const getter: TextMapGetter<Message> = {
  // Of headers that repeat, the last one counts, as for Kafka's own clients.
  get: (message, name) => {
    const value = message.header(name);
    return value == null ? undefined : decoder.decode(value);
  },
  keys: (message) => message.headers.map(({ key }) => key),
};

/**
 * Reads the context that a message was produced in.
 *
 * @param message The message.
 * @returns The context; the root where there is none in the headers. What happens to be active here has
 * nothing to do with the message.
 */
export function remoteContext(message: Message): Context {
  return propagation.extract(ROOT_CONTEXT, message, getter);
}
