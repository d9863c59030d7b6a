/**
 * Kafka consumers that never stall: one thread polls Kafka, and the program's own thread stays free.
 *
 * @example
 * ```ts no-eval
 * import { ThreadManager } from "@kafka-threads/kafka-threads";
 *
 * const manager = new ThreadManager({
 *   consumer: { bootstrapServers: "localhost:9092", groupId: "shop.orders", topics: ["orders"] },
 *   onMessage: (message) => console.log(message.topic, message.offset, message.text()),
 *   lifetimeMs: null,
 * });
 * await manager.start();
 * ```
 *
 * @module
 */

export {
  Consumer,
  type ConsumerState,
  createOrderedConsumer,
  createParallelConsumer,
} from "./src/consumer.ts";
export type { ConsumerEvents, FailureDetail, PartitionsDetail } from "./src/consumer_events.ts";
export * from "./src/driver.ts";
export * from "./src/errors.ts";
export type {
  BatchHandler,
  ConsumerIdentity,
  Decode,
  Handler,
  HandlerContext,
  HandlerModule,
  HandlerSpan,
  Middleware,
  MiddlewareContext,
  RetryIf,
  SetupContext,
  StandardSchema,
  StandardSchemaResult,
  Teardown,
} from "./src/handler.ts";
export { type Logger, type LogLevel } from "./src/logger.ts";
export { Message, type MessageBatch } from "./src/message.ts";
export type {
  BackoffOptions,
  BatchHandlerOptions,
  CommitPolicy,
  ConsumerOptions,
  DecodeOptions,
  ErrorPolicy,
  HandlerBatchOptions,
  MessageHandlerOptions,
  OrderedConsumerOptions,
  OrderedOptions,
  ParallelConsumerOptions,
  ParallelOptions,
  RestartOptions,
  SchemaOptions,
} from "./src/options/consumer_options.ts";
export type {
  KafkaOptions,
  SaslOptions,
  SaslPasswordOptions,
  SaslTokenOptions,
  SslOptions,
  WorkerOptions,
} from "./src/options/kafka_options.ts";
export type {
  MaxInFlightOptions,
  RetryOptions,
  ThreadManagerOptions,
} from "./src/options/thread_manager_options.ts";
export type {
  HandlerStats,
  HandlerThreadStats,
  WorkerStats,
} from "./src/program/consumer_stats.ts";
export type { Health, HealthCheck, HealthProbe } from "./src/program/health.ts";
export type { ConsumerStats, PartitionStats, PollStats, ThreadStats } from "./src/program/stats.ts";
export { type ClosedReason, type ManagerState, ThreadManager } from "./src/thread_manager.ts";
export type { HandlingTimes } from "./src/threads/handling_times.ts";
export type { PackedRecords, ReadableTable, RecordTable } from "./src/threads/records.ts";
