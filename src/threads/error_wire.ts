/**
 * Errors as plain data, for `postMessage`: a cloned Error loses its name and code, and on Bun its
 * cause.
 *
 * @module
 */
import {
  AuthenticationError,
  BatchError,
  CommitError,
  ConnectionError,
  DeadLetterError,
  DriverError,
  HandlerError,
  HandlerTimeoutError,
  KafkaThreadsError,
  LostPartitionError,
  MessageError,
  OptionsError,
  RetryBudgetError,
  StartTimeoutError,
  StateError,
  StopTimeoutError,
  ThreadError,
  TopicNotFoundError,
} from "../errors.ts";

/**
 * An error as data that structured cloning keeps whole. Errors that point at each other in a circle
 * do so here too, so this is for `postMessage`, not for JSON.
 */
export interface WireError {
  /** Tells it from other {@link WireValue}s. */
  readonly kind: "error";
  /** Whether `type` names a class of this library or one of the language. */
  readonly family: "kafka-threads" | "builtin";
  /** Class to rebuild; `Error` where the other side cannot know the class. */
  readonly type: string;
  /** The error's own name, which may be another than `type`. */
  readonly name: string;
  /** The error's message. */
  readonly message: string;
  /** The stack of where it was made; empty where there was none. */
  readonly stack: string;
  /** Everything else it carried: code, position, cause and the like. */
  readonly fields: readonly WireField[];
}

/** A property of an error. */
export interface WireField {
  /** Name of the property. */
  readonly key: string;
  /** Its value. */
  readonly value: WireValue;
  /** Whether it shows when the error is listed; `cause` does not. */
  readonly enumerable: boolean;
}

/** A value inside an error. Each is tagged, so that errors are found again at any depth. */
export type WireValue =
  | WireError
  | { readonly kind: "plain"; readonly value: unknown }
  | { readonly kind: "list"; readonly items: readonly WireValue[] }
  | { readonly kind: "object"; readonly entries: readonly (readonly [string, WireValue])[] };

// Deeper than any chain of causes that somebody reads, and shallow enough for any stack.
const MAX_DEPTH = 16;
// Errors of HTTP clients hold whole sockets; nobody needs more than this of them.
const MAX_VALUES = 2_000;
const MAX_BYTES = 65_536;

// Subclasses before the class that they extend, because the first that fits is taken.
const OUR_CLASSES: readonly (
  | typeof KafkaThreadsError
  | typeof OptionsError
  | typeof BatchError
)[] = [
  OptionsError,
  HandlerError,
  ConnectionError,
  AuthenticationError,
  TopicNotFoundError,
  ThreadError,
  DriverError,
  CommitError,
  LostPartitionError,
  StartTimeoutError,
  StopTimeoutError,
  RetryBudgetError,
  StateError,
  MessageError,
  HandlerTimeoutError,
  DeadLetterError,
  BatchError,
  KafkaThreadsError,
];
const BUILT_IN_CLASSES: readonly ErrorConstructor[] = [
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  URIError,
  EvalError,
];

// Kept although they do not show when the error's properties are listed.
const HIDDEN_KEYS: readonly string[] = ["cause", "errors", "error", "suppressed"];
// Kept although a class may define them on its prototype.
const POSITION_KEYS: readonly string[] = ["code", "retriable", "topic", "partition", "offset"];
const OWN_PLACE: ReadonlySet<string> = new Set(["name", "message", "stack"]);

interface Encoder {
  /** What was met already, so that circles stay circles and end. */
  readonly met: Map<object, WireValue>;
  /** How many values may still be added. */
  left: number;
}

/**
 * Turns whatever was thrown into plain data. It never throws, whatever it is given: what cannot be
 * read or cloned is left out, and functions and symbols always are.
 *
 * @param thrown Usually an error; anything else is wrapped in one, as its cause.
 * @returns Data for `postMessage`, and then {@link decodeError}.
 */
export function encodeError(thrown: unknown): WireError {
  const encoder: Encoder = { met: new Map(), left: MAX_VALUES };
  try {
    if (isError(thrown)) return encodeKnown(thrown, encoder, 0);
    const cause = encodeValue(thrown, encoder, 1) ?? { kind: "plain", value: describe(thrown) };
    return plainError(`Something other than an error was thrown: ${describe(thrown)}`, [
      { key: "cause", value: cause, enumerable: false },
    ]);
  } catch {
    // Only a stack that is nearly full leads here.
    return plainError("An error was thrown that cannot be read", []);
  }
}

