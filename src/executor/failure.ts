/** Says what went wrong with a message. */

import {
  BatchError,
  HandlerError,
  HandlerTimeoutError,
  type KafkaThreadsError,
  LostPartitionError,
  StateError,
} from "../errors.ts";
import type { RetryIf } from "../handler.ts";
import type { Logger } from "../logger.ts";
import type { Message } from "../message.ts";
import { errorText } from "../threads/error_text.ts";

/** The error of a call that has thrown. */
export function handlerError(
  cause: unknown,
  message: Message,
  { count, note, retriable }: { count: number; note: string; retriable: boolean },
): HandlerError {
  const more = count > 1 ? ` and ${count - 1} more` : "";
  const { topic, partition, offset } = message;
  return new HandlerError(
    `The handler failed at ${placeOf(message)}${more}: ${errorText(cause)}${note}`,
    { cause, topic, partition, offset, retriable },
  );
}

/** The error of a call that took too long, which is also why its signal aborts. */
export function timeoutError(
  message: Message,
  timeoutMs: number,
  cause?: unknown,
): HandlerTimeoutError {
  // Usually the handler throws the very reason of its signal.
  if (HandlerTimeoutError.is(cause)) return cause;
  const { topic, partition, offset } = message;
  return new HandlerTimeoutError(
    `The handler has taken longer than ${timeoutMs} ms at ${placeOf(message)}`,
    { topic, partition, offset, ...(cause === undefined ? {} : { cause }) },
  );
}

/** Why the signal of a call aborts that is not to go on. */
export function abortError(message: Message, reason: "revoked" | "stopped"): KafkaThreadsError {
  const { topic, partition, offset } = message;
  return reason === "revoked"
    ? new LostPartitionError(
      `The partition goes to another consumer while ${placeOf(message)} is being handled`,
      { topic, partition, offset },
    )
    : new StateError(`The consumer stops while ${placeOf(message)} is being handled`, {
      code: "STOPPED",
      topic,
      partition,
      offset,
    });
}

/** Whether another attempt may help, by the error's own word and then by `retryIf`. */
export function isRetriable(
  error: unknown,
  message: Message,
  retryIf: RetryIf | undefined,
  logger: Logger,
): boolean {
  if (saysNo(error)) return false;
  if (retryIf === undefined) return true;
  try {
    // Of a batch it is the message's own failure that is asked about.
    return Boolean(retryIf(BatchError.is(error) ? error.cause ?? error : error, message));
  } catch (thrown) {
    const { topic, partition, offset } = message;
    logger.error(`retryIf has failed, so that the message counts as worth another attempt`, {
      topic,
      partition,
      offset,
      error: thrown,
    });
    return true;
  }
}

function saysNo(error: unknown): boolean {
  try {
    return Object(error).retriable === false;
  } catch {
    return false; // A getter that throws.
  }
}

/** Where a message is, in words. */
export function placeOf({ topic, partition, offset }: Message): string {
  return `"${topic}" partition ${partition} offset ${offset}`;
}
