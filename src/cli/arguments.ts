import { InvalidArgumentError } from "commander";

/**
 * Makes a reader of whole numbers.
 *
 * @param least The least that is allowed.
 * @param most The greatest that is allowed.
 * @returns Reads one, or throws an error that names both.
 */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < least || number > most) {
      throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`);
    }
    return number;
  };
}

/**
 * Reads `name:partitions`, and adds it to those that were read before.
 *
 * @param text The argument; without a number it is one partition.
 * @param before What the option was given before.
 * @returns How many partitions each topic has.
 */
export function topicSize(
  text: string,
  before: Record<string, number> = {},
): Record<string, number> {
  const [name, count = "1", ...rest] = text.split(":");
  const partitions = Number(count);
  if (!name || rest.length > 0 || !/^\d+$/.test(count) || partitions < 1 || partitions > 100_000) {
    throw new InvalidArgumentError(
      "It is a topic's name, or name:partitions with 1 to 100000 partitions.",
    );
  }
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`"${name}" is there twice.`);
  return { ...before, [name]: partitions };
}
