/**
 * `deno task chaos`: the long versions of tests/consumer_chaos: processes that are killed, threads that
 * crash and hang, members that come and go.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import type { ChaosOptions } from "../tests/consumer_chaos/program.ts";
import { borrowApacheKafka, borrowEmbeddedKafka } from "./support/kafka.ts";
import { runCommand } from "./support/processes.ts";
import { obtainRuntime, type Runtime, type RuntimeName, RUNTIMES } from "./support/runtimes.ts";

const USAGE =
  `Kills processes, crashes threads and changes groups while consumers work, and checks that
nothing is lost, the order kept, and nothing handled twice that need not be. Prints the figures.

  --seed number          what is random depends on it (the time of day)
  --rounds number        how often the ordered consumer is killed (50)
  --messages number      how many messages the groups in order by key handle (200000)
  --runtime deno|bun|node        on which runtime; may be repeated (deno)
  --broker embedded|apache       on which broker; may be repeated (embedded)
  --driver kafkajs|platformatic  with which client (kafkajs)
  --only name            one scenario, such as ordered-kills or key-order; may be repeated (all)
  --help                 prints this`;

const PROGRAM = fileURLToPath(new URL("../tests/consumer_chaos/program.ts", import.meta.url));
const BROKERS = ["embedded", "apache"] as const;
const DRIVERS = ["kafkajs", "platformatic"] as const;

interface Plan extends ChaosOptions {
  runtimes: RuntimeName[];
  brokers: (typeof BROKERS)[number][];
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
  const { runtimes, brokers, ...options } = plan;
  let failed = 0;
  for (const broker of brokers) {
    for (const name of runtimes) failed += await run(await obtainRuntime(name), broker, options);
  }
  return failed === 0 ? 0 : 1;
}

async function run(
  runtime: Runtime,
  broker: Plan["brokers"][number],
  options: ChaosOptions,
): Promise<number> {
  const kafka = broker === "embedded"
    ? await borrowEmbeddedKafka(runtime)
    : await borrowApacheKafka();
  if ("reason" in kafka) throw new Error(`Cannot run on Apache Kafka: ${kafka.reason}`);
  await using _ = kafka;
  console.log(
    `\n${runtime.name} ${runtime.version}, ${kafka.source}, ${options.driver}, seed ${options.seed}`,
  );
  const { code } = await runCommand(
    [runtime.executable, ...runtime.arguments, PROGRAM, JSON.stringify(options)],
    { env: kafka.variables },
  );
  return code === 0 ? 0 : 1;
}

/** Reads the command line; undefined when help was asked for. */
function readArguments(args: string[]): Plan | undefined {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: "string" },
      rounds: { type: "string" },
      messages: { type: "string" },
      runtime: { type: "string", multiple: true },
      broker: { type: "string", multiple: true },
      driver: { type: "string" },
      only: { type: "string", multiple: true },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return undefined;
  return {
    seed: wholeNumber("--seed", values.seed ?? `${Date.now() % 1_000_000}`),
    rounds: wholeNumber("--rounds", values.rounds ?? "50"),
    messages: wholeNumber("--messages", values.messages ?? "200000"),
    runtimes: (values.runtime ?? ["deno"]).map((name) => oneOf("--runtime", name, RUNTIMES)),
    brokers: (values.broker ?? ["embedded"]).map((name) => oneOf("--broker", name, BROKERS)),
    driver: oneOf("--driver", values.driver ?? "kafkajs", DRIVERS),
    only: values.only ?? [],
  };
}

function wholeNumber(option: string, text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > 100_000_000) {
    throw new Error(`Cannot take "${text}" as ${option}: it is a whole number from 1 on`);
  }
  return number;
}

function oneOf<Name extends string>(option: string, text: string, names: readonly Name[]): Name {
  const name = names.find((name) => name === text);
  if (name === undefined) {
    throw new Error(`Cannot take "${text}" as ${option}: it is ${names.join(" or ")}`);
  }
  return name;
}

process.exit(await main(process.argv.slice(2)));
