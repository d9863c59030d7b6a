import { Command } from "commander";
import { KafkaThreadsError } from "../errors.ts";
import { listenToSignals } from "../server/signals.ts";
import type { KafkaBroker } from "../testing/kafka_broker.ts";
import { topicSize, wholeNumber } from "./arguments.ts";
import { EXIT } from "./exit.ts";

interface BrokerArguments {
  port: number;
  host: string;
  nodes: number;
  topic?: Record<string, number>;
  partitions: number;
  autoCreate: boolean;
  verbose?: true;
}

/**
 * Makes `kafka-threads broker`.
 *
 * @param ended Is told the exit code.
 * @returns The command.
 */
export function brokerCommand(ended: (code: number) => void): Command {
  return new Command("broker")
    .description("A Kafka broker for development and tests, in memory, until Ctrl-C")
    .option(
      "--port <number>",
      "the first node's port; 0: any free one",
      wholeNumber(0, 65_535),
      9092,
    )
    .option("--host <address>", "the address to listen on", "127.0.0.1")
    .option(
      "--nodes <count>",
      "how many brokers, on ports one behind the other",
      wholeNumber(1, 100),
      1,
    )
    .option("--topic <name[:partitions]>", "a topic to start with; may be repeated", topicSize)
    .option(
      "--partitions <count>",
      "partitions of a topic that a client makes by asking for it",
      wholeNumber(1, 100_000),
      1,
    )
    .option("--no-auto-create", "topics are not made by asking for them")
    .option("--verbose", "logs what happens to connections")
    .action(async (given: BrokerArguments) => ended(await runBroker(given)));
}

async function runBroker(given: BrokerArguments): Promise<number> {
  using signals = listenToSignals();
  // Only here: whoever asks for help need not wait for it.
  const { KafkaBroker } = await import("../testing/kafka_broker.ts");
  let broker: KafkaBroker;
  try {
    broker = await KafkaBroker.start({
      port: given.port,
      hostname: given.host,
      nodes: given.nodes,
      topics: given.topic ?? {},
      defaultPartitions: given.partitions,
      autoCreateTopics: given.autoCreate,
      logLevel: given.verbose ? "debug" : "info",
    });
  } catch (error) {
    if (!KafkaThreadsError.is(error)) throw error;
    console.error(`Cannot start the broker: ${error.message}`);
    return EXIT.FAILED;
  }
  for (const [name, partitions] of Object.entries(broker.topics())) {
    console.log(`  topic ${name}, ${partitions} partition${partitions === 1 ? "" : "s"}`);
  }
  console.log(`Ctrl-C ends it.`);
  await signals.received;
  await broker.stop();
  console.log("Kafka broker stopped.");
  return EXIT.DONE;
}
