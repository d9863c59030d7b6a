/**
 * What the library asks of a logger: the four methods that `console`, pino-like and most other
 * loggers share.
 *
 * @module
 */

/** Names of the levels, from the most to the least talkative; `silent` logs nothing. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** Any console-like object. Every method gets a sentence and, where there is more to say, fields. */
export interface Logger {
  /** Logs what helps to follow the inner workings. */
  debug(message: string, fields?: Record<string, unknown>): unknown;
  /** Logs what happens in normal operation: started, stopped, partitions assigned. */
  info(message: string, fields?: Record<string, unknown>): unknown;
  /** Logs what the library copes with but somebody should know. */
  warn(message: string, fields?: Record<string, unknown>): unknown;
  /** Logs failures. */
  error(message: string, fields?: Record<string, unknown>): unknown;
}

/** All levels, in order. */
export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];

/**
 * Tells whether something of one level is logged at a threshold.
 *
 * @param level Level of what is to be logged.
 * @param threshold Lowest level that is logged.
 * @returns Whether it is to be logged; never for the level `silent`.
 */
export function atLeast(level: LogLevel, threshold: LogLevel): boolean {
  return level !== "silent" && LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(threshold);
}

/**
 * A logger that says more with each line.
 *
 * @param logger Where the lines go.
 * @param always Fields of every line; those that a line has itself are stronger.
 * @returns The logger.
 */
export function withFields(logger: Logger, always: Record<string, unknown>): Logger {
  const at = (level: Exclude<LogLevel, "silent">): Logger["info"] => (message, fields) =>
    logger[level](message, { ...always, ...fields });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/**
 * A logger without what tells of a run's life: for one whose end is answered by a promise.
 *
 * @param logger The consumer's logger.
 * @returns What passes warnings and details on.
 */
export function withoutLife({ debug, warn }: Logger): Logger {
  return { debug, info: () => {}, warn, error: () => {} };
}

/**
 * Wraps a logger, so that a broken one cannot break the library: what its methods throw, or reject
 * with, is dropped.
 *
 * @param logger The user's logger; its methods are looked up at each call, as methods of it.
 * @param threshold Lowest level to pass on. Default: `debug`, which is everything.
 * @returns A logger that never throws.
 */
export function safeLogger(logger: Logger, threshold: LogLevel = "debug"): Logger {
  const at = (level: Exclude<LogLevel, "silent">): Logger["info"] => {
    if (!atLeast(level, threshold)) return () => {};
    return (message, fields) => {
      try {
        // Without fields only one argument: console would print the second one as `undefined`.
        const done = fields === undefined ? logger[level](message) : logger[level](message, fields);
        // Resolving calls a foreign `then`, which may reject; nobody else would catch that.
        if (typeof done === "object" && done !== null) Promise.resolve(done).catch(() => {});
      } catch {
        // There is nowhere left to say it.
      }
    };
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
