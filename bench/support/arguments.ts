/**
 * Reads a list of words, `a,b`.
 *
 * @typeParam T The words.
 * @param text What was given.
 * @param allowed The words that are known.
 * @returns The words.
 * @throws {Error} If one is unknown.
 */
export function list<T extends string>(text: string, allowed: readonly T[]): T[] {
  return text.split(",").map((word) => {
    if (!(allowed as readonly string[]).includes(word)) {
      throw new Error(`Unknown word "${word}": expected some of ${allowed.join(", ")}`);
    }
    return word as T;
  });
}

/**
 * Reads a count.
 *
 * @param name Name of the option, without the dashes.
 * @param text What was given.
 * @returns The count.
 * @throws {Error} If it is no positive integer.
 */
export function positive(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new Error(`Invalid --${name} "${text}": expected an integer from 1 on`);
  }
  return number;
}
