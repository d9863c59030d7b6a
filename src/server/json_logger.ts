import { atLeast, type Logger, type LogLevel } from "../logger.ts";
import { errorText } from "../threads/error_text.ts";
import { isError, toLogValue } from "./log_value.ts";

/** What a {@linkcode jsonLogger} can be given. */
export interface JsonLoggerOptions {
  /**
   * Lowest level that is written. Consumers have a `logLevel` of their own, whose default is `info`.
   * Default: `debug`, which is everything.
   */
  level?: LogLevel;
  /** Takes a line, without its line break. What it throws is dropped. Default: `console.log`. */
  write?: (line: string) => void;
  /** Tells the time. Default: `() => new Date()`. */
  now?: () => Date;
}

/**
 * Makes a logger that writes one JSON object a line, as log collectors want it: `time` (ISO 8601, UTC),
 * `level` and `message`, and the fields beside them. An error becomes an object of its `name`, `message`,
 * `code`, `topic`, `partition`, `offset`, `stack` and `cause`. It logs anything, and never throws: bytes
 * become their count, what contains itself, or cannot be read, a note of that.
 *
 * A field that is called as one of the three gets an underscore behind its name.
 *
 * @param options Level, and where lines go.
 * @returns The logger; its methods need no `this`.
 *
 * @example
 * ```ts
 * import { jsonLogger } from "@kafka-threads/kafka-threads/server";
 *
 * const logger = jsonLogger({ level: "info" });
 * logger.info("Assigned orders[0]", { consumer: "kafka_consumer.orders" });
 * ```
 */
export function jsonLogger(options: JsonLoggerOptions = {}): Logger {
  const { level: threshold = "debug", write = console.log, now = () => new Date() } = options;
  const at = (level: Exclude<LogLevel, "silent">): Logger["info"] => (message, fields) => {
    if (!atLeast(level, threshold)) return;
    try {
      write(lineOf(now(), level, message, fields));
    } catch {
      // There is nowhere left to say it.
    }
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function lineOf(time: Date, level: LogLevel, message: unknown, fields: unknown): string {
  const line: Record<string, unknown> = Object.create(null);
  line["time"] = time.toISOString();
  line["level"] = level;
  line["message"] = typeof message === "string" ? message : errorText(message);
  for (const [name, value] of Object.entries(fieldsOf(fields))) {
    if (value === undefined) continue;
    let key = name;
    while (Object.hasOwn(line, key)) key += "_";
    line[key] = value;
  }
  return JSON.stringify(line);
}

/** Fields are an object; whoever calls it as `console` is called may give an error, or anything. */
function fieldsOf(fields: unknown): Record<string, unknown> {
  if (fields === undefined) return {};
  const value = toLogValue(fields);
  if (isError(fields)) return { error: value };
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? value as Record<string, unknown> : { fields: value };
}
