/**
 * For tests and development: a Kafka broker in this process, and a proxy that breaks connections.
 *
 * Everything here is for programs under test and for trying things out, never for production: the
 * broker keeps all it has in memory and loses it when it ends.
 *
 * @module
 */
export type {
  BrokerListenerOptions,
  BrokerSaslMechanism,
  BrokerSaslOptions,
  BrokerTlsOptions,
  BrokerTopicOptions,
  KafkaBrokerOptions,
} from "./broker_options.ts";
export type {
  Control,
  ControlAction,
  ControlledRequest,
  ControlOptions,
  Decide,
} from "./controls.ts";
export { BrokerError, type BrokerErrorCode } from "./errors.ts";
export * from "./fault_proxy.ts";
export type { GroupDescription, GroupMemberDescription } from "./groups/group_coordinator.ts";
export type { GroupState } from "./groups/group_change.ts";
export {
  type BrokerConnection,
  type BrokerMessage,
  type CommittedOffset,
  KafkaBroker,
  type ProducedAt,
  type SlowNetwork,
} from "./kafka_broker.ts";
export type { Compression } from "./log/compression.ts";
export type { CompactionResult } from "./log/partition_log.ts";
export type { NewRecord } from "./log/encode_batch.ts";
export type { LogRecord, LogRecordHeader } from "./log/records.ts";
export type { ApiName } from "./protocol/api_name.ts";
export type { WaitOptions } from "./watcher.ts";
