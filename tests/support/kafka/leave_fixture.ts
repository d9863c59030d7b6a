// A program that starts a Kafka and then ends without stopping it: by SIGKILL ("crash"), or by
// having nothing more to do ("forget"). Prints what it left behind, for the test to look for.
import process from "node:process";
import { startApacheKafka, startEmbeddedKafka } from "./mod.ts";

const [kind, ending = ""] = process.argv.slice(2);

async function start() {
  if (kind === "apache") {
    const { brokers, folder } = await startApacheKafka();
    return { pid: brokers[0]?.pid, folder };
  }
  const { brokers, pid } = await startEmbeddedKafka();
  if (ending.includes("paused")) brokers[0]!.pause();
  return { pid };
}

process.stdout.write(`${JSON.stringify(await start())}\n`, () => {
  if (ending.startsWith("crash")) process.kill(process.pid, "SIGKILL");
});