/**
 * Makes an error again out of what {@link encodeError} made. Errors of this library and of the
 * language get their class back; others become an `Error` with their `name`.
 *
 * @param wire What came over.
 * @returns An error with the same name, message, stack, cause and other properties.
 */
export function decodeError(wire: WireError): Error {
  return decodeKnown(wire, new Map());
}

function plainError(message: string, fields: WireField[]): WireError {
  const name = "Error";
  return { kind: "error", family: "builtin", type: name, name, message, stack: "", fields };
}

function isError(value: unknown): value is Error {
  if (typeof value !== "object" || value === null) return false;
  try {
    // The second half knows errors of other realms.
    return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
  } catch {
    return false;
  }
}

function encodeKnown(error: Error, encoder: Encoder, depth: number): WireError {
  const ours = OUR_CLASSES.find((known) => known.is(error));
  const text = (key: string, fallback: string): string => {
    const value = read(error, key);
    return typeof value === "string" ? value : fallback;
  };
  const name = text("name", "Error");
  const type = ours?.prototype.name ?? builtInType(error, name);
  const fields: WireField[] = [];
  const wire: WireError = {
    kind: "error",
    family: ours === undefined ? "builtin" : "kafka-threads",
    type,
    name,
    message: text("message", ""),
    stack: text("stack", ""),
    fields,
  };
  encoder.met.set(error, wire);
  for (const [key, enumerable] of keysToKeep(error, type)) {
    const property = read(error, key);
    let value = encodeValue(property, encoder, depth + 1);
    // A cause that cannot be cloned is still worth a word; other properties are not.
    if (value === undefined && key === "cause") {
      value = { kind: "plain", value: describe(property) };
    }
    if (value !== undefined) fields.push({ key, value, enumerable });
  }
  return wire;
}

function keysToKeep(error: Error, type: string): Map<string, boolean> {
  const keys = new Map<string, boolean>();
  // A DOMException's legacy code is a number on its prototype, which its class brings along.
  const inherited = type === "DOMException" ? [] : POSITION_KEYS;
  for (const key of inherited) if (read(error, key) !== undefined) keys.set(key, true);
  for (const key of HIDDEN_KEYS) if (hasOwn(error, key)) keys.set(key, false);
  // A class may also define its cause by a getter.
  if (read(error, "cause") !== undefined) keys.set("cause", false);
  for (const key of ownKeys(error)) if (!OWN_PLACE.has(key)) keys.set(key, true);
  return keys;
}

function builtInType(error: Error, name: string): string {
  const known = builtInClasses();
  const own = known.find((candidate) => error instanceof candidate);
  // By name where the error is of another realm.
  return own?.name ?? known.find((candidate) => candidate.name === name)?.name ?? "Error";
}

function builtInClasses(): readonly (abstract new (...args: never[]) => Error)[] {
  const { AggregateError, SuppressedError, DOMException } = globalThis as unknown as Record<
    string,
    (abstract new (...args: never[]) => Error) | undefined
  >;
  const newer = [AggregateError, SuppressedError, DOMException];
  return [...BUILT_IN_CLASSES, ...newer.filter((candidate) => candidate !== undefined)];
}

function encodeValue(value: unknown, encoder: Encoder, depth: number): WireValue | undefined {
  if (typeof value === "function" || typeof value === "symbol") return undefined;
  if (encoder.left <= 0) return undefined;
  encoder.left -= 1;
  if (typeof value !== "object" || value === null) return { kind: "plain", value };
  const before = encoder.met.get(value);
  if (before !== undefined) return before;
  if (depth > MAX_DEPTH) return undefined;
  try {
    if (isError(value)) return encodeKnown(value, encoder, depth);
    if (Array.isArray(value)) return encodeList(value, encoder, depth);
    if (value instanceof Date) return { kind: "plain", value: new Date(value.getTime()) };
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return encodeBytes(value);
    return encodeObject(value, encoder, depth);
  } catch {
    encoder.met.delete(value);
    return undefined; // Such as a revoked proxy.
  }
}

