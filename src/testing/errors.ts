import { KafkaThreadsError, type KafkaThreadsErrorOptions } from "../errors.ts";

/** What a {@linkcode BrokerError} is about. */
export type BrokerErrorCode =
  /** The broker is stopped, or the node is not up. */
  | "NOT_RUNNING"
  /** There is no such topic, partition, node or listener. */
  | "UNKNOWN_PART"
  /** Something about topics cannot be done, such as making one twice. */
  | "TOPIC_REFUSED"
  /** Another program listens on the port. */
  | "PORT_TAKEN"
  /** What was waited for has not happened in time. */
  | "WAIT_TIMEOUT"
  /** A control does not know what to do. */
  | "INVALID_CONTROL";

/** What `KafkaBroker` and `FaultProxy` throw and reject with. */
export class BrokerError extends KafkaThreadsError {
  /** "BrokerError" */
  override readonly name = "BrokerError";
  /** What it is about. */
  declare readonly code: BrokerErrorCode;

  /**
   * Makes an error.
   *
   * @param code What it is about.
   * @param message A sentence without a full stop.
   * @param options Cause, and the partition that it is about.
   */
  constructor(
    code: BrokerErrorCode,
    message: string,
    options: Omit<KafkaThreadsErrorOptions, "code"> = {},
  ) {
    super(message, { ...options, code });
  }
}
