/**
 * Validation of options with valibot: every wrong option is reported at once, with its path, its
 * value and what is allowed, and no secret is ever printed.
 *
 * In the schemas, the message of a schema or action is what is *expected*: "an integer from 1 to 5".
 *
 * @module
 */
import * as v from "valibot";
import { type OptionIssue, OptionsError } from "../errors.ts";
import { editDistance, HIDDEN, isSecretName, printValue } from "./print_value.ts";

const SECRET_HOLDERS: ReadonlySet<string> = new Set(["sasl", "ssl", "tls", "driverOptions"]);
const HARMLESS: ReadonlySet<string> = new Set(
  ["mechanism", "username", "ca", "cert", "servername", "rejectUnauthorized", "requireClientCert"],
);

/** A schema that takes anything and gives a `Value`. */
export type OptionSchema<Value> = v.GenericSchema<unknown, Value>;

/** The schema of each option of an object. */
export type OptionSchemas<Value> = { readonly [Key in keyof Value]-?: OptionSchema<Value[Key]> };

/** A rule about several options, such as that one is less than another. */
export interface Rule<Value> {
  /** The options it reads; it is left out when one of them is wrong by itself. */
  readonly reads: readonly (keyof Value & string)[];
  /** Tells whether the rule is kept; defaults are filled in by then. */
  readonly holds: (options: Value) => boolean;
  /** Path of the option to blame. */
  readonly blame: readonly string[];
  /** What is allowed, given the other options. */
  readonly expected: (options: Value) => string;
}

/** What can be said about an object of options beside the schemas of its options. */
export interface OptionsObjectSettings<Value> {
  /** What is expected where something other than an object is given. Default: `an object`. */
  readonly expected?: string;
  /** Rules across options. */
  readonly rules?: readonly Rule<Value>[];
  /** What users call an option by mistake, in lower-case letters only, and its right name or path. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** What does not belong here, in lower-case letters only, and what is expected instead of it. */
  readonly strangers?: Readonly<Record<string, string>>;
}

/**
 * Makes the schema of an object of options. Unlike valibot's own objects it reports all unknown
 * options, suggests the right name, and treats a missing option as `undefined`, so that the option's
 * own schema says what is expected.
 *
 * @param schemas The schema of each option.
 * @param settings Rules across options and the like.
 * @returns The schema, whose output has the known options only.
 */
export function optionsObject<Value extends object>(
  schemas: OptionSchemas<Value>,
  settings: OptionsObjectSettings<Value> = {},
): OptionSchema<Value> {
  const { expected = "an object", rules = [], aliases = {}, strangers = {} } = settings;
  const names = Object.keys(schemas);
  const object = v.object(schemas as unknown as v.ObjectEntries);
  return v.lazy((given) => {
    if (!isObject(given)) return v.custom<Value>(() => false, expected);
    // Read once: the value that was checked is the value that is used, getters included.
    const known = Object.fromEntries(names.map((name) => [name, given[name]]));
    return v.pipe(
      v.unknown(),
      v.transform(() => known),
      object,
      v.rawCheck(({ dataset, addIssue }) => {
        for (const name of Object.keys(given).filter((name) => !Object.hasOwn(schemas, name))) {
          const message = valueOf(strangers, simplify(name)) ??
            describeUnknown(name, names, aliases);
          addIssue({ message, input: given[name], path: pathTo([name], given) });
        }
        const wrong = new Set(dataset.issues?.map((issue) => issue.path?.[0]?.key));
        const options = dataset.value as Value;
        for (const { reads, holds, blame, expected } of rules) {
          if (reads.some((name) => wrong.has(name)) || holds(options)) continue;
          const input = blame.reduce<unknown>((value, key) => Object(value)[key], options);
          addIssue({ message: expected(options), input, path: pathTo(blame, options) });
        }
      }),
    ) as unknown as OptionSchema<Value>;
  });
}

/**
 * Makes the schema of a whole number.
 *
 * @param min Least value that is allowed.
 * @param max Greatest value that is allowed.
 * @param unit Unit for the message, such as `milliseconds`.
 * @param also What else is allowed, for the message of a schema around this one: `, or null`.
 * @returns The schema.
 */
export function integer(min: number, max: number, unit: string, also = ""): OptionSchema<number> {
  const expected = `an integer from ${min} to ${max} (${unit})${also}`;
  return v.pipe(
    v.number(expected),
    v.safeInteger(expected),
    v.minValue(min, expected),
    v.maxValue(max, expected),
  ) as unknown as OptionSchema<number>;
}

/**
 * Makes the schema of an option that has one of a few values.
 *
 * @param values The values that are allowed.
 * @returns The schema.
 */
export function oneOf<const Value extends string>(values: readonly Value[]): OptionSchema<Value> {
  const expected = values.map((value) => JSON.stringify(value)).join(" or ");
  return v.picklist(values, expected) as unknown as OptionSchema<Value>;
}

/**
 * Makes the schema of an option that a function checks.
 *
 * @param check Tells whether the value is allowed.
 * @param expected What is allowed.
 * @returns The schema.
 */
export function checked<Value>(
  check: (value: unknown) => boolean,
  expected: string,
): OptionSchema<Value> {
  return v.custom<Value>(check, expected) as unknown as OptionSchema<Value>;
}