function encodeList(list: readonly unknown[], encoder: Encoder, depth: number): WireValue {
  const items: WireValue[] = [];
  const wire: WireValue = { kind: "list", items };
  encoder.met.set(list, wire);
  // Not beyond what is left: the length of a sparse list costs nothing to claim.
  const end = Math.min(list.length, encoder.left);
  for (let index = 0; index < end; index++) {
    // What is left out leaves its place, so that the others keep theirs.
    const item = encodeValue(read(list, index), encoder, depth + 1);
    items.push(item ?? { kind: "plain", value: undefined });
  }
  return wire;
}

// Copied, because cloning a view clones the whole buffer that it looks at: a fetch response, say.
function encodeBytes(bytes: ArrayBufferView | ArrayBuffer): WireValue | undefined {
  if (bytes.byteLength > MAX_BYTES) return undefined;
  const view = ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
  return { kind: "plain", value: new Uint8Array(view) };
}

function encodeObject(object: object, encoder: Encoder, depth: number): WireValue | undefined {
  const entries: [string, WireValue][] = [];
  const wire: WireValue = { kind: "object", entries };
  encoder.met.set(object, wire);
  for (const key of ownKeys(object)) {
    if (encoder.left <= 0) break;
    const value = encodeValue(read(object, key), encoder, depth + 1);
    if (value !== undefined) entries.push([key, value]);
  }
  // A Map, a promise, a socket's handle: an empty object would say that they were empty.
  if (entries.length === 0 && !isPlain(object)) {
    encoder.met.delete(object);
    return undefined;
  }
  return wire;
}

function decodeKnown(wire: WireError, met: Map<object, unknown>): Error {
  const error = emptyError(wire);
  met.set(wire, error);
  if (error.name !== wire.name) define(error, "name", wire.name, false);
  define(error, "message", wire.message, false);
  // Where the error had no stack, this thread's would only mislead.
  define(error, "stack", wire.stack || `${wire.name}: ${wire.message}`, false);
  for (const { key, value, enumerable } of wire.fields) {
    define(error, key, decodeValue(value, met), enumerable);
  }
  return error;
}

function emptyError({ family, type, name, message }: WireError): Error {
  if (family === "kafka-threads") {
    const known = OUR_CLASSES.find((candidate) => candidate.prototype.name === type);
    // The constructors differ; a true error with the class's prototype needs none of them.
    return Object.setPrototypeOf(new Error(message), (known ?? KafkaThreadsError).prototype);
  }
  if (type === "DOMException" && typeof DOMException === "function") {
    return new DOMException(message, name);
  }
  const known = builtInClasses().find((candidate) => candidate.name === type);
  return Object.setPrototypeOf(new Error(message), (known ?? Error).prototype);
}

function decodeValue(wire: WireValue, met: Map<object, unknown>): unknown {
  if (met.has(wire)) return met.get(wire);
  switch (wire.kind) {
    case "error":
      return decodeKnown(wire, met);
    case "list": {
      const list: unknown[] = [];
      met.set(wire, list);
      for (const item of wire.items) list.push(decodeValue(item, met));
      return list;
    }
    case "object": {
      const object = {};
      met.set(wire, object);
      for (const [key, value] of wire.entries) define(object, key, decodeValue(value, met), true);
      return object;
    }
    case "plain":
      return wire.value;
  }
}

// Not by assignment, which a key such as `__proto__` would turn into something else.
function define(object: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(object, key, { value, enumerable, configurable: true, writable: true });
}

function read(object: object, key: PropertyKey): unknown {
  try {
    return (object as Record<PropertyKey, unknown>)[key];
  } catch {
    return undefined;
  }
}

function isPlain(object: object): boolean {
  const prototype = Object.getPrototypeOf(object);
  return prototype === null || prototype === Object.prototype;
}

function ownKeys(object: object): string[] {
  try {
    return Object.keys(object);
  } catch {
    return [];
  }
}

function hasOwn(object: object, key: string): boolean {
  try {
    return Object.hasOwn(object, key);
  } catch {
    return false;
  }
}

function describe(value: unknown): string {
  try {
    const text = typeof value === "string" ? JSON.stringify(value) : String(value);
    return text.length > 200 ? `${text.slice(0, 200)}…` : text;
  } catch {
    return `a value of type ${typeof value}`; // String() runs the value's own toString.
  }
}
