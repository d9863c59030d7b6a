import { after } from "#std/testing/bdd";
import {
  type KafkaCluster,
  type KafkaClusterOptions,
  startKafka,
} from "../../support/kafka/mod.ts";

/**
 * A Kafka of its own for a suite that kills brokers or needs other listeners; to be called within its
 * `describe`. It starts with the first test that asks for it, and not in a hook: Bun gives a hook 5
 * seconds, whatever it is told.
 *
 * @param options Which brokers and listeners.
 * @returns Gives the Kafka.
 */
export function ownKafka(options: KafkaClusterOptions = {}): () => Promise<KafkaCluster> {
  let started: Promise<KafkaCluster> | undefined;
  after(async () => await (await started?.catch(() => undefined))?.stop());
  return () => started ??= startKafka(options);
}
