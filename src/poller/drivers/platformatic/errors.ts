/** Turns what goes wrong between this client and the brokers into the library's errors. */

import * as kafka from "@platformatic/kafka";
import { isCertificateRefused } from "../shared/tls_errors.ts";
import {
  AuthenticationError,
  ConnectionError,
  DriverError,
  KafkaThreadsError,
} from "../../../errors.ts";

/** Error codes of the protocol that the driver acts upon. */
export const CODES = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeaderOrFollower: 6,
  coordinatorLoadInProgress: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  illegalGeneration: 22,
  unknownMemberId: 25,
  rebalanceInProgress: 27,
  memberIdRequired: 79,
} as const;

/** The codes that say that this member is none any more. */
export const LOST_CODES: ReadonlySet<number> = new Set([
  CODES.illegalGeneration,
  CODES.unknownMemberId,
]);

/** The codes that say that another broker has to be asked. */
export const COORDINATOR_CODES: ReadonlySet<number> = new Set([
  CODES.coordinatorNotAvailable,
  CODES.notCoordinator,
]);

/** The codes that a coordinator answers with for a moment, such as in a cluster that is new. */
export const TRANSIENT_CODES: ReadonlySet<number> = new Set([
  ...COORDINATOR_CODES,
  CODES.coordinatorLoadInProgress,
]);

// Marked as final in the protocol, although the next attempt may well succeed.
const RETRIABLE_ALTHOUGH: ReadonlySet<number> = new Set([
  -1, // UNKNOWN_SERVER_ERROR
  8, // BROKER_NOT_AVAILABLE
  CODES.offsetOutOfRange,
  CODES.illegalGeneration,
  CODES.unknownMemberId,
  CODES.rebalanceInProgress,
]);

const AUTHENTICATION_CODES: ReadonlySet<number> = new Set([
  33, // UNSUPPORTED_SASL_MECHANISM
  34, // ILLEGAL_SASL_STATE
  58, // SASL_AUTHENTICATION_FAILED
]);

/** The protocol's own name of an error code. */
export function codeName(code: number): string {
  return (kafka.protocolErrorsCodesById as Record<number, string>)[code] ?? `error code ${code}`;
}

/** Whether the same request may succeed later. */
export function isRetriable(code: number): boolean {
  const name = codeName(code);
  const known = (kafka.protocolErrors as Record<string, { canRetry: boolean }>)[name];
  return RETRIABLE_ALTHOUGH.has(code) || (known?.canRetry ?? false);
}

/**
 * Makes an error of an answer.
 *
 * @param attempt What was tried, such as `join group "a"`.
 * @param code The error code in the answer.
 * @param where The partition it is about, if any.
 */
export function answerError(
  attempt: string,
  code: number,
  where: { topic?: string; partition?: number } = {},
): KafkaThreadsError {
  const name = codeName(code);
  const known = (kafka.protocolErrors as Record<string, { message: string }>)[name];
  const meaning = known === undefined ? "" : ` (${known.message.replace(/\.$/, "")})`;
  const message = `Cannot ${attempt}: the broker answers ${name}${meaning}`;
  const options = { retriable: isRetriable(code), ...where };
  if (name.endsWith("_AUTHORIZATION_FAILED")) {
    return new AuthenticationError(message, { ...options, code: "AUTHORIZATION_FAILED" });
  }
  return AUTHENTICATION_CODES.has(code)
    ? new AuthenticationError(message, options)
    : new DriverError(message, options);
}

/**
 * Makes an error of a connection that was not made, or that broke.
 *
 * @param attempt What was tried, such as `connect to "a:9092"`.
 * @param cause What the client threw.
 */
export function connectionError(attempt: string, cause: unknown): KafkaThreadsError {
  if (KafkaThreadsError.is(cause)) return cause;
  const chain = causesOf(cause);
  const refused = chain.find(({ code, apiCode }) =>
    code === kafka.AuthenticationError.code || AUTHENTICATION_CODES.has(apiCode ?? 0)
  );
  if (refused !== undefined) {
    const reason = chain.slice(chain.indexOf(refused)).map(messageOf).join(": ");
    // A token that could not be had today may be had later; one that is refused stays refused.
    const retriable = / provider /.test(refused.message);
    return new AuthenticationError(`Cannot ${attempt}: ${reason}`, { cause, retriable });
  }
  const certificate = chain.find(isCertificateRefused);
  if (certificate !== undefined) {
    return new AuthenticationError(`Cannot ${attempt}: ${messageOf(certificate)}`, { cause });
  }
  const reason = [...new Set(chain.map(messageOf))].join(": ");
  return new ConnectionError(`Cannot ${attempt}: ${reason}`, { cause });
}

interface Failure {
  message: string;
  code?: unknown;
  apiCode?: number;
  cause?: unknown;
  errors?: unknown;
}

/** The error, its cause, that one's cause and so on; of several errors, the first. */
function causesOf(error: unknown): Failure[] {
  const chain: Failure[] = [];
  let next: unknown = error;
  while (next instanceof Error && !chain.includes(next) && chain.length < 8) {
    chain.push(next);
    const { cause, errors } = next as Failure;
    next = cause ?? (Array.isArray(errors) ? errors[0] : undefined);
  }
  return chain.length > 0 ? chain : [{ message: String(error) }];
}

function messageOf({ message, code }: Failure): string {
  // An AggregateError of connection attempts has an empty message.
  return message.replace(/\.$/, "") || String(code ?? "unknown error");
}
