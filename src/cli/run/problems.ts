/** What is wrong with the settings, in the words of whoever gave them. */

import type { OptionIssue } from "../../errors.ts";
import { editDistance, HIDDEN, printValue } from "../../options/print_value.ts";
import type { Chosen, Given } from "./choose.ts";
import { calledIn, comesFrom, type Setting, SETTINGS, SOURCES } from "./settings.ts";

/** Thrown before anything starts, with everything that is wrong. */
export class SettingsError extends Error {
  /** What is wrong, a sentence each. */
  readonly problems: readonly string[];

  /**
   * Makes an error whose message lists all problems, one per line.
   *
   * @param problems What is wrong.
   */
  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? "a setting is" : `${problems.length} settings are`;
    super([`Cannot run: ${count} wrong`, ...problems.map((problem) => `  ${problem}`)].join("\n"));
    this.problems = problems;
  }
}

/**
 * Says that what was given is wrong.
 *
 * @param given What was given, and where.
 * @param expected What is allowed.
 * @returns The problem.
 */
export function wrong({ setting, given, origin }: Given, expected: string): string {
  const value = setting.secret ? HIDDEN : printValue(given);
  return `${setting.name} is ${value} (${origin}), expected ${expected}`;
}

/**
 * Says that a setting is not known.
 *
 * @param name What somebody took for one.
 * @param called How the nearest one is called there.
 * @returns The rest of a sentence that begins with the name.
 */
export function unknown(name: string, called: (setting: Setting) => string): string {
  const near = nearest(name);
  return `is no setting${near === undefined ? "" : `; did you mean ${called(near)}?`}`;
}

/**
 * Says in terms of settings what is wrong with an option.
 *
 * @param issue What is wrong.
 * @param prefix What the table has before the names of these options.
 * @param chosen What was given.
 * @returns The setting's name, and the problem; or what was said of the option, if no setting sets it.
 */
export function translate(
  issue: OptionIssue,
  prefix: string,
  chosen: Chosen,
): { option: string; problem: string } {
  const path = issue.option.replace(/\[.*$/, "");
  const option = longestKnown(prefix + path);
  const settings = SETTINGS.filter((setting) => setting.option === option);
  const given = settings.map(({ name }) => chosen.get(name)).find((given) => given !== undefined);
  const [setting] = settings;
  if (setting === undefined) {
    return { option, problem: `${issue.option} is ${issue.value}, expected ${issue.expected}` };
  }
  const expected = inTermsOfSettings(setting, issue.expected);
  if (given !== undefined) {
    // What is wrong with one item of a list is shown by itself.
    const whole = issue.option === path || given.setting.secret;
    const value = given.setting.secret ? HIDDEN : issue.value;
    const problem = whole
      ? wrong(given, expected)
      : `${setting.name} has ${value} (${given.origin}), expected ${expected}`;
    return { option, problem };
  }
  if (issue.value === "undefined" || issue.value === '""') {
    const where = `${waysTo(settings)} or the config file`;
    return { option, problem: `${setting.name} is missing, expected ${expected}: ${where}` };
  }
  const value = setting.fallback ?? issue.value;
  return { option, problem: `${setting.name} is ${value} by default, expected ${expected}` };
}

/** The option itself, or the nearest one around it that a setting sets. */
function longestKnown(path: string): string {
  const parts = path.split(".");
  for (let length = parts.length; length > 0; length--) {
    const option = parts.slice(0, length).join(".");
    if (SETTINGS.some((setting) => setting.option === option)) return option;
  }
  return path;
}

const PHRASES: readonly (readonly [string, string])[] = [
  ["an object { intervalMs }", "a time"],
  ["createOrderedConsumer", "ordered"],
  [", unlike those of createParallelConsumer", ""],
  ["null", "unlimited"],
];

/** The library speaks of options: `maxInFlight.messages`, and `maxMs` where it is about its neighbour. */
function inTermsOfSettings(setting: Setting, expected: string): string {
  if (setting.name === "handler") return "the path of a module, or its URL";
  let text = expected;
  for (const [from, to] of PHRASES) text = text.replaceAll(from, to);
  const parent = setting.option.replace(/[^.]*$/, "");
  text = text.replace(
    /\b[a-z]+(?:[.A-Z][A-Za-z]*)+/g,
    (word) =>
      SETTINGS.find(({ option }) => option === word || option === parent + word)?.name ?? word,
  );
  const isTime = setting.value?.includes("time") && text.includes("milliseconds");
  return isTime ? `${text}, or with a unit: 30s, 5m` : text;
}

function waysTo(settings: readonly Setting[]): string {
  const ways = settings.flatMap((setting) =>
    SOURCES.filter((source) => source !== "file" && comesFrom(setting, source))
      .map((source) => calledIn(setting, source))
  );
  return ways.join(", ");
}

function nearest(name: string): Setting | undefined {
  const word = simplify(name);
  // Who knows the library tries its names.
  const same = SETTINGS.find(({ option }) =>
    [option, option.replace(/^.*\./, "")].some((known) => simplify(known) === word)
  );
  if (same !== undefined) return same;
  const ranked = SETTINGS
    .map((setting) => ({ setting, distance: editDistance(word, simplify(setting.name)) }))
    .sort((one, other) => one.distance - other.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= Math.ceil(word.length / 4)
    ? best.setting
    : undefined;
}

function simplify(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}
