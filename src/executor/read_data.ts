/** Makes data of a message: decodes its value and holds it against the schema. */

import { MessageError } from "../errors.ts";
import type { StandardSchema, StandardSchemaResult } from "../handler.ts";
import type { Message } from "../message.ts";
import { errorText } from "../threads/error_text.ts";
import { placeOf } from "./failure.ts";
import type { Handlers } from "./handlers.ts";
import { isThenable } from "../threads/thenable.ts";

/**
 * Makes a reader of data. What it throws, or rejects with, is a {@linkcode MessageError}.
 *
 * @param handlers Decoder and schema.
 * @returns A function that makes a message's data, or a promise of it where one of both is asynchronous.
 */
export function dataReader(
  { decode, schema }: Pick<Handlers, "decode" | "schema">,
): (message: Message) => unknown {
  const decoded = decode === undefined ? parse : (message: Message): unknown => {
    const bytes = message.value;
    // A null value is a tombstone: there is nothing to decode.
    if (bytes === null) return null;
    try {
      const data = decode(bytes, message);
      return isThenable(data)
        ? Promise.resolve(data).catch((cause) => Promise.reject(undecodable(message, cause)))
        : data;
    } catch (cause) {
      throw undecodable(message, cause);
    }
  };
  if (schema === undefined) return decoded;
  return (message) => {
    const data = decoded(message);
    return isThenable(data)
      ? Promise.resolve(data).then((data) => checked(schema, data, message))
      : checked(schema, data, message);
  };
}

function parse(message: Message): unknown {
  const text = message.text();
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(message, (place) => `Cannot parse the value at ${place} as JSON`, cause);
  }
}

function checked(schema: StandardSchema, data: unknown, message: Message): unknown {
  const refused = (cause: unknown) =>
    invalid(message, (place) => `Cannot check the value at ${place}`, cause);
  try {
    const result = schema["~standard"].validate(data);
    if (!isThenable(result)) return valueOf(result as StandardSchemaResult<unknown>, message);
    return Promise.resolve(result).catch((cause) => Promise.reject(refused(cause)))
      .then((result) => valueOf(result, message));
  } catch (cause) {
    throw MessageError.is(cause) ? cause : refused(cause);
  }
}

function valueOf(result: StandardSchemaResult<unknown>, message: Message): unknown {
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(({ message, path = [] }) => {
    const where = path.map((step) => String(typeof step === "object" ? step.key : step)).join(".");
    return where === "" ? message : `${where}: ${message}`;
  });
  const { topic, partition, offset } = message;
  return raise(
    new MessageError(
      `The value at ${placeOf(message)} is not what the schema wants: ${issues.join("; ")}`,
      { topic, partition, offset },
    ),
  );
}

function raise(error: Error): never {
  throw error;
}

function undecodable(message: Message, cause: unknown): MessageError {
  return invalid(message, (place) => `Cannot decode the value at ${place}`, cause);
}

function invalid(
  message: Message,
  what: (place: string) => string,
  cause: unknown,
): MessageError {
  const { topic, partition, offset } = message;
  return new MessageError(`${what(placeOf(message))}: ${errorText(cause)}`, {
    cause,
    topic,
    partition,
    offset,
  });
}
