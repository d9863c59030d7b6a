/**
 * Kafka's error codes by name, from the list that `@platformatic/kafka` keeps.
 *
 * Source: https://kafka.apache.org/protocol#protocol_error_codes
 *
 * @module
 */
import { protocolErrors, protocolErrorsCodesById } from "@platformatic/kafka";

/** The codes that this broker itself answers with. */
const NAMES = [
  "UNKNOWN_SERVER_ERROR",
  "NONE",
  "OFFSET_OUT_OF_RANGE",
  "CORRUPT_MESSAGE",
  "UNKNOWN_TOPIC_OR_PARTITION",
  "INVALID_FETCH_SIZE",
  "LEADER_NOT_AVAILABLE",
  "NOT_LEADER_OR_FOLLOWER",
  "REQUEST_TIMED_OUT",
  "BROKER_NOT_AVAILABLE",
  "MESSAGE_TOO_LARGE",
  "OFFSET_METADATA_TOO_LARGE",
  "COORDINATOR_LOAD_IN_PROGRESS",
  "COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR",
  "INVALID_TOPIC_EXCEPTION",
  "RECORD_LIST_TOO_LARGE",
  "NOT_ENOUGH_REPLICAS",
  "INVALID_REQUIRED_ACKS",
  "ILLEGAL_GENERATION",
  "INCONSISTENT_GROUP_PROTOCOL",
  "INVALID_GROUP_ID",
  "UNKNOWN_MEMBER_ID",
  "INVALID_SESSION_TIMEOUT",
  "REBALANCE_IN_PROGRESS",
  "INVALID_COMMIT_OFFSET_SIZE",
  "INVALID_TIMESTAMP",
  "UNSUPPORTED_SASL_MECHANISM",
  "ILLEGAL_SASL_STATE",
  "UNSUPPORTED_VERSION",
  "TOPIC_ALREADY_EXISTS",
  "INVALID_PARTITIONS",
  "INVALID_REPLICATION_FACTOR",
  "INVALID_REPLICA_ASSIGNMENT",
  "INVALID_CONFIG",
  "NOT_CONTROLLER",
  "INVALID_REQUEST",
  "UNSUPPORTED_FOR_MESSAGE_FORMAT",
  "POLICY_VIOLATION",
  "OUT_OF_ORDER_SEQUENCE_NUMBER",
  "DUPLICATE_SEQUENCE_NUMBER",
  "INVALID_PRODUCER_EPOCH",
  "INVALID_TXN_STATE",
  "INVALID_PRODUCER_ID_MAPPING",
  "SASL_AUTHENTICATION_FAILED",
  "UNKNOWN_PRODUCER_ID",
  "NON_EMPTY_GROUP",
  "GROUP_ID_NOT_FOUND",
  "FETCH_SESSION_ID_NOT_FOUND",
  "INVALID_FETCH_SESSION_EPOCH",
  "FENCED_LEADER_EPOCH",
  "UNKNOWN_LEADER_EPOCH",
  "UNSUPPORTED_COMPRESSION_TYPE",
  "OFFSET_NOT_AVAILABLE",
  "MEMBER_ID_REQUIRED",
  "GROUP_MAX_SIZE_REACHED",
  "FENCED_INSTANCE_ID",
  "INVALID_RECORD",
  "GROUP_SUBSCRIBED_TO_TOPIC",
  "UNKNOWN_TOPIC_ID",
] as const;

/** The name of an error that this broker itself answers with. */
export type ErrorName = typeof NAMES[number];

/** Its code, by name. */
export const ERROR: Readonly<Record<ErrorName, number>> = Object.freeze(
  Object.fromEntries(NAMES.map((name) => [name, protocolErrors[name]!.code])),
) as Readonly<Record<ErrorName, number>>;

/**
 * The name of a code.
 *
 * @param code The code, as it stands in a response.
 * @returns Its name, or the number as text where Kafka has none for it.
 */
export function errorName(code: number): string {
  return protocolErrorsCodesById[code] ?? `${code}`;
}

/**
 * The code of an error.
 *
 * @param error Its name in Kafka's list, or its number.
 * @returns The number, or undefined if Kafka has no such error.
 */
export function errorCodeOf(error: string | number): number | undefined {
  if (typeof error === "number") {
    return protocolErrorsCodesById[error] === undefined ? undefined : error;
  }
  return Object.hasOwn(protocolErrors, error) ? protocolErrors[error]!.code : undefined;
}
