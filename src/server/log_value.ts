/** Values of log fields, made such that JSON can hold them. */

/** How deep a value may be nested; what is below is left out. */
const MAX_DEPTH = 8;
/** How many items of a list, or properties of an object, are logged. */
const MAX_ITEMS = 100;
/** How many values one value may consist of: objects that hold the same ones grow without end otherwise. */
const MAX_VALUES = 2_000;
/** What an error is logged with, beside its name, message and cause: no more, as secrets may hang on it. */
const ERROR_FIELDS = ["code", "topic", "partition", "offset", "stack"] as const;

/**
 * Makes of any value one that JSON can hold. It never throws, whatever getters, proxies and methods of
 * the value do, and ends, however large the value is and whether it contains itself.
 *
 * @param value Anything.
 * @returns Text, a finite number, true, false, null, or lists and objects without a prototype of these;
 * undefined only for undefined.
 */
export function toLogValue(value: unknown): unknown {
  return convert(value, { above: [], budget: { left: MAX_VALUES } });
}

/** Where a value is. */
interface Place {
  /** What it is part of, from the outside in. */
  readonly above: readonly object[];
  /** How many more values may be logged. */
  readonly budget: { left: number };
}

/**
 * Tells whether a value is an error, also one of another realm. It never throws.
 *
 * @param value Anything.
 * @returns Whether it is one.
 */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
  } catch {
    return false;
  }
}

function convert(value: unknown, place: Place): unknown {
  const { above, budget } = place;
  if (--budget.left < 0) return "[too much]";
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
    case "symbol":
      return String(value);
    case "function":
      return "[function]";
    case "object":
      if (value === null) return null;
      if (above.includes(value)) return "[circular]";
      if (above.length >= MAX_DEPTH) return "[too deep]";
      try {
        return convertObject(value, { above: [...above, value], budget });
      } catch {
        return "[cannot be read]"; // A revoked proxy, a toJSON() that throws.
      }
    default:
      return value;
  }
}

function convertObject(value: object, place: Place): unknown {
  if (isError(value)) return convertError(value, place);
  // Bytes are mostly messages: long, and nobody's business.
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return `[${value.byteLength} bytes]`;
  }
  if (value instanceof Date) return Number.isNaN(+value) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (value instanceof Set) return convertList([...value], place);
  if (value instanceof Map) {
    return convertEntries([...value].map(([key, item]) => [keyText(key), () => item]), place);
  }
  if (Array.isArray(value)) return convertList(value, place);
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return convert(toJSON.call(value), place);
  const read = value as Record<string, unknown>;
  return convertEntries(Object.keys(value).map((key) => [key, () => read[key]]), place);
}

function convertError(error: Error, place: Place): unknown {
  const read = error as unknown as Record<string, unknown>;
  const entries = ["name", "message", ...ERROR_FIELDS, "cause", "errors"]
    .map((key): [string, () => unknown] => [key, () => read[key]]);
  return convertEntries(entries, place);
}

function convertList(list: readonly unknown[], place: Place): unknown[] {
  // Not map(): it would leave the holes of a sparse list.
  const items = Array.from(list.slice(0, MAX_ITEMS), (item) => convert(item, place) ?? null);
  if (list.length > MAX_ITEMS) items.push(`[${list.length - MAX_ITEMS} more]`);
  return items;
}

function convertEntries(
  entries: readonly (readonly [string, () => unknown])[],
  place: Place,
): Record<string, unknown> {
  // Without a prototype a property may be called "__proto__".
  const converted: Record<string, unknown> = Object.create(null);
  for (const [key, read] of entries.slice(0, MAX_ITEMS)) {
    const value = attempt(() => convert(read(), place));
    if (value !== undefined) converted[key] = value;
  }
  if (entries.length > MAX_ITEMS) converted["…"] = `[${entries.length - MAX_ITEMS} more]`;
  return converted;
}

function attempt(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return "[cannot be read]";
  }
}

function keyText(key: unknown): string {
  return typeof key === "string" ? key : String(attempt(() => String(key)));
}
