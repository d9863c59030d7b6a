/**
 * Names of spans, attributes and metrics: those of OpenTelemetry's conventions for messaging in version
 * 1.43.0. Version 1.45.0 renames some (`messaging.system.name`, `kafka.offset`), and is not final either:
 * these are what tools know.
 */

/** How the library calls itself to an SDK. */
export const SCOPE = {
  name: "@kafka-threads/kafka-threads",
  version: "0.1.0",
  schemaUrl: "https://opentelemetry.io/schemas/1.43.0",
} as const;

/** Names of attributes. */
export const ATTRIBUTES = {
  system: "messaging.system",
  operationName: "messaging.operation.name",
  operationType: "messaging.operation.type",
  topic: "messaging.destination.name",
  partition: "messaging.destination.partition.id",
  group: "messaging.consumer.group.name",
  clientId: "messaging.client.id",
  offset: "messaging.kafka.offset",
  key: "messaging.kafka.message.key",
  tombstone: "messaging.kafka.message.tombstone",
  bodySize: "messaging.message.body.size",
  batchCount: "messaging.batch.message_count",
  errorType: "error.type",
  /** None of the conventions': which attempt at the message it is. */
  attempt: "kafka_threads.attempt",
} as const;

/** Names of spans; those of handled messages are `process {topic}`, and a cycle's `{consumer}.pump`. */
export const SPANS = {
  consume: "kafka.consume",
  put: "kafka.work_queue_put",
  commit: "kafka.commit",
} as const;

/** Names of metrics. */
export const METRICS = {
  process: "messaging.process.duration",
  operation: "messaging.client.operation.duration",
  consumed: "messaging.client.consumed.messages",
} as const;

/** Upper bounds of the buckets that the conventions advise, in seconds. */
export const DURATION_BOUNDS: readonly number[] = [
  ...[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
];
