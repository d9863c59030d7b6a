/**
 * Kafka for the tests, on free ports and ending with the process: the embedded one of `./testing`, and
 * Apache Kafka, the real one, from Maven and in a temporary folder.
 *
 * @module
 */

export { type ApacheKafka, type ApacheKafkaOptions, startApacheKafka } from "./apache.ts";
export type { ApacheBroker } from "./broker.ts";
export { apacheStartable, type KafkaAvailability } from "./class_path.ts";
export type * from "./cluster.ts";
export { type EmbeddedKafka, type EmbeddedKafkaOptions, startEmbeddedKafka } from "./embedded.ts";
export * from "./sasl.ts";
export * from "./fill.ts";
export * from "./groups.ts";
export * from "./shared.ts";
export * from "./topics.ts";
