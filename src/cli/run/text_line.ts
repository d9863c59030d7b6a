import type { LogLevel } from "../../logger.ts";
import { errorText } from "../../threads/error_text.ts";
import { isError, toLogValue } from "../../server/log_value.ts";

/** What every line of a program with one consumer would have. */
const ALWAYS_THE_SAME: ReadonlySet<string> = new Set(["consumer"]);

/** How long a chain of causes is told. */
const MAX_CAUSES = 5;

/**
 * Makes a log line for people. Of an error it tells the code and what caused it, and of what a handler threw
 * also where.
 *
 * @param time When it was.
 * @param level Its level.
 * @param message Its sentence.
 * @param fields What belongs to it.
 * @returns One or more lines, without the last line break, and without control characters.
 */
export function textLine(
  time: Date,
  level: LogLevel,
  message: string,
  fields: Record<string, unknown> = {},
): string {
  const { error, ...others } = fields;
  const words = Object.entries(others)
    .filter(([name, value]) => value !== undefined && !ALWAYS_THE_SAME.has(name))
    .map(([name, value]) => ` ${name}=${wordOf(value)}`);
  const head = `${time.toISOString()} ${level.padEnd(5)} ${message}${words.join("")}`;
  return printable(error === undefined ? head : [head, ...causesOf(error, message)].join("\n"));
}

/**
 * Takes the control characters out of a text, as what comes from messages could move the cursor, or worse.
 *
 * @param text The text.
 * @returns The text with line breaks and tabs, but nothing else of the kind.
 */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- They are what this is about.
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "\u{fffd}");
}

function wordOf(value: unknown): string {
  if (typeof value === "string" && /^[^\s"=]+$/.test(value)) return value;
  return JSON.stringify(toLogValue(value)) ?? "undefined";
}

function causesOf(error: unknown, said: string): string[] {
  if (!isError(error)) return [`  ${errorText(error)}`];
  const lines: string[] = [];
  let thrown = error;
  for (let depth = 0; depth < MAX_CAUSES && isError(thrown.cause); depth++) {
    const cause = thrown.cause;
    const byHandler = (thrown as { code?: unknown }).code === "HANDLER_FAILED";
    thrown = cause;
    if (byHandler && typeof cause.stack === "string") {
      lines.push(...`cause: ${cause.stack}`.split("\n").map((line) => `  ${line}`));
    } else if (!said.includes(cause.message)) {
      lines.push(`  cause: ${cause.name}: ${cause.message}`);
    }
  }
  return lines;
}