/**
 * Makes the schema of a text that is not blank.
 *
 * @param max Most characters that are allowed.
 * @returns The schema.
 */
export function nonBlankText(max: number): OptionSchema<string> {
  return checked(
    (value) => typeof value === "string" && value.trim() !== "" && value.length <= max,
    `text of 1 to ${max} characters that is not blank`,
  );
}

/**
 * Makes an option optional: `undefined` and leaving it out are the same.
 *
 * @param schema The option's schema.
 * @param fallback Makes the default; it goes through the schema, so that nested defaults are filled in.
 * @returns The schema.
 */
export function withDefault<Value>(
  schema: OptionSchema<Value>,
  fallback: () => unknown,
): OptionSchema<Value> {
  return v.optional(schema, fallback) as unknown as OptionSchema<Value>;
}

/**
 * Makes an option optional that has no default.
 *
 * @param schema The option's schema.
 * @returns The schema, whose output is `undefined` where the option is left out.
 */
export function maybe<Value>(schema: OptionSchema<Value>): OptionSchema<Value | undefined> {
  return v.optional(schema) as unknown as OptionSchema<Value | undefined>;
}

/**
 * Checks options against a schema.
 *
 * @param schema The schema.
 * @param options What the user gave.
 * @returns The options with every default filled in.
 * @throws {OptionsError} If any is wrong, with all that are; nothing else is ever thrown.
 */
export function parseOptions<Value>(schema: OptionSchema<Value>, options: unknown): Value {
  let result: v.SafeParseResult<OptionSchema<Value>>;
  try {
    result = v.safeParse(schema, options);
  } catch {
    // A getter of the user's object threw. No cause: its message may hold anything.
    const value = printValue(options);
    throw new OptionsError([{ option: "", value, expected: "an object that can be read" }]);
  }
  if (result.success) return result.output;
  throw new OptionsError(toOptionIssues(result.issues));
}

/**
 * Tells whether a value is an object that may hold options: no list, no bytes, no function.
 *
 * @param value Anything.
 * @returns Whether it is one.
 */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !ArrayBuffer.isView(value);
}

/**
 * Makes the path of an issue in valibot's form.
 *
 * @param keys The keys, from the outside in.
 * @param input The object or list that the first key belongs to.
 * @returns The path.
 */
export function pathTo(
  keys: readonly (string | number)[],
  input: unknown,
): [v.IssuePathItem, ...v.IssuePathItem[]] {
  const items = keys.map((key): v.IssuePathItem => (
    { type: "unknown", origin: "value", input, key, value: undefined }
  ));
  return items as [v.IssuePathItem, ...v.IssuePathItem[]];
}

function toOptionIssues(issues: readonly v.BaseIssue<unknown>[]): OptionIssue[] {
  const byOption = new Map<string, OptionIssue>();
  for (const issue of issues) {
    const keys = issue.path?.map((item) => item.key) ?? [];
    const option = printPath(keys);
    // The first is enough: 1.5 is no integer, no matter what else it is not.
    if (byOption.has(option)) continue;
    const value = isSecretPath(keys, issue.input) ? HIDDEN : printValue(issue.input);
    byOption.set(option, { option, value, expected: issue.message });
  }
  return [...byOption.values()];
}

function printPath(keys: readonly unknown[]): string {
  return keys.map((key, index) => {
    if (typeof key === "number") return `[${key}]`;
    const name = String(key);
    if (!/^[\w$]{1,64}$/.test(name)) return `[${printValue(name)}]`;
    return index === 0 ? name : `.${name}`;
  }).join("");
}

function isSecretPath(keys: readonly unknown[], value: unknown): boolean {
  if (value === undefined) return false; // It is missing, which is no secret.
  const names = keys.filter((key) => typeof key === "string");
  const last = names.at(-1);
  if (last === undefined) return false;
  // What is given where an object belongs may be the secret itself: `sasl: "the password"`.
  if (SECRET_HOLDERS.has(last)) return typeof value === "string" || Array.isArray(value);
  // Inside, an unknown name may be a secret's, misspelt beyond recognition.
  if (names.some((name) => SECRET_HOLDERS.has(name))) return !HARMLESS.has(last);
  return isSecretName(last);
}

function describeUnknown(
  name: string,
  names: readonly string[],
  aliases: Readonly<Record<string, string>>,
): string {
  const word = simplify(name);
  const near = valueOf(aliases, word) ?? nearest(word, names);
  return near === undefined
    ? `a known option: ${names.join(", ")}`
    : `a known option; did you mean "${near}"?`;
}

// Without what objects inherit: an option may be called "constructor".
function valueOf(table: Readonly<Record<string, string>>, word: string): string | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}

function nearest(word: string, names: readonly string[]): string | undefined {
  if (word.length < 3) return undefined;
  // The start of a name is as good as a misspelling: "group" for "groupId".
  const start = names.find((name) => simplify(name).startsWith(word));
  if (start !== undefined) return start;
  const ranked = names
    .map((name) => ({ name, distance: editDistance(word, simplify(name)) }))
    .sort((one, other) => one.distance - other.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.ceil(word.length / 4) ? best.name : undefined;
}

function simplify(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}
