/** `kafka-threads run --check`: what is in force, and whether it could run. */

import { printValue } from "../../options/print_value.ts";
import type { Chosen, Given } from "./choose.ts";
import type { Prepared } from "./run_options.ts";
import { SETTINGS } from "./settings.ts";
import { printable } from "./text_line.ts";

/** A setting in force. */
export interface InForce {
  /** Its name. */
  readonly name: string;
  /** What it is, printed; "(set)" where it is a secret. */
  readonly value: string;
  /** Where it comes from; "default" where it was not given. */
  readonly origin: string;
}

/** What an ordered consumer does not have. */
const PARALLEL_ONLY: readonly string[] = ["order", "concurrency", "threads", "delivery"];
/** What only a server has. */
const SERVER_ONLY: readonly string[] = ["port", "hostname", "metrics", "expose-errors"];

/**
 * Lists the settings in force.
 *
 * @param chosen What was given.
 * @param prepared What was made of it.
 * @returns All that were given, or have a default that means something here.
 */
export function inForce(chosen: Chosen, { consumer, own }: Prepared): InForce[] {
  const { kafka, onError, onInvalid } = consumer;
  const idle = new Set([
    ...own.ordered ? PARALLEL_ONLY : [],
    ...own.server ? [] : SERVER_ONLY,
    ...kafka.ssl === false ? ["ssl-ca", "ssl-servername", "ssl-insecure"] : [],
    ...consumer.handlerBatch === undefined ? ["handler-batch-wait"] : [],
    ...onError.then === "dead-letter" || onInvalid === "dead-letter" ? [] : ["dead-letter-topic"],
  ]);
  const defaults: Readonly<Record<string, string>> = {
    name: consumer.name,
    commit: own.ordered ? "each" : "5s",
    ssl: String(kafka.ssl !== false),
  };
  return SETTINGS.flatMap((setting): InForce[] => {
    const { name, fallback } = setting;
    const given = chosen.get(name);
    if (given !== undefined) return [{ name, value: shown(given), origin: given.origin }];
    if (fallback === undefined || idle.has(name)) return [];
    return [{ name, value: defaults[name] ?? fallback, origin: "default" }];
  });
}

/**
 * Makes a table of the settings in force.
 *
 * @param settings The settings.
 * @returns A line each.
 */
export function tableOf(settings: readonly InForce[]): string {
  const width = (column: (setting: InForce) => string) =>
    Math.max(...settings.map((setting) => column(setting).length));
  const names = width(({ name }) => name);
  // One long value need not push all origins out of sight.
  const values = Math.min(40, width(({ value }) => value));
  return settings.map(({ name, value, origin }) =>
    `  ${name.padEnd(names)}  ${printable(value).padEnd(values)}  ${origin}`
  ).join("\n");
}

function shown({ setting, given }: Given): string {
  if (setting.secret) return "(set)";
  const text = printValue(Array.isArray(given) ? given.join(",") : given);
  // Quotes only where they help.
  return /^"[^"\\\s]+"$/.test(text) ? text.slice(1, -1) : text;
}
