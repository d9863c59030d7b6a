import { protocolErrorsCodesById } from "@platformatic/kafka";

/** An error that a client of another process has reported. */
export class ReportedError extends Error {
  /** Kafka's name of it, or the client's own. */
  readonly type: string;

  constructor(type: string, message: string) {
    super(`${type}: ${message}`);
    this.name = "ReportedError";
    this.type = type;
  }
}

/**
 * Kafka's name of an error code.
 *
 * @param code The code.
 * @returns The name, or the number as text if it has none.
 */
export function nameOfCode(code: number): string {
  return (protocolErrorsCodesById as Record<number, string>)[code] ?? `${code}`;
}

/**
 * Finds Kafka's name of what a broker refused, in whatever a client has wrapped around it.
 *
 * @param error The error.
 * @returns Such as "UNKNOWN_TOPIC_OR_PARTITION", or the error's own name and message if there is none.
 */
export function errorName(error: unknown): string {
  const seen = new Set<unknown>();
  const names: string[] = [];
  const search = (value: unknown): void => {
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    const { type, apiId, errors, cause } = value as Record<string, unknown>;
    for (const name of [apiId, type]) if (typeof name === "string") names.push(name);
    for (const inner of Array.isArray(errors) ? errors : []) search(inner);
    search(cause);
  };
  search(error);
  // @platformatic/kafka gives that to what a broker says of single records of a batch.
  return names.find((name) => name !== "UNKNOWN_SERVER_ERROR") ?? names[0] ??
    `${(error as Error)?.name}: ${(error as Error)?.message}`;
}

/**
 * Runs what has to be refused.
 *
 * @param operation What has to be refused.
 * @returns Kafka's name of the error, or "NONE" if it was not refused.
 */
export async function refusal(operation: Promise<unknown>): Promise<string> {
  try {
    await operation;
    return "NONE";
  } catch (error) {
    return errorName(error);
  }
}
