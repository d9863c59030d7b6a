/** Spans and metrics of messages that are given to a callback. */

import type { Logger } from "../logger.ts";
import type { Message } from "../message.ts";
import { type ProcessSource, ProcessTelemetry } from "./process_telemetry.ts";

type Callback = (message: Message) => unknown;

/**
 * Makes what says which function to call from now on: the callback itself, or, where an SDK is registered
 * in this thread, what observes it. It is to be asked now and then, not for each message.
 *
 * @param callback The callback.
 * @param source Whose messages they are.
 * @param logger The consumer's logger.
 */
export function observedCallback(
  callback: Callback,
  source: ProcessSource,
  logger: Logger,
): () => Callback {
  const telemetry = new ProcessTelemetry(source, logger);
  const facts = { attempt: 1 };
  const observed: Callback = (message) => telemetry.call(message, facts, () => callback(message));
  return () => telemetry.look() ? observed : callback;
}
