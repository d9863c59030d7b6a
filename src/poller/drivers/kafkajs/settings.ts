/** The options of the kafkajs driver: ours, and those of kafkajs that `driverOptions` may carry. */

import type { DriverContext } from "../../../driver.ts";
import { DriverError } from "../../../errors.ts";

/** Options of kafkajs, under kafkajs's names and with its meaning, unless a comment says otherwise. */
export interface KafkajsSettings {
  /** Milliseconds to wait for a connection. Default here: 3,000, as machines under load need it. */
  connectionTimeout: number;
  /** Milliseconds to wait for an authentication. */
  authenticationTimeout: number;
  /** Milliseconds before the end of a SASL session at which to authenticate again. */
  reauthenticationThreshold: number;
  /** Milliseconds to wait for an answer. */
  requestTimeout: number;
  /** Whether that wait has an end. */
  enforceRequestTimeout: boolean;
  /** Retries within kafkajs. Default here: none, the poller backs off and tries again itself. */
  retry: Record<string, unknown>;
  /** Milliseconds after which metadata is asked for again, and with it new partitions are seen. */
  metadataMaxAge: number;
  /** Whether a topic that is missing may be made by the broker. Default here: false. */
  allowAutoTopicCreation: boolean;
  /** Most requests under way on one connection, or null for no limit. */
  maxInFlightRequests: number | null;
  /** 0: read uncommitted, 1: read committed. */
  isolationLevel: number;
  /** Where this client is, to read from a replica nearby (KIP-392). */
  rackId: string;
  /** Milliseconds the group waits for its members to join again. */
  rebalanceTimeout: number;
  /** Fewest bytes of a fetch. */
  minBytes: number;
  /** Most bytes of a fetch. */
  maxBytes: number;
  /** Most bytes of a fetch for one partition. */
  maxBytesPerPartition: number;
  /**
   * Longest wait of a fetch in milliseconds. Default here: 500, as in Kafka's own client, since a
   * partition that is resumed meanwhile has to wait for the fetch under way.
   */
  maxWaitTimeInMs: number;
}

const MIB = 1024 * 1024;

/**
 * Fills in the defaults.
 *
 * @throws {DriverError} If `driverOptions` names an option that the driver does not know.
 */
export function settingsOf(context: DriverContext): KafkajsSettings {
  const defaults: KafkajsSettings = {
    connectionTimeout: 3_000,
    authenticationTimeout: 10_000,
    reauthenticationThreshold: 10_000,
    requestTimeout: 30_000,
    enforceRequestTimeout: true,
    retry: {},
    metadataMaxAge: 300_000,
    allowAutoTopicCreation: false,
    maxInFlightRequests: null,
    isolationLevel: 1,
    rackId: "",
    rebalanceTimeout: 60_000,
    minBytes: 1,
    maxBytes: Math.min(10 * MIB, context.maxBytes),
    maxBytesPerPartition: Math.min(MIB, context.maxBytes),
    maxWaitTimeInMs: 500,
  };
  const given = Object.entries(context.driverOptions);
  const unknown = given.map(([name]) => name).filter((name) => !Object.hasOwn(defaults, name));
  if (unknown.length > 0) {
    throw new DriverError(
      `Cannot use driverOptions ${
        unknown.map((name) => `"${name}"`).join(", ")
      }: the kafkajs driver knows ${Object.keys(defaults).join(", ")}`,
      { code: "DRIVER_INVALID", retriable: false },
    );
  }
  // Undefined is what a caller gives who leaves it to the default.
  return { ...defaults, ...Object.fromEntries(given.filter(([, value]) => value !== undefined)) };
}
