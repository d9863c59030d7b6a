/** What a user may give this driver as `driverOptions`. */

import { OptionsError } from "../../../errors.ts";

/**
 * The driver's own settings, by the names that @platformatic/kafka gives them where it has them too.
 * Times are milliseconds.
 */
export interface PlatformaticOptions {
  /** Longest wait for a connection, log-in included. Default: 5,000. */
  connectTimeout: number;
  /** Longest wait for an answer, beyond what the request itself waits for. Default: 10,000. */
  requestTimeout: number;
  /**
   * How long the group waits for a member to rejoin, and so how long a revocation may take.
   * Default: 60,000.
   */
  rebalanceTimeout: number;
  /** Age at which the leader of the group looks for new partitions. Default: 300,000. */
  metadataMaxAge: number;
  /** Whether brokers may create the topics that do not exist. Default: false. */
  autocreateTopics: boolean;
  /** 1, read committed, or 0, read uncommitted. Default: 1. */
  isolationLevel: number;
  /** Bytes that a fetch waits for. Default: 1. */
  minBytes: number;
  /** Most bytes of a fetch. Default: half of what the poller wants to hold, at most 8 MiB. */
  maxBytes: number;
  /** Most bytes of a fetch per partition. Default: 1 MiB, at most `maxBytes`. */
  maxBytesPerPartition: number;
  /** How long a fetch waits for records; a resumed partition may wait that long. Default: 500. */
  maxWaitTime: number;
  /** Makes this a static member of that name: it does not leave the group when it closes. */
  groupInstanceId: string | null;
}

const MAX_FETCH_BYTES = 8 * 1024 * 1024;
const MIB = 1024 * 1024;

/**
 * Reads the options and fills in the defaults.
 *
 * @param given What the user gave.
 * @param maxBytes Most bytes the poller wants to hold.
 * @throws {OptionsError} If one has a wrong type or is not known.
 */
export function readOptions(
  given: Record<string, unknown>,
  maxBytes: number,
): PlatformaticOptions {
  const fetchBytes = Math.max(1, Math.min(MAX_FETCH_BYTES, Math.floor(maxBytes / 2)));
  const options: PlatformaticOptions = {
    connectTimeout: 5_000,
    requestTimeout: 10_000,
    rebalanceTimeout: 60_000,
    metadataMaxAge: 300_000,
    autocreateTopics: false,
    isolationLevel: 1,
    minBytes: 1,
    maxBytes: fetchBytes,
    maxBytesPerPartition: Math.min(MIB, fetchBytes),
    maxWaitTime: 500,
    groupInstanceId: null,
  };
  const issues: { option: string; value: string; expected: string }[] = [];
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const option = `driverOptions.${key}`;
    if (!Object.hasOwn(options, key)) {
      const expected = `one of ${Object.keys(options).join(", ")}`;
      issues.push({ option, value: "not known", expected });
      continue;
    }
    const type = key === "groupInstanceId" ? "string" : typeof Reflect.get(options, key);
    const fits = typeof value === type &&
      (type !== "number" || Number.isSafeInteger(value) && (value as number) >= 0);
    if (fits) Reflect.set(options, key, value);
    else {
      const expected = type === "number" ? "an integer from 0 on" : `a ${type}`;
      issues.push({ option, value: JSON.stringify(value) ?? String(value), expected });
    }
  }
  if (issues.length > 0) throw new OptionsError(issues);
  return options;
}
