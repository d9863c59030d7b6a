/**
 * Printing of values in error messages, without secrets and without end.
 *
 * @module
 */

/** What is printed instead of a secret. */
export const HIDDEN = "[hidden]";

const MAX_TEXT = 80;
const MAX_ITEMS = 5;
const MAX_DEPTH = 3;
const SECRET = /pass|pwd|secret|token|credential|key|sasl|jaas/i;
const SECRET_WORDS: readonly string[] = ["password", "passphrase", "secret", "token"];
// Words that only look like a misspelt secret: onError.then is two letters from "token".
const HARMLESS_WORDS: ReadonlySet<string> = new Set(["then"]);

/**
 * Tells whether an option of this name is never to be printed; also where the name is misspelt.
 *
 * @param name Name of the option, without its path.
 * @returns Whether its value is to be hidden.
 */
export function isSecretName(name: string): boolean {
  if (HARMLESS_WORDS.has(name)) return false;
  return SECRET.test(name) ||
    SECRET_WORDS.some((word) => editDistance(name.toLowerCase(), word) <= 2);
}

/**
 * Prints a value for a message: quoted, shortened, with everything hidden that may be a secret. It
 * never throws, whatever the value is.
 *
 * @param value Anything.
 * @returns One line.
 */
export function printValue(value: unknown): string {
  try {
    return print(value, 0);
  } catch {
    return "something that cannot be read"; // Such as a revoked proxy.
  }
}

/**
 * Counts how many letters must be added, dropped or changed to make one word of another. Neighbours
 * that changed places count as one change.
 *
 * @param from A word.
 * @param to Another word.
 * @returns The count; at least the difference of the lengths.
 */
export function editDistance(from: string, to: string): number {
  const far = Math.abs(from.length - to.length);
  if (far > 8) return far; // Not worth the table, and a name may be a megabyte long.
  let older: number[] = [];
  let above = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let best = Math.min(
        at(above, column) + 1,
        at(current, column - 1) + 1,
        at(above, column - 1) + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] &&
        from[row - 2] === to[column - 1];
      if (swapped) best = Math.min(best, at(older, column - 2) + 1);
      current.push(best);
    }
    older = above;
    above = current;
  }
  return at(above, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}

function print(value: unknown, depth: number): string {
  switch (typeof value) {
    case "string":
      return printText(value);
    case "bigint":
      return `${shorten(String(value))}n`;
    case "symbol":
      return shorten(String(value));
    case "function":
      return "a function";
    case "object":
      return value === null ? "null" : printObject(value, depth);
    default:
      return Object.is(value, -0) ? "-0" : String(value);
  }
}

function printText(text: string): string {
  // PEM text is a key as often as not, and user:password@host is how many write a server.
  if (text.includes("PRIVATE KEY")) return HIDDEN;
  const start = text.slice(0, 4 * MAX_TEXT);
  return JSON.stringify(shorten(start.replace(/:[^:@/\s]+@/g, `:${HIDDEN}@`)));
}

function shorten(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

function printObject(object: object, depth: number): string {
  if (object instanceof URL) return `URL ${printText(object.href)}`;
  if (object instanceof Error) return `an ${object.name}`;
  if (object instanceof Date) return `Date ${object.getTime()}`;
  if (ArrayBuffer.isView(object)) return `${object.byteLength} bytes`;
  if (depth >= MAX_DEPTH) return Array.isArray(object) ? "[…]" : "{…}";
  if (Array.isArray(object)) {
    const items = object.slice(0, MAX_ITEMS).map((item) => print(item, depth + 1));
    if (object.length > MAX_ITEMS) items.push("…");
    return `[${items.join(", ")}]`;
  }
  const keys = Object.keys(object);
  const fields = keys.slice(0, MAX_ITEMS).map((key) => {
    const value = (object as Record<string, unknown>)[key];
    const hidden = isSecretName(key);
    return `${shorten(key)}: ${hidden ? HIDDEN : print(value, depth + 1)}`;
  });
  if (keys.length > MAX_ITEMS) fields.push("…");
  return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`;
}
