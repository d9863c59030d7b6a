/**
 * Apache Kafka for the tests: the real one, from Maven, on free ports and in a temporary folder.
 *
 * @module
 */

export type { KafkaTestBroker } from "./broker.ts";
export { type KafkaAvailability, kafkaAvailable, kafkaStartable } from "./class_path.ts";
export * from "./cluster.ts";
export * from "./sasl.ts";
export * from "./fill.ts";
export * from "./groups.ts";
export * from "./shared.ts";
export * from "./topics.ts";
