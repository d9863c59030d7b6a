import { after } from "#std/testing/bdd";
import { brokerKind, type KafkaCluster, startKafka } from "../../support/kafka/mod.ts";
import { sideBySide } from "../../support/side_by_side.ts";

/** A process of the embedded broker costs little; Apache Kafka costs a core for some seconds. */
const AT_ONCE = { embedded: 3, apache: 2 }[brokerKind];

/** Tests that do to a Kafka what nobody else may see. */
export interface OwnKafka {
  /** Registers a test. */
  register(name: string, run: () => Promise<void>): void;
  /** Gives a Kafka that nobody else has until this ends. */
  lend(run: (kafka: KafkaCluster) => Promise<void>): Promise<void>;
}

/**
 * Registers tests that do to a Kafka what nobody else may see; to be called within a `describe`. Some
 * run side by side, each with a Kafka that it has for itself, until the next one gets it. It starts with
 * a test, and not in a hook: Bun gives a hook 5 seconds, whatever it is told.
 *
 * @returns Registers tests, and lends them a Kafka.
 */
export function withOwnKafka(): OwnKafka {
  const started: Promise<KafkaCluster>[] = [];
  const idle: KafkaCluster[] = [];
  after(async () => {
    await Promise.allSettled(started.map(async (kafka) => await (await kafka).stop()));
  });
  const borrow = async (): Promise<KafkaCluster> => {
    const kafka = idle.pop();
    if (kafka !== undefined) return kafka;
    const starting = startKafka();
    started.push(starting);
    return await starting;
  };
  const scenario = sideBySide(AT_ONCE);
  return {
    register: scenario,
    async lend(run) {
      const kafka = await borrow();
      // One with which a test has failed is not for the next: it may not be as it was.
      await run(kafka);
      idle.push(kafka);
    },
  };
}
