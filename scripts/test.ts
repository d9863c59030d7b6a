/**
 * `deno task test`: all tests on Deno, Bun and Node, on the embedded broker and on Apache Kafka.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { summary } from "./support/junit.ts";
import { printExceptions, runTests, testRunOptions } from "./support/test_run.ts";

const USAGE = `Runs the tests on Deno, Bun and Node, one after the other: first all on the embedded
broker, then those that use a Kafka on Apache Kafka, where what is above the drivers takes turns: each
file runs in one of these runtimes.

  --runtimes deno,bun,node    on some of them only
  --brokers embedded,apache   on one of them only
  --only GLOB                 files whose path matches, such as 'tests/edge/**', or contains the text
  --fail-on-skip              what was skipped, tests, runtimes or brokers, makes the run fail
  --timings                   tells which processes took longest
  --help                      prints this

Apache Kafka is started for the run (Java 17; Maven fetches it once), unless KAFKA_BOOTSTRAP_SERVERS
names one; the embedded broker needs nothing. Bun and Node 24 are taken from the path, or else from
npm's registry.`;

async function main(args: string[]): Promise<number> {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        runtimes: { type: "string" },
        brokers: { type: "string" },
        only: { type: "string" },
        "fail-on-skip": { type: "boolean" },
        timings: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }));
    if (values.help) {
      console.log(USAGE);
      return 0;
    }
    const result = await runTests(testRunOptions(values));
    console.log();
    printExceptions(result);
    const { failed, skipped, missing } = result;
    const skips = values["fail-on-skip"] ? skipped.length + missing.length : 0;
    if (skips > 0) console.log(`Nothing may be skipped here: ${skips} skipped`);
    console.log(summary(result));
    return failed.length + skips === 0 && result.passed > 0 ? 0 : 1;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
}

process.exit(await main(process.argv.slice(2)));
