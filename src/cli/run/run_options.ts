/** From what was given to a consumer, and to what the command itself does. */

import { OptionsError } from "../../errors.ts";
import type { ResolvedConsumerOptions } from "../../options/consumer_options.ts";
import { yesOrNo } from "../../options/kafka_options.ts";
import {
  parseOrderedConsumerOptions,
  parseParallelConsumerOptions,
} from "../../options/parse_consumer_options.ts";
import { MAX_TIMER_MS, MS } from "../../options/shared_options.ts";
import {
  checked,
  integer,
  maybe,
  nonBlankText,
  oneOf,
  type OptionSchema,
  optionsObject,
  parseOptions,
  withDefault,
} from "../../options/validate.ts";
import type { Chosen, Given } from "./choose.ts";
import { SettingsError, translate, wrong } from "./problems.ts";
import { Refused } from "./readers.ts";
import { OWN } from "./settings.ts";

/** Options of the command itself. */
export interface OwnOptions {
  /** The config file; it has been read by now. */
  readonly config: string | undefined;
  /** Whether the consumer is an ordered one. */
  readonly ordered: boolean;
  /** Whether there is a server. */
  readonly server: boolean;
  /** Its port. */
  readonly port: number;
  /** The address that it listens on. */
  readonly hostname: string;
  /** Whether it serves metrics. */
  readonly metrics: boolean;
  /** Whether its answers tell errors. */
  readonly exposeErrors: boolean;
  /** How log lines look. */
  readonly logFormat: "auto" | "text" | "json";
  /** How often progress is logged; 0: never. */
  readonly progressIntervalMs: number;
}

const schema: OptionSchema<OwnOptions> = optionsObject<OwnOptions>({
  config: maybe(checked(() => true, "the path of a file")),
  ordered: withDefault(yesOrNo, () => false),
  server: withDefault(yesOrNo, () => true),
  port: withDefault(integer(0, 65_535, "0: any free one"), () => 9_090),
  hostname: withDefault(nonBlankText(253), () => "localhost"),
  metrics: withDefault(yesOrNo, () => true),
  exposeErrors: withDefault(yesOrNo, () => false),
  logFormat: withDefault(oneOf(["auto", "text", "json"]), () => "auto"),
  progressIntervalMs: withDefault(integer(0, MAX_TIMER_MS, MS), () => 10_000),
});

/** A tree of options. */
export interface Tree {
  [name: string]: unknown;
}

/** What is run. */
export interface Prepared {
  /** Options of the consumer. */
  readonly consumer: ResolvedConsumerOptions;
  /** Options of the command itself. */
  readonly own: OwnOptions;
}

/**
 * Makes options of what was given.
 *
 * @param chosen What was given.
 * @param problems What is wrong with it already.
 * @returns The options.
 * @throws {SettingsError} If anything is wrong; it says everything that is.
 */
export async function prepare(chosen: Chosen, problems: readonly string[]): Promise<Prepared> {
  const all = [...problems];
  const { tree, refused } = await readAll(chosen, all);
  const { run = {}, ...options } = tree;
  const attempt = <Value>(prefix: string, parse: () => Value): Value | undefined => {
    try {
      return parse();
    } catch (error) {
      if (!OptionsError.is(error)) throw error;
      for (const issue of error.issues) {
        const { option, problem } = translate(issue, prefix, chosen);
        // What could not be read is missing now: that has been said.
        if (!refused.has(option)) all.push(problem);
      }
    }
  };
  const own = attempt(OWN, () => parseOptions(schema, run));
  const ordered = (run as Tree)["ordered"] === true;
  const parse = ordered ? parseOrderedConsumerOptions : parseParallelConsumerOptions;
  const consumer = attempt("", () => parse(options));
  if (all.length > 0 || own === undefined || consumer === undefined) throw new SettingsError(all);
  return { consumer, own };
}

/**
 * Reads what was given.
 *
 * @param chosen What was given.
 * @param problems Takes what is wrong.
 * @returns The options, those of the command itself below `run`, and which of them could not be read.
 */
export async function readAll(
  chosen: Chosen,
  problems: string[],
): Promise<{ tree: Tree; refused: ReadonlySet<string> }> {
  const refused = new Set<string>();
  const tree: Tree = {};
  const left = misplaced(chosen);
  for (const given of chosen.values()) {
    const { option, read } = given.setting;
    try {
      const reason = left.get(given);
      if (reason !== undefined) throw new Refused(reason);
      const value = await read(given.given, given.folder);
      if (option !== "ssl") set(tree, option.split("."), value);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      refused.add(option);
      problems.push(wrong(given, error.message));
    }
  }
  const ssl = chosen.get("ssl");
  // Whoever names certificates wants them to be used.
  if (ssl !== undefined && !refused.has("ssl")) {
    tree["ssl"] ??= ssl.setting.read(ssl.given, ssl.folder);
  }
  return { tree, refused };
}

/** What must be left out because of another setting, and why. */
function misplaced(chosen: Chosen): Map<Given, string> {
  const left = new Map<Given, string>();
  const leaveOut = (names: readonly string[], because: string) => {
    for (const name of names) {
      const given = chosen.get(name);
      if (given !== undefined) left.set(given, `left out, because ${because}`);
    }
  };
  const ssl = chosen.get("ssl");
  if (ssl !== undefined && isNo(ssl)) {
    leaveOut(
      ["ssl-ca", "ssl-cert", "ssl-key", "ssl-servername", "ssl-insecure"],
      `ssl is false (${ssl.origin})`,
    );
  }
  const mechanism = chosen.get("sasl-mechanism");
  if (mechanism?.given === "oauthbearer") {
    leaveOut(
      ["sasl-username", "sasl-password", "sasl-password-file"],
      "sasl-mechanism is oauthbearer",
    );
  } else {
    leaveOut(["sasl-token-file"], "tokens are for oauthbearer");
    const password = chosen.get("sasl-password");
    if (password !== undefined) leaveOut(["sasl-password-file"], `${password.origin} is set`);
  }
  return left;
}

function isNo({ setting, given, folder }: Given): boolean {
  try {
    return setting.read(given, folder) === false;
  } catch {
    return false; // It is neither, which is said elsewhere.
  }
}

function set(tree: Tree, [name, ...rest]: string[], value: unknown): void {
  if (rest.length === 0) tree[name!] = value;
  else set((tree[name!] ??= {}) as Tree, rest, value);
}
