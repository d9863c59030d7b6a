// A program that starts Kafka and then ends without stopping it: by SIGKILL ("crash"), or by
// having nothing more to do ("forget"). Prints what it left behind, for the test to look for.
import process from "node:process";
import { startApacheKafka } from "./mod.ts";

const cluster = await startApacheKafka();
const line = JSON.stringify({ pid: cluster.brokers[0]?.pid, folder: cluster.folder });
process.stdout.write(`${line}\n`, () => {
  if (process.argv[2] === "crash") process.kill(process.pid, "SIGKILL");
});
