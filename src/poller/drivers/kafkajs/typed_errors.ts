/** Turns the errors of kafkajs into those of this library. */

import {
  AuthenticationError,
  ConnectionError,
  DriverError,
  isKafkaThreadsError,
  type KafkaThreadsError,
} from "../../../errors.ts";
import { isCertificateRefused } from "../shared/tls_errors.ts";
import type { KafkajsError } from "./internals.ts";

const AUTHENTICATION_TYPES = new Set([
  "SASL_AUTHENTICATION_FAILED",
  "UNSUPPORTED_SASL_MECHANISM",
  "ILLEGAL_SASL_STATE",
]);

const CONNECTION_NAMES = new Set([
  "KafkaJSConnectionError",
  "KafkaJSConnectionClosedError",
  "KafkaJSRequestTimeoutError",
  "KafkaJSBrokerNotFound",
  "KafkaJSMetadataNotLoaded",
  "KafkaJSTopicMetadataNotLoaded",
  "KafkaJSGroupCoordinatorNotFound",
  "KafkaJSLockTimeout",
]);

/** Errors that mean the same on the next try; "NotCapable": Deno has not been given the permission. */
const FINAL_NAMES = new Set([
  "KafkaJSNotImplemented",
  "KafkaJSServerDoesNotSupportApiKey",
  "NotCapable",
]);

/**
 * The error below what kafkajs wrapped around it: its retriers wrap whatever they give up on, and say
 * of some that they may be retried which may not (kafkajs #1721).
 */
export function rootOf(error: unknown): KafkajsError {
  let root = error as KafkajsError;
  for (let depth = 0; depth < 10 && root?.cause instanceof Error; depth++) root = root.cause;
  return root;
}

/** Whether the group has let this member go, or never knew it. */
export function isMembershipLost(error: unknown): boolean {
  const { type } = rootOf(error);
  return type === "UNKNOWN_MEMBER_ID" || type === "ILLEGAL_GENERATION" ||
    type === "FENCED_INSTANCE_ID";
}

/** Whether the group asks its members to join again. */
export function isRebalancing(error: unknown): boolean {
  const { type } = rootOf(error);
  return type === "REBALANCE_IN_PROGRESS" || type === "REBALANCE_FAILED";
}

/** The typed error for whatever kafkajs threw while doing `what`. */
export function typedError(what: string, error: unknown): KafkaThreadsError {
  if (isKafkaThreadsError(error)) return error;
  const root = rootOf(error);
  if (isKafkaThreadsError(root)) return root;
  const message = `Cannot ${what}: ${root?.message ?? String(error)}`;
  const type = root?.type;
  if (
    root?.name === "KafkaJSSASLAuthenticationError" ||
    (type !== undefined && AUTHENTICATION_TYPES.has(type))
  ) {
    return new AuthenticationError(message, { cause: error });
  }
  if (isCertificateRefused(root)) return new AuthenticationError(message, { cause: error });
  if (type?.endsWith("_AUTHORIZATION_FAILED")) {
    return new AuthenticationError(message, { cause: error, code: "AUTHORIZATION_FAILED" });
  }
  if (CONNECTION_NAMES.has(root?.name)) {
    return new ConnectionError(message, { cause: error, retriable: true });
  }
  // The protocol's errors know whether they are for ever. Anything else, a defect of kafkajs in a
  // state it did not expect included, is met with a new connection.
  const final = FINAL_NAMES.has(root?.name) || (type !== undefined && root.retriable === false);
  return new DriverError(message, { cause: error, retriable: !final });
}
