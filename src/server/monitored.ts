/** What the server looks after. */

import type { Consumer } from "../consumer.ts";
import { type OptionIssue, OptionsError } from "../errors.ts";
import { printValue } from "../options/print_value.ts";
import type { ThreadManager } from "../thread_manager.ts";

/** A consumer of either kind, whose health, figures and metrics are served. */
export type Monitored = Consumer | ThreadManager;

/** What is called of it; by these it is known, also where it is of another copy of this library. */
const METHODS = ["health", "stats", "start", "stop"] as const;

/**
 * Makes a list of what a user gave.
 *
 * @param given One consumer, or a list of them.
 * @returns The consumers.
 * @throws {OptionsError} If there is none, if anything is something else, or if two have the same name.
 */
export function consumerList(given: unknown): readonly Monitored[] {
  const list: unknown[] = Array.isArray(given) ? given : [given];
  if (list.length === 0) {
    throw new OptionsError([
      { option: "consumers", value: "[]", expected: "a consumer, or a list of at least one" },
    ]);
  }
  const issues: OptionIssue[] = [];
  const places = new Map<string, string>();
  list.forEach((one, index) => {
    const option = Array.isArray(given) ? `consumers[${index}]` : "consumers";
    const name = nameOf(one);
    if (name === null) {
      const expected = "a consumer, or a ThreadManager";
      return issues.push({ option, value: printValue(one), expected });
    }
    const other = places.get(name);
    if (other === undefined) return places.set(name, option);
    // Answers, labels and addresses tell consumers apart by their names.
    issues.push({
      option: `${option}.name`,
      value: printValue(name),
      expected: `a name that no other consumer has; ${other} has it`,
    });
  });
  if (issues.length > 0) throw new OptionsError(issues);
  return list as Monitored[];
}

function nameOf(value: unknown): string | null {
  try {
    const one = value as Record<string, unknown>;
    const isOne = METHODS.every((method) => typeof one[method] === "function");
    return isOne && typeof one["name"] === "string" ? one["name"] : null;
  } catch {
    return null; // null, undefined, or a getter that throws.
  }
}
