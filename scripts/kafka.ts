/**
 * `deno task kafka`: Apache Kafka for a person to try things on, until Ctrl-C.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import {
  type ApacheKafka,
  type ApacheKafkaOptions,
  createTopic,
  startApacheKafka,
  unsecuredToken,
} from "../tests/support/kafka/mod.ts";

const USAGE = `Starts Apache Kafka (KRaft) in a temporary folder, until Ctrl-C.

  --brokers 1|3           how many brokers (1)
  --topic name[:count]    creates a topic with so many partitions (1); may be repeated
  --port number           the first broker's port (any free one)
  --tls                   adds a TLS listener
  --sasl                  adds a SASL listener
  --heap MiB              the heap of each broker (512)
  --config key=value      a line of server.properties; may be repeated
  --help                  prints this`;

interface Plan {
  cluster: ApacheKafkaOptions;
  topics: { name: string; partitions: number }[];
}

async function main(args: string[]): Promise<number> {
  let plan: Plan | undefined;
  try {
    plan = readArguments(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (plan === undefined) {
    console.log(USAGE);
    return 0;
  }

  // From the first moment on: a Ctrl-C while Kafka starts must not be lost.
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => resolve());
  });
  let cluster: ApacheKafka | void;
  try {
    cluster = await Promise.race([
      startApacheKafka({ ...plan.cluster, lasting: true }),
      interrupted,
    ]);
  } catch (error) {
    console.error(`Cannot start Apache Kafka: ${(error as Error).message}`);
    return 1;
  }
  // Ended while it was starting: its guards stop the brokers and remove the folder.
  if (!cluster) return 0;
  // A listener for a signal does not keep the process alive, nor does the cluster.
  const hold = setInterval(() => {}, 60_000);
  try {
    for (const { name, partitions } of plan.topics) {
      await createTopic(cluster.bootstrapServers, name, { partitions });
    }
    describe(cluster);
    await interrupted;
    return 0;
  } finally {
    clearInterval(hold);
    await cluster.stop();
  }
}

/** Reads the command line; undefined when help was asked for. */
function readArguments(args: string[]): Plan | undefined {
  const { values } = parseArgs({
    args,
    options: {
      brokers: { type: "string" },
      topic: { type: "string", multiple: true },
      port: { type: "string" },
      tls: { type: "boolean" },
      sasl: { type: "boolean" },
      heap: { type: "string" },
      config: { type: "string", multiple: true },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return undefined;
  const brokers = wholeNumber("--brokers", values.brokers ?? "1", 1, 3);
  if (brokers !== 1 && brokers !== 3) {
    throw new Error(`Cannot take "${brokers}" as --brokers: it is 1 or 3`);
  }
  return {
    cluster: {
      brokers,
      tls: values.tls ?? false,
      sasl: values.sasl ?? false,
      config: Object.fromEntries((values.config ?? []).map(readSetting)),
      ...(values.port !== undefined && { port: wholeNumber("--port", values.port, 1, 65_535) }),
      ...(values.heap !== undefined && { heapMb: wholeNumber("--heap", values.heap, 128, 65_536) }),
    },
    topics: (values.topic ?? []).map(readTopic),
  };
}

function readTopic(text: string): { name: string; partitions: number } {
  const [name, count, ...rest] = text.split(":");
  if (!name || !/^[\w.-]{1,249}$/.test(name) || rest.length > 0) {
    throw new Error(`Cannot take "${text}" as --topic: it is name or name:partitions`);
  }
  return { name, partitions: wholeNumber("--topic", count ?? "1", 1, 10_000) };
}

function readSetting(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new Error(`Cannot take "${text}" as --config: it is key=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function wholeNumber(option: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < least || number > most) {
    throw new Error(
      `Cannot take "${text}" as ${option}: it is a whole number from ${least} to ${most}`,
    );
  }
  return number;
}

function describe({ bootstrapServers, tls, sasl, folder }: ApacheKafka): void {
  console.log(`Apache Kafka is up: ${bootstrapServers}`);
  if (tls) console.log(`TLS: ${tls.bootstrapServers}, authority in ${folder}/ca.pem`);
  if (sasl) {
    console.log(`SASL: ${sasl.bootstrapServers} (${sasl.mechanisms.join(", ")})`);
    console.log(`  user ${sasl.username}, password ${sasl.password}`);
    console.log(`  token for a day: ${unsecuredToken(sasl.username, { lifetimeMs: 86_400_000 })}`);
  }
  console.log(`Data and logs: ${folder}, removed at the end. Ctrl-C ends it.`);
}

// Not process.exitCode: an interrupted start must not be waited for.
process.exit(await main(process.argv.slice(2)));
