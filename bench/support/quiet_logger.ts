import process from "node:process";

const toStandardError = (message: string, fields?: Record<string, unknown>): void => {
  process.stderr.write(`${message}${fields ? ` ${JSON.stringify(fields)}` : ""}\n`);
};

/** A logger that keeps standard output free for the figures, and shows only what went wrong. */
export const quietLogger = {
  debug: (): void => {},
  info: (): void => {},
  warn: toStandardError,
  error: toStandardError,
};
